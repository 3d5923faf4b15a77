"""Panels of a picture sheet: frames, cut-outs, words; pictures keep their shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib.patches
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.core.charts import INK, MUTED
from occludenet_build.paper.inputs import Missing

MOST = 400
"""Height that pictures are brought down to, pixels: nobody sees more of a panel on paper."""

BOX, OCCLUDER, ACTOR = "#e69f00", "#cc79a7", "#56b4e9"
"""Colours of the actor's box, of the occluder, of the actor's outline."""


def picture(axes: Axes, shown: np.ndarray, title: str = "", frame: str | None = None) -> None:
    """uint8 (H, W, 3 or 4) in a panel; `frame`: colour of a border."""
    height, width = shown.shape[:2]
    if height > MOST:
        size = (max(1, round(width * MOST / height)), MOST)
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    axes.imshow(shown, extent=(0, width, height, 0))
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=frame is not None, color=frame or INK, linewidth=1.6)
    if title:
        axes.set_title(title, fontsize=6)


def rectangle(axes: Axes, xywh: tuple[float, ...], colour: str) -> None:
    """A box in the picture's own pixels."""
    left, top, width, height = xywh
    axes.add_patch(
        matplotlib.patches.Rectangle(
            (left, top), width, height, fill=False, edgecolor=colour, linewidth=1.1
        )
    )


def outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    """The border of a mask, float or bool (H, W), over a picture of that size."""
    if mask.any() and not mask.all():
        height, width = mask.shape
        at = np.arange(width) + 0.5, np.arange(height) + 0.5
        axes.contour(*at, mask.astype(float), levels=[0.5], colors=[colour], linewidths=0.9)


def beside(axes: Axes, text: str) -> None:
    """Words to the left of the first panel of a row."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6, color=INK, labelpad=4)


def empty(axes: Axes) -> None:
    axes.set_axis_off()


def grid(
    figure: Figure, rows: int, columns: int, width_ratios: Sequence[float] | None = None
) -> np.ndarray:
    """Axes (rows, columns), close together."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.02)  # type: ignore[call-arg]
    return figure.subplots(rows, columns, squeeze=False, width_ratios=width_ratios)


def foot(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=5.5, color=MUTED)


def cutout(path: Path, side: int = 240) -> np.ndarray:
    """An RGBA cut-out over a checkerboard, uint8 (side, side, 3). Raises Missing."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise Missing(f"wanted an RGBA cut-out, {path} is missing or none; run occluders again")
    factor = 0.94 * side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    shown = checkerboard(side)
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    place = shown[top : top + image.shape[0], left : left + image.shape[1]]
    alpha = image[:, :, 3:] / 255
    place[:] = np.rint(image[:, :, 2::-1] * alpha + place * (1 - alpha)).astype(np.uint8)
    return shown


def checkerboard(side: int, field: int = 12) -> np.ndarray:
    """uint8 (side, side, 3), what is transparent."""
    rows, columns = np.mgrid[0:side, 0:side] // field
    shade = np.where((rows + columns) % 2, 255, 232).astype(np.uint8)
    return np.repeat(shade[:, :, None], 3, axis=2)
