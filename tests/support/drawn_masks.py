"""Drawn clips whose actor, occluder and boxes are known in every frame, for exports with masks.

A pale rectangle, the actor, walks to the right; a dark one, the occluder, covers its lower right
corner, or all of it. The build has no tables: it answers from what was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from support.render import Made

from occludenet_build.config.export import Export
from occludenet_build.core.files import sha256_file
from occludenet_build.dataset.clips import Build, ExportClip, FrameFacts
from occludenet_build.dataset.export.job import Job
from occludenet_build.media.imaging import masks

ACTOR, OCCLUDER, GROUND = (230, 200, 170), (30, 40, 90), (110, 110, 110)
FPS = 8


@dataclass(frozen=True)
class Scene:
    """A clip; sizes are those of the displayed picture."""

    clip: str
    set: str = "D-50"
    split: str = "test"
    label: str = "walking"
    width: int = 64
    height: int = 48
    frames: int = 10
    absent: Sequence[int] = (0, 1)
    """Frames without the actor."""
    hidden: Sequence[int] = ()
    """Frames in which the occluder covers all of the actor."""
    masked: bool = True
    unknown: Sequence[int] = ()
    """Frames in which only the visible part of the actor is known, as in S, I and M."""
    occluder: str | None = "dog"
    rotation: int = 0
    """How far the stored picture is turned, degrees."""
    others: Mapping[int, np.ndarray] = field(default_factory=dict)

    def whole(self, frame: int) -> np.ndarray | None:
        """The actor, bool (H, W); None where there is none."""
        if frame in self.absent:
            return None
        x1, y1, x2, y2 = self.box(frame)
        mask = np.zeros((self.height, self.width), bool)
        mask[y1:y2, x1:x2] = True
        return mask

    def box(self, frame: int) -> tuple[int, int, int, int]:
        left, top = 2 * frame + 2, self.height // 6
        return left, top, left + self.width // 4, top + self.height // 2

    def front(self, frame: int) -> np.ndarray | None:
        """The occluder, bool (H, W)."""
        if self.occluder is None or frame in self.absent:
            return None
        x1, y1, x2, y2 = self.box(frame)
        mask = np.zeros((self.height, self.width), bool)
        if frame in self.hidden:
            mask[y1 - 2 : y2 + 2, x1 - 1 : x2 + 1] = True
        else:
            mask[(y1 + y2) // 2 : y2 + 4, (x1 + x2) // 2 : x2 + 3] = True
        return mask

    def visible(self, frame: int) -> np.ndarray:
        """What is seen of the actor; empty where nothing is."""
        whole, front = self.whole(frame), self.front(frame)
        if whole is None:
            return np.zeros((self.height, self.width), bool)
        return whole if front is None else whole & ~front

    def picture(self, frame: int) -> np.ndarray:
        picture = np.full((self.height, self.width, 3), GROUND, np.uint8)
        for mask, colour in ((self.whole(frame), ACTOR), (self.front(frame), OCCLUDER)):
            if mask is not None:
                picture[mask] = colour
        return picture

    @property
    def file(self) -> str:
        return f"clips/{self.set}/{self.split}/{self.clip}.mp4"

    def write(self, root: Path) -> ExportClip:
        pictures = [np.rot90(self.picture(n), -self.rotation // 90) for n in range(self.frames)]
        plain = self.width % 2 == self.height % 2 == 0
        pix_fmt = "yuv420p" if plain else "yuv444p"
        made = Made(fps=Fraction(FPS), pix_fmt=pix_fmt, rotation=self.rotation)
        made.write(root / self.file, [np.ascontiguousarray(p) for p in pictures])
        return ExportClip(
            clip=self.clip,
            set=self.set,
            split=self.split,
            label=self.label,
            file=self.file,
            file_hash=sha256_file(root / self.file),
            frames=self.frames,
            fps=float(FPS),
            seconds=self.frames / FPS,
            width=self.width,
            height=self.height,
            shard="000",
            detect_shard="000",
            row={"category": self.occluder},
            occluders=(self.occluder,) if self.occluder and self.set[0] == "D" else (),
        )

    def facts(self, frame: int) -> FrameFacts:
        whole, front, visible = self.whole(frame), self.front(frame), self.visible(frame)
        seen = whole is not None and self.masked
        box = None if whole is None else np.array(self.box(frame), np.float32)
        share = None if whole is None else 1 - float(visible.sum() / whole.sum())
        known = seen and frame not in self.unknown
        return FrameFacts(
            frame=frame,
            pts=frame,
            box=box,
            actor_rle=masks.encode(whole) if known and whole is not None else None,
            visible_rle=masks.encode(visible) if seen else None,
            occluder_rle=None if front is None else masks.encode(front),
            box_hidden=None if frame in self.unknown else share or 0.0,
            actor_hidden=share if known else None,
        )


class DrawnBuild(Build):
    """The scenes as a build; their clips are written."""

    def __init__(self, root: Path, scenes: Sequence[Scene]) -> None:
        super().__init__(root)
        self.drawn = {f"{scene.set}/{scene.clip}": scene for scene in scenes}
        self.written = sorted(
            (scene.write(root) for scene in scenes), key=lambda c: (c.set, c.split, c.file)
        )

    @cached_property
    def labels(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(sorted({c.label for c in self.written}))}

    def frames(self, clip: ExportClip) -> list[FrameFacts]:
        return [self.drawn[clip.name].facts(n) for n in range(clip.frames)]

    def others(self, clip: ExportClip) -> dict[int, np.ndarray]:
        return dict(self.drawn[clip.name].others)

    def job(self, folder: Path, **settings: Any) -> Job:
        folder.mkdir(parents=True, exist_ok=True)
        return Job(self, self.written, self.labels, folder, Export(**settings))


@dataclass(frozen=True)
class Exported:
    """What a format wrote."""

    job: Job
    counts: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return self.job.folder

    def scenes(self, set_: str, split: str) -> list[Scene]:
        """The exported scenes of a split, in the order of the clips."""
        assert isinstance(self.job.build, DrawnBuild)
        return [
            self.job.build.drawn[clip.name]
            for clip in self.job.kept
            if (clip.set, clip.split) == (set_, split)
        ]


def export(module: ModuleType, build: DrawnBuild, folder: Path, **settings: Any) -> Exported:
    job = build.job(folder, **settings)
    return Exported(job, module.write(job))
