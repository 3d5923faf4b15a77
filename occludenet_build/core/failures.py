"""What a job does about items that failed: outages are tried again, defects are loud.

A failure that may pass (errors.TRANSIENT: a file that is away, a sick disk, a killed worker) is a
row like any other, and the job's table is complete. But it is no fact about the file. So the job
counts up a number in `<stage>/retry/<table>`, which is a param of its rule: the next plain start of
the workflow runs the job again, and its ledger computes only these items. If more than a share of
the items fails so, the source is away rather than some files, and the job ends with an error; what
is finished is kept.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from occludenet_build.core.errors import OF_ITEM, TRANSIENT, UserError
from occludenet_build.core.files import write_text
from occludenet_build.stages import TABLES


class Tolerance(Protocol):
    """What the user tolerates: the section `failures` of the settings."""

    @property
    def defects(self) -> str:
        """`stop` or `go on`."""

    def share_of(self, stage: str) -> float:
        """Largest share of the items of a job, 0 to 1, that may fail for reasons that may pass."""


_ASKS_FOR = {
    "source_changed": "index/videos.parquet",
    "occluder_changed": "occluders/occluders.parquet",
}
"""Reason -> the table, below the folder of the build, whose facts no longer hold."""


def is_passing(row: Mapping[str, Any]) -> bool:
    """Whether the row of an item has a reason that may have passed by the next start."""
    return row.get("reason") in TRANSIENT


def check_items(
    stage: str, rows: Iterable[Mapping[str, Any]], table: Path, failures: Tolerance
) -> None:
    """Judge the rows of a job, all items done, before its `table` is written.

    Asks for another attempt at the next start if some failures may pass; a changed source or
    cut-out is then also indexed or cut out again. Raises UserError for defects of the program, and
    where more than failures.outage_share of the items failed so.
    """
    rows = list(rows)
    passing = [row for row in rows if is_passing(row)]
    if not passing:
        return
    request_attempt(table)
    reasons = {row["reason"] for row in passing}
    for reason, cause in _ASKS_FOR.items():
        if reason in reasons and (table.parent.parent / cause).exists():
            request_attempt(table.parent.parent / cause)
    defects = [row for row in passing if row["reason"] == "defect"]
    if defects and failures.defects == "stop":
        raise UserError(
            f"{len(defects)} of {len(rows)} failed by a defect of this program, first "
            f"{_named(defects[0])}; all others are done and kept. Please report it; with "
            "failures.defects: go on, the build leaves these out"
        )
    _check_outage(stage, rows, failures.share_of(stage))
    logging.warning(
        "%d of %d failed for reasons that may pass (%s), first %s; the next start tries them again",
        *(len(passing), len(rows), _counted(passing), _named(passing[0])),
    )


def _check_outage(stage: str, rows: list[Mapping[str, Any]], share: float) -> None:
    """Raises UserError where more than a share of the items, and more than one, is out of reach."""
    away = [row for row in rows if is_passing(row) and row["reason"] not in OF_ITEM]
    unforeseen = [row for row in rows if row.get("reason") == "internal"]
    if len(unforeseen) == len(rows):  # whatever it is, it is not the items
        away, share = unforeseen, 0.0
    if len(away) > max(1, share * len(rows)):
        raise UserError(
            f"{len(away)} of {len(rows)} failed for reasons that may pass ({_counted(away)}), "
            f"first {_named(away[0])}; wanted at most {share:.0%} (failures.outage_share.{stage}). "
            "See whether their files are within reach and start again: what is finished is kept"
        )


def _counted(rows: Iterable[Mapping[str, Any]]) -> str:
    counts = Counter(row["reason"] for row in rows)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))


def _named(row: Mapping[str, Any]) -> str:
    detail = f" ({row['detail']})" if row.get("detail") else ""
    return f"{row.get('clip') or row.get('source')}: {row['reason']}{detail}"


def attempts(table: Path | str) -> int:
    """How often another attempt at the job that writes `table` was asked for; a rule's param."""
    try:
        return int(counter(Path(table)).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


def request_attempt(table: Path | str) -> None:
    """Make the next start of the workflow run the job that writes `table` again.

    `table`: its first output.
    """
    write_text(counter(Path(table)), f"{attempts(table) + 1}\n")


WRITTEN_WITH = {
    "index/shards/*.parquet": "index/videos",
    "select/shards/*.parquet": "select/clips",
    "counterfactual/*.parquet": "composite/*",
    "annotate/frames/*.parquet": "annotate/clips",
    "annotate/labels.json": "annotate/clips",
    "acquire/coco.json": "acquire/coco",
    "acquire/weights/*.json": "acquire/weights/*",
    "train/*.pt": "train/*",
    "evaluate/*.json": "evaluate/*",
}
"""Files of a build, below its folder -> the first output of the rule that writes them, without
suffix; * is the name of the file without suffix. Tables that are first outputs are not listed."""


def damaged_file(path: Path | str, error: Exception, wanted: str) -> UserError:
    """The error for a file that does not read; a file of a build is made again at the next start.

    `wanted`: what it should be. Its stage keeps a ledger, or is cheap: little is computed again.
    """
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    said = f"wanted {wanted}, {path} does not read: {text}"
    table = first_output(Path(path))
    if table is None:
        return UserError(f"{said}; replace it")
    request_attempt(table)
    return UserError(f"{said}; start the same command again, which makes it again")


def first_output(path: Path) -> Path | None:
    """The first output of the rule that writes the file at `path`; None for files of no build."""
    if path.name == "detail.parquet" and path.parent.parent.name == "store":
        path = path.parent.parent.parent / f"{path.parent.name}.parquet"
    for pattern, output in WRITTEN_WITH.items():
        if path.match(pattern):
            build = path.parents[pattern.count("/")]
            return build / output.replace("*", path.stem)
    return path if any(path.match(pattern) for pattern in TABLES.values()) else None


def counter(table: Path) -> Path:
    """The file with the number of `attempts`."""
    return table.parent / "retry" / table.stem
