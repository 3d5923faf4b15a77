"""Command line of validate, the summary in numbers, and the printed report.

The docstring of the package documents inputs and outputs.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import csv_text, write_json, write_text
from occludenet_build.dataset.validate import COMPARISON, FINDINGS, SEVERITIES, compare
from occludenet_build.dataset.validate.checks import read_label_map, run_checks
from occludenet_build.dataset.validate.compare import TOLERANCE_SECONDS
from occludenet_build.dataset.validate.release import Release, ReleaseFinding, read_release
from occludenet_build.release import published

Findings = dict[str, list[ReleaseFinding]]
EXAMPLES = 3
"""Number of findings that the report shows for each check and severity."""


def summary_counts(release: Release, found: Findings) -> dict[str, Any]:
    """The content of summary.json: counts per split, and per check and severity."""
    return {
        "splits": {split: _split_counts(release, split) for split in release.splits},
        "checks": {name: _by_severity(findings) for name, findings in found.items()},
        "findings": {s: sum(len(_with_severity(f, s)) for f in found.values()) for s in SEVERITIES},
    }


def _split_counts(release: Release, split: str) -> dict[str, int]:
    annotated = [row for row in release.annotated if row.output.source.split == split]
    listed = [row.output for row in release.entries if row.output.source.split == split]
    sources = {row.output.source for row in annotated} | {output.source for output in listed}
    return {
        "annotated_clips": len(annotated),
        "annotated_sources": len({row.output.source for row in annotated}),
        "listed_clips": len(listed),
        "listed_sources": len({output.source for output in listed}),
        "classes": len({source.label for source in sources}),
        "occluders": len({row.record.occluder_file_name for row in annotated}),
    }


def _by_severity(findings: list[ReleaseFinding]) -> dict[str, dict[str, int]]:
    return {
        severity: {
            "findings": len(some),
            "sources": sum(finding.sources for finding in some),
            "clips": sum(finding.clips for finding in some),
        }
        for severity in SEVERITIES
        if (some := _with_severity(findings, severity))
    }


def _with_severity(findings: Iterable[ReleaseFinding], severity: str) -> list[ReleaseFinding]:
    return [finding for finding in findings if finding.severity == severity]


def report_text(summary: dict[str, Any], found: Findings, rows: list[dict[str, Any]] | None) -> str:
    """The printed report: a line per check with its counts, followed by its first findings.

    `rows`: rows of COMPARISON, or None without another release.
    """
    lines = [_split_line(split, numbers) for split, numbers in summary["splits"].items()]
    for name, findings in found.items():
        lines += _check_lines(name, findings)
    if rows is not None:
        lines += _comparison_lines(summary["against"], rows)
    total = ", ".join(_number(n, severity) for severity, n in summary["findings"].items())
    return "\n".join([*lines, f"in all: {total}"]) + "\n"


def _split_line(split: str, n: dict[str, int]) -> str:
    return (
        f"{split}: annotated {n['annotated_clips']} clips of {n['annotated_sources']} sources, "
        f"listed {n['listed_clips']} of {n['listed_sources']}; {n['classes']} classes, "
        f"{n['occluders']} occluders"
    )


def _check_lines(name: str, findings: list[ReleaseFinding]) -> Iterator[str]:
    numbers = [_counted(_with_severity(findings, severity), severity) for severity in SEVERITIES]
    yield f"{name:<24}{', '.join(filter(None, numbers)) or 'ok'}"
    for severity in SEVERITIES:
        some = _with_severity(findings, severity)
        for finding in some[:EXAMPLES]:
            split = f"{finding.split} " if finding.split else ""
            yield f"    {severity}: {split}{finding.subject}: {finding.detail}"
        if len(some) > EXAMPLES:
            yield f"    ... and {_number(len(some) - EXAMPLES, severity)} more"


def _counted(findings: list[ReleaseFinding], severity: str) -> str:
    """Format counts, such as `3 errors (1 source, 3 clips)`."""
    numbers = {
        "source": sum(finding.sources for finding in findings),
        "clip": sum(finding.clips for finding in findings),
    }
    if not findings or severity == "note" or not any(numbers.values()):
        return _number(len(findings), severity) if findings else ""
    concerned = ", ".join(_number(number, what) for what, number in numbers.items() if number)
    return f"{_number(len(findings), severity)} ({concerned})"


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _comparison_lines(n: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        f"against the other release, in {', '.join(n['splits']) or 'no common split'}: "
        f"{_number(n['common'], 'common clip')}, {n['missing_here']} missing here, "
        f"{n['missing_there']} missing there"
    )
    if not n["common"]:
        return
    others = ("label", "category", "occluder", "fps")
    yield "    other " + ", ".join(f"{name}: {n[f'other_{name}']}" for name in others)
    for name in ("duration", "occlusion"):
        yield (
            f"    {name}: {n[name]['differing']} differ, {n[name]['beyond']} by more than "
            f"{TOLERANCE_SECONDS} s; median {n[name]['median_seconds']:.3f} s, most "
            f"{n[name]['max_seconds']:.2f} s"
        )
    differing = [row for row in rows if row.get("differs")]
    for row in differing[:EXAMPLES]:
        yield f"    {row['split']} {row['clip']} at {row['scale']:g}: {_differences(row)}"
    if len(differing) > EXAMPLES:
        yield f"    ... and {len(differing) - EXAMPLES} more in comparison.parquet"


def _differences(row: dict[str, Any]) -> str:
    names = ("label", "category", "occluder", "duration_seconds", "occlusion_seconds")
    pairs = {name: (row[name], row[f"{name}_there"]) for name in names}
    return ", ".join(f"{name} {here}, there {there}" for name, (here, there) in pairs.items()
                     if here != there)  # fmt: skip


Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add = parser.add_argument
    add("release", nargs="+", type=Path, metavar="FOLDER_OR_CSV", help="release to check")
    add("--label-map", type=Path, metavar="FILE", help="class names and ids to compare with")
    add(
        "--against",
        nargs="*",
        type=Path,
        metavar="FOLDER_OR_CSV",
        help="other release to compare with",
    )
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder for findings, summary, report and comparison",
    )
    add("--strict", action="store_true", help="exit with status 2 if there are errors")


def run(args: argparse.Namespace, config: Config) -> None:
    """Check a release and print the report. Raises UserError for errors under --strict."""
    release = read_release(args.release)
    release.label_map = read_label_map(args.label_map) if args.label_map else None
    found = run_checks(release)
    numbers = summary_counts(release, found)
    rows = _comparison(release, args.against or _published(config))
    if rows is not None:
        numbers["against"] = compare.comparison_summary(rows)
    report = report_text(numbers, found, rows)
    sys.stdout.write(report)
    if args.out is not None:
        _write(args.out, found, numbers, rows, report)
    errors = numbers["findings"]["error"]
    logging.info("done: %d errors%s", errors, f"; {args.out}" if args.out else "")
    if args.strict and errors:
        raise UserError(f"--strict: wanted a release without errors, got {errors}; correct them")


def _published(config: Config) -> list[Path]:
    """The CSV files of the release that the configuration replays, if it does."""
    replays = config.select.assignment == "published"
    return published.overall_csv_files(config.select.published) if replays else []


def _comparison(release: Release, paths: list[Path]) -> list[Row] | None:
    if not paths:
        return None
    other = read_release(paths)
    for finding in other.malformed:
        logging.warning("other release: %s", finding.detail)
    return compare.compare_releases(release, other)


def _write(
    folder: Path,
    found: dict[str, list[ReleaseFinding]],
    numbers: Row,
    rows: list[Row] | None,
    report: str,
) -> None:
    findings = [
        {"check": name} | dataclasses.asdict(finding)
        for name, some in found.items()
        for finding in some
    ]
    tables.write_table(tables.from_rows(findings, FINDINGS), folder / "findings.parquet")
    write_text(folder / "findings.csv", _csv(findings))
    write_json(folder / "summary.json", numbers)
    write_text(folder / "report.txt", report)
    if rows is not None:
        tables.write_table(tables.from_rows(rows, COMPARISON), folder / "comparison.parquet")
    else:
        (folder / "comparison.parquet").unlink(missing_ok=True)  # of an earlier run


def _csv(rows: list[Row]) -> str:
    names = FINDINGS.names
    return csv_text(names, ([row[name] for name in names] for row in rows))
