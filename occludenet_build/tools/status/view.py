"""A look at a build as text, as JSON, and in place on a terminal."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from occludenet_build.core.quantities import byte_text, duration
from occludenet_build.tools.status.items import Tally
from occludenet_build.tools.status.look import Look, StageStatus

_HEADER = ("stage", "jobs", "items", "failed", "skipped", "running", "rate", "left", "disk")
_MOST_STOPPED = 10
"""Stopped jobs that are listed; the JSON has all."""


def text(look: Look) -> str:
    """The look as plain lines."""
    return "\n".join(lines(look)) + "\n"


def lines(look: Look) -> Iterator[str]:
    """The lines of a look: what goes on, a row per stage, failures, stopped jobs, totals."""
    yield f"{look.build}: {_headline(look)}"
    if look.stages:
        yield from _table([_HEADER, *map(_row, look.stages)])
    yield from _failures(look)
    for stop in look.stopped[:_MOST_STOPPED]:
        yield f"stopped: {stop.job}: {stop.last or 'nothing in its log'}"
    if len(look.stopped) > _MOST_STOPPED:
        yield f"stopped: {len(look.stopped) - _MOST_STOPPED} more jobs; --json lists them"
    for path in look.damaged:
        yield f"does not read: {path}; `occludenet verify --remake` has it made again"
    yield from _totals(look)
    yield from _hints(look)


def _headline(look: Look) -> str:
    holder = look.activity.holder
    if look.complete:
        return "finished"
    if look.activity.workflow:
        return f"the workflow runs ({holder})"
    if look.activity.workflow is None:
        return f"the last start was of {holder}"
    return "nothing runs" + (f"; the last start was of {holder}" if holder else "")


def _row(stage: StageStatus) -> tuple[str, ...]:
    items = stage.items
    running = f"{stage.states['running']}" if stage.states["running"] else "-"
    if stage.states["queued"]:
        running = f"{stage.states['running']}+{stage.states['queued']} queued"
    return (
        stage.name,
        f"{stage.states['done']:,}/{stage.jobs:,}",
        _items(items),
        f"{stage.failed:,}" if items else "-",
        f"{items.skipped.total():,}" if items else "-",
        running,
        _rate(stage),
        "-" if stage.seconds_left == 0 else duration(stage.seconds_left),
        "-" if stage.bytes is None else byte_text(stage.bytes),
    )


def _items(items: Tally | None) -> str:
    if items is None:
        return "-"
    return f"{items.done:,}/{'?' if items.total is None else format(items.total, ',')}"


def _rate(stage: StageStatus) -> str:
    if stage.rate is None:
        return "-"
    noun = "" if stage.items else " jobs"
    for unit, seconds in (("s", 1), ("min", 60)):
        if stage.rate * seconds >= 1:
            return f"{stage.rate * seconds:,.1f}{noun}/{unit}"
    return f"{stage.rate * 3600:,.1f}{noun}/h"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row[1:], widths[1:], strict=True)
        yield f"{row[0]:<{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in cells)


def _failures(look: Look) -> Iterator[str]:
    for stage in look.stages:
        if stage.failed and stage.items:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in stage.items.failed.most_common())
            yield f"failed in {stage.name}: {reasons}"


def _totals(look: Look) -> Iterator[str]:
    seconds, all_times = look.seconds_left
    needed, all_sizes = look.bytes_needed
    if not look.complete:
        least = "" if all_times else "at least "
        yield f"time left: {least + duration(seconds) if seconds or all_times else '?'}"
    if look.other_bytes is not None:
        used = look.other_bytes + sum(stage.bytes or 0 for stage in look.stages)
        least = "" if all_sizes else "at least "
        more = "" if look.complete else f", {least}{byte_text(needed)} more needed"
        yield f"disk: {byte_text(used)} used{more}, {byte_text(look.free)} free"
        if needed > look.free:
            yield "disk: the free space does NOT suffice"


def _hints(look: Look) -> Iterator[str]:
    if look.activity.problem and not look.complete:
        yield look.activity.problem
    if not look.stages:
        yield "no jobs yet: wanted a build_dir in which the workflow was started"
    elif not look.recorded:
        yield (
            "made before jobs were recorded: stages that have not begun are not known until the "
            "next start"
        )
    names = [stage.name for stage in look.stages]
    later = [s for s in look.stages if s.name not in names[: _after(names, look.undecided)]]
    if any(stage.states["done"] for stage in later):
        yield f"later stages may get more to do when {', '.join(look.undecided)} has run"
    if any(stage.failed for stage in look.stages):
        yield "--failed lists the failed items with their lines in the logs"


def _after(names: list[str], undecided: list[str]) -> int:
    """The position after the last of the undecided stages; after all if there is none."""
    return max((names.index(name) + 1 for name in undecided), default=len(names))


def values(look: Look) -> dict[str, Any]:
    """The look for JSON: times in seconds, sizes in bytes, null for what is not known."""
    seconds, all_times = look.seconds_left
    needed, all_sizes = look.bytes_needed
    used = look.other_bytes
    return {
        "build": str(look.build),
        "complete": look.complete,
        "exit_status": look.exit_status,
        "recorded": look.recorded,
        "workflow_runs": look.activity.workflow,
        "holder": look.activity.holder or None,
        "queue_problem": look.activity.problem or None,
        "stages": {stage.name: _stage_values(stage) for stage in look.stages},
        "stopped": [vars(stop) for stop in look.stopped],
        "damaged": look.damaged,
        "undecided": look.undecided,
        "seconds_left": seconds,
        "seconds_left_is_all": all_times,
        "bytes_used": None if used is None else used + sum(s.bytes or 0 for s in look.stages),
        "bytes_needed": needed,
        "bytes_needed_is_all": all_sizes,
        "bytes_free": look.free,
    }


def _stage_values(stage: StageStatus) -> dict[str, Any]:
    items = stage.items
    return {
        "jobs": dict(stage.states) | {"all": stage.jobs},
        "items": None if items is None else {"all": items.total, "done": items.done},
        "failed": dict(items.failed) if items else {},
        "skipped": dict(items.skipped) if items else {},
        "per_second": stage.rate,
        "unit": "item" if items else "job",
        "seconds_left": stage.seconds_left,
        "bytes": stage.bytes,
        "bytes_needed": stage.bytes_needed,
    }


def watch(look: Callable[[], Look], every_seconds: float, out: TextIO = sys.stdout) -> Look:
    """Show a look in place on a terminal, again and again while something runs; the last one."""
    shown = 0
    while True:
        now = look()
        shown = _redraw(text(now).splitlines(), shown, out)
        if not _goes_on(now):
            return now
        time.sleep(every_seconds)


def _goes_on(look: Look) -> bool:
    runs = any(stage.states["running"] or stage.states["queued"] for stage in look.stages)
    return not look.complete and (runs or bool(look.activity.workflow))


def _redraw(new: list[str], shown: int, out: TextIO) -> int:
    """Write lines over the `shown` lines before; what does not fit is cut. Returns their number."""
    columns, rows = shutil.get_terminal_size()
    fitting = [re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", line)[:columns] for line in new[: rows - 1]]
    up = f"\x1b[{shown}A" if shown else ""
    out.write(up + "".join(f"\x1b[2K{line}\n" for line in fitting) + "\x1b[J")
    out.flush()
    return len(fitting)
