"""Checks of the masks, frame by frame: jumps, leaks out of the box, and masks that are too small.

    jump     the mask differs from the frame before, both in the picture and relative to the box.
             If a person or the camera moves fast, the box moves along; if a box jitters, the mask
             stays in place in the picture. A mask that changes in both respects, and suddenly
             compared to the frames before, is wrong in one of the two frames.
    leaking  more than a share of the mask lies outside the box grown by a margin
    thin     the mask covers too small a share of the box

The limits were set by inspecting what they find in real clips, with masks of a segmentation model
and of GrabCut. A finding is a reason to look at the mask, not to exclude the clip.
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
"""Change (1 - IoU) between frames up to which there is no jump, and above which there always is. In
real clips with good masks the median change is 0.02 to 0.12, and 0.3 at 8 frames per second."""
_SUDDEN, _RECENT = 4, 15
"""Between the two, a jump is _SUDDEN times the median change of the last _RECENT frames."""
_LEAK = 0.05
"""Largest share of the mask outside the grown box: a hand or a bat may be there."""
_MARGIN = 0.1
"""Margin around the box, share of its sides: detectors cut off hands and feet."""
_THIN = 0.15
"""Least share of the box that a mask covers: standing people cover 0.4 to 0.7, with arms and legs
spread 0.25, and behind an object at least half of that."""
_GRID = 48
"""Samples per direction of the grid on which masks are compared relative to the box."""

KINDS = ("jump", "leaking", "thin")
"""The findings."""


@dataclass(frozen=True)
class _Checked:
    """A mask that has been checked."""

    frame: int
    track: TrackKey | None
    mask: np.ndarray
    """bool (H, W)."""
    grid: np.ndarray
    """bool (_GRID, _GRID): the mask relative to its box."""


class MaskChecker:
    """Checks the masks of one clip, in the order of the frames; keeps the last one in memory."""

    def __init__(self) -> None:
        self._before: _Checked | None = None
        self._changes: deque[float] = deque(maxlen=_RECENT)

    def check(
        self, frame: int, mask: np.ndarray, box: np.ndarray, track: TrackKey | None
    ) -> list[str]:
        """The KINDS found for the next mask.

        mask: bool (H, W); box: float32 (4,), x1 y1 x2 y2 in pixels; track: (shot, track) of the
        box. Masks are compared only between consecutive frames of one shot and track.
        """
        now = _Checked(frame, track, mask, _grid(mask, box))
        before, self._before = self._before, now
        found = {
            "jump": before is not None and self._jumps(before, now),
            "leaking": _outside(mask, box) > _LEAK,
            "thin": _share(mask, box) < _THIN,
        }
        return [kind for kind in KINDS if found[kind]]

    def _jumps(self, before: _Checked, now: _Checked) -> bool:
        """Whether consecutive masks differ suddenly; a gap or another track resets the history."""
        if before.frame + 1 != now.frame or before.track != now.track:
            self._changes.clear()
            return False
        change = 1 - max(_iou(before.grid, now.grid), _iou(before.mask, now.mask))
        usual = median(self._changes) if self._changes else _WILD
        self._changes.append(change)
        return change > min(_WILD, max(_CALM, _SUDDEN * usual))


def describe_doubts(doubts: Iterable[tuple[int, list[str]]]) -> str | None:
    """One line for a table: the number of each kind, and the first frame; None without any.

    doubts: (frame, kinds found in it).

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
    """The mask bool (H, W) in the coordinates of its grown box: bool (_GRID, _GRID)."""
    x1, y1, x2, y2 = boxes.expanded(box[None], _MARGIN)[0]
    step_x, step_y = max(x2 - x1, 1) / _GRID, max(y2 - y1, 1) / _GRID
    # Maps the grid's sample centres to pixels; a box may lie partly outside the picture.
    matrix = np.array([[step_x, 0, x1 + step_x / 2 - 0.5], [0, step_y, y1 + step_y / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grid = cv2.warpAffine(mask.view(np.uint8) * 255, matrix, (_GRID, _GRID), flags=flags)
    return grid > 127


def _outside(mask: np.ndarray, box: np.ndarray) -> float:
    """Share of the mask outside the grown box."""
    x1, y1, x2, y2 = _corners(boxes.expanded(box[None], _MARGIN)[0], mask.shape)
    whole = np.count_nonzero(mask)
    return 1 - np.count_nonzero(mask[y1:y2, x1:x2]) / whole if whole else 0.0


def _share(mask: np.ndarray, box: np.ndarray) -> float:
    """Share of the box, clipped to the picture, that the mask covers; 1 for an empty box."""
    x1, y1, x2, y2 = _corners(box, mask.shape)
    pixels = (x2 - x1) * (y2 - y1)
    return np.count_nonzero(mask[y1:y2, x1:x2]) / pixels if pixels > 0 else 1.0
