"""One look at a build: all stages, what goes on, what is wrong."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from occludenet_build.config import Composite
from occludenet_build.core import tables
from occludenet_build.core.quantities import size
from occludenet_build.core.start_record import read_jobs, read_settings
from occludenet_build.stages import STAGES, TABLES
from occludenet_build.tools.status.forecast import Forecast
from occludenet_build.tools.status.items import TableCounts, Tally, share_done, tally
from occludenet_build.tools.status.jobs import STATES, Job, ends_somewhere, jobs_of, read_log
from occludenet_build.tools.status.pace import Pace, pace, space_needed
from occludenet_build.tools.status.running import Activity, activity

DISK_SECONDS = 60.0
"""While it refreshes, the files are counted again after so long."""


@dataclass(frozen=True)
class StageStatus:
    """Where a stage stands."""

    name: str
    states: Counter[str]
    """State of jobs.STATES -> jobs."""
    items: Tally | None
    """None: the stage has no items, or they are not known yet."""
    rate: float | None
    """Items (jobs, without items) per second; None: not known."""
    seconds_left: float | None
    """None: not known."""
    bytes: int | None
    """On disk; None: not counted."""
    bytes_needed: float | None
    """More bytes that it needs; None: not known."""

    @property
    def jobs(self) -> int:
        """Number of its jobs."""
        return self.states.total()

    @property
    def finished(self) -> bool:
        """Whether all its jobs are done."""
        return self.states["done"] == self.jobs

    @property
    def failed(self) -> int:
        """Number of its items that failed."""
        return self.items.failed.total() if self.items else 0


@dataclass(frozen=True)
class Stop:
    """A job that has begun and did not end well."""

    job: str
    log: str
    last: str
    """The last line of its log."""


@dataclass(frozen=True)
class Look:
    """Where a build stands."""

    build: Path
    recorded: bool
    """Whether the build has a record of its jobs; without one, later stages are not known."""
    activity: Activity
    stages: list[StageStatus]
    stopped: list[Stop]
    undecided: list[str]
    """Stages that have yet to run and that decide which jobs of later stages are to do."""
    damaged: list[str]
    """Tables that do not read."""
    other_bytes: int | None
    """Bytes of the build that belong to no stage; None: not counted."""
    free: int
    """Free bytes of its file system."""
    complete: bool
    """Whether nothing is left to do."""

    @property
    def exit_status(self) -> int:
        """0 finished, 1 finished with failures, 3 something is left."""
        if not self.complete:
            return 3
        return int(bool(self.damaged) or any(stage.failed for stage in self.stages))

    @property
    def seconds_left(self) -> tuple[float, bool]:
        """(time left, whether it is all: else some is not known), one stage after the other."""
        times = [stage.seconds_left for stage in self.stages]
        return sum(t for t in times if t), None not in times

    @property
    def bytes_needed(self) -> tuple[float, bool]:
        """(bytes that the build still needs, whether that is all)."""
        needs = [stage.bytes_needed for stage in self.stages]
        return sum(n for n in needs if n), None not in needs


@dataclass
class Watcher:
    """Looks at a build again and again; tables that have not changed are not read again."""

    build: Path
    measure: bool = True
    """Whether to count the space of the files."""
    forecast: Forecast | None = None
    _counted: TableCounts = field(default_factory=TableCounts)
    _sizes: tuple[float, dict[str, int]] = (float("-inf"), {})
    _shards: tuple[object, dict[tuple[str, str], int]] = (None, {})

    def look(self) -> Look:
        """Look at the build now."""
        record, now = read_jobs(self.build), activity(self.build)
        jobs = jobs_of(self.build, record, now)
        sizes, expected = self._sizes_now(), self._expected()
        names = [name for name in STAGES if any(j.planned.stage == name for j in jobs)]
        stages = [
            self._stage(name, [j for j in jobs if j.planned.stage == name], sizes, expected)
            for name in names
        ]
        known = {stage.name for stage in stages}
        rest = sum(number for name, number in sizes.items() if name not in known)
        stopped = [self._stop(job) for job in jobs if job.state == "stopped"]
        at_end = bool(stages) and all(stage.finished for stage in stages)
        return Look(
            self.build,
            record is not None,
            now,
            stages,
            stopped,
            sorted({j.planned.stage for j in jobs if j.planned.decides and j.state != "done"}),
            sorted(path.relative_to(self.build).as_posix() for path in self._counted.damaged),
            rest if self.measure else None,
            shutil.disk_usage(self.build).free,
            at_end and (record is not None or ends_somewhere(self.build)),
        )

    def jobs(self) -> list[Job]:
        """The jobs of the build, as they are now."""
        return jobs_of(self.build, read_jobs(self.build), activity(self.build))

    def _stop(self, job: Job) -> Stop:
        return Stop(job.name, job.planned.log, read_log(job.log).last)

    def _stage(
        self, name: str, jobs: list[Job], sizes: Mapping[str, int], expected: Mapping
    ) -> StageStatus:
        tallies = [
            tally(self.build, job, self._counted, expected.get((name, job.name.rsplit("/")[-1])))
            for job in jobs
        ]
        items = _sum(jobs, tallies)
        whole, done, own = _units(jobs, tallies, items)
        left = None if whole is None else max(0.0, whole - done)
        found: Pace = pace(self.build, jobs, own, left)
        seconds, stored = found.seconds_left, sizes.get(name)
        needed = None if stored is None else space_needed(stored, done, left)
        if not done and self.forecast is not None:
            seconds, needed = self.forecast.of(name)
        states = Counter({s: sum(job.state == s for job in jobs) for s in STATES})
        return StageStatus(name, states, items, found.rate, seconds, stored, needed)

    def _sizes_now(self) -> dict[str, int]:
        """Stage, or name of another folder or file of the build -> bytes on disk."""
        if not self.measure:
            return {}
        if time.monotonic() - self._sizes[0] > DISK_SECONDS:
            self._sizes = time.monotonic(), sizes_of(self.build)
        return self._sizes[1]

    def _expected(self) -> dict[tuple[str, str], int]:
        """(stage, shard) -> its items, by the table of the stage that distributes them."""
        stamps = tuple(_modified(self.build / path) for path in (TABLES["index"], TABLES["select"]))
        if self._shards[0] != stamps:
            searched = _by_shard(self.build / TABLES["index"], "candidate")
            chosen = _by_shard(self.build / TABLES["select"], "status")
            self._shards = (
                stamps,
                {
                    **{("detect", shard): number for shard, number in searched.items()},
                    **{
                        (stage, shard): number
                        for stage in ("actor_masks", "composite", "poses")
                        for shard, number in chosen.items()
                    },
                },
            )
        return self._shards[1]


def _sum(jobs: list[Job], tallies: list[Tally | None]) -> Tally | None:
    """The items of a stage: of its jobs that have items; jobs without any are done already."""
    if not any(tallies):
        return None
    total = Tally()
    for job, one in zip(jobs, tallies, strict=True):
        if one is not None:
            total.add(one)
        elif job.state != "done":
            total.add(Tally(None))
    return total


def _units(
    jobs: list[Job], tallies: list[Tally | None], items: Tally | None
) -> tuple[float | None, float, list[float | None]]:
    """(units of a stage, units done, units that each job has done by itself): items, or jobs."""
    if items is None:
        shares = [share_done(job) for job in jobs]
        return len(jobs), sum(shares), list(shares)
    own = [None if one is None else float(one.done - one.reused) for one in tallies]
    return items.total, items.done, own


def sizes_of(build: Path) -> dict[str, int]:
    """Stage, or name of another folder or file of the build -> bytes on disk."""
    found: Counter[str] = Counter()
    clips = _dataset_folders(build)
    for entry in os.scandir(build):
        name = "composite" if entry.name in clips else entry.name
        found[name] += size(entry.path) if not entry.is_symlink() else 0
    return dict(found)


def _dataset_folders(build: Path) -> set[str]:
    """The folders in the build to which composite writes."""
    recorded = read_settings(build)
    named = recorded[0].get("composite", {}).get("dataset") if recorded else None
    dataset = str(named or Composite().dataset)
    return {*STAGES["composite"].folders(dataset)}


def _by_shard(path: Path, column: str) -> Counter[str]:
    """Shard -> rows with `column` true or ok; empty if the table is missing or does not read."""
    found: Counter[str] = Counter()
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["shard", column]):
                pairs = zip(*(batch[name].to_pylist() for name in ("shard", column)), strict=True)
                found.update(shard for shard, value in pairs if shard and value in (True, "ok"))
    except (*tables.UNREADABLE, KeyError):
        return Counter()
    return found


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
