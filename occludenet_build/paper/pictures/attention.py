"""Figures 2, 9 and 17: where the networks look, by Grad-CAM, as the room attention drew it.

The clips are those of attention.pictures, in the order in which a hash drew them there; none is
picked for its looks, but for Figure 2: clips that the network has right clean and wrong occluded
come first in it, as that is what the figure is about. Outlines: visible actor, occluder. Below a
map: the share of its mass on each, over the frames with a mask, not only the one shown.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from occludenet_build.core.charts import INK, PAGE, chart
from occludenet_build.paper.common_clips import CLEAN, degrees
from occludenet_build.paper.inputs import Figure, Inputs, Missing
from occludenet_build.paper.pictures import maps, panels
from occludenet_build.paper.pictures.maps import Map

ARMS = ("baseline", "car")
CLIPS_2, CLIPS_9, CLIPS_17 = 3, 8, 8
"""Source clips in each figure; Figure 17 has as many of them twice, occluded and clean."""
RIGHT, WRONG = "#009e73", "#b8c0ca"


def figure_2(inputs: Inputs) -> Figure:
    pairs = before_after(inputs)

    def draw(figure: Drawing) -> None:
        axes = panels.grid(figure, len(pairs), 6, width_ratios=[1, 1, 0.9, 1, 1, 0.9])
        for line, pair in zip(axes, pairs, strict=True):
            for cells, shown in zip((line[:3], line[3:]), pair, strict=True):
                label = textwrap.shorten(shown.row["label"], 30, placeholder="…")
                panels.picture(cells[0], shown.picture, f"{shown.row['set']}: {label}")
                maps.show(cells[1], shown)
                _bars(cells[2], shown)
        about = pairs[0][0].row
        panels.foot(figure, f"{about['backbone']}, {about['arm']}: {_of(pairs)}; "
                    "bars: probabilities, green is correct")  # fmt: skip

    shown = [one for pair in pairs for one in pair]
    height = 0.25 + 1.42 * len(pairs)
    drawing = chart("figure_2", draw, PAGE, height, inputs.config.paper.dpi)
    return Figure(drawing, maps.numbers(shown))


def before_after(inputs: Inputs) -> list[tuple[Map, Map]]:
    """Clean and heaviest degree of CLIPS_2 clips, as the baseline's first training saw them."""
    what = "Figure 2"
    rows = maps.drawn(inputs, what)
    arm = ARMS[0] if rows["arm"].eq(ARMS[0]).any() else rows["arm"].iloc[0]
    rows = rows[rows["arm"] == arm]
    rows = rows[rows["seed"] == rows["seed"].min()]
    heavy = _heaviest(rows, what)
    clean = rows[rows["set"] == CLEAN].set_index("clip")
    hidden = rows[rows["set"] == heavy].set_index("clip")
    both = [clip for clip in hidden.index if clip in clean.index]
    if not both:
        raise Missing(f"{what}: no clip was drawn both clean and at {heavy}; run attention again")
    both.sort(key=lambda clip: not (_right(clean.loc[clip]) and not _right(hidden.loc[clip])))
    return [(_read(clean, clip, what), _read(hidden, clip, what)) for clip in both[:CLIPS_2]]


def _of(pairs: Sequence[tuple[Map, Map]]) -> str:
    """What attention.target was."""
    rows = [one.row for pair in pairs for one in pair]
    correct = all(row["target"] == row["label"] for row in rows)
    return f"Grad-CAM of the {'correct' if correct else 'predicted'} class"


def _right(row: pd.Series) -> bool:
    return bool(row["predicted"] == row["label"])


def _read(rows: pd.DataFrame, clip: str, what: str) -> Map:
    return maps.read({"clip": clip} | rows.loc[clip].to_dict(), what)


def _heaviest(rows: pd.DataFrame, what: str) -> str:
    found = degrees(rows)
    if not found:
        raise Missing(f"{what}: attention drew no occluded clip; see attention/")
    return found[-1]


def _bars(axes: Axes, shown: Map) -> None:
    """The five largest probabilities, names on the bars."""
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


def figure_9(inputs: Inputs) -> Figure:
    what = "Figure 9"
    rows = compared(inputs, what)
    sets = degrees(rows)
    if not sets:
        raise Missing(f"{what}: attention drew no occluded clip; see attention/")
    pairs = _pairs(rows, sets[len(sets) // 2], what)[:CLIPS_9]
    return _grid("figure_9", pairs, inputs)


def figure_17(inputs: Inputs) -> Figure:
    what = "Figure 17"
    rows = compared(inputs, what)
    pairs = [
        pair
        for name in (_heaviest(rows, what), CLEAN)
        for pair in _pairs(rows, name, what)[:CLIPS_17]
    ]
    return _grid("figure_17", pairs, inputs)


def compared(inputs: Inputs, what: str) -> pd.DataFrame:
    """Rows of both ARMS, of the first seed that both have. Raises Missing."""
    rows = maps.drawn(inputs, what)
    rows = rows[rows["arm"].isin(ARMS)]
    both = rows.groupby("seed")["arm"].nunique()
    both = both[both == len(ARMS)]
    if both.empty:
        raise Missing(
            f"{what}: wanted maps of baseline and of car of one seed; set train.arms to both and "
            "run attention"
        )
    return rows[rows["seed"] == both.index.min()]


def _pairs(rows: pd.DataFrame, set_name: str, what: str) -> list[tuple[Map, Map]]:
    """(baseline, car) of each clip that both have a map of."""
    mine = rows[rows["set"] == set_name]
    first, second = (mine[mine["arm"] == arm].set_index("clip") for arm in ARMS)
    return [
        (_read(first, clip, what), _read(second, clip, what))
        for clip in first.index
        if clip in second.index
    ]


def _grid(name: str, pairs: Sequence[tuple[Map, Map]], inputs: Inputs) -> Figure:
    """Two clips a row: the frame, the baseline's map, CAR's."""
    if not pairs:
        raise Missing(f"{name}: no clip has a map of both arms; run attention again")
    lines = -(-len(pairs) // 2)

    def draw(figure: Drawing) -> None:
        axes = panels.grid(figure, lines, 6).reshape(-1, 3)
        for cells in axes[len(pairs) :]:
            for each in cells:
                panels.empty(each)
        for at, (cells, (first, second)) in enumerate(zip(axes, pairs, strict=False)):
            heads = ("baseline", "CAR") if at < 2 else ("", "")
            panels.picture(cells[0], first.picture)
            label = textwrap.shorten(first.row["label"], 24, placeholder="…")
            cells[0].set_xlabel(f"{first.row['set']}: {label}", fontsize=5.2, labelpad=2)
            maps.show(cells[1], first, heads[0])
            maps.show(cells[2], second, heads[1])
        about = pairs[0][0].row
        panels.foot(figure, f"{about['backbone']}, seed {about['seed']}: {_of(pairs)}; "
                    "below: share of the map's mass; outlines: actor, occluder")  # fmt: skip

    shown = [one for pair in pairs for one in pair]
    drawing = chart(name, draw, PAGE, 0.4 + 1.25 * lines, inputs.config.paper.dpi)
    return Figure(drawing, maps.numbers(shown))
