"""Figures 3 and 12: how a clip of OccludeNet-D is made, and the occluders of the bank.

Figure 3 shows one frame of a clip of evaluate.split: the first in the order of a hash that exists
clean and at every degree and has an occluded frame in which the actor's box was detected, not
filled in. Of these frames it is the middle one. Figure 12 has a row per type of occluder, drawn by
hash, without a photo twice in a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from occludenet_build.core.build import BuildTables
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import PAGE
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure
from occludenet_build.results.paper.pictures import panels

WHAT = "Figure 3"
COLUMNS = 8
TYPES = ("backpack", "dog", "suitcase", "handbag")
"""Types of the paper's Figure 12, in its order; other types follow by name."""


class ChosenFrame(NamedTuple):
    """The clip and the frame of Figure 3."""

    sets: pd.DataFrame
    """The clip's rows of annotate/clips.parquet: clean, then by scale."""
    frame: int
    box: tuple[float, ...]
    """The actor's box (x1, y1, x2, y2), displayed pixels."""
    pasted: dict[str, tuple[int, ...]]
    """Box (x, y, w, h) of the occluder in this frame by set, displayed pixels."""

    @property
    def box_xywh(self) -> tuple[float, ...]:
        """The actor's box (left, top, width, height), displayed pixels."""
        x1, y1, x2, y2 = self.box
        return x1, y1, x2 - x1, y2 - y1


def choose_frame(inputs: Inputs) -> ChosenFrame:
    """The clip and the frame of Figure 3.

    Raises MissingInput where no clip exists clean and at every degree.
    """
    rows = panels.of_evaluated_split(panels.annotated_clips(inputs, WHAT), inputs)
    sets = set(rows["set"])
    if CLEAN not in sets:
        raise MissingInput(f"{WHAT}: wanted the clean twins of the clips; set composite.clean_twin")
    for clip in panels.in_hash_order(rows, inputs, "figure 3")["clip"].unique():
        of_clip = rows[rows["clip"] == clip].sort_values("scale")
        if set(of_clip["set"]) == sets and len(sets) > 1:
            found = _frame(inputs, of_clip)
            if found is not None:
                return found
    raise MissingInput(
        f"{WHAT}: no clip of {inputs.config.evaluate.split} exists clean and at every degree "
        "with a detected actor; see annotate/clips.parquet"
    )


def _frame(inputs: Inputs, sets: pd.DataFrame) -> ChosenFrame | None:
    first = sets.iloc[0]
    truth = panels.ground_truth(inputs, first["shard"], first["clip"])
    actor = BuildTables(inputs.root).boxes(first["detect_shard"], first["clip"]).actor
    if truth.empty:
        return None
    usable = truth[truth["occluded"] & ~truth["filled"] & truth["x"].notna()]
    degrees = usable.groupby("frame")["set"].nunique()
    boxes = actor.detected.one_by_frame()
    frames = [f for f in degrees[degrees == len(sets) - 1].index if f in boxes]
    if not frames:
        return None
    frame = int(frames[len(frames) // 2])
    box = tuple(boxes[frame].tolist())
    pasted = {
        row["set"]: tuple(int(row[edge]) for edge in "xywh")
        for row in usable[usable["frame"] == frame].to_dict("records")
    }
    return ChosenFrame(sets, frame, box, pasted)


def figure_3(inputs: Inputs) -> PaperFigure:
    """Figure 3: how a clip is made."""
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

    def draw(figure: Figure) -> None:
        axes = panels.panel_grid(figure, 2, columns)
        panels.hide_panels((*axes[0, 3:], *axes[1, len(occluded) :]))
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
    return inputs.figure("figure_3", draw, PAGE, inches, _numbers(found, rows))


def _numbers(found: ChosenFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """clip, set, scale, file, frame, occluder, and the boxes of actor and occluder, pixels."""
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
    """The cut-outs of Figure 12: category, of (number of cut-outs of the type in the bank),
    occluder, file, origin_url, licence."""
    rows = panels.bank_cutouts(inputs, "Figure 12")
    rows = rows.assign(of=rows.groupby("category")["occluder"].transform("size"))
    rows = panels.in_hash_order(rows, inputs, "figure 12", "occluder")
    photo = rows["coco_image"].astype("object").where(rows["coco_image"].notna(), rows["source"])
    rows = rows[~rows.assign(photo=photo).duplicated(["category", "photo"])]
    rows = rows.groupby("category").head(COLUMNS)
    position = {name: at for at, name in enumerate(TYPES)}
    rank = rows["category"].map(lambda name: (position.get(name, len(TYPES)), name))
    rows = rows.assign(_rank=rank).sort_values("_rank", kind="stable")
    kept = ["category", "of", "occluder", "file", "origin_url", "licence"]
    return rows[kept].reset_index(drop=True)


def figure_12(inputs: Inputs) -> PaperFigure:
    """Figure 12: a row of occluders per type."""
    rows = bank_samples(inputs)
    types = list(rows["category"].unique())
    cells = {name: rows[rows["category"] == name].to_dict("records") for name in types}

    def draw(figure: Figure) -> None:
        axes = panels.panel_grid(figure, len(types), COLUMNS)
        for line, name in zip(axes, types, strict=True):
            panels.hide_panels(line[len(cells[name]) :])
            for each, row in zip(line, cells[name], strict=False):
                panels.show_picture(
                    each, panels.cutout_picture(inputs.root / "occluders" / row["file"])
                )
            panels.row_label(line[0], f"{name}\n({cells[name][0]['of']:,})")

    side = (PAGE - 0.6) / COLUMNS
    return inputs.figure("figure_12", draw, PAGE, 0.1 + (side + 0.02) * len(types), rows)
