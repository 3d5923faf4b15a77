"""The stage by another engine: its export, its rate in turn with torch's, and what differs."""

from __future__ import annotations

import statistics
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build import config as cfg
from occludenet_build.sources.acquire.command import run as run_acquire
from parts.measure import Cost

from . import accuracy
from .inputs import Inputs
from .stage_run import DetectStage
from .strides import overlaps

_SAME = 0.5
"""Least IoU of two boxes of one person."""


def exported(folder: Path, weights: Path, engine: str, device: str) -> Path:
    """The note of the weights' export to an engine, of the kind that `engine` asks for."""
    out = folder / "engine.json"
    args = Namespace(what="engine", stage="detect", source=str(weights), out=[out], offline=True)
    run_acquire(args, cfg.load_part({"detect": {"engine": engine, "device": device}}))
    return out


def measure_engine(
    torch: DetectStage, engine: DetectStage, inputs: Inputs, repeats: int
) -> dict[str, object]:
    """Rates of both stages in turn on the same clips, actors that differ, and both AP50."""
    turns: list[tuple[Cost, Cost]] = []
    frames = sum(int(str(row["frames"])) for row in inputs.clips)
    for stage in (torch, engine):
        stage.run(inputs.clips[:1])  # warm-up
    for number in range(repeats):
        order = (torch, engine) if number % 2 else (engine, torch)
        found = {stage: stage.run(inputs.clips) for stage in order}
        turns.append((found[torch][0], found[engine][0]))
    name = found[engine][1]["backend"].iloc[0]
    ratios = {
        kind: statistics.median(getattr(a, kind) / getattr(b, kind) for a, b in turns)
        for kind in ("wall", "cpu")
    }
    _show(name, turns, frames, ratios)
    actors = same_actor(found[torch][2], found[engine][2])
    print(f"clips with another actor: {actors['other'] or 'none'} of {actors['clips']}")
    return {
        "engine": name,
        "rate_ratio_engine_to_torch": round(ratios["wall"], 3),
        "cpu_ratio_torch_to_engine": round(ratios["cpu"], 3),
        "engine_actor": actors,
        "ap50_person_engine": _ap50(engine, inputs),
    }


def _show(name: str, turns: list[tuple[Cost, Cost]], frames: int, ratios: dict[str, float]) -> None:
    print(f"\n{'frames per second':24} {'torch':>8} {name:>24} {'ratio':>7} {'CPU ratio':>10}")
    for number, (a, b) in enumerate(turns, 1):
        print(
            f"{f'turn {number}':24} {frames / a.wall:8.1f} {frames / b.wall:24.1f} "
            f"{a.wall / b.wall:7.3f} {a.cpu / b.cpu:10.3f}",
            flush=True,
        )
    print(f"{'median':24} {'':8} {'':24} {ratios['wall']:7.3f} {ratios['cpu']:10.3f}")


def _ap50(engine: DetectStage, inputs: Inputs) -> float | None:
    if inputs.pictures is None:
        return None
    low = replace(engine.resolved, low_score=0.01)
    value = accuracy.ap50(inputs.pictures, low, engine.threads)
    print(f"AP50 of person on COCO's pictures, by the engine: {value:.3f}", flush=True)
    return round(value, 3)


def same_actor(torch: pd.DataFrame, engine: pd.DataFrame) -> dict[str, object]:
    """How far the actor's boxes of two tables agree.

    `other`: clips in which only one has an actor, or in which the boxes of both overlap by less
    than 0.5 in half of the frames; `mean_iou`: over the frames in which both have an actor;
    `frames_iou_above_half`: share of these frames.
    """
    other = []
    names = sorted({*torch["clip"], *engine["clip"]})
    for name in names:
        one, two = (boxes[boxes["clip"] == name] for boxes in (torch, engine))
        acted = bool(one["actor"].any()), bool(two["actor"].any())
        if acted[0] != acted[1] or (all(acted) and np.median(overlaps(one, two)) < _SAME):
            other.append(name)
    both = overlaps(torch, engine)
    return {
        "clips": len(names),
        "other": other,
        "mean_iou": round(float(both.mean()), 3),
        "frames_iou_above_half": round(float((both > _SAME).mean()), 4),
    }
