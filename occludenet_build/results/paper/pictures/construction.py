"""Figures 3 and 12: how a clip of OccludeNet-D is made, and the occluders of the bank.

Figure 3 shows one frame: the first clip in the order of a hash, of evaluate.split, that is there
clean and at every degree and has an occluded frame in which the actor was detected, not filled in.
Of these frames it is the middle one. Figure 12 has a row per type of occluder, drawn by hash; no
photo twice in a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure as Drawing

from occludenet_build.core import seeds
from occludenet_build.core.build import Build
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import PAGE, draw_chart
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure
from occludenet_build.results.paper.pictures import panels

WHAT = "Figure 3"
COLUMNS = 8
TYPES = ("backpack", "dog", "suitcase", "handbag")
"""Rows of the paper's Figure 12, in its order; further types follow by name."""


class ChosenFrame(NamedTuple):
    """One clip, one frame of it."""

    sets: pd.DataFrame
    """Its rows of annotate/clips.parquet: clean, then by scale."""
    frame: int
    box: tuple[float, ...]
    """x1 y1 x2 y2 of the actor, displayed pixels."""
    pasted: dict[str, tuple[int, ...]]
    """Set -> x y w h of the occluder in this frame, displayed pixels."""

    @property
    def box_xywh(self) -> tuple[float, ...]:
        """The actor's box: left, top, width, height."""
        x1, y1, x2, y2 = self.box
        return x1, y1, x2 - x1, y2 - y1


def choose_frame(inputs: Inputs) -> ChosenFrame:
    """The clip and the frame of Figure 3. Raises Missing where no clip is there at every degree."""
    rows = panels.of_evaluated_split(panels.annotated_clips(inputs, WHAT), inputs)
    sets = set(rows["set"])
    if CLEAN not in sets:
        raise MissingInput(f"{WHAT}: wanted the clean twins of the clips; set composite.clean_twin")
    for clip in panels.in_hash_order(rows, inputs, "figure 3")["clip"].unique():
        mine = rows[rows["clip"] == clip].sort_values("scale")
        if set(mine["set"]) == sets and len(sets) > 1:
            found = _frame(inputs, mine)
            if found is not None:
                return found
    raise MissingInput(
        f"{WHAT}: no clip of {inputs.config.evaluate.split} is there clean and at every degree, "
        "with an actor that was detected; see annotate/clips.parquet"
    )


def _frame(inputs: Inputs, sets: pd.DataFrame) -> ChosenFrame | None:
    first = sets.iloc[0]
    truth = panels.ground_truth(inputs, first["shard"], first["clip"])
    actor = Build(inputs.root).boxes(first["detect_shard"], first["clip"]).actor
    if truth.empty:
        return None
    shown = truth[truth["occluded"] & ~truth["filled"] & truth["x"].notna()]
    counted = shown.groupby("frame")["set"].nunique()
    seen = actor.detected.one_by_frame()
    whole = [f for f in counted[counted == len(sets) - 1].index if f in seen]
    if not whole:
        return None
    frame = int(whole[len(whole) // 2])
    box = tuple(seen[frame].tolist())
    pasted = {
        row["set"]: tuple(int(row[edge]) for edge in "xywh")
        for row in shown[shown["frame"] == frame].to_dict("records")
    }
    return ChosenFrame(sets, frame, box, pasted)


def figure_3(inputs: Inputs) -> PaperFigure:
    """Figure 3: how a clip is made. Raises Missing."""
    found = choose_frame(inputs)
    rows = found.sets.to_dict("records")
    pictures = {
        row["set"]: panels.read_frames(inputs.root / row["file"], [found.frame], WHAT)[found.frame]
        for row in rows
    }
    clean, occluded = rows[0], rows[1:]
    piece = panels.cutout_picture(inputs.root / "occluders" / occluded[0]["occluder_file"])
    columns, motion = max(3, len(occluded)), inputs.config.composite.motion
    place = "on the box's centre" if motion == "track" else f"on a {motion} path"

    def draw(figure: Drawing) -> None:
        axes = panels.panel_grid(figure, 2, columns)
        for each in (*axes[0, 3:], *axes[1, len(occluded) :]):
            panels.hide_panel(each)
        panels.show_picture(axes[0, 0], pictures[CLEAN], f"1  frame of a clip: {clean['label']}")
        panels.show_picture(axes[0, 1], pictures[CLEAN], "2  the actor's box, detected")
        panels.draw_box(axes[0, 1], found.box_xywh, panels.BOX)
        panels.show_picture(axes[0, 2], piece, f"3  an occluder, drawn: {occluded[0]['category']}")
        for each, row in zip(axes[1], occluded, strict=False):
            panels.show_picture(each, pictures[row["set"]], f"4  scale {row['scale']:.2f}, {place}")
            panels.draw_box(each, found.box_xywh, panels.BOX)
            panels.draw_box(each, found.pasted[row["set"]], panels.OCCLUDER)

    height, width = pictures[CLEAN].shape[:2]
    inches = 2 * (0.2 + PAGE / columns * height / width) + 0.1
    dpi = inputs.config.paper.dpi
    return PaperFigure(draw_chart("figure_3", draw, PAGE, inches, dpi), _numbers(found, rows))


def _numbers(found: ChosenFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """clip, set, scale, file, frame, occluder, the actor's box and where the occluder lies, px."""
    kept = ("clip", "set", "scale", "file", "occluder")
    edges = dict(zip(("x1", "y1", "x2", "y2"), found.box, strict=True))
    return pd.DataFrame(
        {name: row[name] for name in kept}
        | {"frame": found.frame}
        | edges
        | dict(zip("xywh", found.pasted.get(row["set"], (None,) * 4), strict=True))
        for row in rows
    )


def bank_samples(inputs: Inputs) -> pd.DataFrame:
    """The cut-outs of Figure 12: category, of (cut-outs of the type in the bank), occluder, file,
    origin_url, licence. Raises Missing where the bank is empty.
    """
    rows = panels.bank_cutouts(inputs, "Figure 12")
    order = rows["occluder"].map(lambda name: seeds.integer(inputs.config.seed, name, "figure 12"))
    rows = rows.assign(_order=order, of=rows.groupby("category")["occluder"].transform("size"))
    rows = rows.sort_values(["_order", "occluder"])
    photo = rows["coco_image"].astype("object").where(rows["coco_image"].notna(), rows["source"])
    rows = rows[~rows.assign(photo=photo).duplicated(["category", "photo"])]
    rows = rows.groupby("category").head(COLUMNS)
    place = {name: at for at, name in enumerate(TYPES)}
    rank = rows["category"].map(lambda name: (place.get(name, len(TYPES)), name))
    rows = rows.assign(_rank=rank).sort_values(["_rank", "_order"])
    kept = ["category", "of", "occluder", "file", "origin_url", "licence"]
    return rows[kept].reset_index(drop=True)


def figure_12(inputs: Inputs) -> PaperFigure:
    """Figure 12: a row of occluders per type. Raises Missing."""
    rows = bank_samples(inputs)
    types = list(rows["category"].unique())
    cells = {name: rows[rows["category"] == name].to_dict("records") for name in types}

    def draw(figure: Drawing) -> None:
        axes = panels.panel_grid(figure, len(types), COLUMNS)
        for line, name in zip(axes, types, strict=True):
            for each in line[len(cells[name]) :]:
                panels.hide_panel(each)
            for each, row in zip(line, cells[name], strict=False):
                panels.show_picture(
                    each, panels.cutout_picture(inputs.root / "occluders" / row["file"])
                )
            panels.row_label(line[0], f"{name}\n({cells[name][0]['of']:,})")

    side = (PAGE - 0.6) / COLUMNS
    dpi = inputs.config.paper.dpi
    return PaperFigure(
        draw_chart("figure_12", draw, PAGE, 0.1 + (side + 0.02) * len(types), dpi), rows
    )
