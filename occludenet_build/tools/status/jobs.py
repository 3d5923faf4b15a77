"""The jobs of a build and their states, from the record of the last start and from the files.

A build that an older version made has no record; then its jobs are told by their logs, and those
that have not begun by the tables of the shards.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from occludenet_build.core.start_record import PlannedJob, StartRecord
from occludenet_build.stages import STAGES, TABLES
from occludenet_build.tools.status.running import Activity

STATES = ("done", "running", "queued", "stopped", "waiting")
"""States of a job. stopped: it has begun since the last start, neither runs nor has finished."""

_FINISHED = re.compile(r"^[\d:]{8} \w+: CPU [\d.]+ s$")
"""The last line in the log of a command that ended well."""
_SILENT_SECONDS = 1800.0
"""A job of another machine that has written nothing for so long is not taken for running."""
_SHARDED = {"detect": "index", "actor_masks": "select", "composite": "select"}
"""Stage -> the stage whose tables of shards give its jobs, for builds without a record."""


@dataclass(frozen=True)
class Log:
    """The log of a job: its first and last bytes are enough."""

    path: Path
    modified: float
    """Seconds; 0 if there is none."""
    text: str

    @cached_property
    def last(self) -> str:
        """The last line; empty if there is none."""
        lines = self.text.strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def finished(self) -> bool:
        """Whether the command ended well."""
        return bool(_FINISHED.match(self.last))

    @property
    def started(self) -> float | None:
        """When its first line was written, seconds; None if that is not known."""
        clock = re.match(r"(\d\d):(\d\d):(\d\d) ", self.text)
        if clock is None:
            return None
        hours, minutes, seconds = map(int, clock.groups())
        end = time.localtime(self.modified)
        day = (end.tm_hour * 60 + end.tm_min) * 60 + end.tm_sec
        # of a job of more than a day, only the last day counts
        return self.modified - (day - (hours * 60 + minutes) * 60 - seconds) % 86400


_READ = 8192


def read_log(path: Path) -> Log:
    """The beginning and the end of a log; empty if it is missing."""
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            content = stream.read(_READ)
            if status.st_size > 2 * _READ:
                stream.seek(-_READ, os.SEEK_END)
                content += b"\n...\n"
            content += stream.read()
    except OSError:
        return Log(path, 0.0, "")
    return Log(path, status.st_mtime, content.decode(errors="replace"))


@dataclass(frozen=True)
class Job:
    """A job of the workflow."""

    planned: PlannedJob
    state: str
    """One of STATES."""
    log: Path

    @property
    def name(self) -> str:
        """Its name for people: that of its log, below logs/, without suffix."""
        return self.planned.log.removeprefix("logs/").removesuffix(".log")


def jobs_of(build: Path, record: StartRecord | None, now: Activity) -> list[Job]:
    """All jobs of a build, in the order of the stages and of their logs."""
    planned = record.jobs if record else tuple(inferred(build))
    queued = _queue(record, now)
    order = [*STAGES]
    found = [Job(one, _state(build, one, record, now, queued), build / one.log) for one in planned]
    return sorted(found, key=lambda job: (order.index(job.planned.stage), job.planned.log))


def _queue(record: StartRecord | None, now: Activity) -> Mapping[str, str]:
    """Comment of a job of SLURM that was submitted in the build's working folder -> its state."""
    folder = os.path.realpath(record.folder) if record else None
    return {j.comment: j.state for j in now.cluster if os.path.realpath(j.folder) == folder}


def _comment(job: PlannedJob) -> str:
    """What snakemake-executor-plugin-slurm writes as the comment of a job."""
    values = "_".join(job.wildcards).replace("/", "_")
    return f"rule_{job.rule}" + (f"_wildcards_{values}" if values else "")


def _state(
    build: Path, job: PlannedJob, record: StartRecord | None, now: Activity, queue: Mapping
) -> str:
    submitted = queue.get(_comment(job))
    if os.path.realpath(build / job.log) in now.logs:
        return "running"
    if submitted is not None:
        return "queued" if submitted in ("PENDING", "REQUEUED", "SUSPENDED") else "running"
    if _is_done(build, job, record):
        return "done"
    log = read_log(build / job.log)
    if not log.text or (record and job.due and log.modified < record.started):
        return "waiting"
    if log.finished:
        return "waiting" if job.outputs else "done"  # waiting: its outputs were removed since
    silent = time.time() - log.modified
    return "running" if now.workflow is None and silent < _SILENT_SECONDS else "stopped"


def _is_done(build: Path, job: PlannedJob, record: StartRecord | None) -> bool:
    """Whether its outputs are there and, if it was to be run, were made since the start."""
    since = record.started if record and job.due else 0.0
    try:
        return bool(job.outputs) and all(
            (build / path).stat().st_mtime >= since for path in job.outputs
        )
    except OSError:
        return False


def inferred(build: Path) -> Iterator[PlannedJob]:
    """The jobs of a build without a record: those with a log, and those of shards without one."""
    known = set()
    for path in sorted((build / "logs").rglob("*.log")):
        name = path.relative_to(build / "logs").as_posix().removesuffix(".log")
        stage = name.split("/")[0]
        if stage in STAGES:
            known.add(name)
            yield _guessed(build, stage, name)
    for stage, given in _SHARDED.items():
        for shard in sorted((build / given / "shards").glob("[!.]*.parquet")):
            if f"{stage}/{shard.stem}" not in known:
                yield _guessed(build, stage, f"{stage}/{shard.stem}")


def _guessed(build: Path, stage: str, name: str) -> PlannedJob:
    """A job by its name: its first output has the same, with the suffix that the file has."""
    suffixes = (".parquet", ".pt", ".csv", ".json", ".html")
    there = [name + suffix for suffix in suffixes if (build / (name + suffix)).is_file()]
    table = f"{name}.parquet"
    if not there and any(PurePosixPath(table).match(p) for p in STAGES[stage].tables.values()):
        there = [table]  # it was removed, or is yet to be made
    tables = {pattern.split("/")[0] for pattern in STAGES[stage].tables.values()} - {stage}
    # tables of other folders that the same job writes, as composite those of counterfactual
    shard = name.removeprefix(f"{stage}/")
    more = [f"{folder}/{shard}.parquet" for folder in sorted(tables)]
    outputs = there[:1] + [path for path in more if (build / path).is_file()]
    return PlannedJob(
        stage, stage, (), tuple(outputs), f"logs/{name}.log", f"benchmarks/{name}.tsv", not outputs
    )


def ends_somewhere(build: Path) -> bool:
    """Whether a build without a record has reached the end of a target: dataset, or all."""
    return bool(list(build.glob(TABLES["annotate"]))) and (build / "validate").is_dir()
