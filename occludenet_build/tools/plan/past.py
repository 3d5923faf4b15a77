"""Cost of the jobs of an earlier build, and their items and units of work.

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

from occludenet_build.config.backends import TRAINED
from occludenet_build.core import tables
from occludenet_build.core.build import BuildTables, Row
from occludenet_build.core.errors import UserError
from occludenet_build.tools.plan.counts import KINDS, LEDGERS, Counts, Yields
from occludenet_build.tools.plan.videos import pixels_of

_CUT_OUT = (None, "blurred", "near_duplicate", "image_missing", "image_unreadable")
"""Reasons of COCO objects for which the photo is opened."""


@dataclass(frozen=True)
class FinishedJob:
    """Measured cost of a finished job."""

    name: str
    """Name of its shard or training."""
    cpu: float
    """CPU seconds of all its processes."""
    wall: float
    """Wall-clock time, seconds."""
    rss_mb: float
    """Maximum resident memory, MiB."""
    clips: list[tuple[float, float]] = field(default_factory=list)
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
        self.erased = self.build.rows("counterfactual")

    @property
    def dataset(self) -> str:
        """Name of the dataset's folder."""
        files = (row["files"] for row in self.composited if row["files"])
        return next((names[0].split("/")[0] for names in files), "OccludeNet-D")

    def models(self) -> dict[str, str]:
        """Stage -> its backend or backbone."""
        models: dict[str, str | None] = {}
        for stage in ("detect", "actor_masks"):
            models[stage] = next((row["backend"] for row in self.build.rows(stage)), None)
        for path in sorted((self.build.root / "evaluate").glob("*.json")):
            backbone = self.build.json(f"evaluate/{path.name}")["backbone"]
            models |= dict.fromkeys(TRAINED, backbone)
        return {stage: model for stage, model in models.items() if model}

    def jobs(self, rule: str) -> tuple[list[FinishedJob], float]:
        """(jobs of a rule with complete times, their share of all jobs of the rule).

        A resumed job is left out: its ledger has the seconds of all runs, its benchmark only those
        of the last run.
        """
        root, kind = self.build.root, KINDS[rule]
        files = sorted((root / "benchmarks").glob(kind.benchmarks))
        jobs = []
        for file in files:
            cost = _measured_cost(file, root / "logs" / file.parent.name / f"{file.stem}.log")
            clips = self._clips(rule, file.stem)
            if cost and sum(spent for _, spent in clips) <= 1.1 * kind.threads * cost[1]:
                jobs.append(FinishedJob(file.stem, *cost, clips))
        return jobs, len(jobs) / max(1, len(files))

    def _clips(self, rule: str, job: str) -> list[tuple[float, float]]:
        """(pixels, seconds) of each clip in the ledgers of a job."""
        seconds: dict[str, float] = {}
        shard = job if KINDS[rule].split in ("index", "select") else "all"
        for stage in LEDGERS.get(rule, ()):
            path = self.build.root / stage / "store" / shard / "rows.parquet"
            for row in tables.read_rows(path) if path.exists() else ():
                seconds[row["clip"]] = seconds.get(row["clip"], 0.0) + (row["seconds"] or 0.0)
        pairs = ((self.pixels.get(clip, 0.0), spent) for clip, spent in seconds.items())
        return [(pixels, spent) for pixels, spent in pairs if pixels]

    def _frames(self, row: Row) -> float:
        return self.index[row["clip"]]["frames"] or 0

    def _pixels(self, row: Row) -> float:
        return self.pixels.get(row["clip"], 0.0)

    def _actor_frames(self, row: Row) -> float:
        return self.searched[row["clip"]]["actor_frames"] or 0

    def _train_views(self, job: str) -> float:
        """Clips passed through the network; CAR also passes the counterfactual of a clip."""
        path = self.build.root / "train" / f"{job}.csv"
        if not path.exists():
            return 0
        with open(path, newline="") as stream:
            steps = list(csv.DictReader(stream))
        clips, dropped = (sum(int(step[name]) for step in steps) for name in ("clips", "dropped"))
        return 2 * clips - dropped if job.startswith("car") else clips

    def _test_views(self, job: str) -> float:
        about = self.build.json(f"evaluate/{job}.json") or {}
        clips = sum(entry["n"] for entry in about.get("sets", ()))
        return clips * about.get("views", 0) * about.get("crops", 0)

    def _attended(self, job: str) -> int:
        path = self.build.root / "attention" / f"{job}.parquet"
        return len(tables.read_table(path, ["clip"])) if path.exists() else 0

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
        """Items and units of work, with the names of `counts.counts`."""
        searched, chosen = self.searched.values(), self.composited
        outputs = [*self.composited, *self.erased]
        released = [row for row in self.build.rows("annotate") if row["set"] != "clean"]
        return {
            "fetched_clips": len(self.build.rows("kinetics")),
            "videos": len(self.index),
            "index_px": sum(self.pixels.values()),
            "candidates": len(self.searched),
            "search_frames": sum(map(self._frames, searched)),
            "search_px": sum(map(self._pixels, searched)),
            "chosen": len(chosen),
            "chosen_px": sum(map(self._pixels, chosen)),
            "actor_frames": sum(map(self._actor_frames, chosen)),
            "clips_made": sum(map(_files, outputs)),
            "output_px": sum(_files(row) * self._pixels(row) for row in outputs),
            "truth_rows": sum(row["frames"] for row in released),
            "released": len(released),
            "objects": self._objects(),
            "one": 1,
            "jobs": len(list((self.build.root / "benchmarks").rglob("*.tsv"))),
        } | self._learning()

    def _learning(self) -> Counts:
        trained = [path.stem for path in self.build.files("train")]
        predicted = self.build.files("evaluate")
        return {
            "train_views": sum(map(self._train_views, trained)),
            "test_views": sum(map(self._test_views, trained)),
            "predictions": sum(len(tables.read_table(path)) for path in predicted),
            "attended": sum(map(self._attended, trained)),
            "trainings": len(trained),
        }

    def _objects(self) -> int | None:
        rows = self.build.rows("occluders")
        return sum(row["reason"] in _CUT_OUT for row in rows) or None


def _files(row: Row) -> int:
    """Number of files that a row of composite or counterfactual names."""
    return len(row["files"] or ()) + bool(row.get("clean_file"))


def _measured_cost(file: Path, log: Path) -> tuple[float, float, float] | None:
    """(CPU seconds, wall-clock seconds, MiB) of the last run of a job; None for an empty file.

    CPU seconds are taken from the log of the stage, because Snakemake's miss the end of a job.
    """
    with open(file, newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    if not rows:
        return None
    wall, cpu, rss = (_number(rows[-1][name]) for name in ("s", "cpu_time", "max_rss"))
    text = log.read_text(errors="replace") if log.exists() else ""
    logged = re.findall(r"^[\d:]+ \w+: CPU ([\d.]+) s$", text, re.M)
    return float(logged[-1]) if logged else cpu or wall, wall, rss


def _number(text: str) -> float:
    return 0.0 if text in ("NA", "-", "") else float(text)
