"""An earlier build: what its jobs cost, and the items and units of work that they had.

Snakemake's benchmark files (benchmarks/<stage>/<job>.tsv) and the stages' logs have the times, the
ledgers (<stage>/store/<shard>/rows.parquet) the seconds of each clip, the tables the work.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from occludenet_build.config.backends import TRAINED
from occludenet_build.core import tables
from occludenet_build.core.build import Build, Row
from occludenet_build.core.errors import UserError
from occludenet_build.plan.counts import Counts, Yields
from occludenet_build.plan.jobs import KINDS, LEDGERS
from occludenet_build.plan.videos import pixels_of

_CUT_OUT = (None, "blurred", "near_duplicate", "image_missing", "image_unreadable")
"""Reasons of objects for which a photo is opened."""


@dataclass(frozen=True)
class Job:
    """A job that ran."""

    name: str
    """Its shard or training."""
    cpu: float
    """CPU seconds of all its processes."""
    wall: float
    """Seconds."""
    rss_mb: float
    clips: list[tuple[float, float]] = field(default_factory=list)
    """(pixels of all frames, seconds of wall clock) of each clip; empty: no ledger."""


class Past:
    """What a finished build tells. Raises UserError where the folder holds none."""

    def __init__(self, folder: Path) -> None:
        self.build = Build(folder, "--build")
        if not (folder / "benchmarks").is_dir():
            raise UserError(
                f"--build: wanted the build_dir of an earlier build, {folder} has no benchmarks/"
            )
        self.index = self.build.by_clip("index")
        self.pixels = {clip: float(pixels_of(row)) for clip, row in self.index.items()}
        self.searched = self.build.by_clip("detect")
        self.made = self.build.rows("composite")
        self.erased = self.build.rows("counterfactual")

    @property
    def dataset(self) -> str:
        """Name of its dataset's folder."""
        files = (row["files"] for row in self.made if row["files"])
        return next((names[0].split("/")[0] for names in files), "OccludeNet-D")

    def models(self) -> dict[str, str]:
        """Stage -> its backend, or the backbone."""
        found = {}
        for stage in ("detect", "actor_masks"):
            found[stage] = next((row["backend"] for row in self.build.rows(stage)), None)
        for path in sorted((self.build.root / "evaluate").glob("*.json")):
            backbone = self.build.json(f"evaluate/{path.name}")["backbone"]
            found |= dict.fromkeys(TRAINED, backbone)
        return {stage: model for stage, model in found.items() if model}

    def jobs(self, rule: str) -> tuple[list[Job], float]:
        """(the jobs of a rule whose times are known as a whole, their share of all its jobs).

        Of a resumed job the ledger has the seconds of all runs, the benchmark those of the last
        one: it says nothing.
        """
        root, kind = self.build.root, KINDS[rule]
        files = sorted((root / "benchmarks").glob(kind.benchmarks))
        jobs = []
        for file in files:
            cost = _measured(file, root / "logs" / file.parent.name / f"{file.stem}.log")
            clips = self._clips(rule, file.stem)
            if cost and sum(spent for _, spent in clips) <= 1.1 * kind.threads * cost[1]:
                jobs.append(Job(file.stem, *cost, clips))
        return jobs, len(jobs) / max(1, len(files))

    def _clips(self, rule: str, job: str) -> list[tuple[float, float]]:
        """(pixels, seconds) of each clip that the ledgers of a job know."""
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

    def _views(self, job: str) -> float:
        """Clips passed through the network: in CAR each with its counterfactual, if it has one."""
        path = self.build.root / "train" / f"{job}.csv"
        if not path.exists():
            return 0
        with open(path, newline="") as stream:
            steps = list(csv.DictReader(stream))
        clips, dropped = (sum(int(step[name]) for step in steps) for name in ("clips", "dropped"))
        return 2 * clips - dropped if job.startswith("car") else clips

    def _shown(self, job: str) -> float:
        about = self.build.json(f"evaluate/{job}.json") or {}
        shown = sum(entry["n"] for entry in about.get("sets", ()))
        return shown * about.get("views", 0) * about.get("crops", 0)

    def _attended(self, job: str) -> int:
        path = self.build.root / "attention" / f"{job}.parquet"
        return len(tables.read(path, ["clip"])) if path.exists() else 0

    def yields(self) -> Yields:
        """What became of its videos."""
        found = [row for row in self.searched.values() if row["status"] == "ok"]
        usable = sum(row["status"] == "ok" for row in self.index.values())
        frames = sum(row["frames"] for row in found)
        return Yields(
            usable / len(self.index) if self.index else None,
            len(found) / len(self.searched) if self.searched else None,
            sum(row["actor_frames"] for row in found) / frames if frames else None,
        )

    @cached_property
    def counts(self) -> Counts:
        """Its items and units, as `counts.counts` of its configuration."""
        searched, chosen = self.searched.values(), self.made
        outputs = [*self.made, *self.erased]
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
            "train_views": sum(map(self._views, trained)),
            "test_views": sum(map(self._shown, trained)),
            "predictions": sum(len(tables.read(path)) for path in predicted),
            "attended": sum(map(self._attended, trained)),
            "trainings": len(trained),
        }

    def _objects(self) -> int | None:
        rows = self.build.rows("occluders")
        return sum(row["reason"] in _CUT_OUT for row in rows) or None


def _files(row: Row) -> int:
    """Files that a row of composite or of the counterfactuals names."""
    return len(row["files"] or ()) + bool(row.get("clean_file"))


def _measured(file: Path, log: Path) -> tuple[float, float, float] | None:
    """(CPU seconds, seconds, MiB) of the last run of a job; None where the file holds none.

    Snakemake's own CPU seconds miss the end of a job: those that the stage logs are taken.
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
