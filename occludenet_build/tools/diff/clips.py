"""Clips added, dropped and changed, and the stage at which each begins to differ.

Only the clips that differ at the end are looked for in the stages before, a stage at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.stages import TABLES

Row = dict[str, Any]
"""Column -> value of a clip in a stage."""


@dataclass(frozen=True)
class Step:
    """A table with a row per clip, and the columns that say what became of it."""

    table: str
    results: tuple[str, ...]
    """Columns of the result. A key is none of them: that of index depends on paths and dates."""
    made_by: tuple[str, ...] = ()
    """Columns of what made it."""
    stage: str = ""
    """The stage that writes it; empty: that of the same name."""

    @property
    def of_stage(self) -> str:
        """The stage that writes the table."""
        return self.stage or self.table


_NETWORK = ("backend", "weights_sha256")
MACHINE = ("encoder", "instruction_set", "libraries")
STEPS = (
    Step("acquire", ("label", "split")),
    Step("index", ("sha256", "reading", "candidate")),
    Step("detect", ("boxes_hash",), _NETWORK),
    Step("select", ("label", "split", "category", "occluder_sha256", "other_sha256")),
    Step("actor_masks", ("masks_hash",), _NETWORK),
    Step("composite", ("file_hashes", "clean_hash", "truth_hash"), MACHINE),
    Step("counterfactual", ("file_hashes",), MACHINE, stage="composite"),
    Step("segments", ("file_hash", "label", "split"), MACHINE),
    Step("recordings", ("file_hash", "label", "split"), MACHINE),
)
"""The tables in the order of the data."""

_ENDS = (("composite", "counterfactual"), ("segments",), ("recordings",))
"""Tables that tell of finished clips."""


@dataclass(frozen=True)
class Change:
    """A clip that differs."""

    clip: str
    change: str
    """added, dropped or changed."""
    split: str | None
    step: Step
    """The first step at which it differs."""
    here: Row | None
    """Its row there in BUILD_A; None: it has none."""
    there: Row | None


@dataclass(frozen=True)
class Comparison:
    """The clips of two builds."""

    counts: tuple[int, int]
    """Finished clips of BUILD_A and of BUILD_B."""
    changes: list[Change]
    begun: dict[str, tuple[bool, bool]]
    """Table -> whether BUILD_A and BUILD_B have it."""


def compare(here: Path, there: Path) -> Comparison:
    """Compare all clips of two builds. Raises UserError for a damaged table, or if neither has any
    table of clips."""
    begun = {s.table: (_has(here, s.table), _has(there, s.table)) for s in STEPS}
    ends = [[step for step in STEPS if step.table in names] for names in _ENDS]
    known = [group for group in ends if any(any(begun[s.table]) for s in group)]
    if not known:
        last = [s for s in STEPS if any(begun[s.table])]
        if not last:
            raise UserError(
                f"wanted builds with clips, got none in {here} and {there}; give their build_dir"
            )
        known = [[last[-1]]]  # none has finished clips: as far as they have come
    counts, found = [0, 0], dict[str, str]()
    for group in known:
        one, two = (_outcome(build, group) for build in (here, there))
        counts[0] += len(one)
        counts[1] += len(two)
        found |= _changes(one, two)
    return Comparison((counts[0], counts[1]), sorted(_traced(here, there, found), key=_by), begun)


def _by(change: Change) -> tuple[str, str]:
    return change.change, change.clip


def _has(build: Path, table: str) -> bool:
    return any(not path.name.startswith(".") for path in build.glob(TABLES[table]))


def _outcome(build: Path, steps: list[Step]) -> dict[str, int]:
    """Clip that was finished -> hash of its results in all of the steps."""
    found: dict[str, int] = {}
    for number, step in enumerate(steps):
        for clip, row in rows(build, step):
            done = row["status"] in (None, "ok")
            if done and (number == 0 or clip in found):
                found[clip] = hash((found.get(clip), number, *_results(step, row)))
            elif not done and clip in found:
                found[clip] = hash((found[clip], number, row["status"], row["reason"]))
    return found


def _changes(here: Mapping[str, int], there: Mapping[str, int]) -> dict[str, str]:
    found = dict.fromkeys(here.keys() - there.keys(), "dropped")
    found |= dict.fromkeys(there.keys() - here.keys(), "added")
    return found | {c: "changed" for c in here.keys() & there.keys() if here[c] != there[c]}


def _traced(here: Path, there: Path, wanted: Mapping[str, str]) -> Iterator[Change]:
    """The changes, each with the first step at which the rows differ."""
    left, splits = dict(wanted), dict[str, str | None]()
    for step in STEPS:
        if not left:
            return
        one, two = ({c: r for c, r in rows(b, step) if c in left} for b in (here, there))
        for clip in sorted(one.keys() | two.keys()):
            a, b = one.get(clip), two.get(clip)
            splits[clip] = (b or a or {}).get("split") or splits.get(clip)
            if _differ(step, a, b):
                yield Change(clip, left.pop(clip), splits[clip], step, a, b)
    # a clip whose rows agree everywhere differs in nothing that is compared


def _differ(step: Step, here: Row | None, there: Row | None) -> bool:
    if here is None or there is None:
        return here is not there
    same = ("status", "reason")
    return any(here[c] != there[c] for c in same) or _results(step, here) != _results(step, there)


def _results(step: Step, row: Row) -> tuple[Any, ...]:
    values = (row.get(name) for name in step.results)
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def rows(build: Path, step: Step) -> Iterator[tuple[str, Row]]:
    """(clip, row) of all rows of a step, with the columns that are compared and the split.

    Raises UserError for a table that does not read.
    """
    for path in sorted(build.glob(TABLES[step.table])):
        if path.name.startswith("."):
            continue
        try:
            with pq.ParquetFile(path) as file:
                names = ("clip", "status", "reason", "split", *step.results, *step.made_by)
                there = [n for n in dict.fromkeys(names) if n in file.schema_arrow.names]
                for batch in file.iter_batches(columns=there):
                    for row in batch.to_pylist():
                        yield row["clip"], {"status": None, "reason": None, **row}
        except tables.UNREADABLE as error:
            raise UserError(
                f"wanted a table, {path} does not read: {str(error).splitlines()[0]}; "
                "`occludenet verify --remake` has it made again"
            ) from error
