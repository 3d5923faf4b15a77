"""What the room attention drew: class activation maps with the frames they are of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from occludenet_build.core import tables
from occludenet_build.paper.common_clips import CLEAN
from occludenet_build.paper.inputs import Inputs, Missing
from occludenet_build.paper.pictures import panels

MASSES = ("mass_actor", "mass_occluder", "mass_background")
_GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Map:
    """One network's map of one clip, in one frame."""

    row: dict[str, Any]
    """Of attention/<arm>-<seed>.parquet: clip, set, arm, label, predicted, p, mass_*."""
    frame: int
    """Its number in the clip."""
    picture: np.ndarray
    """uint8 (S, S, 3), as the network was given it."""
    cam: np.ndarray
    """float32 (S, S), 0 to 1 over the clip."""
    actor: np.ndarray
    """float32 (S, S), share of a pixel that shows the visible actor."""
    occluder: np.ndarray
    """The same of the occluder."""
    top: list[tuple[str, float]]
    """Labels and probabilities of the largest five, largest first."""


def drawn(inputs: Inputs, what: str) -> pd.DataFrame:
    """Rows of attention's tables that have a picture, with its `path`; in the order drawn there.

    Raises Missing where there is none.
    """
    parts = []
    for path in sorted((inputs.root / "attention").glob("*-*.parquet")):
        rows = tables.read(path).to_pandas()
        rows = rows[rows["picture"].notna()]
        parts.append(rows.assign(path=[str(path.parent / name) for name in rows["picture"]]))
    if not parts or all(part.empty for part in parts):
        raise Missing(
            f"{what}: wanted maps of the room attention in {inputs.root / 'attention'}, there are "
            "none; train, then run attention with attention.pictures above 0"
        )
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values(["picture", "arm", "seed"], kind="stable").reset_index(drop=True)


def read(row: dict[str, Any], what: str) -> Map:
    """The frame in the middle of those in which the occluder shows, else of those with a mask."""
    path = Path(row["path"])
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError) as error:
        raise Missing(f"{what}: {path} does not read ({error}); run attention again") from error
    masked, hidden = arrays["masked"], arrays["occluder"].sum(axis=(1, 2)) > 0
    places = next(
        (np.flatnonzero(mask) for mask in (masked & hidden, masked) if mask.any()),
        np.arange(len(masked)),
    )
    at = int(places[len(places) // 2])
    picture, cam, actor, occluder = (
        arrays[name][at] for name in ("frames", "cam", "actor", "occluder")
    )
    top = list(zip(map(str, arrays["top5"]), map(float, arrays["top5_p"]), strict=True))
    return Map(row, int(arrays["numbers"][at]), picture, cam, actor, occluder, top)


def overlay(picture: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """uint8 (S, S, 3): the frame in grey, warmer and brighter where the map is larger.

    The colours grow in lightness too, so that they order without colour vision and in print.
    """
    grey = np.repeat((picture @ _GREY)[:, :, None], 3, axis=2)
    heat = 255 * matplotlib.colormaps["inferno"](0.15 + 0.85 * cam)[:, :, :3]
    share = 0.85 * np.clip(cam, 0, 1)[:, :, None]
    return np.rint(grey * (1 - share) + heat * share).astype(np.uint8)


def show(axes: Axes, found: Map, title: str = "") -> None:
    """The map over its frame, outlines of the visible actor and of the occluder, its masses."""
    panels.picture(axes, overlay(found.picture, found.cam), title)
    panels.outline(axes, found.actor, panels.ACTOR)
    panels.outline(axes, found.occluder, panels.OCCLUDER)
    axes.set_xlabel(masses(found.row), fontsize=5.2, labelpad=2)


def masses(row: dict[str, Any]) -> str:
    """Where the map's mass lies, percent: `actor 31, occluder 12`."""
    if pd.isna(row["mass_actor"]):
        return "no mass in masked frames"
    words = f"actor {100 * row['mass_actor']:.0f} %"
    return words if row["set"] == CLEAN else f"{words}, occluder {100 * row['mass_occluder']:.0f} %"


def numbers(shown: list[Map]) -> pd.DataFrame:
    """What stands where: a row per map, with its masses and probabilities."""
    kept = ("clip", "set", "arm", "seed", "backbone", "label", "predicted", "p", *MASSES)
    rows = [
        {"panel": at, **{name: one.row[name] for name in kept}, "frame": one.frame}
        | {f"top{n}": f"{label} {p:.4f}" for n, (label, p) in enumerate(one.top, 1)}
        for at, one in enumerate(shown, 1)
    ]
    return pd.DataFrame(rows)
