"""The two steps of a run: the dataset, then training and evaluation if there are clips for both.

A folder of a few videos, or the backend motion without weights, can leave no clip for a split. The
clips and the page are made all the same, and a line says what is missing.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.tools import demo, project

_ADVICE = "give more videos, or a detector with weights (--detector, --weights)"


def build(out: Path, configs: Sequence[Path], cores: int, config: Config) -> None:
    """Run the workflow into `out`, as far as its clips allow, and print a summary.

    Raises UserError if no clip has an actor.
    """
    try:
        project.snakemake(Path(), configs, cores, False, "dataset")
    except SystemExit:
        refused = refusals(out)
        if refused is None:
            raise
        raise UserError(f"no clip is left to occlude: {refused}; {_ADVICE}") from None
    lacking = splits_without_clips(out)
    if lacking:
        logging.info("nothing is trained: no clip of the split %s; %s", lacking, _ADVICE)
        _write_page(out, cores, config)
    else:
        project.snakemake(Path(), configs, cores)
    demo.print_summary(out, config)


def refusals(out: Path) -> str | None:
    """The number of clips by reason, if people were searched for and no clip has an actor."""
    rows = [row for path in sorted((out / "detect").glob("*.parquet")) for row in _reasons(path)]
    if not rows or "ok" in (status for status, _ in rows):
        return None
    reasons = Counter(reason for _, reason in rows)
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def _reasons(path: Path) -> list[tuple[str, str]]:
    rows = tables.read_table(path, columns=["status", "reason"]).to_pylist()
    return [(row["status"], row["reason"]) for row in rows]


def splits_without_clips(out: Path) -> str:
    """The splits that training and evaluation need and that have no clip, as `train, test`."""
    rows = tables.read_table(out / "annotate" / "clips.parquet", columns=["split"]).to_pylist()
    there = {row["split"] for row in rows}
    return ", ".join(split for split in ("train", "test") if split not in there)


def _write_page(out: Path, cores: int, config: Config) -> None:
    from occludenet_build.results.report import command as report

    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    report.run(parser.parse_args(["--root", str(out), "--threads", str(cores)]), config)
