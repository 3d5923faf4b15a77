r"""The masker grabcut: OpenCV's GrabCut inside the actor's box, without weights.

The box grown by a margin is cut out and scaled down to actor_masks.grabcut_side. Initial labels:

     +-----------------+  rim of the window: certain background
     |  ,-----------.  |  corners of the box: certain background
     | /   guess     \ |  an upright oval: probable actor; around it: probable background
     | |   ( core )  | |  the trunk: certain actor
     | \             / |
     +-----------------+

With a fixed camera a pixel that equals the clip's median is probable background, one that differs
is probable actor, and one that differs strongly is certain actor (median_background.py). The colour
models are reused in the following frames and learnt again after some frames, as they drift. The
mask itself is not reused, since an error in it would persist. Frames are processed in order in one
thread, so a clip always gets the same masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build import config
from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers import median_background
from occludenet_build.people.maskers.interface import BoxedClip, MaskedFrame
from occludenet_build.people.maskers.median_background import Background

_MARGIN = 0.12
"""Share of the box's sides that the window adds on each side."""
_RIM = 0.06
"""Growth of the box, share of its sides, outside which a pixel is certain background."""
_GUESS, _CORE, _REACH = (0.34, 0.5), (0.15, 0.28), (0.53, 0.6)
"""Half axes of the ovals, shares of the box's width and height. Tuned on real clips against a
segmentation model: with a smaller core the background can take over the mask, a larger one is wrong
for people who bend."""
_CORE_MIDDLE = 0.4
"""Height of the core's centre, share of the box, at the trunk: between the legs are gaps."""
_OVAL_EXPONENT = 2.5
"""Exponent of the ovals: 2 is an ellipse, a larger one is closer to a rectangle."""
_SAME, _OTHER, _FAR = 12, 28, 70
"""Difference from the background, grey levels: less than _SAME is probable background, more than
_OTHER probable actor, more than _FAR certain actor."""
_LEAST_UNLIKE = 0.1
"""Least share of the box that is not background: with less, the median shows the actor."""
_LEAST_SHARE, _MOST_SHARE = 0.02, 0.98
"""Limits of the share of the window that a mask covers; outside them GrabCut has failed."""
_LEAST_PART = 0.15
"""Regions of the mask below this share of the largest region are removed."""
_LEAST_SIDE, _LEAST_PIXELS = 6, 10
"""Least side of a window, and least pixels of actor and of background, to learn colours."""
_LEARN_EVERY = 15
"""Frames after which the colour models are learnt again."""


class GrabCut:
    """The `interface.Masker` of OpenCV's GrabCut."""

    def __init__(self, settings: config.ActorMasks) -> None:
        self._iterations, self._side = settings.grabcut_iterations, settings.grabcut_side

    def masks(self, clip: BoxedClip) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)) of the frames with a mask."""
        # One thread here and a fixed seed of k-means below give the same masks everywhere.
        cv2.setNumThreads(1)
        background = median_background.estimate_background(clip)
        models: ColourModels | None = None
        for number, rgb, box in clip.frames():
            window = GrabCutWindow.around(box, rgb.shape[:2], self._side)
            if window is None:
                continue
            mask, models = self._cut(window.scaled(rgb), window, background, models)
            if mask is not None:
                yield number, window.placed(mask)

    def _cut(
        self,
        picture: np.ndarray,
        window: GrabCutWindow,
        background: Background | None,
        before: ColourModels | None,
    ) -> tuple[np.ndarray | None, ColourModels | None]:
        """The mask uint8 (h, w) of one scaled window, and the models for the next frame.

        (None, None) where GrabCut fails.
        """
        labels = _labels(window, picture, background)
        front = np.count_nonzero(labels & 1)
        if min(front, labels.size - front) < _LEAST_PIXELS:
            return None, None
        mode, rounds, models = cv2.GC_EVAL, 1, before
        if models is None or models.age >= _LEARN_EVERY:
            mode, rounds, models = cv2.GC_INIT_WITH_MASK, self._iterations, ColourModels.empty()
        cv2.setRNGSeed(0)
        cv2.grabCut(picture, labels, (0, 0, 0, 0), models.back, models.front, rounds, mode)
        # Odd labels are the actor: certain (1) or probable (3).
        mask = _without_specks(labels & 1)
        if not _LEAST_SHARE < mask.mean() < _MOST_SHARE:
            return None, None
        return mask, ColourModels(models.back, models.front, models.age + 1)


@dataclass(frozen=True)
class ColourModels:
    """GrabCut's colour models in OpenCV's layout."""

    back: np.ndarray
    """float64 (1, 65): the background's."""
    front: np.ndarray
    """float64 (1, 65): the actor's."""
    age: int
    """Frames in which they were used."""

    @staticmethod
    def empty() -> ColourModels:
        """Models to be learnt: float64 (1, 65), zeros."""
        return ColourModels(np.zeros((1, 65)), np.zeros((1, 65)), 0)


@dataclass(frozen=True)
class GrabCutWindow:
    """The grown box as a rectangle of the picture, scaled down."""

    rect: tuple[int, int, int, int]
    """x1 y1 x2 y2, pixels of the picture."""
    box: np.ndarray
    """float32 (4,): the actor's box, x1 y1 x2 y2, pixels of the scaled window."""
    size: tuple[int, int]
    """Width and height of the scaled window, pixels."""
    shape: tuple[int, int]
    """Height and width of the picture, pixels."""

    @staticmethod
    def around(box: np.ndarray, shape: tuple[int, int], side: int) -> GrabCutWindow | None:
        """The window of a box float32 (4,), None where too little of it lies in the picture.

        shape: (H, W) of the picture; side: longest side of the scaled window, pixels.
        """
        height, width = shape
        x1, y1, x2, y2 = boxes.clipped(boxes.expanded(box[None], _MARGIN), width, height)[0]
        x1, y1, x2, y2 = int(x1), int(y1), int(np.ceil(x2)), int(np.ceil(y2))
        if min(x2 - x1, y2 - y1) < _LEAST_SIDE:
            return None
        scale = min(1.0, side / max(x2 - x1, y2 - y1))
        size = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
        ratio = np.array([size[0] / (x2 - x1), size[1] / (y2 - y1)] * 2, np.float32)
        inner = (box - np.array([x1, y1, x1, y1], np.float32)) * ratio
        return GrabCutWindow((x1, y1, x2, y2), inner, size, shape)

    def scaled(self, rgb: np.ndarray) -> np.ndarray:
        """The window of a picture uint8 (H, W, 3), scaled: uint8 (h, w, 3)."""
        x1, y1, x2, y2 = self.rect
        return cv2.resize(rgb[y1:y2, x1:x2], self.size, interpolation=cv2.INTER_AREA)

    def placed(self, mask: np.ndarray) -> np.ndarray:
        """A mask uint8 (h, w), 0 or 1, of the scaled window as bool (H, W) of the picture."""
        x1, y1, x2, y2 = self.rect
        full = np.zeros(self.shape, bool)
        soft = cv2.resize(mask * np.uint8(255), (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
        full[y1:y2, x1:x2] = soft > 127
        return full

    def inside(self, growth: float) -> np.ndarray:
        """bool (H, W) of the scaled window: the pixels in the box grown by a share of its sides."""
        x1, y1, x2, y2 = boxes.expanded(self.box[None], growth)[0]
        xs, ys = np.arange(self.size[0]) + 0.5, np.arange(self.size[1]) + 0.5
        return ((ys >= y1) & (ys < y2))[:, None] & ((xs >= x1) & (xs < x2))[None]

    def oval(self, axes: tuple[float, float], middle: float = 0.5) -> np.ndarray:
        """bool (H, W) of the scaled window: the pixels in an upright oval in the box.

        axes: half the oval's width and height; middle: height of its centre; shares of the box.
        """
        x1, y1, x2, y2 = self.box
        xs = (np.arange(self.size[0]) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) * axes[0])
        ys = (np.arange(self.size[1]) + 0.5 - y1 - (y2 - y1) * middle) / ((y2 - y1) * axes[1])
        return (np.abs(ys) ** _OVAL_EXPONENT)[:, None] + (np.abs(xs) ** _OVAL_EXPONENT)[None] < 1


def _labels(
    window: GrabCutWindow, picture: np.ndarray, background: Background | None
) -> np.ndarray:
    """GrabCut's initial labels of the scaled window, uint8 (h, w)."""
    labels = np.full(picture.shape[:2], cv2.GC_PR_BGD, np.uint8)
    labels[window.oval(_GUESS)] = cv2.GC_PR_FGD
    labels[window.oval(_CORE, _CORE_MIDDLE)] = cv2.GC_FGD
    labels[~window.oval(_REACH)] = cv2.GC_BGD
    if background is not None:
        _apply_background(labels, window, picture, background)
    labels[~window.inside(_RIM)] = cv2.GC_BGD
    return labels


def _apply_background(
    labels: np.ndarray, window: GrabCutWindow, picture: np.ndarray, background: Background
) -> None:
    """Correct labels (h, w) in place from the background, unless that matches most of the box."""
    rgb, known = background.window(window.rect, window.shape, window.size)
    change = median_background.background_difference(picture, rgb)
    inside = window.inside(0)
    unlike = np.count_nonzero(inside & (~known | (change > _OTHER)))
    if unlike < _LEAST_UNLIKE * np.count_nonzero(inside):
        return
    labels[known & (change < _SAME)] = cv2.GC_PR_BGD
    labels[known & (change > _OTHER)] = cv2.GC_PR_FGD
    labels[known & (change > _FAR)] = cv2.GC_FGD


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """The mask uint8 (h, w) without regions that are small compared to the largest."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    keep = areas >= max(1, _LEAST_PART * areas.max()) if count > 1 else areas > 0
    return keep[parts].astype(np.uint8)
