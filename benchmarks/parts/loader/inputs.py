"""Clips, and the frames that training and evaluation read from them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.video.source import open_video
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition.augment import latest_start, views

_REPO = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("OCCLUDENET_TEST_DATA", _REPO.parent / "shared" / "data")) / "videos"
_CLIPS = (
    "askanything_baseball.mp4",  # 426x320, 10 s, 2 keyframes
    "mmaction2_demo.mp4",  # 340x256, 10 s, of Kinetics-400
    "activitynet_v_ZNVhz7ctTq0.mp4",  # 480x360, 14 s, no B-frames, a keyframe every 2 s
    "pancake_vfr.mkv",  # 426x240, variable frame rate
    "sam2_dog.mp4",  # 1280x720, 10 s
    "decord_pancake.mkv",  # 426x240, 10 s, no B-frames
    "mmaction2_video_structuralize.mp4",  # 426x240, 10 s
    "sam2_bedroom.mp4",  # 960x540, 7 s, 1 keyframe
)
SHORT_SIDE = 256


@dataclass(frozen=True)
class ReadJob:
    """The frame numbers to read from one clip, and the size of the pictures, pixels."""

    kind: str
    path: Path
    numbers: tuple[int, ...]
    width: int
    height: int


def load_jobs(folder: Path, quick: bool) -> tuple[list[ReadJob], bool]:
    """The jobs, and whether the clips are real."""
    paths = [REAL / name for name in _CLIPS[: 4 if quick else None] if (REAL / name).is_file()]
    real = bool(paths)
    drawn = range(2 if quick else 4)
    paths = paths or [_drawn(folder / f"drawn{number}.mp4", number) for number in drawn]
    return [job for path in paths for job in _jobs(path)], real


def _jobs(path: Path) -> Iterator[ReadJob]:
    with open_video(path) as source:
        sizes = [(frame.width, frame.height) for frame in source]
    count, (width, height) = len(sizes), sizes[0]
    factor = SHORT_SIDE / min(width, height)
    size = max(SHORT_SIDE, round(width * factor)), max(SHORT_SIDE, round(height * factor))
    yield ReadJob("sparse", path, views(count, 8, 1)[0], *size)
    start = latest_start(count, 16, 4) // 3
    yield ReadJob("dense", path, tuple(range(start, start + 64, 4)), *size)


def _drawn(path: Path, seed: int) -> Path:
    """10 s at 30 frames a second: a blurred texture that drifts, encoded with x264's defaults."""
    random = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(random.integers(0, 256, (320, 726, 3), np.uint8), (0, 0), 2.0)
    frames = (texture[:, number : number + 426] for number in range(300))
    write_video(path, frames, Fraction(30))
    return path
