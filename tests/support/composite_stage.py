"""A shard of tiny clips with all input tables of composite, and its command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from support.build import write_groups
from support.render import opaque, textured, write_png

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.core.journal import peek
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion import select
from occludenet_build.occlusion.composite import add_arguments
from occludenet_build.occlusion.composite import run as run_stage
from occludenet_build.people import actor_masks
from occludenet_build.people.detect import BOXES

WIDTH, HEIGHT, FRAMES = 96, 64, 30
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CompositeStage:
    """composite on a shard: `folder` has its inputs, `root` is the build it writes into."""

    folder: Path
    root: Path
    clips: tuple[str, ...] = ("one", "two", "three")
    unmasked: tuple[str, ...] = ()
    boxes: Mapping[str, Mapping[int, Box]] = field(default_factory=dict)
    """Clip -> frame -> box, instead of a moving one."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of composite, besides those that make it fast."""
    outages: float = 1.0
    """failures.outage_share of composite."""
    group: int = 1
    """failures.commit_clips."""

    def write(self) -> CompositeStage:
        """Write the sources and all input tables."""
        self.cutout()
        rows = []
        for number, clip in enumerate(self.clips):
            write_video(self.source(clip), textured(FRAMES, WIDTH, HEIGHT, number), 25)
            rows.append(self._row(clip))
        tables.write_table(tables.from_rows(rows, select.CLIPS), self.folder / "select.parquet")
        boxes = [tables.from_rows(self._boxes(clip), BOXES) for clip in self.clips]
        write_groups(self.folder / "detect/000/detail.parquet", boxes, BOXES)
        self.mask("a")
        return self

    def source(self, clip: str) -> Path:
        return self.folder / "sources" / f"{clip}.mp4"

    def cutout(self, rgba: np.ndarray | None = None) -> Path:
        return write_png(self.folder / "bank/cut.png", opaque() if rgba is None else rgba)

    def mask(
        self,
        version: str,
        clips: tuple[str, ...] | None = None,
        masked: Mapping[str, range] | None = None,
    ) -> None:
        """Write the tables of masks; another version than "a" moves the masks of `clips` (all).

        masked: clip -> the frames with a mask, instead of all.
        """
        frames = {clip: range(FRAMES) for clip in self.clips} | dict(masked or {})
        rows, parts = [], []
        for clip in self.clips:
            is_moved = version != "a" and clip in (self.clips if clips is None else clips)
            row = {"clip": clip, "status": "ok", "key": "k", "height": HEIGHT, "width": WIDTH}
            hashed = f"{'a' if not is_moved else version} {frames[clip]}"
            row |= {"masked_frames": len(frames[clip]), "masks_hash": hashed}
            if clip in self.unmasked:
                row |= {"status": "skipped", "reason": "no_mask", "masks_hash": None}
            else:
                parts.append(self._masks(clip, 3 if is_moved else 0, frames[clip]))
            rows.append(row)
        tables.write_table(
            tables.from_rows(rows, actor_masks.ROWS), self.folder / "masks/000.parquet"
        )
        store = self.folder / "masks/store/000/detail.parquet"
        write_groups(store, parts, actor_masks.DETAIL)

    def _row(self, clip: str) -> dict[str, Any]:
        row = {"clip": clip, "status": "ok", "path": str(self.source(clip)), "label": "walking"}
        row |= {"split": "train", "category": "dog", "occluder": "cut.png", "fps": 25.0}
        row |= {"detect_shard": "000", "boxes_hash": "b", "occluder_file": "cut.png"}
        row |= {"sha256": sha256_file(self.source(clip))}
        row |= {"occluder_sha256": sha256_file(self.folder / "bank/cut.png")}
        return row | {"frames": FRAMES, "duration_seconds": FRAMES / 25}

    def _boxes(self, clip: str) -> list[dict[str, Any]]:
        walk = {n: (10.0 + n, 8.0, 50.0 + n, 56.0) for n in range(FRAMES)}
        same = {"clip": clip, "score": 0.9, "shot": 0, "track": 0, "actor": True, "filled": False}
        sides = ("x1", "y1", "x2", "y2")
        return [
            same | {"frame": n} | dict(zip(sides, box, strict=True))
            for n, box in self.boxes.get(clip, walk).items()
        ]

    def _masks(self, clip: str, shift: int, frames: range) -> Any:
        rows = []
        for number in frames:
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[10:54, 20 + number + shift : 40 + number + shift] = True
            row = {"clip": clip, "frame": number, "area": int(mask.sum())}
            rows.append(row | {"rle": masks.encode(mask)})
        return tables.from_rows(rows, actor_masks.DETAIL)

    @cached_property
    def out(self) -> Path:
        return self.root / "composite/000.parquet"

    @cached_property
    def erased(self) -> Path:
        return self.root / "counterfactual/000.parquet"

    def words(
        self, threads: int = 1, counterfactual: dict[str, Any] | None = None, **changed: Any
    ) -> list[str]:
        """The options of the command; `changed`: further settings of composite."""
        inputs = {"clips": "select.parquet", "boxes": "detect", "bank": "bank"}
        inputs["masks"] = "masks/000.parquet"
        words = [w for name, at in inputs.items() for w in (f"--{name}", str(self.folder / at))]
        words += ["--root", str(self.root), "--out", str(self.out), "--erased", str(self.erased)]
        own = {"scales": [0.25, 0.75], "preset": "ultrafast"} | dict(self.settings) | changed
        settings = {"composite": own, "counterfactual": counterfactual or {}}
        settings["failures"] = {"outage_share": {"composite": self.outages}}
        settings["failures"]["commit_clips"] = self.group
        return [*words, "--threads", str(threads), "--settings", json.dumps(settings)]

    def command(self, threads: int = 1, **changed: Any) -> list[str]:
        """The command for a process of its own."""
        program = [sys.executable, "-m", "occludenet_build", "composite"]
        return [*program, *self.words(threads, **changed)]

    def run(self, **changed: Any) -> None:
        """Run the stage in this process."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        parser.add_argument("--settings")
        args = parser.parse_args(self.words(**changed))
        run_stage(args, config.load_part(json.loads(args.settings)))

    def rows(self, table: Path | None = None) -> dict[str, dict[str, Any]]:
        return {row["clip"]: row for row in tables.read_rows(table or self.out)}

    def finished(self) -> set[str]:
        """The clips that are committed to both ledgers, in a shard that is not yet complete."""
        parts = ("composite", "counterfactual")
        journals = (peek(self.root / part / "store/000", len(self.clips))[1] for part in parts)
        return set.intersection(*({row["clip"] for row in rows} for rows in journals))

    def videos(self, kind: str = "") -> dict[str, int]:
        """Finished videos with their time stamps; kind: -clean, -counterfactual, or all."""
        paths = self.root.glob(f"OccludeNet-D{kind or '*'}/**/*.mp4")
        finished = (path for path in paths if not path.name.startswith("."))
        return {str(p.relative_to(self.root)): p.stat().st_mtime_ns for p in finished}

    def unfinished(self) -> list[Path]:
        return list(self.root.rglob(".*.part*"))
