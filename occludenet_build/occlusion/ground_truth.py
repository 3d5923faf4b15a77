"""Ground truth of a clip: rectangle and mask of the occluder in each frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


TruthValues = Mapping[str, Any]
"""Ground truth of one frame at one scale: column of TRUTH -> value."""
_NO_OCCLUDER: TruthValues = {}
_DEFAULTS = {"occluded": False, "filled": False, "box_hidden": 0.0}


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
            rows.append(values.get(scale, _NO_OCCLUDER))

    def occluded_frames(self) -> dict[float, int]:
        """Scale -> number of frames in which some of the actor's box is hidden."""
        return {s: sum(f.get("occluded", False) for f in rows) for s, rows in self._values.items()}

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
        for name in TRUTH.names[len(columns) :]:
            columns[name] = [row.get(name, _DEFAULTS.get(name)) for row in values]
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


def hidden_share(mask: np.ndarray, at: Rect, box: Box, size: tuple[int, int]) -> float:
    """Share of the box's pixels inside the picture that a mask covers.

    `mask`: bool (H, W), displayed orientation, its first pixel at (at.x, at.y) of the picture;
    `size`: (width, height) of the picture. 0 where no part of the box is inside the picture.
    """
    x1, y1, x2, y2 = clip_to_picture(box, size)
    if x2 == x1 or y2 == y1:
        return 0.0
    rows = slice(max(y1 - at.y, 0), max(y2 - at.y, 0))
    columns = slice(max(x1 - at.x, 0), max(x2 - at.x, 0))
    return float(np.count_nonzero(mask[rows, columns])) / ((x2 - x1) * (y2 - y1))


def add_mask(picture: np.ndarray, mask: np.ndarray, x: int, y: int) -> None:
    """Set the pixels of `picture`, bool (H, W), that a mask, bool (h, w), at (x, y) covers."""
    height, width = picture.shape
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + mask.shape[1], width), min(y + mask.shape[0], height)
    if left < right and top < bottom:
        picture[top:bottom, left:right] |= mask[top - y : bottom - y, left - x : right - x]


def placed_rle(mask: np.ndarray, x: int, y: int, size: tuple[int, int]) -> bytes | None:
    """COCO RLE counts of a mask bool (H, W), placed at (x, y) in a picture of (width, height).

    Computed from the runs of the small mask, without an array of the picture's size. None if no
    pixel of the mask is inside the picture.
    """
    width, height = size
    left, top = max(x, 0), max(y, 0)
    inside = mask[top - y : max(height - y, 0), left - x : max(width - x, 0)]
    # COCO counts column by column; a zero before each column ends all runs within their column.
    columns = np.zeros((inside.shape[1] + 1, inside.shape[0] + 1), bool)
    columns[:-1, 1:] = inside.T
    flat = columns.ravel()
    changes = (flat[1:] != flat[:-1]).nonzero()[0]
    if not len(changes):
        return None
    # from positions in the small array (one row higher) to positions in the picture
    edges = changes + changes // (len(inside) + 1) * (height - len(inside) - 1)
    edges += left * height + top
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
