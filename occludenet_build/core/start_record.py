"""What a start of the workflow was given and has planned, for the tools that look at a build.

The workflow writes two files into the folder of a build:

    settings.json   the settings that results depend on, with their defaults, and the version of
                    every stage's results; `occludenet diff` reads it
    .jobs.json      the jobs of the last start, and which of them were still to do;
                    `occludenet status` reads it

They are no inputs of any rule: nothing is made again because of them. This module uses the standard
library only because the workflow imports it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from occludenet_build.core.files import json_text, write_bytes_if_changed, write_text

SETTINGS_FILE = "settings.json"
JOBS_FILE = ".jobs.json"


@dataclass(frozen=True)
class PlannedJob:
    """A job of the workflow that calls a command of this package; paths relative to the build."""

    stage: str
    """The command that it calls."""
    rule: str
    wildcards: tuple[str, ...]
    outputs: tuple[str, ...]
    log: str
    benchmark: str | None
    due: bool
    """Whether it was to be run when the record was written."""
    decides: bool = False
    """Whether it is a checkpoint: when it has run, later jobs may turn out to be due."""


@dataclass(frozen=True)
class StartRecord:
    """The jobs of the last start."""

    folder: str
    """The working folder of Snakemake, absolute."""
    jobs: tuple[PlannedJob, ...]
    started: float
    """When the workflow started its jobs, by the clock of the file system, seconds."""


def write_settings(build: Path, settings: Mapping[str, Any], versions: Mapping[str, str]) -> None:
    """Write the settings and the results versions, stage -> version, unless the file has them.

    A folder in which nothing can be written is left: whether that matters is for the jobs to say.
    """
    text = json_text({"settings": settings, "versions": dict(versions)})
    try:
        write_bytes_if_changed(build / SETTINGS_FILE, text.encode())
    except OSError:
        return


def read_settings(build: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
    """The settings and versions of the last start; None if there is no record, or it is damaged."""
    try:
        values = json.loads((build / SETTINGS_FILE).read_text())
        return dict(values["settings"]), dict(values["versions"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def planned_jobs(build: Path, dag: Any) -> list[PlannedJob]:
    """The jobs of Snakemake's DAG, in the order of their logs; rules that only collect are not."""
    due = set(dag.needrun_jobs())
    found = [_planned(build, job, job in due) for job in dag.jobs if job.log]
    return sorted(filter(None, found), key=lambda job: job.log)


def _planned(build: Path, job: Any, due: bool) -> PlannedJob | None:
    called = re.search(r"occludenet_build (\w+)", job.rule.shellcmd or "")
    if called is None:
        return None
    return PlannedJob(
        called[1],
        job.rule.name,
        tuple(map(str, job.wildcards or ())),
        tuple(os.path.relpath(path, build) for path in job.output),
        os.path.relpath(job.log[0], build),
        os.path.relpath(job.benchmark, build) if job.benchmark else None,
        due,
        bool(job.is_checkpoint),
    )


def write_jobs(build: Path, jobs: Iterable[PlannedJob], again: bool = False) -> None:
    """Write the record of the jobs of this start: when it begins, and `again` when that changes.

    The date of the file says when the jobs were started. A folder in which nothing can be written
    is left.
    """
    path = build / JOBS_FILE
    lines = ",\n".join(json.dumps(list(asdict(job).values())) for job in jobs)
    text = f'{{"folder": {json.dumps(str(Path.cwd()))}, "jobs": [\n{lines}\n]}}\n'
    try:
        begun = path.stat().st_mtime_ns if again and path.exists() else None
        write_text(path, text)
        if begun is not None:
            os.utime(path, ns=(begun, begun))
    except OSError:
        return


def read_jobs(build: Path) -> StartRecord | None:
    """The jobs of the last start; None if there is no record, or it is damaged."""
    path = build / JOBS_FILE
    try:
        values, started = json.loads(path.read_text()), path.stat().st_mtime
        return StartRecord(values["folder"], tuple(map(_read_job, values["jobs"])), started)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_job(row: list[Any]) -> PlannedJob:
    stage, rule, wildcards, outputs, log, benchmark, due, *more = row
    return PlannedJob(stage, rule, tuple(wildcards), tuple(outputs), log, benchmark, due, *more)
