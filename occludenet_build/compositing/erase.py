"""do(A = a): what stands where the actor was. Works in the clip's own planes.

The authors' figure has the visible actor black: `zero` is the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.core import masks as rle
from occludenet_build.core.video.display import Display
from occludenet_build.core.video.planes import Layout

_PLATE_FRAMES = 24  # frames the temporal median looks at: bounded memory on long clips


@dataclass(frozen=True)
class Erasure:
    """How the actor's pixels are filled."""

    fill: str
    dilate: int


def dilated(mask: np.ndarray, pixels: int) -> np.ndarray:
    """bool (H, W) grown by so many pixels."""
    if pixels == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)


def on_planes(mask: np.ndarray, layout: Layout) -> list[np.ndarray]:
    """The mask on the Y, U and V grids: a chroma sample is erased with any of its pixels."""
    chroma = mask
    if layout.sub_x:
        chroma = np.pad(chroma, ((0, 0), (0, chroma.shape[1] % 2)))
        chroma = chroma[:, 0::2] | chroma[:, 1::2]
    if layout.sub_y:
        chroma = np.pad(chroma, ((0, chroma.shape[0] % 2), (0, 0)))
        chroma = chroma[0::2] | chroma[1::2]
    return [mask, chroma, chroma]


@dataclass(frozen=True)
class Scene:
    """What a fill may know of the clip: its layout and its picture without the actor."""

    layout: Layout
    plate: list[np.ndarray] | None = None


def _zero(planes: list[np.ndarray], masks: list[np.ndarray], scene: Scene) -> None:
    for plane, mask, value in zip(planes, masks, scene.layout.black, strict=True):
        plane[mask] = value


def _mean(planes: list[np.ndarray], masks: list[np.ndarray], scene: Scene) -> None:
    for plane, mask, black in zip(planes, masks, scene.layout.black, strict=True):
        rest = plane[~mask]
        plane[mask] = round(float(rest.mean())) if rest.size else black


def _blur(planes: list[np.ndarray], masks: list[np.ndarray], scene: Scene) -> None:
    """The surroundings, blurred into the hole; the actor's own pixels weigh nothing."""
    for plane, mask, black in zip(planes, masks, scene.layout.black, strict=True):
        weight = (~mask).astype(np.float32)
        radius = max(3, round(max(plane.shape) / 8))
        colour = cv2.GaussianBlur(plane * weight, (0, 0), radius / 2)
        near = cv2.GaussianBlur(weight, (0, 0), radius / 2)
        rest = plane[~mask]
        far = float(rest.mean()) if rest.size else float(black)
        # far inside a large hole no surroundings weigh anything: the mean takes over smoothly
        filled = (colour + 1e-3 * far) / (near + 1e-3)
        plane[mask] = np.round(filled[mask]).astype(plane.dtype)


def _median(planes: list[np.ndarray], masks: list[np.ndarray], scene: Scene) -> None:
    """The clip's temporal median where the actor was not; blurred where he always was."""
    if scene.plate is None:
        raise ValueError("the median needs the clip's plate")
    for plane, mask, plate in zip(planes, masks, scene.plate, strict=True):
        plane[mask] = plate[mask]


FILLS: dict[str, Callable[[list[np.ndarray], list[np.ndarray], Scene], None]] = {
    "zero": _zero,
    "mean": _mean,
    "blur": _blur,
    "median": _median,
}
"""Fill by name: changes the planes in place where the masks are true."""


def sampled_frames(frames: int) -> set[int]:
    """The frame numbers that the plate is made of, evenly over the clip."""
    count = min(frames, _PLATE_FRAMES)
    return {round(i * (frames - 1) / max(1, count - 1)) for i in range(count)}


class Eraser:
    """Erases the actor of one clip, frame by frame. `look` first where the fill is `median`."""

    def __init__(
        self, erasure: Erasure, rles: Mapping[int, bytes], layout: Layout, display: Display
    ) -> None:
        self._erasure, self._rles = erasure, rles
        self._layout, self._display = layout, display
        self._looked_at: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
        self._plate: list[np.ndarray] | None = None

    def look(self, number: int, planes: list[np.ndarray]) -> None:
        """Show the eraser a frame of the clip for its median."""
        nowhere = [np.zeros(plane.shape, bool) for plane in planes]
        masks = self._masks(number) or nowhere
        self._looked_at.append(([plane.copy() for plane in planes], masks))

    def erase(self, number: int, planes: list[np.ndarray]) -> None:
        """Change the planes of a frame in place; nothing where the actor has no mask."""
        if self._looked_at:
            self._plate, self._looked_at = _plate(self._looked_at, self._layout), []
        masks = self._masks(number)
        if masks is not None:
            FILLS[self._erasure.fill](planes, masks, Scene(self._layout, self._plate))

    def _masks(self, number: int) -> list[np.ndarray] | None:
        counts = self._rles.get(number)
        if counts is None:
            return None
        width, height = self._display.size
        mask = dilated(rle.decode(counts, height, width), self._erasure.dilate)
        return on_planes(self._display.to_coded(mask), self._layout)


def _plate(
    taken: list[tuple[list[np.ndarray], list[np.ndarray]]], layout: Layout
) -> list[np.ndarray]:
    """The median over time of the pixels outside the actor, from (planes, masks) of some frames."""
    result = []
    for index in range(3):
        values = np.ma.array(
            np.stack([planes[index] for planes, _ in taken]),
            mask=np.stack([masks[index] for _, masks in taken]),
        )
        median = np.ma.median(values, axis=0)
        result.append(np.round(median.filled(0)).astype(layout.dtype))
    never = [np.all(np.stack([masks[i] for _, masks in taken]), axis=0) for i in range(3)]
    _blur(result, never, Scene(layout))
    return result
