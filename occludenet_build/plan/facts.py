"""The tables of a finished build: what each job worked on."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from occludenet_build.core import tables
from occludenet_build.plan.counts import Counts, Yields
from occludenet_build.plan.rules import NETWORKS, RULES, unit_of
from occludenet_build.plan.videos import pixels_of

Row = dict[str, Any]

_CUT_OUT = (None, "blurred", "near_duplicate", "image_missing", "image_unreadable")
"""Reasons of objects for which a photo is opened."""


class Facts:
    """The tables of a build, as far as they are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = {row["clip"]: row for row in self._rows("index/videos.parquet")}
        self.pixels: dict[str, float] = {
            clip: pixels_of(row) for clip, row in self.index.items() if row["frames"]
        }
        self.detect = self._shards("detect")
        self.masks = self._shards("actor_masks")
        self.made = self._shards("composite")
        self.erased = self._shards("counterfactual")
        self.annotated = self._rows("annotate/clips.parquet")
        self.found = {r["clip"]: r for rows in self.detect.values() for r in rows}

    def _rows(self, name: str) -> list[Row]:
        path = self.folder / name
        return tables.read_rows(path) if path.exists() else []

    def _shards(self, room: str) -> dict[str, list[Row]]:
        files = sorted((self.folder / room).glob("[0-9]*.parquet"))
        return {file.stem: tables.read_rows(file) for file in files}

    def dataset(self) -> str:
        files = (row["files"] for rows in self.made.values() for row in rows if row["files"])
        return next((names[0].split("/")[0] for names in files), "OccludeNet-D")

    def outputs(self, rows: list[Row]) -> dict[str, float]:
        """Clip -> pixels of the files of its rows."""
        pixels: dict[str, float] = defaultdict(float)
        for row in rows:
            files = len(row["files"] or ()) + bool(row.get("clean_file"))
            pixels[row["clip"]] += files * self.pixels.get(row["clip"], 0)
        return pixels

    def each(self, rule: str, job: str) -> dict[str, float]:
        """Clip -> its units, for the rules that have ledgers."""
        if rule == "index":
            return dict(self.pixels)
        if rule == "detect_shard":
            by_frame = unit_of(rule, self._backend(self.detect)) == "search_frames"
            mine = [row["clip"] for row in self.detect.get(job, ())]
            return {c: self.index[c]["frames"] if by_frame else self.pixels[c] for c in mine}
        if rule == "leaks":
            return {clip: self.pixels[clip] for clip in self.chosen()}
        if rule == "actor_masks_shard":
            mine = [row["clip"] for row in self.masks.get(job, ())]
            return {clip: self.found[clip]["actor_frames"] or 0 for clip in mine}
        return self.outputs([*self.made.get(job, ()), *self.erased.get(job, ())])

    def units(self, rule: str, job: str) -> float:
        if RULES[rule].stores:
            return sum(self.each(rule, job).values())
        if rule == "train_arm":
            return self._views(job)
        if rule == "evaluate_arm":
            about = self._json(f"evaluate/{job}.json")
            shown = sum(entry["n"] for entry in about.get("sets", ()))
            return shown * about.get("views", 0) * about.get("crops", 0)
        if rule == "attention_arm":
            return self._attended(job)
        return self.counts()[RULES[rule].unit] or 0

    def _attended(self, job: str) -> int:
        path = self.folder / "attention" / f"{job}.parquet"
        return len(tables.read(path, ["clip"])) if path.exists() else 0

    def chosen(self) -> list[str]:
        return [row["clip"] for rows in self.made.values() for row in rows]

    def _views(self, job: str) -> float:
        """Clips passed through the network: in CAR each with its counterfactual, if it has one."""
        path = self.folder / "train" / f"{job}.csv"
        if not path.exists():
            return 0
        with open(path, newline="") as stream:
            steps = list(csv.DictReader(stream))
        clips, dropped = (sum(int(step[name]) for step in steps) for name in ("clips", "dropped"))
        return 2 * clips - dropped if job.startswith("car") else clips

    def clips(self, rule: str, job: str) -> list[tuple[float, float]]:
        """(units, seconds) of each clip that a ledger of the rule knows."""
        seconds: dict[str, float] = defaultdict(float)
        shard = job if RULES[rule].split in ("index", "select") else "all"
        for room in RULES[rule].stores:
            for row in self._rows(f"{room}/store/{shard}/rows.parquet"):
                seconds[row["clip"]] += row["seconds"] or 0.0
        units = self.each(rule, job)
        return [(units[clip], spent) for clip, spent in seconds.items() if units.get(clip)]

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else {}

    def _backend(self, shards: dict[str, list[Row]]) -> str | None:
        return next((row["backend"] for rows in shards.values() for row in rows), None)

    def kinds(self) -> dict[str, dict[str, str]]:
        files = sorted((self.folder / "evaluate").glob("*.json"))
        backbone = json.loads(files[0].read_text())["backbone"] if files else None
        said = {
            "detect_shard": self._backend(self.detect),
            "actor_masks_shard": self._backend(self.masks),
        }
        named = {rule: {"backend": name} for rule, name in said.items() if name}
        networks = dict.fromkeys(NETWORKS, backbone)
        return named | {rule: {"backbone": name} for rule, name in networks.items() if name}

    def yields(self) -> Yields:
        found = [row for row in self.found.values() if row["status"] == "ok"]
        usable = sum(row["status"] == "ok" for row in self.index.values())
        frames = sum(row["frames"] for row in found)
        return Yields(
            usable / len(self.index) if self.index else None,
            len(found) / len(self.found) if self.found else None,
            sum(row["actor_frames"] for row in found) / frames if frames else None,
        )

    def counts(self) -> Counts:
        """As `counts.counts` of its configuration."""
        made = [row for rows in self.made.values() for row in rows]
        erased = [row for rows in self.erased.values() for row in rows]
        kept, gone = self.outputs(made), self.outputs(erased)
        chosen = self.chosen()
        occluded = [row for row in self.annotated if row["set"] != "clean"]
        shown = self._rows_of("evaluate")
        trained = [file.stem for file in (self.folder / "train").glob("*.csv")]
        return {
            "videos": len(self.index),
            "index_px": sum(self.pixels.values()),
            "candidates": len(self.found),
            "search_frames": sum(self.index[clip]["frames"] for clip in self.found),
            "search_px": sum(self.pixels[clip] for clip in self.found),
            "chosen": len(chosen),
            "chosen_px": sum(self.pixels[clip] for clip in chosen),
            "actor_frames": sum(self.found[clip]["actor_frames"] or 0 for clip in chosen),
            "clips_made": sum(
                len(r["files"] or ()) + bool(r.get("clean_file")) for r in [*made, *erased]
            ),
            "output_px": sum(kept.values()) + sum(gone.values()),
            "kept_px": sum(kept.values()),
            "erased_px": sum(gone.values()),
            "truth_rows": sum(row["frames"] for row in occluded),
            "released": len(occluded),
            "train_views": sum(self._views(job) for job in trained),
            "test_views": sum(self.units("evaluate_arm", job) for job in trained),
            "predictions": shown,
            "attended": sum(self._attended(job) for job in trained),
            "trainings": len(trained),
            "one": 1,
            "jobs": len(list((self.folder / "benchmarks").rglob("*.tsv"))),
            "objects": self._objects(),
        }

    def _rows_of(self, room: str) -> int:
        return sum(len(tables.read(file)) for file in (self.folder / room).glob("*.parquet"))

    def _objects(self) -> int | None:
        rows = self._rows("occluders/occluders.parquet")
        return sum(row["reason"] in _CUT_OUT for row in rows) or None
