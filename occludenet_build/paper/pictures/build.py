"""What the sheets read of a build: annotated clips, ground truth of a frame, the occluder bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build.core import seeds
from occludenet_build.core.build import TABLES, Build
from occludenet_build.core.errors import ItemError
from occludenet_build.core.thumbnails import pick
from occludenet_build.paper.common_clips import CLEAN
from occludenet_build.paper.inputs import Inputs, Missing


def clips(inputs: Inputs, what: str) -> pd.DataFrame:
    """annotate/clips.parquet with a column `shard`. Raises Missing."""
    rows, chosen = (_table(inputs, name, what) for name in ("annotate", "select"))
    places = chosen[["clip", "shard", "detect_shard", "occluder_file"]]
    return rows.merge(places, on="clip", how="left")


def occluders(inputs: Inputs, what: str) -> pd.DataFrame:
    """The cut-outs of the bank. Raises Missing where there is none."""
    rows = _table(inputs, "occluders", what)
    rows = rows[rows["status"] == "ok"]
    if rows.empty:
        raise Missing(f"{what}: the occluder bank is empty; see occluders/summary.json")
    return rows


def _table(inputs: Inputs, name: str, what: str) -> pd.DataFrame:
    found = Build(inputs.root).table(name)
    if found is None:
        raise Missing(f"{what}: wanted {inputs.root / TABLES[name]}, it is missing; run {name}")
    return found.to_pandas()


def in_order(rows: pd.DataFrame, inputs: Inputs, purpose: str) -> pd.DataFrame:
    """Rows by a hash of their clip: what is shown first is drawn, not picked."""
    order = rows["clip"].map(lambda clip: seeds.integer(inputs.config.seed, clip, purpose))
    return rows.assign(_order=order).sort_values(["_order", "clip"]).drop(columns="_order")


def evaluated(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Those of evaluate.split, or all where it has none."""
    mine = rows[rows["split"] == inputs.config.evaluate.split]
    return mine if len(mine) else rows


def occluded(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["set"] != CLEAN]


def truth(inputs: Inputs, shard: str, clip: str) -> pd.DataFrame:
    """Ground truth per set and frame of a clip, empty where there is none."""
    found = Build(inputs.root).frames(shard, clip)
    return found.to_pandas() if found is not None else pd.DataFrame()


def frames(path: Path, wanted: list[int], what: str) -> dict[int, np.ndarray]:
    """Frame number -> uint8 (H, W, 3). Raises Missing where one cannot be read."""
    try:
        found = pick(path, wanted)
    except ItemError as error:
        raise Missing(f"{what}: cannot show {path}: {error}; make the clip again") from error
    absent = [number for number in wanted if number not in found]
    if absent:
        raise Missing(
            f"{what}: wanted frame {absent[0]} of {path}, it has fewer; make the clip again"
        )
    return found
