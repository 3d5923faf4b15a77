r"""Actor masks without weights: GrabCut inside the box.

The box grown by a margin is cut out and scaled down to the set side. What is known and guessed:

     +-----------------+  rim of the window: background for certain
     |  ,-----------.  |  corners of the box: background for certain
     | /   guess     \ |  an upright oval: probably the actor, around it probably not
     | |   ( core )  | |  the trunk: the actor for certain
     | \             / |
     +-----------------+

With a fixed camera, what equals the clip's median is probably background, and what differs is
probably, or far off certainly, the actor (background.py). The colour models go on from frame to
frame and are learnt anew now and then, as they drift; the mask itself is not carried on, since a
wrong piece would stay. Frames are worked through in their order in one thread, so that a clip has
the same masks whatever else runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build import config
from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers import median_background
from occludenet_build.people.maskers.interface import Clip, MaskedFrame
from occludenet_build.people.maskers.median_background import Background

_MARGIN = 0.12
"""Share of the box's sides that the window adds on each side."""
_RIM = 0.06
"""Share beyond which a pixel of the window is background for certain."""
_GUESS, _CORE, _REACH = (0.34, 0.5), (0.15, 0.28), (0.53, 0.6)
"""Half axes of the ovals, shares of the box's width and height. Measured on real clips against a
segmentation model: a smaller core loses the actor to a strong background, a larger one is wrong
for people who bend."""
_CORE_MIDDLE = 0.4
"""Height of the core's centre, share of the box: the trunk, as there are gaps between the legs."""
_ROUND = 2.5
"""Exponent of the ovals: 2 is an ellipse, more is squarer."""
_SAME, _OTHER, _FAR = 12, 28, 70
"""Difference to the background: below: probably it; above: probably, or certainly, not it."""
_LEAST_LEFT = 0.1
"""Share of the box that must not be background: else the median holds the actor himself."""
_LEAST_SHARE, _MOST_SHARE = 0.02, 0.98
"""Share of the window that a mask fills; nothing and everything are failures."""
_LEAST_PART = 0.15
"""Parts of the mask smaller than this share of the largest are specks."""
_LEAST_SIDE, _LEAST_PIXELS = 6, 10
"""Windows that are smaller, and fewer pixels of a kind, are nothing to learn from."""
_FRESH = 15
"""Frames after which the colour models are learnt anew."""


class GrabCut:
    def __init__(self, settings: config.ActorMasks) -> None:
        self._iterations, self._side = settings.grabcut_iterations, settings.grabcut_side

    def masks(self, clip: Clip) -> Iterator[MaskedFrame]:
        # One thread, and below the seed of k-means: the same masks everywhere.
        cv2.setNumThreads(1)
        still = median_background.estimate_background(clip)
        models: ColourModels | None = None
        for number, rgb, box in clip.frames():
            window = GrabCutWindow.around(box, rgb.shape[:2], self._side)
            if window is None:
                continue
            mask, models = self._cut(window.scaled(rgb), window, still, models)
            if mask is not None:
                yield number, window.placed(mask)

    def _cut(
        self,
        picture: np.ndarray,
        window: GrabCutWindow,
        still: Background | None,
        before: ColourModels | None,
    ) -> tuple[np.ndarray | None, ColourModels | None]:
        """The mask, uint8 (h, w), of one scaled window and the models for the next frame.

        (None, None) where GrabCut finds nothing or everything.
        """
        labels = _labels(window, picture, still)
        front = np.count_nonzero(labels & 1)
        if min(front, labels.size - front) < _LEAST_PIXELS:
            return None, None
        mode, rounds, models = cv2.GC_EVAL, 1, before
        if models is None or models.age >= _FRESH:
            mode, rounds, models = cv2.GC_INIT_WITH_MASK, self._iterations, ColourModels.empty()
        cv2.setRNGSeed(0)
        cv2.grabCut(picture, labels, (0, 0, 0, 0), models.back, models.front, rounds, mode)
        # odd labels are the actor, certain (1) or probable (3)
        mask = _without_specks(labels & 1)
        if not _LEAST_SHARE < mask.mean() < _MOST_SHARE:
            return None, None
        return mask, ColourModels(models.back, models.front, models.age + 1)


@dataclass(frozen=True)
class ColourModels:
    """GrabCut's colour models, in its own layout, and the frames they have served."""

    back: np.ndarray
    front: np.ndarray
    age: int

    @staticmethod
    def empty() -> ColourModels:
        return ColourModels(np.zeros((1, 65)), np.zeros((1, 65)), 0)


@dataclass(frozen=True)
class GrabCutWindow:
    """The grown box as a rectangle of the picture, and the size it is worked on in.

    rect: x1 y1 x2 y2 in picture pixels; box: the actor's box in pixels of the scaled window;
    size: (w, h) of the scaled window; shape: (H, W) of the picture.
    """

    rect: tuple[int, int, int, int]
    box: np.ndarray
    size: tuple[int, int]
    shape: tuple[int, int]

    @staticmethod
    def around(box: np.ndarray, shape: tuple[int, int], side: int) -> GrabCutWindow | None:
        """The window of a box, or None where too little of it lies in the picture."""
        height, width = shape
        x1, y1, x2, y2 = boxes.clipped(boxes.grown(box[None], _MARGIN), width, height)[0]
        x1, y1, x2, y2 = int(x1), int(y1), int(np.ceil(x2)), int(np.ceil(y2))
        if min(x2 - x1, y2 - y1) < _LEAST_SIDE:
            return None
        scale = min(1.0, side / max(x2 - x1, y2 - y1))
        size = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
        ratio = np.array([size[0] / (x2 - x1), size[1] / (y2 - y1)] * 2, np.float32)
        inner = (box - np.array([x1, y1, x1, y1], np.float32)) * ratio
        return GrabCutWindow((x1, y1, x2, y2), inner, size, shape)

    def scaled(self, rgb: np.ndarray) -> np.ndarray:
        x1, y1, x2, y2 = self.rect
        return cv2.resize(rgb[y1:y2, x1:x2], self.size, interpolation=cv2.INTER_AREA)

    def placed(self, mask: np.ndarray) -> np.ndarray:
        """A mask uint8 (h, w) of the scaled window as bool (H, W) of the picture."""
        x1, y1, x2, y2 = self.rect
        full = np.zeros(self.shape, bool)
        soft = cv2.resize(mask * np.uint8(255), (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
        full[y1:y2, x1:x2] = soft > 127
        return full

    def inside(self, growth: float) -> np.ndarray:
        """Pixels of the scaled window in the box grown by a share, bool (h, w)."""
        x1, y1, x2, y2 = boxes.grown(self.box[None], growth)[0]
        xs, ys = np.arange(self.size[0]) + 0.5, np.arange(self.size[1]) + 0.5
        return ((ys >= y1) & (ys < y2))[:, None] & ((xs >= x1) & (xs < x2))[None]

    def oval(self, axes: tuple[float, float], middle: float = 0.5) -> np.ndarray:
        """An upright rounded shape in the box, bool (h, w).

        axes: half its width and height, middle: the height of its centre, shares of the box.
        """
        x1, y1, x2, y2 = self.box
        xs = (np.arange(self.size[0]) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) * axes[0])
        ys = (np.arange(self.size[1]) + 0.5 - y1 - (y2 - y1) * middle) / ((y2 - y1) * axes[1])
        return (np.abs(ys) ** _ROUND)[:, None] + (np.abs(xs) ** _ROUND)[None] < 1


def _labels(window: GrabCutWindow, picture: np.ndarray, still: Background | None) -> np.ndarray:
    """What is known and guessed of each pixel, in GrabCut's labels, uint8 (h, w)."""
    labels = np.full(picture.shape[:2], cv2.GC_PR_BGD, np.uint8)
    labels[window.oval(_GUESS)] = cv2.GC_PR_FGD
    labels[window.oval(_CORE, _CORE_MIDDLE)] = cv2.GC_FGD
    labels[~window.oval(_REACH)] = cv2.GC_BGD
    if still is not None:
        _apply_background(labels, window, picture, still)
    labels[~window.inside(_RIM)] = cv2.GC_BGD
    return labels


def _apply_background(
    labels: np.ndarray, window: GrabCutWindow, picture: np.ndarray, still: Background
) -> None:
    """Correct the guess where the background is known, unless next to nothing is left of it."""
    rgb, known = still.window(window.rect, window.shape, window.size)
    other = median_background.background_difference(picture, rgb)
    inside = window.inside(0)
    left = np.count_nonzero(inside & (~known | (other > _OTHER)))
    if left < _LEAST_LEFT * np.count_nonzero(inside):
        return
    labels[known & (other < _SAME)] = cv2.GC_PR_BGD
    labels[known & (other > _OTHER)] = cv2.GC_PR_FGD
    labels[known & (other > _FAR)] = cv2.GC_FGD


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """The mask, uint8, without parts that are small beside its largest."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    keep = areas >= max(1, _LEAST_PART * areas.max()) if count > 1 else areas > 0
    return keep[parts].astype(np.uint8)
