"""Planes of a frame as arrays: pixel formats, chroma subsampling and colour matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import av
import numpy as np

_BASES = {"yuv420p": (1, 1), "yuv422p": (1, 0), "yuv444p": (0, 0)}
"""Pixel format -> (log2 of the horizontal, log2 of the vertical chroma subsampling)."""

_KR_KB = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
"""Colour matrix -> luma coefficients (Kr, Kb)."""
_MATRIX = {1: "bt709", 4: "fcc", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""AVColorSpace -> colour matrix. swscale treats all other values, also unspecified, as BT.601."""
_RGB, _BT601 = 0, 6  # AVColorSpace


@dataclass(frozen=True)
class Layout:
    """Encoding of colours in the samples of a planar YUV frame."""

    depth: int
    """Bits per sample: 8 or 10."""
    sub_x: int
    """log2 of the horizontal chroma subsampling."""
    sub_y: int
    """log2 of the vertical chroma subsampling."""
    full_range: bool
    """Whether luma uses all code values (0 to 255), not the limited range (16 to 235)."""
    matrix: str
    """Name of the colour matrix."""
    left_sited: bool = True
    """Whether chroma samples are aligned with even luma columns (MPEG-2, H.264), not centred
    between two columns (JPEG)."""

    @property
    def shifts(self) -> tuple[tuple[int, int], ...]:
        """(log2 of the horizontal, log2 of the vertical subsampling) of each plane."""
        chroma = self.sub_x, self.sub_y
        return (0, 0), chroma, chroma

    @property
    def dtype(self) -> type[np.generic]:
        """dtype of the samples: uint8 for 8 bits, else uint16."""
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def black(self) -> tuple[int, int, int]:
        """Code values Y, U, V of black."""
        luma = 0 if self.full_range else 16 << (self.depth - 8)
        return luma, self.grey, self.grey

    @property
    def grey(self) -> int:
        """Chroma code value of grey."""
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
        """Convert RGB, uint8 (H, W, 3) or (..., 3), to code values Y, U, V, float32 (..., 3).

        Chroma is not subsampled.
        """
        matrix, offset = self._to_yuv
        red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
        # Written out, because the rounding of a matrix product depends on the processor.
        codes = [red * m[0] + green * m[1] + blue * m[2] for m in matrix]
        return np.stack(codes, axis=-1) + offset


def layout_of(frame: av.VideoFrame) -> Layout:
    """Layout of a frame in one of the formats that `working_format` returns."""
    name = frame.format.name
    full = "yuvj" in name or frame.color_range == 2
    depth = 10 if name.endswith("10le") else 8
    sub_x, sub_y = _BASES[_base(name)]
    return Layout(depth, sub_x, sub_y, full, _MATRIX.get(frame.colorspace, "bt601"), not full)


def _base(name: str) -> str:
    return name.replace("yuvj", "yuv").removesuffix("10le")


def working_format(frame: av.VideoFrame, supported: Sequence[str], setting: str = "source") -> str:
    """Pixel format in which a frame is edited and encoded.

    `supported`: formats of the encoder; a frame in another format is converted to yuv420p.
    `setting`: one format for all clips, or `source` for the format of the frame. Codecs cannot
    subsample the chroma of odd sizes; such frames keep their size and get full-resolution chroma.
    """
    name = _planar(frame) if setting == "source" else setting
    if name not in supported:
        name = "yuv420p"
    base = _base(name)
    sub_x, sub_y = _BASES[base]
    is_odd = frame.width % (1 << sub_x) or frame.height % (1 << sub_y)
    return name.replace(base[3:], "444p") if is_odd else name


def _planar(frame: av.VideoFrame) -> str:
    """Format of a frame, or the most similar planar YUV format with 8 or 10 bits."""
    name = frame.format.name
    deep = any(c.bits > 8 for c in frame.format.components)
    base = _base(name) if _base(name) in _BASES else "yuv420p"
    if deep:
        return base + "10le"
    return base.replace("yuv", "yuvj") if "yuvj" in name else base


def in_format(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """Convert a frame to a pixel format; its pts is kept.

    A frame that has the format is returned as is.
    """
    if frame.format.name == name:
        return frame
    # With several threads, the low bits of swscale's 10-bit conversions are not reproducible.
    converted = frame.reformat(format=name, threads=1)
    if converted.colorspace == _RGB:  # the frame is YUV now: players would misinterpret the tag
        converted.colorspace = _BT601
    return converted


def new_frame(like: av.VideoFrame) -> av.VideoFrame:
    """Create a frame with the size, format and colour tags of another.

    Decoded frames must not be modified, because the decoder still predicts from them.
    """
    frame = av.VideoFrame(like.width, like.height, like.format.name)
    for plane in frame.planes:
        _memory(plane, np.uint8)[:] = 0  # encoders may read the padding
    frame.color_range, frame.colorspace = like.color_range, like.colorspace
    frame.color_primaries, frame.color_trc = like.color_primaries, like.color_trc
    return frame


def plane_arrays(frame: av.VideoFrame, layout: Layout) -> list[np.ndarray]:
    """The planes Y, U, V of a frame as arrays (H, W), uint8 or uint16, that share its memory."""
    arrays = []
    for plane in frame.planes:
        rows = _memory(plane, layout.dtype).reshape(plane.height, -1)
        arrays.append(rows[:, : plane.width])
    return arrays


def _memory(plane: Any, dtype: type[np.generic]) -> np.ndarray:
    """The memory of a plane, including padding."""
    return np.frombuffer(plane, dtype)
