"""Masks that look wrong, frame by frame: they jump, leak out of the box, or hold too little.

    jump     the mask is another than in the frame before, both in the picture and relative to the
             box: a person or a camera that moves fast moves the box along, a box that jitters
             leaves the picture's mask where it was; what holds in neither way, and is sudden
             beside the frames before, is a wrong mask in one of the two frames
    leaking  a share of the mask lies outside of the box with some room around it
    thin     the mask covers too little of the box's part inside the picture

The limits were set by looking at what they find in real clips, with masks of a segmentation model
and of GrabCut; a doubt is a reason to look, not to leave a clip out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np

from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.interface import TrackKey

_CALM, _WILD = 0.25, 0.5
"""Change (1 - IoU) from frame to frame that is never a jump, and one that always is. In real clips
with good masks the median change is 0.02 to 0.12, and 0.3 at 8 frames a second."""
_SUDDEN, _RECENT = 4, 15
"""Between the two a jump is so many times the median change of so many frames before."""
_LEAK = 0.05
"""Largest share of the mask outside of the box and its room: a hand, a bat."""
_ROOM = 0.1
"""Room around the box, share of its sides: detectors cut hands and feet off."""
_THIN = 0.15
"""Least share of the box: people who stand fill 0.4 to 0.7 of it, with arms and legs spread 0.25,
behind something not less than the half of that."""
_GRID = 48
"""Masks are compared relative to the box on so many samples in each direction."""

KINDS = ("jump", "leaking", "thin")


@dataclass(frozen=True)
class _Before:
    frame: int
    who: TrackKey | None
    mask: np.ndarray
    grid: np.ndarray


class MaskChecker:
    """Looks at the masks of one clip in the order of their frames; keeps one of them."""

    def __init__(self) -> None:
        self._before: _Before | None = None
        self._changes: deque[float] = deque(maxlen=_RECENT)

    def check(
        self, frame: int, mask: np.ndarray, box: np.ndarray, who: TrackKey | None
    ) -> list[str]:
        """The KINDS that hold for a mask bool (H, W) and its box (4,)."""
        now = _Before(frame, who, mask, _grid(mask, box))
        before, self._before = self._before, now
        found = {
            "jump": before is not None and self._jumps(before, now),
            "leaking": _outside(mask, box) > _LEAK,
            "thin": _share(mask, box) < _THIN,
        }
        return [kind for kind in KINDS if found[kind]]

    def _jumps(self, before: _Before, now: _Before) -> bool:
        """Whether neighbours differ; what is no neighbour, or in another shot, begins anew."""
        if before.frame + 1 != now.frame or before.who != now.who:
            self._changes.clear()
            return False
        change = 1 - max(_iou(before.grid, now.grid), _iou(before.mask, now.mask))
        usual = median(self._changes) if self._changes else _WILD
        self._changes.append(change)
        return change > min(_WILD, max(_CALM, _SUDDEN * usual))


def describe_doubts(doubts: Iterable[tuple[int, list[str]]]) -> str | None:
    """One line for a table: how many of each kind, and where the first one is; None without any.

    >>> describe_doubts([(3, []), (4, ["jump"]), (5, ["jump", "thin"])])
    '2 jump (first in frame 4), 1 thin (first in frame 5)'
    """
    where: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for frame, kinds in doubts:
        for kind in kinds:
            where[kind].append(frame)
    parts = [f"{len(at)} {kind} (first in frame {at[0]})" for kind, at in where.items() if at]
    return ", ".join(parts) or None


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def _corners(box: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x1 y1 x2 y2 of a box in whole pixels, inside a picture (H, W)."""
    inside = boxes.clipped(box[None], shape[1], shape[0])[0]
    x1, y1, x2, y2 = (int(v) for v in np.rint(inside))
    return x1, y1, x2, y2


def _grid(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The mask in its box's own coordinates, box and room: bool (_GRID, _GRID)."""
    x1, y1, x2, y2 = boxes.grown(box[None], _ROOM)[0]
    step_x, step_y = max(x2 - x1, 1) / _GRID, max(y2 - y1, 1) / _GRID
    # from the grid's sample centres to pixels; a box may lie outside of the picture in part
    matrix = np.array([[step_x, 0, x1 + step_x / 2 - 0.5], [0, step_y, y1 + step_y / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(mask.view(np.uint8) * 255, matrix, (_GRID, _GRID), flags=flags)
    return seen > 127


def _outside(mask: np.ndarray, box: np.ndarray) -> float:
    """Share of the mask outside of the box and its room."""
    x1, y1, x2, y2 = _corners(boxes.grown(box[None], _ROOM)[0], mask.shape)
    whole = np.count_nonzero(mask)
    return 1 - np.count_nonzero(mask[y1:y2, x1:x2]) / whole if whole else 0.0


def _share(mask: np.ndarray, box: np.ndarray) -> float:
    """Share of the box's part inside the picture that the mask covers; 1 where there is none."""
    x1, y1, x2, y2 = _corners(box, mask.shape)
    pixels = (x2 - x1) * (y2 - y1)
    return np.count_nonzero(mask[y1:y2, x1:x2]) / pixels if pixels > 0 else 1.0
