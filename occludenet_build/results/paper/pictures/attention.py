"""Figures 2, 9 and 17: class activation maps (Grad-CAM) of the stage attention.

The clips are those of attention.pictures, in the order in which attention drew them. Figure 2 puts
clips first that the network recognises clean but not occluded, since these are its subject.
Outlines: visible actor and occluder. Below a map is the share of its mass on each, over all frames
with a mask.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.core import tables
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import INK, PAGE, footnote
from occludenet_build.results.paper.common_clips import degree_sets
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure
from occludenet_build.results.paper.pictures import panels

ARMS = ("baseline", "car")
CLIPS_2, CLIPS_9, CLIPS_17 = 3, 8, 8
"""Number of source clips in each figure; Figure 17 has each of them occluded and clean."""
RIGHT, WRONG = "#009e73", "#b8c0ca"
MASSES = ("mass_actor", "mass_occluder", "mass_background")
_GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class MapFrame:
    """One frame of a network's map of a clip."""

    row: dict[str, Any]
    """The row of attention/<arm>-<seed>.parquet."""
    frame: int
    """The frame's number in the clip."""
    picture: np.ndarray
    """uint8 (S, S, 3), RGB, as the network sees it."""
    cam: np.ndarray
    """float32 (S, S), 0 to 1; 1 is the largest value over the clip."""
    actor: np.ndarray
    """float32 (S, S), 0 to 1: share of each pixel that shows the visible actor."""
    occluder: np.ndarray
    """float32 (S, S), 0 to 1: share of each pixel that shows the occluder."""
    top: list[tuple[str, float]]
    """Labels and probabilities of the five largest probabilities, largest first."""


def maps_with_pictures(inputs: Inputs, what: str) -> pd.DataFrame:
    """Rows of attention's tables that have a picture, with its `path`, in the order of attention.

    Raises MissingInput where there are none.
    """
    parts = []
    for path in sorted((inputs.root / "attention").glob("*-*.parquet")):
        rows = tables.read_table(path).to_pandas()
        rows = rows[rows["picture"].notna()]
        parts.append(rows.assign(path=[str(path.parent / name) for name in rows["picture"]]))
    if not parts or all(part.empty for part in parts):
        raise MissingInput(
            f"{what}: wanted maps of the stage attention in {inputs.root / 'attention'}, got none; "
            "train, then run attention with attention.pictures above 0"
        )
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values(["picture", "arm", "seed"], kind="stable").reset_index(drop=True)


def read_map(row: dict[str, Any], what: str) -> MapFrame:
    """One frame of the map of a row: the middle one of the frames in which the occluder is visible,
    else of those with a mask.

    Raises MissingInput where the .npz cannot be read.
    """
    path = Path(row["path"])
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError) as error:
        raise MissingInput(
            f"{what}: {path} cannot be read ({error}); run attention again"
        ) from error
    masked, hidden = arrays["masked"], arrays["occluder"].sum(axis=(1, 2)) > 0
    candidates = next(
        (np.flatnonzero(mask) for mask in (masked & hidden, masked) if mask.any()),
        np.arange(len(masked)),
    )
    at = int(candidates[len(candidates) // 2])
    picture, cam, actor, occluder = (
        arrays[name][at] for name in ("frames", "cam", "actor", "occluder")
    )
    top = list(zip(map(str, arrays["top5"]), map(float, arrays["top5_p"]), strict=True))
    return MapFrame(row, int(arrays["numbers"][at]), picture, cam, actor, occluder, top)


def overlay_on_grey(picture: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """The frame in grey with the map in colours over it, uint8 (S, S, 3), RGB.

    `picture` uint8 (S, S, 3), RGB; `cam` float32 (S, S), 0 to 1. The lightness of the colours
    increases with the map, so they can be ordered in greyscale print too.
    """
    grey = np.repeat((picture @ _GREY)[:, :, None], 3, axis=2)
    heat = 255 * matplotlib.colormaps["inferno"](0.15 + 0.85 * cam)[:, :, :3]
    share = 0.85 * np.clip(cam, 0, 1)[:, :, None]
    return np.rint(grey * (1 - share) + heat * share).astype(np.uint8)


def show_map(axes: Axes, found: MapFrame, title: str = "") -> None:
    """Show a map over its frame with the outlines of actor and occluder, and its masses below."""
    panels.show_picture(axes, overlay_on_grey(found.picture, found.cam), title)
    panels.draw_outline(axes, found.actor, panels.ACTOR)
    panels.draw_outline(axes, found.occluder, panels.OCCLUDER)
    axes.set_xlabel(mass_text(found.row), fontsize=5.2, labelpad=2)


def mass_text(row: dict[str, Any]) -> str:
    """The map's mass in percent, such as `actor 31 %, occluder 12 %`."""
    if pd.isna(row["mass_actor"]):
        return "no mass in masked frames"
    words = f"actor {100 * row['mass_actor']:.0f} %"
    return words if row["set"] == CLEAN else f"{words}, occluder {100 * row['mass_occluder']:.0f} %"


def map_numbers(shown: list[MapFrame]) -> pd.DataFrame:
    """A row per panel with the masses and probabilities of its map."""
    kept = ("clip", "set", "arm", "seed", "backbone", "label", "predicted", "p", *MASSES)
    rows = [
        {"panel": at, **{name: one.row[name] for name in kept}, "frame": one.frame}
        | {f"top{n}": f"{label} {p:.4f}" for n, (label, p) in enumerate(one.top, 1)}
        for at, one in enumerate(shown, 1)
    ]
    return pd.DataFrame(rows)


def figure_2(inputs: Inputs) -> PaperFigure:
    """Figure 2: maps of clean and occluded clips with probabilities."""
    pairs = clean_and_occluded(inputs)

    def draw(figure: Figure) -> None:
        axes = panels.panel_grid(figure, len(pairs), 6, width_ratios=[1, 1, 0.9, 1, 1, 0.9])
        for line, pair in zip(axes, pairs, strict=True):
            for cells, shown in zip((line[:3], line[3:]), pair, strict=True):
                label = textwrap.shorten(shown.row["label"], 30, placeholder="…")
                panels.show_picture(cells[0], shown.picture, f"{shown.row['set']}: {label}")
                show_map(cells[1], shown)
                _bars(cells[2], shown)
        about = pairs[0][0].row
        footnote(figure, f"{about['backbone']}, {about['arm']}: {_of(pairs)}; "
                    "bars: probabilities, green is correct")  # fmt: skip

    shown = [one for pair in pairs for one in pair]
    height = 0.25 + 1.42 * len(pairs)
    return inputs.figure("figure_2", draw, PAGE, height, map_numbers(shown))


def clean_and_occluded(inputs: Inputs) -> list[tuple[MapFrame, MapFrame]]:
    """Maps of CLIPS_2 clips, clean and at the heaviest degree, of the baseline's first training.

    Raises MissingInput where no clip has both maps.
    """
    what = "Figure 2"
    rows = maps_with_pictures(inputs, what)
    arm = ARMS[0] if rows["arm"].eq(ARMS[0]).any() else rows["arm"].iloc[0]
    rows = rows[rows["arm"] == arm]
    rows = rows[rows["seed"] == rows["seed"].min()]
    heavy = _heaviest(rows, what)
    clean = rows[rows["set"] == CLEAN].set_index("clip")
    hidden = rows[rows["set"] == heavy].set_index("clip")
    both = [clip for clip in hidden.index if clip in clean.index]
    if not both:
        raise MissingInput(
            f"{what}: no clip was drawn both clean and at {heavy}; run attention again"
        )
    both.sort(key=lambda clip: not (_right(clean.loc[clip]) and not _right(hidden.loc[clip])))
    return [(_map_of(clean, clip, what), _map_of(hidden, clip, what)) for clip in both[:CLIPS_2]]


def _of(pairs: Sequence[tuple[MapFrame, MapFrame]]) -> str:
    """The footnote's words for attention.target."""
    rows = [one.row for pair in pairs for one in pair]
    correct = all(row["target"] == row["label"] for row in rows)
    return f"Grad-CAM of the {'correct' if correct else 'predicted'} class"


def _right(row: pd.Series) -> bool:
    return bool(row["predicted"] == row["label"])


def _map_of(rows: pd.DataFrame, clip: str, what: str) -> MapFrame:
    return read_map({"clip": clip} | rows.loc[clip].to_dict(), what)


def _heaviest(rows: pd.DataFrame, what: str) -> str:
    found = degree_sets(rows)
    if not found:
        raise MissingInput(f"{what}: attention drew no occluded clip; see attention/")
    return found[-1]


def _bars(axes: Axes, shown: MapFrame) -> None:
    """Draw the five largest probabilities as bars with their labels."""
    places = range(len(shown.top))
    colours = [RIGHT if label == shown.row["label"] else WRONG for label, _ in shown.top]
    axes.barh(places, [p for _, p in shown.top], color=colours, height=0.8)
    for place, (label, p) in zip(places, shown.top, strict=True):
        words = textwrap.shorten(label, 26, placeholder="…")
        axes.text(0.02, place, f"{words} {p:.2f}", fontsize=4.8, color=INK, va="center")
    axes.set(xlim=(0, 1), ylim=(4.6, -0.6), xticks=[], yticks=[])
    axes.grid(visible=False)
    for side in ("bottom", "top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_box_aspect(1)


def figure_9(inputs: Inputs) -> PaperFigure:
    """Figure 9: maps of baseline and CAR for occluded clips.

    Raises MissingInput where attention drew no occluded clip.
    """
    what = "Figure 9"
    rows = maps_of_both_arms(inputs, what)
    sets = degree_sets(rows)
    if not sets:
        raise MissingInput(f"{what}: attention drew no occluded clip; see attention/")
    pairs = _pairs(rows, sets[len(sets) // 2], what)[:CLIPS_9]
    return _grid("figure_9", pairs, inputs)


def figure_17(inputs: Inputs) -> PaperFigure:
    """Figure 17: more maps of baseline and CAR, occluded and clean."""
    what = "Figure 17"
    rows = maps_of_both_arms(inputs, what)
    pairs = [
        pair
        for name in (_heaviest(rows, what), CLEAN)
        for pair in _pairs(rows, name, what)[:CLIPS_17]
    ]
    return _grid("figure_17", pairs, inputs)


def maps_of_both_arms(inputs: Inputs, what: str) -> pd.DataFrame:
    """Rows of both ARMS, of the first seed that both have.

    Raises MissingInput where no seed has both.
    """
    rows = maps_with_pictures(inputs, what)
    rows = rows[rows["arm"].isin(ARMS)]
    both = rows.groupby("seed")["arm"].nunique()
    both = both[both == len(ARMS)]
    if both.empty:
        raise MissingInput(
            f"{what}: wanted maps of baseline and of car of one seed; set train.arms to both and "
            "run attention"
        )
    return rows[rows["seed"] == both.index.min()]


def _pairs(rows: pd.DataFrame, set_name: str, what: str) -> list[tuple[MapFrame, MapFrame]]:
    """(baseline, car) for each clip of which both have a map."""
    of_set = rows[rows["set"] == set_name]
    first, second = (of_set[of_set["arm"] == arm].set_index("clip") for arm in ARMS)
    return [
        (_map_of(first, clip, what), _map_of(second, clip, what))
        for clip in first.index
        if clip in second.index
    ]


def _grid(name: str, pairs: Sequence[tuple[MapFrame, MapFrame]], inputs: Inputs) -> PaperFigure:
    """Two clips per row: the frame, the baseline's map and CAR's map of each."""
    if not pairs:
        raise MissingInput(f"{name}: no clip has a map of both arms; run attention again")
    lines = -(-len(pairs) // 2)

    def draw(figure: Figure) -> None:
        axes = panels.panel_grid(figure, lines, 6).reshape(-1, 3)
        panels.hide_panels(axes[len(pairs) :].flat)
        for at, (cells, (first, second)) in enumerate(zip(axes, pairs, strict=False)):
            heads = ("baseline", "CAR") if at < 2 else ("", "")
            panels.show_picture(cells[0], first.picture)
            label = textwrap.shorten(first.row["label"], 24, placeholder="…")
            cells[0].set_xlabel(f"{first.row['set']}: {label}", fontsize=5.2, labelpad=2)
            show_map(cells[1], first, heads[0])
            show_map(cells[2], second, heads[1])
        about = pairs[0][0].row
        footnote(figure, f"{about['backbone']}, seed {about['seed']}: {_of(pairs)}; "
                    "below: share of the map's mass; outlines: actor, occluder")  # fmt: skip

    shown = [one for pair in pairs for one in pair]
    return inputs.figure(name, draw, PAGE, 0.4 + 1.25 * lines, map_numbers(shown))
