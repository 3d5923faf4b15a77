"""Ground truth of a clip: rectangle and mask of the occluder in each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from pycocotools import mask as coco_mask

from occludenet_build.core.build import DetailStore
from occludenet_build.core.tables import column
from occludenet_build.occlusion.geometry import Box, Rect, clip_to_picture

TRUTH = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("scale", "float32", "nominal size of the occluder relative to the actor's box"),
        column("frame", "int32", "frame number, from 0 in display order"),
        column("pts", "int64", "presentation time, in units of the source's time base"),
        column("seconds", "float64", "presentation time, seconds"),
        column("x", "int32", "left of the paste rectangle, displayed pixels; null: no occluder"),
        column("y", "int32", "top of the paste rectangle; may be outside the picture"),
        column("w", "int32", "width of the paste rectangle"),
        column("h", "int32", "height of the paste rectangle"),
        column(
            "more_rects",
            pa.list_(pa.int32()),
            "x, y, w, h of each further occluder, concatenated; null with a single occluder",
        ),
        column(
            "degree",
            "float32",
            "the occluder's size relative to the actor's box: the larger "
            "of width / width and height / height; null: no occluder or no box",
        ),
        column("occluded", "bool", "a pixel of the actor's box is hidden"),
        column("filled", "bool", "the actor's box was interpolated, not detected"),
        column("box_hidden", "float32", "hidden share of the box's part inside the picture"),
        column("occluder_rle", "binary", "COCO RLE counts of the occluder, displayed picture"),
    ]
)


TruthValues = dict[str, Any]
"""Ground truth of one frame at one scale: column of TRUTH -> value."""
_OF_CLIP = 5
"""Number of the columns of TRUTH that do not depend on the occluder, the first ones."""
_NO_OCCLUDER: TruthValues = dict.fromkeys(TRUTH.names[_OF_CLIP:]) | {
    "occluded": False, "filled": False, "box_hidden": 0.0,
}  # fmt: skip


class TruthRows:
    """Collects the rows of one clip, frame by frame."""

    def __init__(self, clip: str, scales: Iterable[float]) -> None:
        self._clip, self._scales = clip, sorted(scales)
        self._pts: list[int] = []
        self._seconds: list[float] = []
        self._values: dict[float, list[TruthValues]] = {scale: [] for scale in self._scales}

    def add(self, pts: int, seconds: float, values: Mapping[float, TruthValues]) -> None:
        """Add the next frame; `values` by scale. Missing values are null, False or 0."""
        self._pts.append(pts)
        self._seconds.append(seconds)
        for scale, rows in self._values.items():
            rows.append(_NO_OCCLUDER | values.get(scale, {}))

    def occluded_frames(self) -> dict[float, int]:
        """Scale -> number of frames in which some of the actor's box is hidden."""
        return {s: sum(row["occluded"] for row in rows) for s, rows in self._values.items()}

    def table(self) -> pa.Table:
        """The rows, sorted by scale and frame, with the columns of TRUTH."""
        values = [row for scale in self._scales for row in self._values[scale]]
        frames, times = len(self._pts), len(self._scales)
        columns: dict[str, list] = {
            "clip": [self._clip] * len(values),
            "scale": [scale for scale in self._scales for _ in range(frames)],
            "frame": list(range(frames)) * times,
            "pts": self._pts * times,
            "seconds": self._seconds * times,
        }
        columns |= {name: [row[name] for row in values] for name in _NO_OCCLUDER}
        return pa.table({f.name: pa.array(columns[f.name], f.type) for f in TRUTH}, schema=TRUTH)


def occluder_masks(store: DetailStore, clip: str, shard: str) -> dict[float, dict[int, bytes]]:
    """Scale -> frame -> mask of the occluder, COCO RLE counts of the displayed picture.

    `store`: composite/store. Scales are rounded to six digits: TRUTH holds them as float32. Frames
    without an occluder have none.
    """
    found = store.rows(clip, shard, ["scale", "frame", "occluder_rle"])
    masks: dict[float, dict[int, bytes]] = {}
    for row in [] if found is None else found.to_pylist():
        if row["occluder_rle"] is not None:
            masks.setdefault(round(row["scale"], 6), {})[row["frame"]] = row["occluder_rle"]
    return masks


def hidden_share(mask: OccluderMask, at: Rect, box: Box, size: tuple[int, int]) -> float:
    """Share of the box's pixels inside the picture that a mask covers.

    The mask's first pixel is at (at.x, at.y) of the picture; `size`: (width, height) of the
    picture. 0 where no part of the box is inside the picture.
    """
    x1, y1, x2, y2 = clip_to_picture(box, size)
    if x2 == x1 or y2 == y1:
        return 0.0
    left, top = x1 - at.x, y1 - at.y
    right, bottom = x2 - at.x, y2 - at.y
    if left <= 0 and top <= 0 and right >= mask.width and bottom >= mask.height:
        hidden = mask.count
    else:
        inside = mask.pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        hidden = int(np.count_nonzero(inside))
    return hidden / ((x2 - x1) * (y2 - y1))


def add_mask(picture: np.ndarray, mask: np.ndarray, x: int, y: int) -> None:
    """Set the pixels of `picture`, bool (H, W), that a mask, bool (h, w), at (x, y) covers."""
    height, width = picture.shape
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + mask.shape[1], width), min(y + mask.shape[0], height)
    if left < right and top < bottom:
        picture[top:bottom, left:right] |= mask[top - y : bottom - y, left - x : right - x]


class OccluderMask:
    """The mask of an occluder at one size, bool (H, W), displayed orientation.

    What does not depend on the place of the occluder is computed once: one size serves many frames.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape

    @cached_property
    def count(self) -> int:
        """Number of pixels of the occluder."""
        return int(np.count_nonzero(self.pixels))

    @cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray]:
        return _runs_of(self.pixels)

    def runs_inside(self, x: int, y: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The runs of `_runs_of` of what is inside a picture of (width, height), at (x, y)."""
        width, height = size
        if x >= 0 and y >= 0 and x + self.width <= width and y + self.height <= height:
            return self._runs
        return _runs_of(
            self.pixels[max(-y, 0) : max(height - y, 0), max(-x, 0) : max(width - x, 0)]
        )


def _runs_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the runs of a mask bool (H, W), in turn, column by column as COCO counts.

    int64 (N,): columns, and rows; an end is the row below the run, at most H.
    """
    # a zero before each column ends all runs within their column
    columns = np.zeros((mask.shape[1] + 1, mask.shape[0] + 1), bool)
    columns[:-1, 1:] = mask.T
    flat = columns.ravel()
    changes = (flat[1:] != flat[:-1]).nonzero()[0]
    return np.divmod(changes, len(mask) + 1)


def placed_rle(mask: OccluderMask, x: int, y: int, size: tuple[int, int]) -> bytes | None:
    """COCO RLE counts of a mask placed at (x, y) in a picture of (width, height).

    Computed from the runs of the small mask, without an array of the picture's size. None if no
    pixel of the mask is inside the picture.
    """
    width, height = size
    columns, rows = mask.runs_inside(x, y, size)
    if not len(columns):
        return None
    edges = columns * height
    edges += rows
    edges += max(x, 0) * height + max(y, 0)
    edges = _join_runs(edges)
    counts = np.empty(len(edges) + 1, edges.dtype)
    counts[0], counts[-1] = edges[0], width * height - edges[-1]
    np.subtract(edges[1:], edges[:-1], out=counts[1:-1])
    if not counts[-1]:  # COCO's encoding has no empty last run
        counts = counts[:-1]
    whole = {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects(whole, height, width)["counts"]


def _join_runs(edges: np.ndarray) -> np.ndarray:
    """Starts and ends of runs, alternating, with runs joined that continue in the next column.

    That happens where the mask touches both the lower and the upper edge of the picture.
    """
    apart = edges[2::2] != edges[1:-1:2]
    if apart.all():
        return edges
    kept = np.concatenate([[True], np.repeat(apart, 2), [True]])
    return edges[kept]
