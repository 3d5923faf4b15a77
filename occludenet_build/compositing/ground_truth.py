"""The ground truth of a clip: what was pasted where, to the pixel, in every frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from pycocotools import mask as coco_mask

from occludenet_build.compositing.geometry import Box, Rect, inside
from occludenet_build.core.tables import column

TRUTH = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("scale", "float32", "nominal size of the occluder relative to the actor's box"),
        column("frame", "int32", "frame number, from 0 in display order"),
        column("pts", "int64", "presentation time, ticks of the source's time base"),
        column("seconds", "float64", "the same, seconds"),
        column("x", "int32", "left of the paste rectangle, displayed pixels; null: no occluder"),
        column("y", "int32", "top of the paste rectangle; may be outside the picture"),
        column("w", "int32", "width of the paste rectangle"),
        column("h", "int32", "height of the paste rectangle"),
        column(
            "more_rects",
            pa.list_(pa.int32()),
            "x, y, w, h of each further occluder, one after the other; null if there is one",
        ),
        column(
            "degree",
            "float32",
            "the occluder's size relative to the actor's box: the larger "
            "of width / width and height / height; null: no occluder or no box",
        ),
        column("occluded", "bool", "some pixel of the actor's box is hidden"),
        column("filled", "bool", "the actor's box was interpolated, not detected"),
        column("box_hidden", "float32", "share of the box inside the picture that is hidden"),
        column("occluder_rle", "binary", "COCO RLE counts of the occluder, displayed picture"),
    ]
)


Facts = Mapping[str, Any]
"""What is known of a frame at a scale, by column of TRUTH."""
_NOTHING: Facts = {}
_ABSENT = {"occluded": False, "filled": False, "box_hidden": 0.0}


class TruthRows:
    """Collects the rows of one clip, frame by frame."""

    def __init__(self, clip: str, scales: Iterable[float]) -> None:
        self._clip, self._scales = clip, sorted(scales)
        self._pts: list[int] = []
        self._seconds: list[float] = []
        self._facts: dict[float, list[Facts]] = {scale: [] for scale in self._scales}

    def add(self, pts: int, seconds: float, facts: Mapping[float, Facts]) -> None:
        """Add the next frame; `facts` by scale: what is not given is null (false for the flags)."""
        self._pts.append(pts)
        self._seconds.append(seconds)
        for scale, rows in self._facts.items():
            rows.append(facts.get(scale, _NOTHING))

    def occluded_frames(self) -> dict[float, int]:
        """Scale -> frames in which some of the actor's box is hidden."""
        return {s: sum(f.get("occluded", False) for f in rows) for s, rows in self._facts.items()}

    def table(self) -> pa.Table:
        """The rows in the order of TRUTH, by scale, then frame."""
        facts = [row for scale in self._scales for row in self._facts[scale]]
        frames, times = len(self._pts), len(self._scales)
        columns: dict[str, list] = {
            "clip": [self._clip] * len(facts),
            "scale": [scale for scale in self._scales for _ in range(frames)],
            "frame": list(range(frames)) * times,
            "pts": self._pts * times,
            "seconds": self._seconds * times,
        }
        for name in TRUTH.names[len(columns) :]:
            columns[name] = [row.get(name, _ABSENT.get(name)) for row in facts]
        return pa.table({f.name: pa.array(columns[f.name], f.type) for f in TRUTH}, schema=TRUTH)


def share_of_box(mask: np.ndarray, at: Rect, box: Box, size: tuple[int, int]) -> float:
    """Share of the box's pixels inside the picture that the mask hides.

    mask: bool (H, W), upright, whose first pixel stands at (at.x, at.y); size: (width, height).
    """
    x1, y1, x2, y2 = inside(box, size)
    if x2 == x1 or y2 == y1:
        return 0.0
    rows = slice(max(y1 - at.y, 0), max(y2 - at.y, 0))
    columns = slice(max(x1 - at.x, 0), max(x2 - at.x, 0))
    return float(np.count_nonzero(mask[rows, columns])) / ((x2 - x1) * (y2 - y1))


def rle_at(mask: np.ndarray, x: int, y: int, size: tuple[int, int]) -> bytes | None:
    """COCO RLE counts of a mask bool (H, W), placed at (x, y) in a picture of (width, height).

    Straight from the runs of the small mask: the whole picture is never drawn. None if nothing
    of it is inside.
    """
    width, height = size
    left, top = max(x, 0), max(y, 0)
    inside = mask[top - y : max(height - y, 0), left - x : max(width - x, 0)]
    # Column by column, as COCO counts; the zero before each column ends every run in its column.
    columns = np.zeros((inside.shape[1] + 1, inside.shape[0] + 1), bool)
    columns[:-1, 1:] = inside.T
    flat = columns.ravel()
    changes = (flat[1:] != flat[:-1]).nonzero()[0]
    if not len(changes):
        return None
    # from places in the small picture (one row higher) to places in the whole one
    edges = changes + changes // (len(inside) + 1) * (height - len(inside) - 1)
    edges += left * height + top
    edges = _joined(edges)
    counts = np.empty(len(edges) + 1, edges.dtype)
    counts[0], counts[-1] = edges[0], width * height - edges[-1]
    np.subtract(edges[1:], edges[:-1], out=counts[1:-1])
    if not counts[-1]:  # the code drops an empty last run
        counts = counts[:-1]
    whole = {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects(whole, height, width)["counts"]


def _joined(edges: np.ndarray) -> np.ndarray:
    """Starts and ends of runs in turn, without those where a run only passes to the next column.

    That happens where the mask touches both the picture's lower and its upper edge.
    """
    apart = edges[2::2] != edges[1:-1:2]
    if apart.all():
        return edges
    kept = np.concatenate([[True], np.repeat(apart, 2), [True]])
    return edges[kept]
