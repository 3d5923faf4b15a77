"""Video encoders by name: options, availability, versions, and reproducible output.

An `Encoder` encodes one run of frames as closed groups of pictures (GOPs): the run starts with a
key frame and refers to no frame outside of it. Each encoder uses one thread, because the output of
x264 depends on the number of threads; clips are processed in parallel instead.

The output of x264 also depends on the instruction set of the processor, for four reasons. The first
three are in its macroblock tree. They were found in x264's source and confirmed with modified
builds, emulated processors and real clips (`tests/occlusion/test_determinism.py`):

- With AVX-512 the tree processes the macroblocks of a row in groups of eight and includes values
  beyond the end of the row: those of the next row, and uninitialized memory after the last row.
  Unless the width is a multiple of 128 pixels, the output differs from run to run. AVX-512 is
  therefore never used; without this defect its output would equal that of AVX2.
- Instruction sets up to AVX2 divide with an approximate reciprocal (RCPPS) that differs between
  processor vendors: one encode in five differed.
- AVX and older instruction sets round differently from AVX2: one encode in twenty differed.
- Without SSSE3, ties between predictions are resolved differently: every encode differed.

The instruction set `portable` avoids the first three: its output is the same on all processors
with SSE4.2, and mostly equal to that of `avx2`.
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

from occludenet_build.media.video.fields import field_order_of

_GLOBAL_HEADER = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: parameter sets go into the container header
SOFTWARE = "libx264"
"""Encoder that replaces an unavailable hardware encoder."""
JOINABLE_ENCODERS = ("libx264",)
"""Encoders whose separately encoded runs can be joined to one stream."""
_VERSIONS = {"libx264": rb"x264 - core \d+(?: r\d+)?", "libx265": rb"x265 \(build \d+\)"}
"""Encoder -> pattern of its version in the stream."""
_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
"""Presets of x264, fastest first."""

_OPENCV = {"avx2": (11, 12), "avx": (10,), "sse4.2": (7,), "sse2": (3,)}
"""Instruction set, newest first -> OpenCV's numbers of the required CPU features."""

_EXACT = {"avx2": 0x10F3F7, "avx": 0x1003E7, "sse4.2": 0x1001E7}
"""Instruction set -> x264's CPU flags for it and all older ones except SSE2. Without SSE2, x264
runs the division of the macroblock tree and some filters in plain C. (numpy itself requires
SSE4.2.)"""


@cache
def newest_instruction_set(limit: str) -> str:
    """Newest instruction set of this processor that is not newer than `limit`.

    The processor is queried, not the operating system: they differ on emulated processors. Empty
    for processors that are not x86.
    """
    names = list(_OPENCV)
    older = names[names.index(limit) :]
    return next((name for name in older if all(map(cv2.checkHardwareSupport, _OPENCV[name]))), "")


def x264_asm(setting: str) -> str:
    """Value of x264's option `asm` for avx2, sse2 or portable; empty: x264's default."""
    if setting != "portable":
        return newest_instruction_set(setting)
    best = newest_instruction_set("avx2")
    return str(_EXACT[best]) if best in _EXACT else best


def x265_asm(setting: str) -> str:
    """Value of x265's option `asm`; x265 is portable between processor vendors."""
    return newest_instruction_set("avx2" if setting == "portable" else setting)


def recorded_instruction_set(setting: str) -> str:
    """The instruction set to record with a clip.

    Clips have equal bytes if this, the encoder and the libraries are equal.
    """
    best = newest_instruction_set("avx2" if setting == "portable" else setting)
    if not best:
        return platform.machine()
    if setting == "portable":
        # Sound that is encoded again has different bytes without AVX2.
        return setting if best == "avx2" else f"{setting} {best}"
    return f"{best} {_vendor()}"


@cache
def _vendor() -> str:
    """Vendor of the processor, such as GenuineIntel or AuthenticAMD; empty if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    line = next((line for line in lines if line.startswith("vendor_id")), "")
    return line.partition(":")[2].strip()


@dataclass(frozen=True)
class Encoding:
    """Settings of an encoder.

    `crf` and `preset` are those of x264; other encoders get equivalents.
    """

    codec: str
    crf: float
    preset: str
    instruction_set: str
    keyframe_seconds: float

    @classmethod
    def of(cls, settings: Any) -> Encoding:
        """Create it from settings with fields of the same names."""
        return cls(**{spec.name: getattr(settings, spec.name) for spec in fields(cls)})


@dataclass(frozen=True)
class FrameFormat:
    """Format of the encoded frames.

    `like`: a frame with their size, pixel format and colour tags, interlaced or not.
    """

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


def _speed(preset: str, names: Sequence[str]) -> str:
    return names[_PRESETS.index(preset)]


CODECS: dict[str, Callable[[Encoding], dict[str, str]]] = {
    "libx264": _x264,
    "libx265": _x265,
    "h264_nvenc": _nvenc,
    "h264_qsv": _qsv,
    "h264_amf": _amf,
}
"""Encoder -> function that returns its options."""


def available_encoder(codec: str) -> str:
    """`codec` if this machine can run it, else libx264; the replacement is logged as a warning."""
    error = _startup_error(codec)
    if not error:
        return codec
    logging.warning("%s does not run here (%s): %s is used instead", codec, error, SOFTWARE)
    return SOFTWARE


@cache
def _startup_error(codec: str) -> str:
    """Error of encoding one black frame; empty if the encoder works."""
    frame = av.VideoFrame(256, 256, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    picture = FrameFormat(frame, Fraction(1, 25), Fraction(25), Fraction(1))
    try:
        encoder = Encoder(picture, Encoding(codec, 21, "veryfast", "avx2", 1))
        encoder.encode(frame, 0)
        encoder.finish()
    except (FFmpegError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def group_size(encoding: Encoding, rate: Fraction) -> int:
    """Maximum number of frames between key frames, at least 1; `rate`: frames per second."""
    return max(1, round(encoding.keyframe_seconds * float(rate)))


@cache
def pixel_formats(codec: str) -> tuple[str, ...]:
    """Pixel formats that an encoder supports."""
    return tuple(form.name for form in av.Codec(codec, "w").video_formats or ())


def configure_encoder(context: Any, picture: FrameFormat, encoding: Encoding) -> None:
    """Set size, pixel format, time base, colour tags and options of an unopened encoder."""
    like = picture.like
    context.width, context.height = like.width, like.height
    # Encoders without planar formats get interleaved chroma (nv12), which has the same samples.
    supported = pixel_formats(encoding.codec)
    context.pix_fmt = like.format.name if like.format.name in supported else "nv12"
    context.time_base, context.framerate = picture.time_base, picture.rate
    context.color_range, context.colorspace = like.color_range, like.colorspace
    context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
    if picture.pixel_aspect != 1:
        context.sample_aspect_ratio = picture.pixel_aspect
    group = str(group_size(encoding, picture.rate))
    context.options = CODECS[encoding.codec](encoding) | {"g": group} | _fields(picture, encoding)
    context.flags |= _GLOBAL_HEADER


def _fields(picture: FrameFormat, encoding: Encoding) -> dict[str, str]:
    """The options that code interlaced frames as such, with their field order."""
    order = field_order_of(picture.like)
    if not order or encoding.codec != SOFTWARE:
        return {}
    words = [CODECS[SOFTWARE](encoding)["x264-params"], f"{order}=1"]
    return {"x264-params": ":".join(filter(None, words))}


class Encoder:
    """Encoder of one run of frames: pass them to `encode` in display order, then call `finish`.

    The methods raise FFmpegError if the encoder reports an error.
    """

    def __init__(self, picture: FrameFormat, encoding: Encoding) -> None:
        self._context: Any = av.CodecContext.create(encoding.codec, "w")
        configure_encoder(self._context, picture, encoding)
        self._context.open()
        self._time_base = picture.time_base

    @property
    def delay(self) -> int:
        """Number of frames by which a frame may be encoded before its position in display order."""
        return int(self._context.reorder_depth)

    @property
    def header(self) -> bytes:
        """The parameter sets; x265 writes its version into them."""
        return bytes(self._context.extradata or b"")

    def encode(self, frame: av.VideoFrame, pts: int) -> list[av.Packet]:
        """Encode one frame; return the packets that are ready, in decoding order.

        `pts`: presentation time in ticks of the format's time base.
        """
        frame.pts, frame.time_base = pts, self._time_base
        return self._context.encode(frame)

    def finish(self) -> list[av.Packet]:
        """Flush the encoder; return the remaining packets, in decoding order."""
        return self._context.encode(None)


def library_versions() -> str:
    """Versions of the libraries that affect the pixels of a clip, besides the encoder."""
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"libavcodec {version}, opencv {cv2.__version__}, numpy {np.__version__}"


def encoder_version(codec: str, beginning: bytes) -> str:
    """Encoder and its version, which it writes into its header or first packet (`beginning`)."""
    match = re.search(_VERSIONS.get(codec, rb"(?!)"), beginning)
    return f"{codec} {match[0].decode().removeprefix('x264 - ')}" if match else codec
