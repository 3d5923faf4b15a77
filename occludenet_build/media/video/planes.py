"""The planes of a frame as arrays: formats, chroma grids, colour matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import av
import numpy as np

_BASES = {"yuv420p": (1, 1), "yuv422p": (1, 0), "yuv444p": (0, 0)}
"""Format -> (log2 of the horizontal, of the vertical chroma subsampling)."""

_KR_KB = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
_MATRIX = {1: "bt709", 4: "fcc", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""AVColorSpace -> matrix; swscale takes everything else, unspecified too, for BT.601."""
_RGB, _BT601 = 0, 6  # AVColorSpace


@dataclass(frozen=True)
class Layout:
    """How the numbers of a planar YUV frame mean colours."""

    depth: int
    sub_x: int
    sub_y: int
    full_range: bool
    matrix: str
    left_sited: bool = True
    """Chroma samples stand above even luma columns (MPEG-2, H.264), not between (JPEG)."""

    @property
    def dtype(self) -> type[np.generic]:
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def black(self) -> tuple[int, int, int]:
        """Y, U, V of black."""
        luma = 0 if self.full_range else 16 << (self.depth - 8)
        return luma, self.grey, self.grey

    @property
    def grey(self) -> int:
        """The chroma value without colour."""
        return 128 << (self.depth - 8)

    @cached_property
    def _to_yuv(self) -> tuple[np.ndarray, np.ndarray]:
        kr, kb = _KR_KB[self.matrix]
        luma = np.array([kr, 1 - kr - kb, kb])
        blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - kb))
        red = (np.array([1, 0, 0]) - luma) / (2 * (1 - kr))
        unit = 1 << (self.depth - 8)
        peak = (1 << self.depth) - 1
        spans = (peak, peak) if self.full_range else (219 * unit, 224 * unit)
        matrix = np.stack([luma * spans[0], blue * spans[1], red * spans[1]])
        return matrix.astype(np.float32) / 255, np.array(self.black, np.float32)

    def from_rgb(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 (..., 3) RGB -> float32 (..., 3) Y, U, V code values, chroma not subsampled."""
        matrix, offset = self._to_yuv
        red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
        # Written out: a matrix product gives other last digits on another processor.
        codes = [red * m[0] + green * m[1] + blue * m[2] for m in matrix]
        return np.stack(codes, axis=-1) + offset


def layout_of(frame: av.VideoFrame) -> Layout:
    """The layout of a frame in a working format."""
    name = frame.format.name
    full = "yuvj" in name or frame.color_range == 2
    depth = 10 if name.endswith("10le") else 8
    sub_x, sub_y = _BASES[_base(name)]
    return Layout(depth, sub_x, sub_y, full, _MATRIX.get(frame.colorspace, "bt601"), not full)


def _base(name: str) -> str:
    return name.replace("yuvj", "yuv").removesuffix("10le")


def working_format(frame: av.VideoFrame, taken: Sequence[str], wanted: str = "source") -> str:
    """The format in which a frame is changed and encoded: its own wherever the encoder has it.

    `taken`: what the encoder takes; other formats become 8 bit with the chroma halved. `wanted`:
    one format for all clips, or `source`. Codecs cannot halve the chroma of odd sizes; those keep
    their size and take full chroma.
    """
    name = _planar(frame) if wanted == "source" else wanted
    if name not in taken:
        name = "yuv420p"
    base = _base(name)
    sub_x, sub_y = _BASES[base]
    is_odd = frame.width % (1 << sub_x) or frame.height % (1 << sub_y)
    return name.replace(base[3:], "444p") if is_odd else name


def _planar(frame: av.VideoFrame) -> str:
    """A frame's own format, or the nearest that is planar YUV of 8 or 10 bits."""
    name = frame.format.name
    deep = any(c.bits > 8 for c in frame.format.components)
    base = _base(name) if _base(name) in _BASES else "yuv420p"
    if deep:
        return base + "10le"
    return base.replace("yuv", "yuvj") if "yuvj" in name else base


def in_format(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The frame itself, or converted; pts are kept."""
    if frame.format.name == name:
        return frame
    # With more threads swscale gives other low bits from time to time, in formats of 10 bits.
    converted = frame.reformat(format=name, threads=1)
    if converted.colorspace == _RGB:  # it has a matrix now, and players would believe the tag
        converted.colorspace = _BT601
    return converted


def new_frame(like: av.VideoFrame) -> av.VideoFrame:
    """An empty frame with the size, format and colour tags of another.

    Decoded frames must not be written to: the decoder still predicts from them.
    """
    frame = av.VideoFrame(like.width, like.height, like.format.name)
    for plane in frame.planes:
        _memory(plane, np.uint8)[:] = 0  # the encoder may look at the padding
    frame.color_range, frame.colorspace = like.color_range, like.colorspace
    frame.color_primaries, frame.color_trc = like.color_primaries, like.color_trc
    return frame


def views(frame: av.VideoFrame, layout: Layout) -> list[np.ndarray]:
    """The planes Y, U, V as arrays (H, W) over the frame's own memory."""
    arrays = []
    for plane in frame.planes:
        rows = _memory(plane, layout.dtype).reshape(plane.height, -1)
        arrays.append(rows[:, : plane.width])
    return arrays


def _memory(plane: Any, dtype: type[np.generic]) -> np.ndarray:
    """A plane's own memory, padding included."""
    return np.frombuffer(plane, dtype)
