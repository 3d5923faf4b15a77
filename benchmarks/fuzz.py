"""Damaged videos through the stages from acquire to composite: rows, crashes, hangs, memory.

    python benchmarks/fuzz.py [--files 1000] [--seed 13] [--keep FOLDER]

Seven whole videos (mp4 with the index in front and behind, mkv, webm, avi, mov that is rotated, ts)
are damaged in twelve ways: bits of the header, of the index and of the payload, truncation, pieces
that are missing, exchanged or zero, and wrong sizes, counts, picture sizes, times and codecs. The
seed and the number of a file determine its bytes. The stages are run as a user runs them, as
commands with the tables of the stage before. Prints the rows of each stage by reason, and as its
last line one JSON object:

    files, seed   what was run
    stages        stage -> files (rows of its input), rows (reason -> number; `ok` too), lacking
                  (files without a row), rc, hung, seconds (wall clock), peak_mb (largest process)
    crashes       stage -> files that alone make the command end with an error, with its last line
    unexpected    rows whose reason nobody foresaw: stage, file, reason, detail
    hangs         files that took longer than the time limit of one item, or a stage that hung
    passed        whether each file has a row at each stage, and no command crashed or hung
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.parts.fuzz.mutators import write_mutants
from benchmarks.parts.fuzz.sources import write_sources
from benchmarks.parts.fuzz.stages import Stages


def fuzz(folder: Path, files: int, seed: int, minutes: float = 0.5, threads: int = 2) -> dict:
    """Write `files` damaged videos below a folder and run the stages; the report, as printed.

    minutes: time limit of one item.
    """
    write_mutants(write_sources(folder / "whole"), folder / "videos", files, seed)
    stages = Stages(folder, minutes, threads)
    stages.run_all()
    report = {"files": files, "seed": seed, "stages": stages.done, "crashes": stages.crashes}
    report |= {"unexpected": stages.unexpected(), "hangs": stages.hangs()}
    ended = [not stage["rc"] and not stage["lacking"] for stage in stages.done.values()]
    return report | {"passed": len(ended) == 7 and all(ended) and not report["hangs"]}


def main() -> None:
    """Run the command and print the report; exits with 1 if a file has no row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--minutes", type=float, default=0.5, help="time limit of one item")
    parser.add_argument("--threads", type=int, default=2, help="worker processes")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave all files there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        report = fuzz(folder, args.files, args.seed, args.minutes, args.threads)
    for stage, facts in report["stages"].items():
        rows = ", ".join(f"{n} {reason}" for reason, n in facts["rows"].items())
        print(f"{stage:10} {facts['seconds']:6.1f} s {facts['peak_mb']:5.0f} MB  {rows}")
    print(json.dumps(report))
    sys.exit(not report["passed"])


if __name__ == "__main__":
    main()
