"""Command line of verify; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.stages import TABLES
from occludenet_build.tools.verify import FINDINGS, VERDICTS, WRONG, Finding
from occludenet_build.tools.verify.build import check, load
from occludenet_build.tools.verify.compare import compare
from occludenet_build.tools.verify.sources import check_sources, remake
from occludenet_build.tools.verify.tables import check_tables

_MAX_LOGGED = 20
"""Maximum number of findings in the log; --out has all."""
_NOT_LOGGED = {"ok", "same_bytes", "same_pixels", "close"}
"""Verdicts without a line of their own in the log."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("build", type=Path, metavar="BUILD", help="build folder")
    parser.add_argument("other", type=Path, metavar="OTHER", nargs="?", help="another build folder")
    parser.add_argument(
        "--sample",
        type=int,
        default=20,
        metavar="N",
        help="number of files of BUILD to decode; default: 20",
    )
    parser.add_argument(
        "--psnr",
        type=float,
        default=35,
        metavar="DB",
        help="minimum PSNR of the verdict close; default: 35",
    )
    parser.add_argument(
        "--remake",
        "--repair",  # its former name
        action="store_true",
        help="have the next start of the workflow make again what is damaged, missing or changed; "
        "removes damaged clips",
    )
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all findings as Parquet")


def run(args: argparse.Namespace, config: Config) -> None:
    """Check and compare the builds. Raises UserError for wrong arguments; exits with 1 if WRONG."""
    if args.sample < 0:
        raise UserError(f"--sample: wanted 0 or more, got {args.sample}; 0 decodes nothing")
    findings = list(check_tables(args.build, args.threads))
    damaged = {args.build / str(finding.file) for finding in findings}
    build, other = load(args.build, damaged), load(args.other) if args.other else None
    findings += check(build, args.sample, args.threads)
    if args.build / TABLES["select"] not in damaged:
        findings += check_sources(build, args.threads)
    if args.remake:
        remake(build, findings, damaged)
    if other:
        findings += compare(build, other, args.psnr, args.threads)
    findings.sort(key=_sort_key)
    if args.out:
        tables.write_table(tables.from_rows(map(vars, findings), FINDINGS), args.out)
    _log_findings(findings, args)
    if any(finding.verdict in WRONG for finding in findings):
        sys.exit(1)


def _sort_key(finding: Finding) -> tuple[str | float, ...]:
    parts = (finding.check, finding.stage, finding.clip, finding.kind, finding.file)
    return *(part or "" for part in parts), finding.scale or 0.0


def _log_findings(findings: list[Finding], args: argparse.Namespace) -> None:
    """Log wrong findings, then other notable ones, then the counts by verdict."""
    notable = [finding for finding in findings if finding.verdict not in _NOT_LOGGED]
    notable.sort(key=lambda finding: finding.verdict not in WRONG)
    for finding in notable[:_MAX_LOGGED]:
        logging.info("%s", _line(finding))
    if len(notable) > _MAX_LOGGED:
        where = f"see {args.out}" if args.out else "use --out FILE for all"
        logging.info("... and %d more; %s", len(notable) - _MAX_LOGGED, where)
    _log_counts(f"{args.build} against its tables", [f for f in findings if f.check == "build"])
    if args.other:
        _log_counts(f"{args.build} and {args.other}", [f for f in findings if f.check == "other"])


def _line(finding: Finding) -> str:
    what = finding.file or f"{finding.clip} in {finding.stage}"
    return f"{finding.verdict}: {what}" + (f": {finding.detail}" if finding.detail else "")


def _log_counts(title: str, findings: list[Finding]) -> None:
    counts = Counter(finding.verdict for finding in findings)
    text = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    logging.info("%s: %s", title, text or "nothing to check")
