"""Figure 12: occluders of the bank, a row per type, drawn by hash; no photo twice in a row."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from occludenet_build.core import seeds
from occludenet_build.core.charts import PAGE, chart
from occludenet_build.paper.inputs import Figure, Inputs
from occludenet_build.paper.pictures import build, panels

COLUMNS = 8
TYPES = ("backpack", "dog", "suitcase", "handbag")
"""The paper's rows, in its order; further types follow by name."""


def samples(inputs: Inputs) -> pd.DataFrame:
    """category, of (cut-outs of the type in the bank), occluder, file, origin_url, licence."""
    rows = build.occluders(inputs, "Figure 12")
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


def figure_12(inputs: Inputs) -> Figure:
    rows = samples(inputs)
    types = list(rows["category"].unique())
    cells = {name: rows[rows["category"] == name].to_dict("records") for name in types}

    def draw(figure: Drawing) -> None:
        axes = panels.grid(figure, len(types), COLUMNS)
        for line, name in zip(axes, types, strict=True):
            for each in line[len(cells[name]) :]:
                panels.empty(each)
            for each, row in zip(line, cells[name], strict=False):
                panels.picture(each, panels.cutout(inputs.root / "occluders" / row["file"]))
            panels.beside(line[0], f"{name}\n({cells[name][0]['of']:,})")

    side = (PAGE - 0.6) / COLUMNS
    dpi = inputs.config.paper.dpi
    return Figure(chart("figure_12", draw, PAGE, 0.1 + (side + 0.02) * len(types), dpi), rows)
