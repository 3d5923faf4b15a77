"""Counts times rates: what each rule and room costs, and what it is in all."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config import Config
from occludenet_build.plan.counts import Counts, share_of_arm
from occludenet_build.plan.rates import Rate, Rates, holds
from occludenet_build.plan.rules import (
    RULES,
    TARGETS,
    arms,
    backend_of,
    jobs_of,
    unit_of,
    wants_gpu,
)
from occludenet_build.plan.schedule import Task, makespan


@dataclass(frozen=True)
class Cost:
    """Of a rule; None: not known."""

    rule: str
    jobs: int
    unit: str
    units: float | None
    cpu_seconds: float | None
    gpu_seconds: float | None
    wall_seconds: list[float] | None
    """Of each job."""
    rss_mb: float | None
    source: str
    """Where its rate comes from, or why there is none."""


@dataclass(frozen=True)
class Estimate:
    costs: list[Cost]
    stored: dict[str, float | None]
    """Bytes by room."""
    cpu_seconds: float
    """Of what is known, Snakemake's own included."""
    gpu_seconds: float
    wall_seconds: float
    unknown: list[str]
    """Rules without a rate: the totals are at least so much."""


def estimate(
    config: Config, counts: Counts, rates: Rates, cores: int, target: str = "all"
) -> Estimate:
    costs = [
        _cost(rule, config, counts, rates.rules.get(rule), cores)
        for rule in TARGETS[target]
        if jobs_of(rule, config)
    ]
    left_out = {RULES[rule].room for rule in set(RULES) - set(TARGETS[target])}
    stored = {
        room: entry.of(counts) for room, entry in rates.stored.items() if room not in left_out
    }
    jobs = sum(cost.jobs for cost in costs)
    own = (rates.start_cpu or 0.0) + rates.job_cpu * jobs
    return Estimate(
        costs,
        stored,
        own + sum(cost.cpu_seconds or 0.0 for cost in costs),
        sum(cost.gpu_seconds or 0.0 for cost in costs),
        (rates.start_wall or 0.0) + makespan(_tasks(costs, config, rates.job_wall), cores),
        [cost.rule for cost in costs if cost.cpu_seconds is None],
    )


def _cost(rule: str, config: Config, counts: Counts, rate: Rate | None, cores: int) -> Cost:
    jobs = jobs_of(rule, config)
    unit = unit_of(rule, backend_of(rule, config))
    units = counts.get(unit)
    why = _unknown(rule, config, units, rate)
    if rate is None or units is None or why:
        return Cost(rule, jobs, unit, units, None, None, None, None, why or "")
    shares = _shares(rule, config)
    # a network on a GPU is no faster for more cores
    speed = 1.0 if rate.gpu else min(RULES[rule].threads, cores) / rate.threads
    walls = [rate.wall.start + rate.wall.each * units * share / speed for share in shares]
    cpu = rate.cpu.start * jobs + rate.cpu.each * units
    gpu = sum(walls) if rate.gpu and wants_gpu(rule, config) else 0.0
    return Cost(rule, jobs, unit, units, cpu, gpu, walls, rate.rss_mb, rate.source)


def _unknown(rule: str, config: Config, units: float | None, rate: Rate | None) -> str | None:
    if rate is None:
        return "no rate"
    if not holds(rule, rate, config):
        said = ", ".join(f"{name} {value}" for name, value in sorted(rate.kind.items()))
        return f"the rate is of other settings: {said}"
    return "its items are not known" if units is None else None


def _shares(rule: str, config: Config) -> list[float]:
    """The part of the units that falls to each job."""
    if RULES[rule].split == "arms":
        return [share_of_arm(rule, arm, config) for arm in arms(config)]
    jobs = jobs_of(rule, config)
    return [1 / jobs] * jobs


def _tasks(costs: list[Cost], config: Config, own: float) -> list[Task]:
    """The jobs of what is known; `own`: Snakemake's seconds around each."""
    return [
        Task(cost.rule, str(number), seconds + own)
        for cost in costs
        for number, seconds in enumerate(cost.wall_seconds or ())
    ]
