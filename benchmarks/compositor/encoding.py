"""One way to encode a clip: what it costs in CPU and bytes, and how much it loses."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from compositor.clips import MOSTLY
from compositor.footage import Footage
from compositor.pictures import ssim
from occludenet_build.compositing.segments import Segment, segments_of
from occludenet_build.core.video.encoder import Encoding, formats, group_size
from occludenet_build.core.video.joined import RunEncoder
from occludenet_build.core.video.planes import in_format, working_format
from occludenet_build.core.video.source import reading
from occludenet_build.core.video.writer import TwinWriter

_OUTPUTS = 3


@dataclass(frozen=True)
class Setting:
    """What is varied; the rest are the compositor's defaults."""

    codec: str = "libx264"
    preset: str = "veryfast"
    crf: float = 21
    keyframe_seconds: float = 2
    instruction_set: str = "avx2"
    pix_fmt: str = "source"
    shared: bool = False
    """Three outputs of a clip that is occluded 70 % of the time; cost and size of one of them."""

    @property
    def encoding(self) -> Encoding:
        return Encoding.of(self)


@dataclass(frozen=True)
class Encoded:
    """cpu: seconds; size: bytes; ssim: against the source, 1: the same."""

    cpu: float
    size: float
    ssim: float


def encoded(footage: Footage, setting: Setting, path: Path) -> Encoded:
    """Encode a clip into a file and look at what came out."""
    cpu = _write(footage, setting, path)
    with reading(path) as source:
        return Encoded(cpu, path.stat().st_size, ssim(source, footage.pictures))


def _write(footage: Footage, setting: Setting, path: Path) -> float:
    """CPU seconds of encoding, for one output."""
    encoding, first = setting.encoding, footage.pictures[0]
    wanted = working_format(first, formats(setting.codec), setting.pix_fmt)
    picture, spent = footage.picture(in_format(first, wanted)), 0.0
    shown: list[int] = []
    with reading(footage.path) as source:
        source.audio.clear()
        with TwinWriter(path, source, picture, encoding, 0) as writer:
            for run in _runs(footage, setting):
                start = time.process_time()
                encoder = RunEncoder(picture, encoding, [writer], shown, run.start)
                for number in range(run.start, run.stop):
                    shown.append(footage.pts[number])
                    encoder.encode(in_format(footage.pictures[number], wanted), shown[-1])
                encoder.finish()
                spent += (time.process_time() - start) / (1 if run.pasted else _OUTPUTS)
    return spent


def _runs(footage: Footage, setting: Setting) -> list[Segment]:
    frames = len(footage.pictures)
    if not setting.shared:
        return [Segment(0, frames, True, False)]
    pasted = [any(a <= n / frames < b for a, b in MOSTLY) for n in range(frames)]
    group = group_size(setting.encoding, footage.rate)
    return segments_of(pasted, [False] * frames, 24, group)
