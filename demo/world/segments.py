"""Masks in the formats of COCO: polygons, uncompressed run lengths, boxes."""

from __future__ import annotations

import cv2
import numpy as np

_FINE = 4
"""Oversampling of the mask for tracing, so that outlines follow the borders of pixels."""


def polygons(mask: np.ndarray) -> list[list[float]]:
    """Polygons [x1, y1, x2, y2, ...] in px of a mask, bool (H, W); one for each connected part.

    COCO's polygons cannot have holes: a part with a hole is split in two through the hole.
    """
    found = []
    for part in _without_holes(mask.astype(np.uint8)):
        fine = np.repeat(np.repeat(part, _FINE, axis=0), _FINE, axis=1)
        outlines, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            outline = cv2.approxPolyDP(outline, 0.3 * _FINE, True)[:, 0]
            if len(outline) >= 3 and cv2.contourArea(outline) >= 4 * _FINE**2:
                corners = (outline + 0.5) / _FINE
                found.append([round(float(value), 2) for value in corners.ravel()])
    return found


def _without_holes(part: np.ndarray) -> list[np.ndarray]:
    _, hierarchy = contours = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for outline, family in zip(contours[0], [] if hierarchy is None else hierarchy[0], strict=True):
        if family[3] >= 0:
            x, _, width, _ = cv2.boundingRect(outline)
            left, right = part.copy(), part.copy()
            left[:, x + width // 2 :] = 0
            right[:, : x + width // 2] = 0
            return _without_holes(left) + _without_holes(right)
    return [part] if part.any() else []


def run_lengths(mask: np.ndarray) -> dict[str, list[int]]:
    """Uncompressed RLE of a mask, bool (H, W): runs along columns, starting with zeros."""
    pixels = np.concatenate([[False], mask.ravel(order="F"), [False]])
    borders = np.flatnonzero(pixels[1:] != pixels[:-1])
    edges = np.concatenate([[0], borders, [mask.size]])
    runs = np.diff(edges)
    if runs[-1] == 0:
        runs = runs[:-1]
    return {"counts": runs.tolist(), "size": list(mask.shape)}


def box_xywh(mask: np.ndarray) -> list[float]:
    """Box [x, y, width, height] in px of a mask, bool (H, W)."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return [float(x), float(y), float(width), float(height)]
