"""Encodes a clip with one setting: CPU time, bytes, SSIM."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.media.video.encoder import Encoding, group_size, pixel_formats
from occludenet_build.media.video.planes import in_format, working_format
from occludenet_build.media.video.source import display_of, open_video
from occludenet_build.media.video.writer import RunEncoder, TwinWriter
from occludenet_build.occlusion.render import RenderSegment, split_segments
from parts.composite.footage import Footage
from parts.composite.frames import ssim
from parts.composite.synthetic_clips import MOSTLY

_OUTPUTS = 3


@dataclass(frozen=True)
class Setting:
    """Encoder settings; the others are the defaults of composite."""

    codec: str = "libx264"
    preset: str = "veryfast"
    crf: float = 21
    keyframe_seconds: float = 2
    instruction_set: str = "avx2"
    pix_fmt: str = "source"
    shared: bool = False
    """Three outputs of a clip that is occluded 70 % of the time: cost and size of one of them."""

    @property
    def encoding(self) -> Encoding:
        """The encoder's own settings."""
        return Encoding.of(self)


@dataclass(frozen=True)
class Encoded:
    """`cpu`: seconds; `size`: bytes; `ssim`: against the source, 1 where equal."""

    cpu: float
    size: float
    ssim: float


def encode_clip(footage: Footage, setting: Setting, path: Path) -> Encoded:
    """Encode a clip into a file and compare the file with the source."""
    cpu = _write(footage, setting, path)
    with open_video(path) as source:
        return Encoded(cpu, path.stat().st_size, ssim(source, footage.pictures))


def _write(footage: Footage, setting: Setting, path: Path) -> float:
    """CPU seconds of encoding one output."""
    encoding, first = setting.encoding, footage.pictures[0]
    pixel_format = working_format(first, pixel_formats(setting.codec), setting.pix_fmt)
    picture, spent = footage.picture(in_format(first, pixel_format)), 0.0
    pts: list[int] = []
    with open_video(footage.path) as source:
        source.audio.clear()
        with TwinWriter(path, source, picture, encoding, display_of(first)) as writer:
            for segment in _segments(footage, setting):
                start = time.process_time()
                encoder = RunEncoder(picture, encoding, [writer], pts, segment.start)
                for number in range(segment.start, segment.stop):
                    pts.append(footage.pts[number])
                    encoder.encode(in_format(footage.pictures[number], pixel_format), pts[-1])
                encoder.finish()
                spent += (time.process_time() - start) / (1 if segment.pasted else _OUTPUTS)
    return spent


def _segments(footage: Footage, setting: Setting) -> list[RenderSegment]:
    frames = len(footage.pictures)
    if not setting.shared:
        return [RenderSegment(0, frames, True, False)]
    pasted = [any(a <= n / frames < b for a, b in MOSTLY) for n in range(frames)]
    group = group_size(setting.encoding, footage.rate)
    return split_segments(pasted, [False] * frames, 24, group)
