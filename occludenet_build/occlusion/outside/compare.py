"""Compares a clip without its actor with the occluded clip that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.source import open_video, to_rgb
from occludenet_build.occlusion.counterfactual import dilate_mask
from occludenet_build.occlusion.outside import OURS

_SAME_SECONDS = 0.001
"""Largest difference of two times that count as equal, seconds."""
RIM = 2
"""Pixels at the edge of an occluder that do not count: there coding and a soft edge mix it with the
hole."""
_BINS = 4096
"""Distances are counted in bins of a pixel, up to this number."""
Row = dict[str, Any]


@dataclass(frozen=True)
class OutsideJob:
    """A clip of another program, and what it is compared with."""

    known: Row
    """Columns of MEASURES that are known before."""
    path: Path | None
    """The clip; None: missing."""
    occluded: Path
    ours: Path | None
    """The build's own counterfactual, if it has a file."""
    frames: int
    masks: Mapping[int, bytes]
    """Frame -> the actor's mask, COCO RLE counts of the displayed picture."""
    occluder: Mapping[int, bytes]
    """Frame -> the occluder's mask, likewise."""
    dilate: int
    threshold: int


@dataclass
class Changes:
    """What was changed, added up over the frames with a mask."""

    threshold: int
    """Difference of the luma from which a pixel counts as changed, 1 to 255."""
    inside: list[float] = field(default_factory=list)
    """Mean absolute difference in the hole, per frame, 0 to 255; so is `outside`."""
    outside: list[float] = field(default_factory=list)
    shares: dict[int, float] = field(default_factory=dict)
    """Frame -> share of the pixels outside the mask that changed."""
    covered: int = 0
    """Pixels of the occluder over the mask, of all frames, without its rim."""
    covered_changed: int = 0
    distances: np.ndarray = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    """int64 (_BINS,): number of changed pixels by their distance from the mask, pixels."""

    def add(
        self, number: int, difference: np.ndarray, mask: np.ndarray, occluder: np.ndarray
    ) -> None:
        """Add a frame: absolute difference uint8, dilated mask of the actor and mask of the
        occluder, bool, each (H, W)."""
        hole, changes = mask & ~occluder, difference >= self.threshold
        if hole.any():
            self.inside.append(float(difference[hole].mean()))
        covered = mask & _without_rim(occluder)
        self.covered += int(covered.sum())
        self.covered_changed += int((covered & changes).sum())
        self._add_around(number, difference, ~mask, changes)

    def _add_around(
        self, number: int, difference: np.ndarray, around: np.ndarray, changes: np.ndarray
    ) -> None:
        if not around.any():
            return
        self.outside.append(float(difference[around].mean()))
        changed = around & changes
        self.shares[number] = float(changed.sum() / around.sum())
        if changed.any():
            apart = cv2.distanceTransform(around.astype(np.uint8), cv2.DIST_L2, 5)[changed]
            bins = np.minimum(apart.astype(np.int64), _BINS - 1)
            self.distances += np.bincount(bins, minlength=_BINS)

    def columns(self) -> Row:
        """The columns of MEASURES from `inside` to `worst_frame`."""
        total = int(self.distances.sum())
        along = np.arange(_BINS)
        reach = int(np.searchsorted(np.cumsum(self.distances), 0.95 * total))
        return {
            "inside": _mean(self.inside),
            "occluder_changed": self.covered_changed / self.covered if self.covered else None,
            "outside": _mean(self.outside),
            "changed": _mean(list(self.shares.values())),
            "distance": float((along * self.distances).sum() / total) if total else None,
            "reach": float(reach) if total else None,
            "worst_frame": max(self.shares, key=self.shares.__getitem__) if self.shares else None,
        }


def _without_rim(mask: np.ndarray) -> np.ndarray:
    """A mask without the pixels near its edge, bool (H, W)."""
    size = (2 * RIM + 1, 2 * RIM + 1)
    return cv2.erode(mask.astype(np.uint8), np.ones(size, np.uint8)).astype(bool)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def compare_clip(job: OutsideJob) -> ClipResult:
    """The row of MEASURES of one clip, whatever the limits; one that does not fit has a reason."""
    skipped = ("other_frames", "other_size", "not_outside")
    return attempt(dict(job.known), lambda: (_compared(job), None), skipped)


def lost_outside(job: OutsideJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    return lost(dict(job.known), error)


def _compared(job: OutsideJob) -> Row:
    if job.path is None:
        raise ItemError("not_outside")
    found, frames, same_times = _changes(job, job.path)
    row = {"frames": frames, "masked_frames": len(job.masks), "same_times": same_times}
    row |= found.columns() | {"file_hash": sha256_file(job.path)}
    if job.ours is not None:
        ours = _changes(job, job.ours)[0].columns()
        row |= {f"ours_{name}": ours[name] for name in OURS}
    return row


def _changes(job: OutsideJob, path: Path) -> tuple[Changes, int, bool]:
    """What a clip changed, its number of frames, and whether its times are the same."""
    changes, same_times, number = Changes(job.threshold), True, -1
    for number, pair in enumerate(zip_longest(_frames(job.occluded), _frames(path))):
        first, second = pair
        if first is None or second is None:
            fewer = "fewer" if second is None else "more"
            raise ItemError("other_frames", f"{fewer} than the {job.frames} of the occluded clip")
        if first[1].shape != second[1].shape:
            sizes = (f"{one.shape[1]}x{one.shape[0]}" for one in (second[1], first[1]))
            raise ItemError("other_size", "{}, the occluded clip {}".format(*sizes))
        same_times &= abs(first[0] - second[0]) <= _SAME_SECONDS
        counts = job.masks.get(number)
        if counts is not None:
            shape = first[1].shape
            mask = dilate_mask(rle.decode(counts, *shape), job.dilate)
            hidden = job.occluder.get(number)
            occluder = np.zeros(shape, bool) if hidden is None else rle.decode(hidden, *shape)
            changes.add(number, cv2.absdiff(first[1], second[1]), mask, occluder)
    if number + 1 != job.frames:
        raise ItemError("source_changed", f"{number + 1} frames, {job.frames} in the tables")
    return changes, number + 1, same_times


def _frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """(seconds from the first frame, luma of the displayed picture uint8 (H, W)) of each frame.

    Through RGB, so that another colour matrix or range of the other file is no difference.
    """
    with open_video(path) as source:
        first: int | None = None
        for frame in source:
            assert frame.pts is not None  # VideoSource sets a pts for every frame
            first = frame.pts if first is None else first
            seconds = float((frame.pts - first) * source.time_base)
            yield seconds, cv2.cvtColor(to_rgb(frame), cv2.COLOR_RGB2GRAY)
