"""Decoded clips for the comparison of encoder settings: real ones where present, else drawn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from occludenet_build.media.video.encoder import FrameFormat
from occludenet_build.media.video.planes import in_format, working_format
from occludenet_build.media.video.source import open_video
from parts.composite.frames import copy_frame
from parts.composite.synthetic_clips import Clip

_REPO = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("OCCLUDENET_TEST_DATA", _REPO.parent / "shared" / "data")) / "videos"
_CLIPS = (
    "mmaction2_demo.mp4",  # 340x256, of Kinetics-400
    "askanything_baseball.mp4",  # 426x320
    "mmaction2_video_structuralize.mp4",  # 426x240
    "activitynet_v_ZNVhz7ctTq0.mp4",  # 480x360
)
_LARGE = "sam2_dog.mp4"  # 1280x720; at half the size its chroma has full resolution
_HALF = (640, 360)


@dataclass(frozen=True)
class Footage:
    """The first frames of a clip, in the pixel format in which composite encodes them."""

    path: Path
    pictures: list[av.VideoFrame]
    pts: list[int]
    time_base: Fraction
    rate: Fraction

    @property
    def name(self) -> str:
        """File name, size, pixel format and number of frames."""
        like = self.pictures[0]
        what = f"{like.width}x{like.height} {like.format.name}, {len(self.pictures)} frames"
        return f"{self.path.name} ({what})"

    def picture(self, like: av.VideoFrame) -> FrameFormat:
        """The encoder's description of the pictures, with the format of `like`."""
        return FrameFormat(like, self.time_base, self.rate, Fraction(1))


def clips(count: int, frames: int, scratch: Path) -> list[Footage]:
    """Up to `frames` frames of `count` clips, in their own pixel format, 4:2:0."""
    if REAL.is_dir():
        return [_load(REAL / name, frames) for name in _CLIPS[:count]]
    sizes = ((340, 256), (426, 320), (426, 240), (480, 360))[:count]
    return [_load(_drawn(scratch, n, size, frames), frames) for n, size in enumerate(sizes)]


def full_chroma(frames: int, scratch: Path) -> Footage:
    """Up to `frames` frames of a clip, 640x360, 4:4:4."""
    real = REAL / _LARGE
    path = real if real.is_file() else _drawn(scratch, 9, (1280, 720), frames)
    return _load(path, frames, whole_chroma=True)


def _drawn(scratch: Path, number: int, size: tuple[int, int], frames: int) -> Path:
    clip = Clip(scratch, number, size, frames)
    clip.write()
    return clip.path


def _load(path: Path, frames: int, *, whole_chroma: bool = False) -> Footage:
    with open_video(path) as source:
        pictures, pts = [], []
        for frame in islice(source, frames):
            pts.append(frame.pts)
            pictures.append(_halved(frame) if whole_chroma else _working(frame))
        return Footage(path, pictures, pts, source.time_base, Fraction(source.stream.average_rate))


def _working(frame: av.VideoFrame) -> av.VideoFrame:
    return copy_frame(in_format(frame, working_format(frame, (frame.format.name,))))


def _halved(frame: av.VideoFrame) -> av.VideoFrame:
    width, height = _HALF
    return copy_frame(frame.reformat(width=width, height=height, format="yuv444p"))
