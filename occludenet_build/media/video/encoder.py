"""Encoders by name: how each is told what to do, which this machine has, and what really ran.

An `Encoder` takes one run of pictures and gives closed groups of pictures: it begins with a key
frame and nothing in it refers to what lies outside. One thread each, as x264's bytes hang on the
number; parallel work is by clips.

The processor's instruction sets, as far as x264's bytes hang on them.

Four things make them hang, the first three in its macroblock tree (read in x264's source and tried
on self-built variants, emulated processors and real clips; `tests/test_determinism.py`):

- With AVX-512 the tree takes a row's macroblocks by eights and adds what it finds beyond the row:
  the next row's, and after the last row what happens to be in memory. Unless the width is a
  multiple of 128 pixels the bytes change from run to run. So AVX-512 is never used; without the
  fault they would be those of AVX2.
- Everything up to AVX2 divides by way of an approximate reciprocal (RCPPS), of which each maker has
  his own: with another one, one encode in five came out otherwise.
- AVX and older round otherwise than AVX2: one encode in twenty.
- Without SSSE3 ties between predictions are broken otherwise: every encode.

`portable` keeps x264 from the first three: the same pictures on all processors with SSE4.2, mostly
those of `avx2`.
"""

from __future__ import annotations

import logging
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError

_OPENCV = {"avx2": (11, 12), "avx": (10,), "sse4.2": (7,), "sse2": (3,)}
"""Instruction set, newest first -> OpenCV's numbers of what must be there."""

_EXACT = {"avx2": 0x10F3F7, "avx": 0x1003E7, "sse4.2": 0x1001E7}
"""Instruction set -> it and all older ones as x264's flags, without SSE2: what x264 then does in
plain C is the tree's division, and some filters. (numpy needs SSE4.2 itself.)"""


@cache
def newest(limit: str) -> str:
    """The newest instruction set of this processor that is not newer than `limit`.

    Asks the processor, not the system: they differ where the processor is emulated. Empty where
    it is none of Intel's kind.
    """
    names = list(_OPENCV)
    older = names[names.index(limit) :]
    return next((name for name in older if all(map(cv2.checkHardwareSupport, _OPENCV[name]))), "")


def x264_asm(wanted: str) -> str:
    """x264's `asm` for avx2, sse2 or portable; empty: as x264 likes."""
    if wanted != "portable":
        return newest(wanted)
    found = newest("avx2")
    return str(_EXACT[found]) if found in _EXACT else found


def x265_asm(wanted: str) -> str:
    """x265's `asm`; it needs nothing else to be portable."""
    return newest("avx2" if wanted == "portable" else wanted)


def used(wanted: str) -> str:
    """What to record with a clip: bytes agree where this, encoder and libraries are the same."""
    found = newest("avx2" if wanted == "portable" else wanted)
    if not found:
        return platform.machine()
    if wanted == "portable":
        # Sound that is encoded anew has other bytes where there is no AVX2.
        return wanted if found == "avx2" else f"{wanted} {found}"
    return f"{found} {_maker()}"


@cache
def _maker() -> str:
    """GenuineIntel, AuthenticAMD; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    found = next((line for line in lines if line.startswith("vendor_id")), "")
    return found.partition(":")[2].strip()


_GLOBAL_HEADER = 1 << 22  # parameter sets go into the container's header
SOFTWARE = "libx264"
"""What stands in for a hardware encoder that is not there."""
JOINS = ("libx264",)
"""Encoders whose runs, encoded one by one with equal options, make one stream put together."""


@dataclass(frozen=True)
class Encoding:
    """What an encoder is told. `crf` and `preset` are x264's; others get what is nearest."""

    codec: str
    crf: float
    preset: str
    instruction_set: str
    keyframe_seconds: float

    @classmethod
    def of(cls, settings: Any) -> Encoding:
        """From settings whose fields bear the same names."""
        return cls(**{spec.name: getattr(settings, spec.name) for spec in fields(cls)})


@dataclass(frozen=True)
class Picture:
    """What the encoded pictures are, as the header states it. `like` gives size and colour tags."""

    like: av.VideoFrame
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction


def _x264(encoding: Encoding) -> dict[str, str]:
    limit = x264_asm(encoding.instruction_set)
    return _software(encoding) | {"x264-params": f"asm={limit}" if limit else ""}


def _x265(encoding: Encoding) -> dict[str, str]:
    limit = x265_asm(encoding.instruction_set)
    words = ["log-level=error", "pools=none", "frame-threads=1", *([f"asm={limit}"] * bool(limit))]
    return _software(encoding) | {"x265-params": ":".join(words)}


def _software(encoding: Encoding) -> dict[str, str]:
    return {"crf": f"{encoding.crf:g}", "preset": encoding.preset, "threads": "1"}


def _nvenc(encoding: Encoding) -> dict[str, str]:
    speed = _speed(encoding.preset, ("p1", "p2", "p3", "p4", "p5", "p6", "p7"))
    return {"preset": speed, "rc": "vbr", "cq": f"{encoding.crf:g}", "b": "0"}


def _qsv(encoding: Encoding) -> dict[str, str]:
    names = ("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow")
    return {"preset": _speed(encoding.preset, names), "global_quality": f"{encoding.crf:g}"}


def _amf(encoding: Encoding) -> dict[str, str]:
    speed = _speed(encoding.preset, ("speed",) * 4 + ("balanced", "balanced", "quality"))
    quality = f"{round(encoding.crf)}"
    return {"quality": speed, "rc": "cqp", "qp_i": quality, "qp_p": quality}


_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")


def _speed(preset: str, names: Sequence[str]) -> str:
    return names[_PRESETS.index(preset)]


CODECS: dict[str, Callable[[Encoding], dict[str, str]]] = {
    "libx264": _x264,
    "libx265": _x265,
    "h264_nvenc": _nvenc,
    "h264_qsv": _qsv,
    "h264_amf": _amf,
}
"""Encoder -> its options."""


def available(codec: str) -> str:
    """The encoder itself, or libx264 where this machine cannot run it, with a line in the log."""
    trouble = _trouble(codec)
    if not trouble:
        return codec
    logging.warning("%s does not run here (%s): %s is used instead", codec, trouble, SOFTWARE)
    return SOFTWARE


@cache
def _trouble(codec: str) -> str:
    """Why an encoder cannot be used, from encoding one black picture; empty if it can."""
    frame = av.VideoFrame(256, 256, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    picture = Picture(frame, Fraction(1, 25), Fraction(25), Fraction(1))
    try:
        encoder = Encoder(picture, Encoding(codec, 21, "veryfast", "avx2", 1))
        encoder.encode(frame, 0)
        encoder.finish()
    except (FFmpegError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def group_size(encoding: Encoding, rate: Fraction) -> int:
    """Frames between key frames, at most."""
    return max(1, round(encoding.keyframe_seconds * float(rate)))


@cache
def formats(codec: str) -> tuple[str, ...]:
    """The pixel formats that an encoder takes."""
    return tuple(form.name for form in av.Codec(codec, "w").video_formats or ())


def describe(context: Any, picture: Picture, encoding: Encoding) -> None:
    """Set size, pixel format, times, colour tags and options of an encoder that is not open."""
    like = picture.like
    context.width, context.height = like.width, like.height
    # Planes that an encoder wants interleaved are rearranged on the way in, nothing else.
    taken = formats(encoding.codec)
    context.pix_fmt = like.format.name if like.format.name in taken else "nv12"
    context.time_base, context.framerate = picture.time_base, picture.rate
    context.color_range, context.colorspace = like.color_range, like.colorspace
    context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
    if picture.pixel_aspect != 1:
        context.sample_aspect_ratio = picture.pixel_aspect
    group = str(group_size(encoding, picture.rate))
    context.options = CODECS[encoding.codec](encoding) | {"g": group}
    context.flags |= _GLOBAL_HEADER


class Encoder:
    """One run of pictures. Feed them in display order, then `finish`.

    Raises FFmpegError where the encoder refuses.
    """

    def __init__(self, picture: Picture, encoding: Encoding) -> None:
        self._context: Any = av.CodecContext.create(encoding.codec, "w")
        describe(self._context, picture, encoding)
        self._context.open()
        self._time_base = picture.time_base

    @property
    def delay(self) -> int:
        """How many frames a picture may be sent before its turn."""
        return int(self._context.reorder_depth)

    @property
    def header(self) -> bytes:
        """The parameter sets; x265 says there who it is."""
        return bytes(self._context.extradata or b"")

    def encode(self, frame: av.VideoFrame, pts: int) -> list[av.Packet]:
        """Packets that are ready after this picture, in decoding order."""
        frame.pts, frame.time_base = pts, self._time_base
        return self._context.encode(frame)

    def finish(self) -> list[av.Packet]:
        return self._context.encode(None)


def libraries() -> str:
    """Versions of what a clip's pixels pass through besides the encoder."""
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"libavcodec {version}, opencv {cv2.__version__}, numpy {np.__version__}"


_NAMES = {"libx264": rb"x264 - core \d+(?: r\d+)?", "libx265": rb"x265 \(build \d+\)"}


def version(codec: str, beginning: bytes) -> str:
    """The encoder with its version, as it wrote it into its header or its first packet."""
    found = re.search(_NAMES.get(codec, rb"(?!)"), beginning)
    return f"{codec} {found[0].decode().removeprefix('x264 - ')}" if found else codec
