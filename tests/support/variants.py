"""A small build whose clips have flat backgrounds and actors of known colours, for variants."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support.build import (
    ABSENT,
    CLIPS,
    FPS,
    FRAMES,
    HEIGHT,
    SCALES,
    WIDTH,
    SmallBuild,
    actor,
    square,
)

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.dataset.variants import command
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.release.terms import clip_path

TESTED = ("beer-2", "water-3", "odd-2")
"""The clips of the split test, each of another class."""
SCENES = {"beer-2": (60, 120, 60), "water-3": (70, 110, 60), "odd-2": (60, 60, 190)}
"""Backgrounds: the first two are alike."""
ACTOR, OCCLUDER = (230, 200, 170), (40, 20, 20)
SHARDS = ("000", "001")
ALL = ["background", "human", "swap", "scuba", "scufo", "ring", "greyed"]


def pictures(clip: str, scale: float | None = None) -> list[np.ndarray]:
    """The frames of a clip, with an occluder at a scale."""
    found = []
    for number in range(FRAMES):
        picture = np.full((HEIGHT, WIDTH, 3), SCENES.get(clip, (90, 90, 90)), np.uint8)
        picture[actor(number)] = ACTOR
        if scale is not None and number not in ABSENT:
            x, y, side = square(number, scale)
            picture[y : y + side, x : x + side] = OCCLUDER
        found.append(picture)
    return found


@dataclass(frozen=True)
class VariantsBuild:
    root: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def write(self) -> VariantsBuild:
        SmallBuild(self.root).write()
        self._sources()
        for shard in SHARDS:
            self._occluded(shard)
        return self

    def source(self, clip: str) -> Path:
        return self.root / "sources" / f"{clip}.mp4"

    def _sources(self) -> None:
        rows = tables.read_rows(self.root / "select/clips.parquet")
        for row in rows:
            if row["status"] == "ok":
                write_video(self.source(row["clip"]), pictures(row["clip"]), FPS)
                row["sha256"] = sha256_file(self.source(row["clip"]))
        schema = tables.read_table(self.root / "select/clips.parquet").schema
        tables.write_table(pa.Table.from_pylist(rows, schema), self.root / "select/clips.parquet")
        for shard in SHARDS:
            table = pa.Table.from_pylist([r for r in rows if r["shard"] == shard], schema)
            tables.write_table(table, self.root / f"select/shards/{shard}.parquet")

    def _occluded(self, shard: str) -> None:
        path = self.root / f"composite/{shard}.parquet"
        rows = tables.read_rows(path)
        for row in rows:
            if row["clip"] in TESTED:
                for at, (scale, file) in enumerate(zip(SCALES, row["files"], strict=True)):
                    write_video(self.root / file, pictures(row["clip"], scale), FPS)
                    row["file_hashes"][at] = sha256_file(self.root / file)
                row["truth_hash"] = "t"
        tables.write_table(pa.Table.from_pylist(rows, tables.read_table(path).schema), path)

    def occluded(self, clip: str, scale: float) -> Path:
        label = next(one.label for one in CLIPS if one.name == clip)
        return self.root / clip_path("OccludeNet-D", "test", scale, label, clip)

    def _config(self, changed: dict[str, Any]) -> config.Config:
        own = {"sets": ALL, "seeds": [1], "fill": "median", "ring": 8} | self.settings | changed
        values: dict[str, Any] = {"variants": own, "counterfactual": {"dilate": 1}}
        values["composite"] = {"crf": 4.0, "preset": "ultrafast"}
        values["failures"] = {"outage_share": {"variants": 1.0}}
        return config.load_part(values)

    def _call(self, words: list[Any], changed: dict[str, Any]) -> None:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        command.run(parser.parse_args([str(w) for w in words]), self._config(changed))

    def run(self, **changed: Any) -> dict[str, dict[str, Any]]:
        """Run all actions in this process; the rows of ITEMS by name."""
        root, made = self.root, self.root / "variants"
        common = ["--select", root / "select/clips.parquet", "--root", root]
        for shard in SHARDS:
            inputs = ["--clips", root / f"select/shards/{shard}.parquet"]
            inputs += ["--composite", root / f"composite/{shard}.parquet"]
            masks = ["--masks", root / f"actor_masks/{shard}.parquet"]
            masks += ["--boxes", root / "detect/store"]
            out = ["--out", made / f"plates/{shard}.parquet"]
            self._call(["plates", *inputs, *common, *masks, *out], changed)
        pairs = made / "pairs.parquet"
        self._call(["pairs", "--plates", made / "plates", "--out", pairs], changed)
        for shard in SHARDS:
            inputs = ["--clips", root / f"select/shards/{shard}.parquet"]
            inputs += ["--composite", root / f"composite/{shard}.parquet"]
            inputs += ["--masks", root / "actor_masks", "--plates", made / "plates"]
            out = ["--pairs", pairs, "--out", made / f"items/{shard}.parquet"]
            self._call(["make", *inputs, *common, *out], changed)
        words = ["collect", "--items", made / "items", "--root", root]
        self._call([*words, "--out", made / "clips.parquet"], changed)
        return self.rows()

    def rows(self) -> dict[str, dict[str, Any]]:
        files = sorted((self.root / "variants/items").glob("*.parquet"))
        return {row["clip"]: row for path in files for row in tables.read_rows(path)}

    @cached_property
    def mean(self) -> tuple[int, ...]:
        return self._config({}).variants.mean_colour

    def frames(self, name: str) -> np.ndarray:
        """The frames of an item, uint8 (T, H, W, 3)."""
        return np.stack([p for _, p in rgb_frames(self.root / self.rows()[name]["file"])])

    def times(self) -> dict[str, int]:
        """Files of the sets -> time stamp."""
        found = (self.root / "variants").glob("*/*/*.mp4")
        return {str(p.relative_to(self.root)): p.stat().st_mtime_ns for p in found}
