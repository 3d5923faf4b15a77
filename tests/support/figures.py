"""Predictions of fictitious models, drawn from a seed, with known accuracies."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from occludenet_build.config import Config
from occludenet_build.config.results import Paper
from occludenet_build.core import tables
from occludenet_build.recognition.attention import ATTENTION_TABLE
from occludenet_build.recognition.prediction_table import PREDICTIONS, ModelInfo, Predictions
from occludenet_build.results.paper import parents, published
from occludenet_build.results.paper.inputs import Inputs

D = {"clean": 0.0, "D-25": 0.25, "D-50": 0.5, "D-75": 0.75}
MODELS = {
    "I3D": (0.9, 1.3),
    "X3D": (0.85, 1.4),
    "MViTv2": (1.5, 0.9),
    "VideoMAE": (1.6, 0.8),
    "UniFormerV2": (1.75, 0.9),
    "VideoMAE v2": (1.8, 0.7),
    "VideoMamba": (1.2, 1.0),
    "InternVideo2": (2.0, 0.6),
}
"""Skill and sensitivity to occlusion, by name."""


def kinetics() -> list[str]:
    """The 400 class names of Kinetics-400."""
    noted = parents.appendix_g()
    names = {name for those in noted.values() for name in those}
    return sorted(names | set(published.printed_parents()["orphans"]))


def predicted(rows: pd.DataFrame, model: str, labels: list[str], **about) -> Predictions:
    rows = rows.reindex(columns=PREDICTIONS.names)
    return Predictions(ModelInfo(model, tuple(labels), **about), rows)


def table(rights: dict[str, list[int]], **columns) -> pd.DataFrame:
    """Rows from top-1 (1, 0) of the clips c0, c1, ... by set; top-5 is the same."""
    rows = [
        {
            "set": name,
            "clip": f"c{at}",
            "label": "a",
            "top1": bool(v),
            "top5": bool(v),
            "scale": D.get(name),
        }
        for name, values in rights.items()
        for at, v in enumerate(values)
    ]
    return pd.DataFrame(rows).assign(**columns)


def facts(labels: list[str], per_class: int, seed: int) -> pd.DataFrame:
    """A row per clip and set of D with its measured occlusion."""
    rng = np.random.default_rng(seed)
    clips = pd.DataFrame(
        {
            "label": np.repeat(labels, per_class),
            "clip": [f"v{n:06d}" for n in range(per_class * len(labels))],
            "cover": rng.beta(5, 3, per_class * len(labels)),
            "duration_ratio": np.where(
                rng.random(per_class * len(labels)) < 0.6, 1.0, rng.random(per_class * len(labels))
            ),
        }
    )
    parts = [clips.assign(set=name, scale=scale, degree=scale) for name, scale in D.items()]
    rows = pd.concat(parts, ignore_index=True)
    rows["area_ratio"] = rows["scale"] ** 2 * rows.pop("cover")
    rows["actor_hidden"] = rows["area_ratio"]
    rows.loc[rows["scale"] == 0, "duration_ratio"] = 0.0
    return rows


def answers(
    rows: pd.DataFrame, labels: list[str], skill: float, hurt: float, seed: int
) -> pd.DataFrame:
    """top1 and top5 of a model: worse with area and duration, to a degree that varies by class."""
    fixed = np.random.default_rng(1)
    ease = dict(zip(labels, fixed.normal(0, 1.2, len(labels)), strict=True))
    weak = dict(zip(labels, fixed.gamma(2, 1.2, len(labels)), strict=True))
    hidden = rows["area_ratio"].fillna(0.1) * rows["duration_ratio"].fillna(1.0)
    score = skill + rows["label"].map(ease) - hurt * 2.2 * rows["label"].map(weak) * hidden
    draw = np.random.default_rng(seed).logistic(size=len(rows))
    return rows.assign(top1=score > draw, top5=score + 2.2 > draw, predicted=rows["label"])


def listed(name: str, labels: list[str], clips: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "set": name,
            "clip": [f"{name}-{n}" for n in range(clips)],
            "label": rng.choice(labels, clips),
            "area_ratio": np.nan,
            "duration_ratio": np.nan,
        }
    )


def fictitious(labels: list[str], per_class: int = 6, models=MODELS) -> list[Predictions]:
    """Each model on D, its twins and K-400-O."""
    rows = facts(labels, per_class, 0)
    other = listed("K-400-O", labels, 3 * len(labels), 5).assign(area_ratio=0.5)
    whole = pd.concat([rows, other], ignore_index=True)
    return [
        predicted(answers(whole, labels, *traits, seed=number), name, labels)
        for number, (name, traits) in enumerate(models.items())
    ]


def trainings(labels: list[str], model: str = "x3d_s", seeds: int = 2) -> list[Predictions]:
    """Arms of a model trained here, on D, its twins, S, I, M."""
    rows = [facts(labels, 4, 0)]
    rows += [
        listed(n, labels, clips, 7).assign(area_ratio=0.25)
        for n, clips in (("S", 53), ("I", 52), ("M", 186))
    ]
    whole = pd.concat(rows, ignore_index=True)
    arms = {"clean": (0.6, 1.8), "baseline": (0.8, 1.0), "car": (0.95, 0.7)}
    return [
        predicted(
            answers(whole, labels, *arms[arm], seed=100 * seed + number),
            model,
            labels,
            arm=arm,
            seed=seed,
        )
        for number, arm in enumerate(arms)
        for seed in range(seeds)
    ]


def inputs(predictions, root: Path = Path("/nowhere"), **paper) -> Inputs:
    config = Config(paper=Paper(**{"bootstrap": 50} | paper))
    return Inputs(root, tuple(predictions), parents.appendix_g(), config)


def draw_maps(root: Path, clips: list[dict], arms=("baseline", "car"), seed: int = 0) -> None:
    """Write attention/ as that stage does. A clip: clip, set, label, predicted (arm -> label), and
    optionally frames uint8 (T, S, S, 3), actor, occluder float32 (T, S, S)."""
    for arm in arms:
        rows = [_map(root, clip, arm, seed, nr) for nr, clip in enumerate(clips)]
        tables.write_table(
            tables.from_rows(rows, ATTENTION_TABLE), root / "attention" / f"{arm}-{seed}.parquet"
        )


def _map(root: Path, clip: dict, arm: str, seed: int, nr: int) -> dict:
    frames = clip.get("frames", np.full((4, 32, 32, 3), 90, np.uint8))
    count, side = frames.shape[:2]
    blank = np.zeros((count, side, side), np.float32)
    actor, occluder = clip.get("actor", blank), clip.get("occluder", blank)
    cam = actor if arm == "car" or not occluder.any() else 0.7 * occluder + 0.3 * actor
    cam = np.stack([cv2.GaussianBlur(one, (0, 0), side / 12) for one in cam])
    cam = cam / max(float(cam.max()), 1e-6)
    name = f"{arm}-{seed}/{nr:03d}_{clip['set']}.npz"
    path = root / "attention" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = [clip["predicted"][arm], "other action", "a third action", "fourth", "fifth"]
    if clip["label"] != labels[0]:
        labels[1] = clip["label"]
    np.savez_compressed(
        path, frames=frames, cam=cam, actor=actor, occluder=occluder,
        masked=actor.any(axis=(1, 2)), numbers=np.arange(count, dtype=np.int32) * 3,
        top5=np.array(labels), top5_p=np.array([0.5, 0.3, 0.1, 0.06, 0.01], np.float32),
    )  # fmt: skip
    mass = cam.sum() or 1.0
    shares = [float((cam * part).sum() / mass) for part in (actor, occluder)]
    return {
        "clip": clip["clip"], "set": clip["set"], "arm": arm, "seed": seed, "backbone": "r3d_18",
        "status": "ok", "label": clip["label"], "target": clip["label"],
        "predicted": clip["predicted"][arm], "p": 0.5, "picture": name, "mass_actor": shares[0],
        "mass_occluder": shares[1], "mass_background": 1 - sum(shares),
    }  # fmt: skip
