"""Occluders in the colours of RGB frames, for composite's patches, which were made for YUV planes.

An RGB frame is one plane whose samples have three channels: one blend per frame, over whole rows of
memory, takes a third of the time of three planes.
"""

from __future__ import annotations

import numpy as np

from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.patches import OPAQUE, ROUNDING, ClipCutout, Patch, PlanePatch


class _Rgb(Layout):
    """R, G and B in one plane: no subsampling, and no conversion of colours."""

    @property
    def shifts(self) -> tuple[tuple[int, int], ...]:
        """One plane, of full size."""
        return ((0, 0),)

    def from_rgb(self, rgb: np.ndarray) -> np.ndarray:
        """The colours themselves: uint8 (..., 3) -> float32 (..., 3)."""
        return rgb.astype(np.float32)


RGB = _Rgb(depth=8, sub_x=0, sub_y=0, full_range=True, matrix="bt601")
"""Layout of RGB frames. A layout has a matrix, which is not used here."""


class RgbCutout(ClipCutout):
    """A cut-out, uint8 (H, W, 4) RGBA, prepared for RGB frames of `size` (width, height).

    `channels_first`: whether the frames have R, G and B apart in memory, and not pixel by pixel.
    """

    def __init__(self, rgba: np.ndarray, size: tuple[int, int], channels_first: bool) -> None:
        super().__init__(rgba, RGB, Display(*size))
        self._channels_first = channels_first

    def _make(self, w: int, h: int, odd_x: int, odd_y: int) -> Patch:
        pixels = self.resized(w, h)
        alpha = pixels[:, :, 3]
        keep = np.repeat(1 - pixels[:, :, 3:], 3, axis=2)
        part = PlanePatch(*map(self._ordered, (pixels[:, :, :3] + ROUNDING, keep)))
        return Patch((part,), alpha >= OPAQUE)

    def _ordered(self, values: np.ndarray) -> np.ndarray:
        """The same array (h, w, 3), with its channels in memory as those of the frames."""
        if not self._channels_first:
            return values
        return np.ascontiguousarray(values.transpose(2, 0, 1)).transpose(1, 2, 0)
