"""The command line of verify; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.verify import FINDINGS, VERDICTS, WRONG, Finding
from occludenet_build.verify.build import check, load
from occludenet_build.verify.compare import compare

_SHOWN = 20
"""So many findings are shown in full; --out has all."""
_QUIET = {"ok", "same_bytes", "same_pixels", "close"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD", help="build_dir of a build")
    parser.add_argument("other", type=Path, metavar="OTHER", nargs="?", help="of another one")
    parser.add_argument(
        "--sample", type=int, default=20, metavar="N", help="decode N files of BUILD; default: 20"
    )
    parser.add_argument(
        "--psnr", type=float, default=35, metavar="DB", help="least PSNR of close; default: 35"
    )
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")
    parser.add_argument("--out", type=Path, metavar="FILE", help="all findings, as Parquet")


def run(args: argparse.Namespace, config: Config) -> None:
    if args.sample < 0:
        raise UserError(f"--sample: wanted 0 or more, got {args.sample}; 0 decodes nothing")
    build, other = load(args.build), load(args.other) if args.other else None
    found = list(check(build, args.sample, args.threads))
    if other:
        found += compare(build, other, args.psnr, args.threads)
    found.sort(key=_place)
    if args.out:
        tables.write(tables.from_rows(map(vars, found), FINDINGS), args.out)
    _tell(found, args)
    if any(finding.verdict in WRONG for finding in found):
        sys.exit(1)


def _place(finding: Finding) -> tuple[str | float, ...]:
    words = (finding.check, finding.room, finding.clip, finding.kind, finding.file)
    return *(word or "" for word in words), finding.scale or 0.0


def _tell(found: list[Finding], args: argparse.Namespace) -> None:
    """What is wrong first, then what else is not as it should be, then the counts."""
    loud = [finding for finding in found if finding.verdict not in _QUIET]
    loud.sort(key=lambda finding: finding.verdict not in WRONG)
    for finding in loud[:_SHOWN]:
        logging.info("%s", _line(finding))
    if len(loud) > _SHOWN:
        where = f"see {args.out}" if args.out else "give --out FILE for all"
        logging.info("... and %d more; %s", len(loud) - _SHOWN, where)
    _count(f"{args.build} by its own tables", [f for f in found if f.check == "build"])
    if args.other:
        _count(f"{args.build} and {args.other}", [f for f in found if f.check == "other"])


def _line(finding: Finding) -> str:
    what = finding.file or f"{finding.clip} in {finding.room}"
    return f"{finding.verdict}: {what}" + (f": {finding.detail}" if finding.detail else "")


def _count(title: str, found: list[Finding]) -> None:
    counts = Counter(finding.verdict for finding in found)
    shown = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    logging.info("%s: %s", title, shown or "nothing to check")
