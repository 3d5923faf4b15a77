"""One arm with one seed: trained by the product's loop, then tested. Results are kept."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from demo.world.build import VERSION
from demo.world.plan import TIED
from occludenet_build.core import files
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.versions import results_version
from occludenet_build.recognition import loop
from occludenet_build.recognition.backbones.registry import input_of
from occludenet_build.recognition.checkpoint import TrainingState
from occludenet_build.recognition.datasets import EvaluationClips, TrainingClips
from occludenet_build.recognition.predict import predict
from occludenet_build.recognition.train_step import Learner
from parts.shortcut.arms import ARMS, MEDIAN
from parts.shortcut.network import SceneAndMovement
from parts.shortcut.world import LABELS, UNTIED, Memory, World, erased

SCENERIES = list(TIED.values())
"""The scenery of each action, in the order of LABELS."""


@dataclass(frozen=True)
class Trial:
    """All that determines a result except the code; the world's seed is also the training's."""

    arm: str
    world: World
    epochs: int

    def key(self) -> str:
        """Hash of settings and code."""
        parts = (self.world, ARMS[self.arm].settings(self.epochs, self.world.seed), ARMS[self.arm])
        return files.short_hash(_code(), *(json.dumps(asdict(p), sort_keys=True) for p in parts))


def finished(trial: Trial, results: Path) -> dict[str, Any] | None:
    """Result of an earlier run of the same trial with the same code; None without one."""
    path = result_path(trial, results)
    return json.loads(path.read_text()) if path.exists() else None


def run(job: tuple[Trial, Path]) -> tuple[Trial, dict[str, Any]]:
    """Train, test, and keep the result. Takes one tuple, for the process pool."""
    trial, results = job
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    started = os.times()
    model, state = _trained(trial)
    found = _tested(model, trial)
    ended = os.times()
    found["kl"] = state.rows[-1]["kl"]
    found["train_top1"] = state.rows[-1]["top1"]
    found["cpu_seconds"] = round(ended.user + ended.system - started.user - started.system, 1)
    path = result_path(trial, results)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, {"arm": trial.arm, "seed": trial.world.seed, **found})
    return trial, found


def result_path(trial: Trial, results: Path) -> Path:
    """The JSON file of a trial's result."""
    name = trial.arm.replace(", ", "-").replace(" ", "_")
    return results / f"{name}-{trial.world.seed}-{trial.key()[:12]}.json"


@cache
def _code() -> str:
    """Hash of the product's results version, the mini-world's version and this folder's code."""
    here = Path(__file__).parent
    ours = [(here / f"{name}.py").read_text() for name in ("network", "trial", "world")]
    return files.short_hash(results_version("train"), str(VERSION), *ours)


def _trained(trial: Trial) -> tuple[torch.nn.Module, TrainingState]:
    arm = ARMS[trial.arm]
    settings = arm.settings(trial.epochs, trial.world.seed)
    seed = uniform_integer(0, "train", str(trial.world.seed)) >> 1  # torch takes 63 bits
    world = replace(trial.world, tied=UNTIED) if arm.oracle else trial.world
    source, sampling = Memory(), input_of(settings)
    rows = [
        source.put(
            clip, pictures, erased(clip.name, pictures, masks, arm.fill) if arm.alpha else None
        )
        for clip, pictures, masks in _drawn(world)
    ]
    torch.manual_seed(seed)
    learner = Learner.of(
        SceneAndMovement(len(LABELS)), settings, classes=len(LABELS), seed=seed, device="cpu"
    )
    clips = TrainingClips(
        rows,
        LABELS,
        source,
        frames=sampling.frames,
        size=sampling.size,
        stride=sampling.stride,
        augment=settings.augment,
        pairs=settings.alpha > 0,
        seed=seed,
    )
    with tempfile.TemporaryDirectory(prefix="bench-shortcut-") as folder:
        state = loop.train(learner, clips, workers=0, store=Path(folder), key="")
    return learner.evaluated, state


@lru_cache(maxsize=2)  # the arms of a seed share one world; the oracle has another
def _drawn(world: World) -> list[tuple]:
    clips = world.training()
    return [(clip, *drawn) for clip, drawn in zip(clips, world.drawn(clips), strict=True)]


@lru_cache(maxsize=1)
def _test_clips(world: World) -> tuple[Memory, list, np.ndarray, np.ndarray]:
    """Pictures and rows of the test; label and scenery of each clip, int64 (N,)."""
    source, clips = Memory(), world.testing()
    rows = [
        source.put(clip, pictures, erased(clip.name, pictures, masks, MEDIAN))
        for clip, (pictures, masks) in zip(clips, world.drawn(clips), strict=True)
    ]
    labels = np.array([LABELS.index(clip.label) for clip in clips])
    sceneries = np.array([SCENERIES.index(clip.background) for clip in clips])
    return source, rows, labels, sceneries


def _tested(model: torch.nn.Module, trial: Trial) -> dict[str, float]:
    """Results, per cent; `without_actor`: crossed clips classified as their scenery when erased."""
    source, rows, labels, sceneries = _test_clips(replace(trial.world, tied=UNTIED))
    sampling = input_of(ARMS[trial.arm].settings(trial.epochs, trial.world.seed))
    clips = EvaluationClips(
        rows,
        source,
        frames=sampling.frames,
        size=sampling.size,
        stride=sampling.stride,
        views=1,
        crops=1,
        counterfactuals=True,
    )
    answers = list(
        predict(model, clips, sampling, average="softmax", batch=16, workers=0, device="cpu")
    )
    predicted = np.array([int(answer.logits.argmax()) for answer in answers])
    alone = np.array([int(answer.erased.argmax()) for answer in answers])
    crossed = labels != sceneries
    return {
        "crossed": _percent((predicted == labels)[crossed]),
        "own": _percent((predicted == labels)[~crossed]),
        "scenery": _percent((predicted == sceneries)[crossed]),
        "without_actor": _percent((alone == sceneries)[crossed]),
    }


def _percent(right: np.ndarray) -> float:
    return 100 * float(right.mean())
