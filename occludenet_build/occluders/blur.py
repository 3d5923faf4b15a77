"""How soft the edges inside an object are, from one picture and without knowing its contrast.

An edge of spread s (the sigma of a Gaussian) that is blurred once more by 1 px keeps s / sqrt(s^2 +
1) of its gradient. The ratio of the two gradients therefore gives s, whatever the contrast (Zhuo &
Sim, Defocus map estimation from a single image, 2011). It is taken on the object's strongest edges
and divided by the object's size: what is soft over 2 px is blurred when it is 200 px wide, and
sharp when it is 2,000 px wide and shown smaller.

Measured on 25 sharp COCO objects, JPEG at quality 85: they have 0.5 to 0.7 px, and blurred by 1.5,
2 and 3 px they measure 1.7, 2.2 and 3.1 px.
"""

from __future__ import annotations

import cv2
import numpy as np

_STRONGEST = 0.05
"""Share of the object's pixels that count as its edges."""
_LEAST_GRADIENT = 2.0
"""Grey levels per pixel: below there is noise and nothing to judge."""
_LEAST_EDGES = 20
_REBLUR_PX = 1.0
_MARGIN = 7
"""So many pixels at the outline are left out, in all: there the background begins."""
_LEAST_SIZE_PX = 30_000**0.5
"""A smaller object counts as so large: its pixels, not its blur, are what is coarse."""


def blur_of(rgb: np.ndarray, mask: np.ndarray) -> float | None:
    """Spread of the edges over the size of the object; None if there is no edge to judge by.

    `rgb` uint8 (H, W, 3) and `mask` bool (H, W), of the photo or of any part that holds the object.
    """
    spread = _edge_spread_px(rgb, mask)
    size = max(float(np.count_nonzero(mask)) ** 0.5, _LEAST_SIZE_PX)
    return None if spread is None else spread / size


def _edge_spread_px(rgb: np.ndarray, mask: np.ndarray) -> float | None:
    kernel = np.ones((_MARGIN, _MARGIN), np.uint8)
    inner = cv2.erode(np.ascontiguousarray(mask).view(np.uint8), kernel).astype(bool)
    if not inner.any():
        return None
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = _gradient(grey)
    least = max(float(np.quantile(gradient[inner], 1 - _STRONGEST)), _LEAST_GRADIENT)
    edges = inner & (gradient >= least)
    if np.count_nonzero(edges) < _LEAST_EDGES:
        return None
    reblurred = _gradient(cv2.GaussianBlur(grey, (0, 0), _REBLUR_PX))
    ratio = np.maximum(gradient[edges] / np.maximum(reblurred[edges], 1e-3), 1.0001)
    return float(np.median(_REBLUR_PX / np.sqrt(ratio**2 - 1)))


def _gradient(grey: np.ndarray) -> np.ndarray:
    """float32 (H, W), grey levels per pixel."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return cv2.magnitude(across, down)
