"""Rates from an earlier build: start-up cost of a job, cost and stored bytes per unit of work.

Times come from Snakemake's benchmark files (benchmarks/<stage>/<job>.tsv) and the logs of the
stages, seconds per clip from the ledgers (<stage>/store/<shard>/rows.parquet), and the units of
work from the tables.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from occludenet_build.config.backends import TRAINED, is_network
from occludenet_build.core import tables
from occludenet_build.core.build import BuildTables, Row, read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.quantities import size
from occludenet_build.stages import STAGES
from occludenet_build.tools.plan.counts import KINDS, Counts, Yields, names_of, unit_of
from occludenet_build.tools.plan.videos import pixels_of
from occludenet_build.tools.project import cores

STAGE_FILES: dict[str, tuple[str, ...]] = {
    **{kind.stage: (kind.stage,) for kind in KINDS.values() if kind.stage != "kinetics"},
    "acquire": ("acquire/videos.parquet", "acquire/coco.json"),
    "composite": STAGES["composite"].folders("{dataset}"),
    "logs": ("logs", "benchmarks"),
}
"""Stage -> its files and folders in build_dir."""
_STORES = {
    "logs": "jobs",
    "train": "trainings",
    "evaluate": "predictions",
    "models": "members",
    "attention": "trainings",  # images of some clips, and small tables
}
"""Stage -> the count that its stored bytes are proportional to, if not the unit of its cost."""
_CUT_OUT = (None, "blurred", "near_duplicate", "image_missing", "image_unreadable")
"""Reasons of COCO objects for which the photo is opened."""


@dataclass(frozen=True)
class FinishedJob:
    """CPU and wall-clock seconds of a finished job, and its maximum resident memory, MiB."""

    cpu: float
    wall: float
    rss_mb: float
    clips: list[tuple[float, float]]
    """(pixels, wall-clock seconds) of each clip; empty if the stage has no ledger."""


class EarlierBuild:
    """A finished build. Raises UserError if the folder is not a build with benchmarks."""

    def __init__(self, folder: Path) -> None:
        self.build = BuildTables(folder, "--build")
        if not (folder / "benchmarks").is_dir():
            raise UserError(
                f"--build: wanted the build_dir of an earlier build, {folder} has no benchmarks/"
            )
        self.index = self.build.by_clip("index")
        self.pixels = {clip: float(pixels_of(row)) for clip, row in self.index.items()}
        self.searched = self.build.by_clip("detect")
        self.composited = self.build.rows("composite")

    @property
    def dataset(self) -> str:
        """Name of the dataset's folder."""
        files = (row["files"] for row in self.composited if row["files"])
        return next((names[0].split("/")[0] for names in files), "OccludeNet-D")

    def models(self) -> dict[str, str]:
        """Stage -> its backend or backbone."""
        rows = {stage: self.build.rows(stage) for stage in ("detect", "actor_masks")}
        # "yolo, openvino bf16": the engine is no other network
        models = {
            stage: found[0]["backend"].partition(",")[0] for stage, found in rows.items() if found
        }
        for path in sorted((self.build.root / "evaluate").glob("*.json")):
            backbone = self.build.json(f"evaluate/{path.name}")["backbone"]
            models |= dict.fromkeys(TRAINED, backbone)
        members = {path.parent: path for path in self._member_tables()}
        about = [read_json(path.with_suffix(".json")) for path in members.values()]
        compared = names_of(one["backbone"] for one in about)
        return models | ({"models": compared} if compared else {})

    def _member_tables(self) -> list[Path]:
        """Tables of predictions of the networks of the stage models."""
        return self.build.files("models")

    def jobs(self, rule: str) -> tuple[list[FinishedJob], float]:
        """(jobs of a rule with complete times, their share of all jobs of the rule).

        A resumed job is left out: its ledger has the seconds of all runs, its benchmark only those
        of the last run.
        """
        root, kind = self.build.root, KINDS[rule]
        files = sorted((root / "benchmarks").glob(kind.benchmarks))
        jobs = []
        for file in files:
            log = root / "logs" / file.relative_to(root / "benchmarks").with_suffix(".log")
            cost = _measured_cost(file, log)
            clips = self._clips(kind.stage, file.stem if kind.split != "one" else "all")
            if cost and sum(spent for _, spent in clips) <= 1.1 * kind.threads * cost[1]:
                jobs.append(FinishedJob(*cost, clips))
        return jobs, len(jobs) / max(1, len(files))

    def _clips(self, stage: str, shard: str) -> list[tuple[float, float]]:
        """(pixels, seconds) of each clip in the ledgers of a job."""
        seconds: dict[str, float] = {}
        for part in (stage, *STAGES[stage].parts):
            path = self.build.root / part / "store" / shard / "rows.parquet"
            for row in tables.read_rows(path) if path.exists() else ():
                seconds[row["clip"]] = seconds.get(row["clip"], 0.0) + (row["seconds"] or 0.0)
        return [(size, spent) for c, spent in seconds.items() if (size := self.pixels.get(c))]

    def yields(self) -> Yields:
        """Shares of the videos that each stage accepted."""
        with_actor = [row for row in self.searched.values() if row["status"] == "ok"]
        usable = sum(row["status"] == "ok" for row in self.index.values())
        frames = sum(row["frames"] for row in with_actor)
        return Yields(
            usable / len(self.index) if self.index else None,
            len(with_actor) / len(self.searched) if self.searched else None,
            sum(row["actor_frames"] for row in with_actor) / frames if frames else None,
        )

    @cached_property
    def counts(self) -> Counts:
        """Items and units of work, with the names of `counts.counts`, as far as rates need them."""
        chosen = [row["clip"] for row in self.composited]
        outputs = [*self.composited, *self.build.rows("counterfactual")]
        released = [row for row in self.build.rows("annotate") if row["set"] != "clean"]
        cut_out = [row["reason"] in _CUT_OUT for row in self.build.rows("occluders")]
        return {
            "fetched_clips": len(self.build.rows("kinetics")),
            "videos": len(self.index),
            "index_px": sum(self.pixels.values()),
            "candidates": len(self.searched),
            "search_frames": sum(self.index[clip]["frames"] or 0 for clip in self.searched),
            "search_px": sum(self.pixels[clip] for clip in self.searched),
            "chosen_px": sum(self.pixels[clip] for clip in chosen),
            "actor_frames": sum(self.searched[clip]["actor_frames"] or 0 for clip in chosen),
            "output_px": sum(_files(row) * self.pixels[row["clip"]] for row in outputs),
            "truth_rows": sum(row["frames"] for row in released),
            "released": len(released),
            "objects": sum(cut_out),
            "one": 1,
            "jobs": len(list((self.build.root / "benchmarks").rglob("*.tsv"))),
        } | self._learning()

    def _learning(self) -> Counts:
        trained, members = self.build.files("train"), self._member_tables()
        predicted, mapped = self.build.files("evaluate"), self.build.files("attention")
        return {
            "members": len(members),
            "member_train_views": sum(_train_views(path.with_suffix(".csv")) for path in members),
            "member_test_views": sum(self._test_views(path) for path in members),
            "train_views": sum(map(_train_views, trained)),
            "test_views": sum(
                self._test_views(self.build.root / "evaluate" / path.name) for path in trained
            ),
            "predictions": sum(len(tables.read_table(path)) for path in predicted),
            "attended": sum(len(tables.read_table(path, ["clip"])) for path in mapped),
            "trainings": len(trained),
        }

    def _test_views(self, table: Path) -> float:
        """Clips passed through the network in an evaluation, from the .json beside its table."""
        path = table.with_suffix(".json")
        about = read_json(path) if path.exists() else None
        return sum(s["n"] for s in about["sets"]) * about["views"] * about["crops"] if about else 0


def _files(row: Row) -> int:
    """Number of files that a row of composite or counterfactual names."""
    return len(row["files"] or ()) + bool(row.get("clean_file"))


def _train_views(path: Path) -> float:
    """Clips passed through the network; CAR also passes the counterfactual of a clip."""
    with open(path, newline="") as stream:
        steps = list(csv.DictReader(stream))
    clips, dropped = (sum(int(step[name]) for step in steps) for name in ("clips", "dropped"))
    return 2 * clips - dropped if path.stem.startswith("car") else clips


def _measured_cost(file: Path, log: Path) -> tuple[float, float, float] | None:
    """(CPU seconds, wall-clock seconds, MiB) of the last run of a job; None for an empty file.

    CPU seconds are taken from the log of the stage, because Snakemake's miss the end of a job.
    """
    with open(file, newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    if not rows:
        return None
    told = (rows[-1][name] for name in ("s", "cpu_time", "max_rss"))
    wall, cpu, rss = (0.0 if text in ("NA", "-", "") else float(text) for text in told)
    text = log.read_text(errors="replace") if log.exists() else ""
    logged = re.findall(r"^[\d:]+ \w+: CPU ([\d.]+) s$", text, re.M)
    return float(logged[-1]) if logged else cpu or wall, wall, rss


@dataclass(frozen=True)
class Rate:
    """Cost of the jobs of a rule: CPU seconds of starting a job, and of each unit."""

    start: float
    each: float
    gpu_each: float
    """GPU seconds per unit: wall-clock time of jobs with a GPU."""
    rss_mb: float
    """Maximum resident memory of a job, MiB."""
    model: str | None
    """Backend or backbone for which it is valid; None: any."""


@dataclass(frozen=True)
class Rates:
    """Rates learned from an earlier build."""

    rules: dict[str, Rate] = field(default_factory=dict)
    """Rule -> its rate."""
    stored: dict[str, float] = field(default_factory=dict)
    """Stage -> stored bytes per unit (`stored_unit`)."""
    yields: Yields = field(default_factory=Yields)


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
        if done := (past.counts[unit_of(rule, model)] or 0) * share:
            rules[rule] = _rate(rule, finished, done, least, model)
    stored = {
        stage: used(folder, stage, past.dataset) / units
        for stage in STAGE_FILES
        if (units := past.counts[stored_unit(stage)])
    }
    return Rates(rules, stored, past.yields())


def _rate(
    rule: str, jobs: list[FinishedJob], units: float, least: float, model: str | None
) -> Rate:
    """Rate of a rule. `units`: of all its jobs; `least`: start-up CPU seconds without a ledger."""
    cpu, wall = sum(job.cpu for job in jobs), sum(job.wall for job in jobs)
    if all(job.clips for job in jobs):
        worked = sum(_worked(job, min(KINDS[rule].threads, cores())) for job in jobs)
    else:
        worked = max(0.0, cpu - least * len(jobs))
    has_gpu = Path("/proc/driver/nvidia/version").exists()  # found without importing torch
    on_gpu = has_gpu and is_network(KINDS[rule].network_stage, model)
    gpu_each, rss_mb = wall / units if on_gpu else 0.0, max(job.rss_mb for job in jobs)
    return Rate((cpu - worked) / len(jobs), worked / units, gpu_each, rss_mb, model)


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


def stored_unit(stage: str) -> str:
    """The count that the stored bytes of a stage are proportional to."""
    return _STORES.get(stage) or STAGES[stage].unit


def used(build: Path, stage: str, dataset: str) -> int:
    """Bytes on disk of a stage; annotation files count for composite."""
    return sum(size(build / name.format(dataset=dataset)) for name in STAGE_FILES[stage])
