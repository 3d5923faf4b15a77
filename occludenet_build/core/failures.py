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

from occludenet_build.core.errors import TRANSIENT, UserError
from occludenet_build.core.files import write_text
from occludenet_build.stages import TABLES


class Tolerance(Protocol):
    """What the user tolerates: the section `failures` of the settings."""

    @property
    def defects(self) -> str:
        """`stop` or `go on`."""

    def share_of(self, stage: str) -> float:
        """Largest share of the items of a job, 0 to 1, that may fail for reasons that may pass."""


def is_passing(row: Mapping[str, Any]) -> bool:
    """Whether the row of an item has a reason that may have passed by the next start."""
    return row.get("reason") in TRANSIENT


def check_items(
    stage: str, rows: Iterable[Mapping[str, Any]], table: Path, failures: Tolerance
) -> None:
    """Judge the rows of a job, all items done, before its `table` is written.

    Asks for another attempt at the next start if some failures may pass. Raises UserError for
    defects of the program, and where more than failures.outage_share of the items failed so.
    """
    rows = list(rows)
    passing = [row for row in rows if is_passing(row)]
    if not passing:
        return
    request_attempt(table)
    defects = [row for row in passing if row["reason"] == "defect"]
    if defects and failures.defects == "stop":
        raise UserError(
            f"{len(defects)} of {len(rows)} failed by a defect of this program, first "
            f"{_named(defects[0])}; all others are done and kept. Please report it; with "
            "failures.defects: go on, the build leaves these out"
        )
    share = failures.share_of(stage)
    if len(passing) > share * len(rows):
        raise UserError(
            f"{len(passing)} of {len(rows)} failed for reasons that may pass "
            f"({_counted(passing)}), first {_named(passing[0])}; wanted at most {share:.0%} "
            f"(failures.outage_share.{stage}). See whether their files are within reach and start "
            "again: what is finished is kept"
        )
    logging.warning(
        "%d of %d failed for reasons that may pass (%s), first %s; the next start tries them again",
        *(len(passing), len(rows), _counted(passing), _named(passing[0])),
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
        return int(_counter(Path(table)).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


def request_attempt(table: Path | str) -> None:
    """Make the next start of the workflow run the job that writes `table` again."""
    write_text(_counter(Path(table)), f"{attempts(table) + 1}\n")


_WRITTEN_WITH = {"index/shards": "index/videos", "select/shards": "select/clips"}
"""Folder of tables that are no outputs of their rule -> the table that is."""


def damaged_table(path: Path | str, error: Exception) -> UserError:
    """The error for a table that does not read; a table of a build is made again at the next start.

    Its stage keeps a ledger, or is cheap: little is computed again.
    """
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    table = _declared(Path(path))
    if table is None:
        return UserError(f"wanted a Parquet table, {path} does not read: {text}; replace it")
    request_attempt(table)
    return UserError(
        f"wanted a Parquet table, {path} does not read: {text}; start the same command again: it "
        f"makes {table} again"
    )


def _declared(path: Path) -> Path | None:
    """The table of a build with which the file at `path` is made; None for other files."""
    folder, stage = path.parent, path.parent.parent
    if path.name == "detail.parquet" and stage.name == "store":
        return stage.parent / f"{folder.name}.parquet"
    of_shards = _WRITTEN_WITH.get(f"{stage.name}/{folder.name}")
    if of_shards is not None:
        return stage.parent / f"{of_shards}.parquet"
    if any(path.match(pattern) for pattern in TABLES.values()):
        return stage / "clips.parquet" if folder.name == "frames" else path
    return None


def _counter(table: Path) -> Path:
    return table.parent / "retry" / table.stem
