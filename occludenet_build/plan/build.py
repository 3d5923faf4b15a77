"""What a finished build tells: of each job its units of work, CPU seconds, wall clock, memory.

Snakemake's benchmark files (benchmarks/<room>/<job>.tsv) have the times, the tables at the doors
what was worked on, and the ledgers (<room>/store/<shard>/rows.parquet) the seconds of each clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build.core.errors import UserError
from occludenet_build.plan import benchmark
from occludenet_build.plan.counts import Counts, Yields
from occludenet_build.plan.facts import Facts
from occludenet_build.plan.rules import RULES


@dataclass(frozen=True)
class Job:
    """A job that ran."""

    rule: str
    name: str
    """Its shard or arm."""
    units: float
    cpu: float
    """Seconds of all its processes."""
    wall: float
    rss_mb: float
    clips: list[tuple[float, float]] = field(default_factory=list)
    """(units, seconds of wall clock) of each clip; empty: no ledger."""


@dataclass(frozen=True)
class Build:
    folder: Path
    jobs: list[Job]
    kinds: dict[str, dict[str, str]]
    """Rule -> the settings that its tables name, as `rules.kind_of`."""
    counts: Counts
    yields: Yields
    dataset: str
    """Name of its dataset's folder."""


def read(folder: Path) -> Build:
    """Raises UserError where the folder holds no build with benchmark files."""
    if not (folder / "benchmarks").is_dir():
        raise UserError(
            f"--rates: wanted the build_dir of an earlier build or a JSON file of --save-rates, "
            f"{folder} has no benchmarks/"
        )
    facts = Facts(folder)
    jobs = [job for rule in RULES for job in _jobs(rule, facts)]
    return Build(folder, jobs, facts.kinds(), facts.counts(), facts.yields(), facts.dataset())


def _jobs(rule: str, facts: Facts) -> Iterator[Job]:
    for file in sorted((facts.folder / "benchmarks").glob(RULES[rule].benchmarks)):
        job, log = file.stem, facts.folder / "logs" / file.parent.name / f"{file.stem}.log"
        measured = benchmark.read(file, log)
        units = facts.units(rule, job)
        if measured is None or not units:
            continue
        clips = facts.clips(rule, job)
        busy = sum(seconds for _, seconds in clips)
        # The ledger has the seconds of all runs, the benchmark those of the last one only.
        if busy <= 1.1 * RULES[rule].threads * measured.wall:
            yield Job(rule, job, units, measured.cpu, measured.wall, measured.rss_mb, clips)
