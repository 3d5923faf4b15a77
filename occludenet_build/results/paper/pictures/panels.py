"""Panels of picture sheets, and the clips, ground truth and cut-outs that they show.

Pictures are uint8 (H, W, 3), RGB; panels keep their aspect ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.patches
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.core import seeds
from occludenet_build.core.build import BuildTables
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging.thumbnails import (
    frames_at,
    on_checkerboard,
    read_cutout,
    resize_image,
)
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import INK
from occludenet_build.results.paper.inputs import Inputs, MissingInput
from occludenet_build.stages import TABLES

MOST = 400
"""Largest height of a picture, pixels; more is not visible in a printed panel."""

BOX, OCCLUDER, ACTOR = "#e69f00", "#cc79a7", "#56b4e9"
"""Colours of the actor's box, of the occluder, of the actor's outline."""


def show_picture(axes: Axes, shown: np.ndarray, title: str = "", frame: str | None = None) -> None:
    """Show a picture uint8 (H, W, 3) in a panel; `frame`: colour of a border, None: no border."""
    height, width = shown.shape[:2]
    if height > MOST:
        shown = resize_image(shown, (max(1, round(width * MOST / height)), MOST))
    axes.imshow(shown, extent=(0, width, height, 0))
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=frame is not None, color=frame or INK, linewidth=1.6)
    if title:
        axes.set_title(title, fontsize=6)


def draw_box(axes: Axes, xywh: tuple[float, ...], colour: str) -> None:
    """Draw a box (left, top, width, height) in pixels of the picture."""
    left, top, width, height = xywh
    axes.add_patch(
        matplotlib.patches.Rectangle(
            (left, top), width, height, fill=False, edgecolor=colour, linewidth=1.1
        )
    )


def draw_outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    """Draw the outline of a mask, float32 or bool (H, W), over a picture of that size."""
    if mask.any() and not mask.all():
        height, width = mask.shape
        at = np.arange(width) + 0.5, np.arange(height) + 0.5
        axes.contour(*at, mask.astype(float), levels=[0.5], colors=[colour], linewidths=0.9)


def row_label(axes: Axes, text: str) -> None:
    """Write a label to the left of the first panel of a row."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6, color=INK, labelpad=4)


def hide_panels(panels: Iterable[Axes]) -> None:
    """Leave these panels empty."""
    for axes in panels:
        axes.set_axis_off()


def panel_grid(
    figure: Figure, rows: int, columns: int, width_ratios: Sequence[float] | None = None
) -> np.ndarray:
    """Panels with small gaps: Axes in an array (R, C) of any dtype, R = `rows`, C = `columns`."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.02)  # type: ignore[call-arg]
    return figure.subplots(rows, columns, squeeze=False, width_ratios=width_ratios)


def cutout_picture(path: Path, side: int = 240) -> np.ndarray:
    """An RGBA cut-out over a checkerboard, uint8 (S, S, 3), S = `side`.

    Raises MissingInput where the file cannot be read.
    """
    rgba = read_cutout(path)
    if rgba is None:
        raise MissingInput(f"wanted an RGBA cut-out, cannot read {path}; run occluders again")
    return on_checkerboard(rgba, side, enlarge=True)


def annotated_clips(inputs: Inputs, what: str) -> pd.DataFrame:
    """annotate/clips.parquet with select's columns shard, detect_shard and occluder_file."""
    rows, chosen = (_table(inputs, name, what) for name in ("annotate", "select"))
    sources = chosen[["clip", "shard", "detect_shard", "occluder_file"]]
    return rows.merge(sources, on="clip", how="left")


def bank_cutouts(inputs: Inputs, what: str) -> pd.DataFrame:
    """Rows of the cut-outs in the bank. Raises MissingInput where there are none."""
    rows = _table(inputs, "occluders", what)
    rows = rows[rows["status"] == "ok"]
    if rows.empty:
        raise MissingInput(f"{what}: the occluder bank is empty; see occluders/summary.json")
    return rows


def _table(inputs: Inputs, name: str, what: str) -> pd.DataFrame:
    found = BuildTables(inputs.root).table(name)
    if found is None:
        raise MissingInput(
            f"{what}: wanted {inputs.root / TABLES[name]}, it is missing; run {name}"
        )
    return found.to_pandas()


def in_hash_order(
    rows: pd.DataFrame, inputs: Inputs, purpose: str, column: str = "clip"
) -> pd.DataFrame:
    """Rows sorted by a hash of `column`, so that the examples are drawn and not picked."""
    order = rows[column].map(lambda name: seeds.uniform_integer(inputs.config.seed, name, purpose))
    return rows.assign(_order=order).sort_values(["_order", column]).drop(columns="_order")


def of_evaluated_split(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """The rows of evaluate.split; all rows where it has none."""
    of_split = rows[rows["split"] == inputs.config.evaluate.split]
    return of_split if len(of_split) else rows


def without_clean(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of occluded clips, without their clean twins."""
    return rows[rows["set"] != CLEAN]


def ground_truth(inputs: Inputs, shard: str, clip: str) -> pd.DataFrame:
    """The ground truth of a clip, a row per set and frame; empty where there is none."""
    found = BuildTables(inputs.root).frames(shard, clip)
    return found.to_pandas() if found is not None else pd.DataFrame()


def read_frames(path: Path, wanted: list[int], what: str) -> dict[int, np.ndarray]:
    """Pictures uint8 (H, W, 3) by frame number. Raises MissingInput where one cannot be read."""
    try:
        found = frames_at(path, wanted)
    except ItemError as error:
        raise MissingInput(f"{what}: cannot show {path}: {error}; make the clip again") from error
    absent = [number for number in wanted if number not in found]
    if absent:
        raise MissingInput(
            f"{what}: wanted frame {absent[0]} of {path}, it has fewer; make the clip again"
        )
    return found
