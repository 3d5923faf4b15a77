"""The command line of validate; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import csv_text, write_json, write_text
from occludenet_build.release import published
from occludenet_build.validate import COMPARISON, FINDINGS, compare, summary
from occludenet_build.validate.checks import read_label_map, run_checks
from occludenet_build.validate.release import Finding, Release, read_release

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("release", nargs="+", type=Path, metavar="FOLDER_OR_CSV", help="{split}_d.csv and lists")
    add("--label-map", type=Path, metavar="FILE", help="class names and ids to hold it against")
    add("--against", nargs="*", type=Path, metavar="FOLDER_OR_CSV", help="another release")
    add("--out", type=Path, metavar="FOLDER", help="for findings, summary, report, comparison")
    add("--strict", action="store_true", help="end with status 2 if there is an error")


def run(args: argparse.Namespace, config: Config) -> None:
    release = read_release(args.release)
    release.label_map = read_label_map(args.label_map) if args.label_map else None
    found = run_checks(release)
    numbers = summary.counts(release, found)
    rows = _comparison(release, args.against or _published(config))
    if rows is not None:
        numbers["against"] = compare.summary(rows)
    report = summary.text(numbers, found, rows)
    sys.stdout.write(report)
    if args.out is not None:
        _write(args.out, found, numbers, rows, report)
    errors = numbers["findings"]["error"]
    logging.info("done: %d errors%s", errors, f"; {args.out}" if args.out else "")
    if args.strict and errors:
        raise UserError(f"--strict: wanted a release without errors, got {errors}; correct them")


def _published(config: Config) -> list[Path]:
    """The release whose choice is replayed, if one is."""
    replays = config.select.assignment == "published"
    return published.csv_files(config.select.published) if replays else []


def _comparison(release: Release, paths: list[Path]) -> list[Row] | None:
    if not paths:
        return None
    other = read_release(paths)
    for finding in other.malformed:
        logging.warning("the other release: %s", finding.detail)
    return compare.compare(release, other)


def _write(
    folder: Path,
    found: dict[str, list[Finding]],
    numbers: Row,
    rows: list[Row] | None,
    report: str,
) -> None:
    findings = [
        {"check": name} | dataclasses.asdict(finding)
        for name, some in found.items()
        for finding in some
    ]
    tables.write(tables.from_rows(findings, FINDINGS), folder / "findings.parquet")
    write_text(folder / "findings.csv", _csv(findings))
    write_json(folder / "summary.json", numbers)
    write_text(folder / "report.txt", report)
    if rows is not None:
        tables.write(tables.from_rows(rows, COMPARISON), folder / "comparison.parquet")
    else:
        (folder / "comparison.parquet").unlink(missing_ok=True)  # of an earlier run


def _csv(rows: list[Row]) -> str:
    names = FINDINGS.names
    return csv_text(names, ([row[name] for name in names] for row in rows))
