"""Rates: start-up cost of a job, cost per unit of work, and stored bytes per unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.config.backends import is_network
from occludenet_build.release.terms import clean_tree, counterfactual_tree
from occludenet_build.tools.plan.counts import KINDS, Yields, model_of, unit_of
from occludenet_build.tools.plan.past import EarlierBuild, FinishedJob
from occludenet_build.tools.project import cores

BLOCK = 4096
"""Block size of file systems, in bytes: a small file occupies a whole block."""

STAGE_FILES: dict[str, tuple[str, ...]] = {
    **{kind.stage: (kind.stage,) for kind in KINDS.values() if kind.stage != "kinetics"},
    "acquire": ("acquire/videos.parquet", "acquire/coco.json"),
    "composite": (
        *("composite", "counterfactual", "{dataset}"),
        *(clean_tree("{dataset}"), counterfactual_tree("{dataset}")),
    ),
    "annotate": ("annotate", "{dataset}/annotations"),
    "logs": ("logs", "benchmarks"),
}
"""Stage -> its files and folders in build_dir."""
_STORES = {
    "logs": "jobs",
    "train": "trainings",
    "evaluate": "predictions",
    "attention": "trainings",  # images of some clips, and small tables
}
"""Stage -> the count that its stored bytes are proportional to, if not the unit of its cost."""


def stored_unit(stage: str) -> str:
    """The count that the stored bytes of a stage are proportional to."""
    units = {kind.stage: kind.unit for kind in reversed(KINDS.values())}
    return _STORES.get(stage) or units[stage]


@dataclass(frozen=True)
class Rate:
    """Cost of the jobs of a rule."""

    start: float
    """CPU seconds of starting a job."""
    each: float
    """CPU seconds per unit."""
    gpu_each: float
    """GPU seconds per unit: wall-clock time of jobs with a GPU."""
    rss_mb: float
    """Maximum resident memory of a job, MiB."""
    model: str | None
    """Backend or backbone for which it is valid; None: any."""
    source: str
    """The build from which it was learned."""


@dataclass(frozen=True)
class Rates:
    """Rates learned from earlier builds."""

    rules: dict[str, Rate] = field(default_factory=dict)
    """Rule -> its rate."""
    stored: dict[str, float] = field(default_factory=dict)
    """Stage -> stored bytes per unit (`stored_unit`)."""
    yields: Yields = field(default_factory=Yields)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU; found without importing torch."""
    return Path("/proc/driver/nvidia/version").exists()


def learn(folder: Path) -> Rates:
    """Learn the rates of an earlier build, assumed to have run on this machine.

    Raises UserError if the folder is not a build with benchmarks.
    """
    past = EarlierBuild(folder)
    jobs = {rule: past.jobs(rule) for rule in KINDS}
    # The cheapest job of all is an upper bound of the start-up cost, and a close one.
    least = min((job.cpu for finished, _ in jobs.values() for job in finished), default=0.0)
    models, rules = past.models(), {}
    for rule, (finished, share) in jobs.items():
        model = models.get(KINDS[rule].stage)
        done = (past.counts.get(unit_of(rule, model)) or 0) * share
        if done:
            rules[rule] = _rate(rule, finished, done, least, model, str(folder))
    stored = {
        stage: used(folder, stage, past.dataset) / units
        for stage in STAGE_FILES
        if (units := past.counts.get(stored_unit(stage)))
    }
    return Rates(rules, {stage: size for stage, size in stored.items() if size}, past.yields())


def _rate(
    rule: str, jobs: list[FinishedJob], units: float, least: float, model: str | None, source: str
) -> Rate:
    """Rate of a rule. `units`: of all its jobs; `least`: start-up CPU seconds without a ledger."""
    cpu, wall = sum(job.cpu for job in jobs), sum(job.wall for job in jobs)
    if all(job.clips for job in jobs):
        worked = sum(_worked(job, min(KINDS[rule].threads, cores())) for job in jobs)
    else:
        worked = max(0.0, cpu - least * len(jobs))
    on_gpu = has_gpu() and is_network(KINDS[rule].stage, model)
    return Rate(
        start=(cpu - worked) / len(jobs),
        each=worked / units,
        gpu_each=wall / units if on_gpu else 0.0,
        rss_mb=max(job.rss_mb for job in jobs),
        model=model,
        source=source,
    )


def _worked(job: FinishedJob, workers: int) -> float:
    """CPU seconds that a job spent on its clips, without its start-up.

    Start-up loads libraries in one process and then in each worker. The ledger has the wall-clock
    time of each clip. The first clip of each worker includes start-up, so that the `workers` clips
    with the longest time per pixel are left out.
    """
    ordered = sorted(job.clips, key=lambda clip: clip[1] / clip[0])
    usual = ordered[: max(1, len(ordered) - workers)]
    each = sum(seconds for _, seconds in usual) / sum(pixels for pixels, _ in usual)
    busy = min(each * sum(pixels for pixels, _ in ordered), workers * job.wall)
    starting = (job.wall - busy / workers) * (1 + workers) / 2
    return job.cpu * busy / (busy + starting) if busy else 0.0


def holds(rule: str, rate: Rate, config: Config) -> bool:
    """Whether a rate is valid for the backend or backbone of a configuration."""
    return rate.model in (None, model_of(KINDS[rule].stage, config))


def merged(several: Sequence[Rates], config: Config) -> Rates:
    """Merge rates: for each rule, the first one valid for this configuration, else the first."""
    rules: dict[str, Rate] = {}
    stored: dict[str, float] = {}
    for rates in reversed(several):
        rules |= {n: r for n, r in rates.rules.items() if n not in rules or holds(n, r, config)}
        stored |= rates.stored
    yields = next((r.yields for r in several if r.yields.usable is not None), Yields())
    return Rates(rules, stored, yields)


def used(build: Path, stage: str, dataset: str) -> int:
    """Bytes on disk of a stage; the annotation files in composite's folder count for annotate."""
    paths = [build / name.format(dataset=dataset) for name in STAGE_FILES[stage]]
    inside = size(build / dataset / "annotations") if stage == "composite" else 0
    return sum(map(size, paths)) - inside


def size(path: Path) -> int:
    """Bytes that a file or folder occupies, in whole blocks; links do not count."""
    if path.is_symlink() or not path.exists():
        return 0
    files = [path] if path.is_file() else path.rglob("*")
    return sum(
        -(-file.lstat().st_size // BLOCK) * BLOCK
        for file in files
        if file.is_file() and not file.is_symlink()
    )
