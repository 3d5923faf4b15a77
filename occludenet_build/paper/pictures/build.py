"""What the sheets read of a build: annotated clips, ground truth of a frame, the occluder bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.tables import ClipGroups
from occludenet_build.core.thumbnails import pick
from occludenet_build.paper.common_clips import CLEAN
from occludenet_build.paper.inputs import Inputs, Missing


def clips(inputs: Inputs, what: str) -> pd.DataFrame:
    """annotate/clips.parquet with a column `shard`. Raises Missing."""
    rows = _table(inputs.root / "annotate" / "clips.parquet", what, "run annotate")
    chosen = _table(inputs.root / "select" / "clips.parquet", what, "run select")
    places = chosen[["clip", "shard", "detect_shard", "occluder_file"]]
    return rows.merge(places, on="clip", how="left")


def occluders(inputs: Inputs, what: str) -> pd.DataFrame:
    """The cut-outs of the bank. Raises Missing where there is none."""
    rows = _table(inputs.root / "occluders" / "occluders.parquet", what, "run occluders")
    rows = rows[rows["status"] == "ok"]
    if rows.empty:
        raise Missing(f"{what}: the occluder bank is empty; see occluders/summary.json")
    return rows


def _table(path: Path, what: str, hint: str) -> pd.DataFrame:
    if not path.exists():
        raise Missing(f"{what}: wanted {path}, it is missing; {hint}")
    return tables.read(path).to_pandas()


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
    return _of_clip(inputs.root / "annotate" / "frames" / f"{shard}.parquet", clip)


def actor_boxes(inputs: Inputs, detect_shard: str, clip: str) -> pd.DataFrame:
    """The actor's boxes of a clip by frame, x1 y1 x2 y2 in displayed pixels."""
    path = inputs.root / "detect" / "store" / detect_shard / "detail.parquet"
    rows = _of_clip(path, clip)
    return rows[rows["actor"]].set_index("frame") if len(rows) else rows


def _of_clip(path: Path, clip: str) -> pd.DataFrame:
    groups = ClipGroups(path)
    found = groups.read(clip)
    groups.close()
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
