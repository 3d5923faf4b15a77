"""Rate, time left and space needed of a stage, from what the build has done so far.

The rate counts the time in which jobs of the stage ran, from benchmark files and logs: pauses
between two starts do not count, and jobs side by side count once.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.tools.status.jobs import Job, read_log

Interval = tuple[float, float]
"""Beginning and end of a job, seconds."""


def interval_of(build: Path, job: Job) -> Interval | None:
    """When a job ran, or has run so far; None if that is not known."""
    if job.state == "running":
        started = read_log(job.log).started
        return None if started is None else (started, max(started, time.time()))
    if job.planned.benchmark is None or job.state != "done":
        return None
    try:
        path = build / job.planned.benchmark
        with open(path, newline="") as stream:
            seconds = float([*csv.DictReader(stream, delimiter="\t")][-1]["s"])
        ended = path.stat().st_mtime
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    return ended - seconds, ended


def busy_seconds(intervals: Iterable[Interval]) -> float:
    """Length of the union of intervals, in seconds.

    >>> busy_seconds([(0, 2), (1, 3), (10, 11)])
    4.0
    """
    total, reached = 0.0, float("-inf")
    for begun, ended in sorted(intervals):
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total


@dataclass(frozen=True)
class Pace:
    """How fast a stage is. A unit is an item or, where a stage has no items, a job."""

    rate: float | None
    """Units per second; None if nothing has been timed."""
    left: float | None
    """Units that are left; None if that is not known."""

    @property
    def seconds_left(self) -> float | None:
        """None if it is not known."""
        if self.left == 0:
            return 0.0
        return self.left / self.rate if self.left is not None and self.rate else None


def pace(
    build: Path, jobs: Sequence[Job], units: Sequence[float | None], left: float | None
) -> Pace:
    """The pace of a stage.

    `units`: how many units each job has done by itself, without those it found finished; None: not
    known. `left`: units that are left.
    """
    timed = [
        (interval, number)
        for job, number in zip(jobs, units, strict=True)
        if number and (interval := interval_of(build, job)) is not None
    ]
    seconds = busy_seconds(interval for interval, _ in timed)
    made = sum(number for _, number in timed)
    return Pace(made / seconds if seconds > 0 else None, left)


def space_needed(stored: int, done: float, left: float | None) -> float | None:
    """Bytes that a stage still needs, if what is left takes as much as what is done.

    >>> space_needed(1000, 10, 5), space_needed(1000, 0, 5), space_needed(0, 0, 0)
    (500.0, None, 0.0)
    """
    if left == 0:
        return 0.0
    return stored / done * left if done and left is not None else None
