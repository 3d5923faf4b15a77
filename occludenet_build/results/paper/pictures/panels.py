"""What picture sheets share: clips, ground truth and cut-outs of a build; panels that show them.

Pictures are uint8 (H, W, 3) RGB; panels keep their shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.patches
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.core import seeds
from occludenet_build.core.build import Build
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging.thumbnails import on_checkerboard, pick, read_cutout, scaled
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import INK, MUTED
from occludenet_build.results.paper.inputs import Inputs, MissingInput
from occludenet_build.stages import TABLES

MOST = 400
"""Height that pictures are brought down to, pixels: nobody sees more of a panel on paper."""

BOX, OCCLUDER, ACTOR = "#e69f00", "#cc79a7", "#56b4e9"
"""Colours of the actor's box, of the occluder, of the actor's outline."""


def show_picture(axes: Axes, shown: np.ndarray, title: str = "", frame: str | None = None) -> None:
    """A picture uint8 (H, W, 3) in a panel; `frame`: colour of a border."""
    height, width = shown.shape[:2]
    if height > MOST:
        shown = scaled(shown, (max(1, round(width * MOST / height)), MOST))
    axes.imshow(shown, extent=(0, width, height, 0))
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=frame is not None, color=frame or INK, linewidth=1.6)
    if title:
        axes.set_title(title, fontsize=6)


def draw_box(axes: Axes, xywh: tuple[float, ...], colour: str) -> None:
    """A box, left top width height, in the picture's own pixels."""
    left, top, width, height = xywh
    axes.add_patch(
        matplotlib.patches.Rectangle(
            (left, top), width, height, fill=False, edgecolor=colour, linewidth=1.1
        )
    )


def draw_outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    """The border of a mask, float or bool (H, W), over a picture of that size."""
    if mask.any() and not mask.all():
        height, width = mask.shape
        at = np.arange(width) + 0.5, np.arange(height) + 0.5
        axes.contour(*at, mask.astype(float), levels=[0.5], colors=[colour], linewidths=0.9)


def row_label(axes: Axes, text: str) -> None:
    """Words to the left of the first panel of a row."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6, color=INK, labelpad=4)


def hide_panel(axes: Axes) -> None:
    """A panel that shows nothing."""
    axes.set_axis_off()


def panel_grid(
    figure: Figure, rows: int, columns: int, width_ratios: Sequence[float] | None = None
) -> np.ndarray:
    """Panels close together: an array (R, C) of Axes, dtype object; R `rows`, C `columns`."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.02)  # type: ignore[call-arg]
    return figure.subplots(rows, columns, squeeze=False, width_ratios=width_ratios)


def foot(figure: Figure, text: str) -> None:
    """A line of small text below all panels."""
    figure.supxlabel(text, fontsize=5.5, color=MUTED)


def cutout_picture(path: Path, side: int = 240) -> np.ndarray:
    """An RGBA cut-out over a checkerboard, uint8 (S, S, 3), S = `side`. Raises Missing."""
    rgba = read_cutout(path)
    if rgba is None:
        raise MissingInput(
            f"wanted an RGBA cut-out, {path} is missing or none; run occluders again"
        )
    return on_checkerboard(rgba, side, enlarge=True)


def annotated_clips(inputs: Inputs, what: str) -> pd.DataFrame:
    """annotate/clips.parquet with a column `shard`. Raises Missing."""
    rows, chosen = (_table(inputs, name, what) for name in ("annotate", "select"))
    places = chosen[["clip", "shard", "detect_shard", "occluder_file"]]
    return rows.merge(places, on="clip", how="left")


def bank_cutouts(inputs: Inputs, what: str) -> pd.DataFrame:
    """The cut-outs of the bank. Raises Missing where there is none."""
    rows = _table(inputs, "occluders", what)
    rows = rows[rows["status"] == "ok"]
    if rows.empty:
        raise MissingInput(f"{what}: the occluder bank is empty; see occluders/summary.json")
    return rows


def _table(inputs: Inputs, name: str, what: str) -> pd.DataFrame:
    found = Build(inputs.root).table(name)
    if found is None:
        raise MissingInput(
            f"{what}: wanted {inputs.root / TABLES[name]}, it is missing; run {name}"
        )
    return found.to_pandas()


def in_hash_order(rows: pd.DataFrame, inputs: Inputs, purpose: str) -> pd.DataFrame:
    """Rows by a hash of their clip: what is shown first is drawn, not picked."""
    order = rows["clip"].map(lambda clip: seeds.integer(inputs.config.seed, clip, purpose))
    return rows.assign(_order=order).sort_values(["_order", "clip"]).drop(columns="_order")


def of_evaluated_split(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Those of evaluate.split, or all where it has none."""
    mine = rows[rows["split"] == inputs.config.evaluate.split]
    return mine if len(mine) else rows


def without_clean(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of occluded clips, without their clean twins."""
    return rows[rows["set"] != CLEAN]


def ground_truth(inputs: Inputs, shard: str, clip: str) -> pd.DataFrame:
    """Ground truth per set and frame of a clip, empty where there is none."""
    found = Build(inputs.root).frames(shard, clip)
    return found.to_pandas() if found is not None else pd.DataFrame()


def read_frames(path: Path, wanted: list[int], what: str) -> dict[int, np.ndarray]:
    """Frame number -> uint8 (H, W, 3). Raises Missing where one cannot be read."""
    try:
        found = pick(path, wanted)
    except ItemError as error:
        raise MissingInput(f"{what}: cannot show {path}: {error}; make the clip again") from error
    absent = [number for number in wanted if number not in found]
    if absent:
        raise MissingInput(
            f"{what}: wanted frame {absent[0]} of {path}, it has fewer; make the clip again"
        )
    return found
