"""A build of a few tiny clips, for the tests of stages that read finished tables.

The clips are grey, with a pale actor who walks to the right under a dark square. One clip has no
person, one file is broken, one clip failed to encode.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.config import load_part
from occludenet_build.core import tables
from occludenet_build.core.files import write_json, write_text
from occludenet_build.dataset.annotate.command import add_arguments
from occludenet_build.dataset.annotate.command import run as run_stage
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.composite import CLIPS as COMPOSITE
from occludenet_build.occlusion.composite import ERASED as TWINS
from occludenet_build.occlusion.ground_truth import TRUTH
from occludenet_build.occlusion.occluders import SCHEMA as BANK
from occludenet_build.occlusion.occluders.summary import bank_summary
from occludenet_build.occlusion.select import CLIPS as SELECT
from occludenet_build.people.actor_masks import DETAIL as MASKS
from occludenet_build.people.actor_masks import ROWS as MASKED
from occludenet_build.people.detect import BOXES
from occludenet_build.people.detect import ROWS as DETECT
from occludenet_build.recognition.prediction_table import ModelInfo, write_predictions
from occludenet_build.release.terms import clip_path
from occludenet_build.sources.acquire.videos import VIDEOS
from occludenet_build.sources.index import INDEX

WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 10, 8
ABSENT = {0, 1}
"""Frames without the actor."""
SCALES = (0.25, 0.5, 0.75)
CATEGORIES = ("backpack", "dog", "handbag", "suitcase")


@dataclass(frozen=True)
class Clip:
    name: str
    label: str
    split: str
    category: str
    shard: str = "000"


CLIPS = (
    Clip("beer-1", "drinking beer", "train", "dog"),
    Clip("beer-2", "drinking beer", "test", "handbag", "001"),
    Clip("water-1", "drinking", "train", "handbag"),
    Clip("water-2", "drinking", "train", "backpack", "001"),
    Clip("water-3", "drinking", "test", "suitcase"),
    Clip("odd-1", 'juggling "balls", <fast> & high', "train", "dog", "001"),
    Clip("odd-2", 'juggling "balls", <fast> & high', "test", "suitcase", "001"),
)
FAILED = Clip("lost-1", "drinking", "train", "dog")
NOBODY = Clip("empty-scene", "drinking", "train", "")
BROKEN = "broken.mp4"


@dataclass(frozen=True)
class SmallBuild:
    """Writes the tables of the stages before annotate, and the clips with `videos`."""

    root: Path
    videos: bool = False
    clips: tuple[Clip, ...] = CLIPS
    composited: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Clip -> values that replace those of its row of composite."""

    def write(self) -> SmallBuild:
        self._index()
        self._detect()
        self._occluders()
        self._select()
        for shard in ("000", "001"):
            self._composite(shard)
            self._masks(shard)
            self._twins(shard)
        return self

    def train(self, seeds: tuple[int, ...] = (0,)) -> None:
        """Write trainings and predictions of both arms, after annotate; CAR is right more often."""
        rows = tables.read_rows(self.root / "annotate/clips.parquet")
        shown = [row for row in rows if row["split"] == "test"]
        for seed in seeds:
            for arm in ("baseline", "car"):
                _predict(shown, arm, seed, self.root / f"evaluate/{arm}-{seed}.parquet")
                note = {"skipped": [{"file": "a.mp4", "reason": "truncated"}]}
                write_json(self.root / f"evaluate/{arm}-{seed}.json", note)
                write_text(self.root / f"train/{arm}-{seed}.csv", _curve(arm, seed))

    def manifests(self, stage: str) -> list[Path]:
        return sorted((self.root / stage).glob("*.parquet"))

    @cached_property
    def arguments(self) -> list[str]:
        """The command line of annotate."""
        groups = {"composite": "composite", "masks": "actor_masks"}
        groups["counterfactual"] = "counterfactual"
        words = ["--select", self.root / "select/clips.parquet"]
        words += ["--occluders", self.root / "occluders/occluders.parquet"]
        for option, stage in groups.items():
            words += [f"--{option}", *self.manifests(stage)]
        words += ["--root", self.root, "--out", self.root / "annotate/clips.parquet"]
        return [str(word) for word in words]

    def source(self, clip: Clip) -> Path:
        return self.root / "sources" / f"{clip.name}.mp4"

    def _index(self) -> None:
        place = [self._place(clip) for clip in (*self.clips, FAILED, NOBODY)]
        listed = [row | {"status": "ok"} for row in place]
        listed.append(_broken(self.root))
        acquire = tables.from_rows(listed, VIDEOS)
        tables.write_table(acquire, self.root / "acquire/videos.parquet")
        facts = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT, "fps": float(FPS)}
        facts |= {"duration_seconds": FRAMES / FPS, "candidate": True, "shard": "000"}
        rows = [row | facts | {"key": "k"} for row in listed[:-1]]
        rows.append(_broken(self.root) | {"status": "failed", "reason": "not_a_video"})
        rows[-1] |= {"detail": "Invalid data <found>", "candidate": False}
        tables.write_table(tables.from_rows(rows, INDEX), self.root / "index/videos.parquet")

    def _place(self, clip: Clip) -> dict[str, Any]:
        if self.videos:
            write_video(self.source(clip), _pictures(None), FPS)
        where = {"path": str(self.source(clip)), "label": clip.label, "split": clip.split}
        return {"clip": clip.name} | where

    def _detect(self) -> None:
        found = [_ok(clip, boxes=8, tracks=1, actor_track=0) for clip in (*self.clips, FAILED)]
        found = [row | {"frames": FRAMES, "actor_frames": 8, "filled_frames": 1} for row in found]
        found.append(_ok(NOBODY) | {"status": "skipped", "reason": "no_actor"})
        tables.write_table(tables.from_rows(found, DETECT), self.root / "detect/000.parquet")
        parts = [_boxes(clip.name) for clip in (*self.clips, FAILED)]
        write_groups(self.root / "detect/store/000/detail.parquet", parts, BOXES)

    def _occluders(self) -> None:
        rows = []
        for category in CATEGORIES:
            for split in ("train", "test"):
                row = {"occluder": occluder(category, split), "category": category, "split": split}
                row |= {"status": "ok", "file": f"png/{category}/{occluder(category, split)}"}
                row |= {"pixels": 144, "pixel_ratio": 56.25, "width": 16, "height": 16}
                self._cutout(row["file"])
                rows.append(row)
            small = {"category": category, "status": "skipped", "reason": "too_small"}
            small |= {"coco_annotation": CATEGORIES.index(category), "coco_image": 42}
            rows.append(small | {"detail": "99 px", "pixels": 99})
        tables.write_table(tables.from_rows(rows, BANK), self.root / "occluders/occluders.parquet")
        fractions = {"train": 0.7, "val": 0.1, "test": 0.2}
        found = bank_summary(rows, (*CATEGORIES, "umbrella"), 100, fractions)
        write_json(self.root / "occluders/summary.json", found)

    def _cutout(self, name: str) -> None:
        import cv2

        path = self.root / "occluders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rgba = np.full((16, 16, 4), 90, np.uint8)
        rgba[:4, :, 3] = rgba[:, :4, 3] = 0
        rgba[4:, 4:, 3] = 255
        path.write_bytes(cv2.imencode(".png", rgba)[1].tobytes())

    def _select(self) -> None:
        rows = []
        for clip in (*self.clips, FAILED):
            row = self._place(clip) | {"status": "ok", "shard": clip.shard, "detect_shard": "000"}
            row |= {"category": clip.category, "occluder": occluder(clip.category, clip.split)}
            row |= {"frames": FRAMES, "width": WIDTH, "height": HEIGHT, "fps": float(FPS)}
            rows.append(row | {"occluder_file": f"png/{clip.category}/{row['occluder']}"})
        missed = {"status": "skipped", "reason": "no_actor"}
        rows.append(self._place(NOBODY) | missed)
        tables.write_table(tables.from_rows(rows, SELECT), self.root / "select/clips.parquet")

    def _in(self, shard: str) -> list[Clip]:
        return [clip for clip in self.clips if clip.shard == shard]

    def _composite(self, shard: str) -> None:
        rows = [self._composited(clip) for clip in self._in(shard)]
        if shard == "000":
            lost = _ok(FAILED, label=FAILED.label, split=FAILED.split, category=FAILED.category)
            lost |= {"occluder": occluder(FAILED.category, FAILED.split), "status": "failed"}
            rows.append(lost | {"reason": "encode_failed", "detail": "no space left"})
        store = self.root / "composite/store" / shard
        write_groups(store / "detail.parquet", [_truth(c.name) for c in self._in(shard)], TRUTH)
        tables.write_table(tables.from_rows(rows, COMPOSITE), store / "rows.parquet")
        rows = [row | {"seconds": None} for row in rows]
        manifest = self.root / "composite" / f"{shard}.parquet"
        tables.write_table(tables.from_rows(rows, COMPOSITE), manifest)

    def _composited(self, clip: Clip) -> dict[str, Any]:
        where = (clip.split, clip.label, clip.name)
        files = [clip_path("OccludeNet-D", where[0], s, *where[1:]) for s in SCALES]
        clean = f"OccludeNet-D-clean/{clip.split}/{clip.label}/{clip.name}.mp4"
        self._videos(dict(zip((*SCALES, None), (*files, clean), strict=True)))
        row = _ok(clip, label=clip.label, split=clip.split, category=clip.category, seconds=2.0)
        row |= {"occluder": occluder(clip.category, clip.split), "frames": FRAMES}
        row |= {"occluded_frames": FRAMES - len(ABSENT), "fps": float(FPS)}
        row |= {"duration_seconds": FRAMES / FPS, "scales": list(SCALES), "files": files}
        row |= {"file_hashes": [f"hash-{s}" for s in SCALES], "clean_file": clean}
        return row | {"clean_hash": "hash-clean"} | self.composited.get(clip.name, {})

    def _videos(self, files: dict[float | None, str]) -> None:
        for scale, name in files.items() if self.videos else ():
            write_video(self.root / name, _pictures(scale), FPS)

    def _masks(self, shard: str) -> None:
        size = {"height": HEIGHT, "width": WIDTH, "masked_frames": 8}
        rows = [_ok(clip) | size for clip in self._in(shard)]
        tables.write_table(
            tables.from_rows(rows, MASKED), self.root / f"actor_masks/{shard}.parquet"
        )
        store = self.root / "actor_masks/store" / shard / "detail.parquet"
        write_groups(store, [_masks(clip.name) for clip in self._in(shard)], MASKS)

    def _twins(self, shard: str) -> None:
        rows = []
        for clip in self._in(shard):
            if clip.split == "train":
                where = (clip.label, clip.name)
                files = [
                    clip_path("OccludeNet-D-counterfactual", "train", s, *where) for s in SCALES
                ]
                self._videos(dict(zip(SCALES, files, strict=True)))
                hashes = [f"twin-{s}" for s in SCALES]
                rows.append(_ok(clip, scales=list(SCALES), files=files, file_hashes=hashes))
        tables.write_table(
            tables.from_rows(rows, TWINS), self.root / f"counterfactual/{shard}.parquet"
        )


def occluder(category: str, split: str) -> str:
    photo = CATEGORIES.index(category) + (100 if split == "test" else 0)
    if category == "dog":
        return f"0000144_dog_{photo:012d}_56.25.png"
    return f"{photo:012d}_0000144_56.25.png"


def actor(frame: int) -> np.ndarray:
    """The actor's mask: 16 wide, 32 high."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    if frame not in ABSENT:
        mask[8:40, 4 * frame : 4 * frame + 16] = True
    return mask


def square(frame: int, scale: float) -> tuple[int, int, int]:
    """Left, top and side of the occluder in the middle of the actor."""
    side = round(16 * scale)
    return 4 * frame + 8 - side // 2, 24 - side // 2, side


def _pictures(scale: float | None) -> list[np.ndarray]:
    pictures = []
    for frame in range(FRAMES):
        picture = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
        picture[actor(frame)] = (230, 200, 170)
        if scale is not None and frame not in ABSENT:
            x, y, side = square(frame, scale)
            picture[y : y + side, x : x + side] = (60, 30, 30)
        pictures.append(picture)
    return pictures


def _truth(clip: str) -> pa.Table:
    rows = []
    for scale in SCALES:
        for frame in range(FRAMES):
            row = {"clip": clip, "scale": scale, "frame": frame, "pts": frame}
            row |= {"seconds": frame / FPS, "occluded": False, "filled": False, "box_hidden": 0.0}
            if frame not in ABSENT:
                x, y, side = square(frame, scale)
                mask = np.zeros((HEIGHT, WIDTH), bool)
                mask[y : y + side, x : x + side] = True
                row |= {"x": x, "y": y, "w": side, "h": side, "occluded": True}
                row |= {"box_hidden": side**2 / 512, "occluder_rle": masks.encode(mask)}
            rows.append(row)
    return tables.from_rows(rows, TRUTH)


def _boxes(clip: str) -> pa.Table:
    rows = []
    for frame in sorted(set(range(FRAMES)) - ABSENT):
        filled = frame == 5
        box = {"x1": 4 * frame, "y1": 8, "x2": 4 * frame + 16, "y2": 40}
        row = {"clip": clip, "frame": frame, "shot": 0, "track": 0, "actor": True, "filled": filled}
        rows.append(row | box | {"score": None if filled else 0.9})
    return tables.from_rows(rows, BOXES)


def _predict(rows: list[dict[str, Any]], arm: str, seed: int, path: Path) -> None:
    labels = sorted({row["label"] for row in rows})
    found = []
    for number, row in enumerate(rows):
        right = row["set"] == "clean" or (number % 3 == 0) or (arm == "car" and number % 2 == 0)
        said = row["label"] if right else next(n for n in labels if n != row["label"])
        kept = {name: row[name] for name in ("clip", "set", "scale", "file", "label")}
        kept |= {name: row[name] for name in ("degree", "area_ratio", "duration_ratio")}
        kept |= {"predicted": said, "top1": right, "top5": True}
        found.append(kept | {"logits": [float(name == said) for name in labels]})
    write_predictions(
        found, ModelInfo(model="tiny3d", labels=tuple(labels), arm=arm, seed=seed), path
    )


def _curve(arm: str, seed: int) -> str:
    lines = ["epoch,step,clips,loss,ce,kl,dropped,skipped,top1,learning_rate"]
    for step in range(1, 21):
        ce, kl = 1.4 / step**0.3 + 0.05 * seed, 0.3 / step if arm == "car" else 0
        lines.append(f"1,{step},8,{ce + kl},{ce},{kl},0,0,50,0.0001")
    return "\n".join(lines) + "\n"


def _masks(clip: str) -> pa.Table:
    present = sorted(set(range(FRAMES)) - ABSENT)
    rows = [
        {"clip": clip, "frame": frame, "area": 512, "rle": masks.encode(actor(frame))}
        for frame in present
    ]
    return tables.from_rows(rows, MASKS)


def write_groups(path: Path, parts: list[pa.Table], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema) as writer:
        for part in parts:
            writer.write_table(part, row_group_size=len(part))


def _ok(clip: Clip, **facts: Any) -> dict[str, Any]:
    return {"clip": clip.name, "status": "ok", "key": "k"} | facts


def _broken(root: Path) -> dict[str, Any]:
    where = {"path": str(root / "sources" / BROKEN), "label": "drinking", "split": "val"}
    return {"clip": "broken", "status": "ok"} | where


def annotate(build: SmallBuild, **settings) -> list[dict]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run_stage(parser.parse_args(build.arguments), load_part(settings))
    return tables.read_rows(build.root / "annotate/clips.parquet")
