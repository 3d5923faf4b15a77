"""Edges in the empty scene: steps of colour that continue along a line.

Colours are averaged along the line before they are compared, so that a rough surface, such as
grass, is no edge; the line is cut into parts, and the edge is as strong as in its weaker parts.
"""

from __future__ import annotations

import numpy as np

FULL = (7.0, 22.0)
"""Steps in grey levels: up to the first is no edge, from the second a full one."""
_PARTS = 3


def edge_along_row(scene: np.ndarray, row: float, columns: slice, reach: int) -> tuple[float, int]:
    """Strength, 0 to 1, and row of the strongest edge along a row.

    scene: float32 (H, W, 3); columns: those that it must run through; reach: greatest distance
    from `row`, and the length over which both sides are averaged, pixels. (0, row) outside.
    """
    strip = scene[:, columns]
    first, last = round(row) - reach, round(row) + reach
    if strip.shape[1] < 3 or first < reach or last > len(scene) - reach:
        return 0.0, round(row)
    parts = np.array_split(strip[first - reach : last + reach], min(_PARTS, strip.shape[1]), axis=1)
    profile = np.stack([part.mean(axis=1) for part in parts])
    total = np.concatenate([np.zeros_like(profile[:, :1]), np.cumsum(profile, axis=1)], axis=1)
    length = last - first + 1
    at = np.arange(reach, reach + length - 1)
    above = (total[:, at] - total[:, at - reach]) / reach
    under = (total[:, at + reach] - total[:, at]) / reach
    steps = np.sort(np.abs(above - under).max(axis=2), axis=0)
    weaker = steps[: max(1, len(steps) - 1)].mean(axis=0)
    best = int(np.argmax(weaker))
    low, high = FULL
    return float(np.clip((weaker[best] - low) / (high - low), 0, 1)), first + best


def edge_along_column(
    scene: np.ndarray, column: float, rows: slice, reach: int
) -> tuple[float, int]:
    """The same along a column of the scene float32 (H, W, 3); rows: those that it runs through."""
    return edge_along_row(scene.transpose(1, 0, 2), column, rows, reach)
