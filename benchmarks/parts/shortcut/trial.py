"""One arm with one seed: trained by the product's loop, then tested. Results are kept."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from demo.world.build import VERSION
from demo.world.plan import TIED
from occludenet_build.config.training import Train
from occludenet_build.core import files
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.versions import code_digest
from occludenet_build.recognition import loop
from occludenet_build.recognition.backbones.registry import build_backbone, input_of
from occludenet_build.recognition.backbones.weights import load_weights
from occludenet_build.recognition.curve import TrainingState
from occludenet_build.recognition.datasets import EvaluationClips
from occludenet_build.recognition.predict import predict
from occludenet_build.recognition.train_step import CarLearner
from occludenet_build.recognition.training_clips import Actors, TrainingClips
from parts.shortcut.arms import ARMS, MEDIAN, Network
from parts.shortcut.pictures import Memory, MemoryPixels, erased, holes
from parts.shortcut.world import LABELS, UNTIED, World

SCENERIES = list(TIED.values())
"""The scenery of each action, in the order of LABELS."""


@dataclass(frozen=True)
class Trial:
    """All that determines a result except the code; the world's seed is also the training's."""

    arm: str
    world: World
    epochs: int
    network: Network = field(default=Network())

    @property
    def settings(self) -> Train:
        """The settings of train."""
        return ARMS[self.arm].settings(self.epochs, self.world.seed, self.network)

    @property
    def passes(self) -> float:
        """Passes of a clip through the network in training, relative to the baseline: twice the
        epochs, or a second pass for the counterfactual, are 2."""
        settings = self.settings
        return settings.epochs / self.epochs * (2 if settings.alpha > 0 else 1)

    def key(self) -> str:
        """Hash of settings and code."""
        network = replace(self.network, weights=None)  # its sha256 remains
        parts = (self.world, self.settings, ARMS[self.arm], network)
        return files.short_hash(_code(), *(json.dumps(asdict(p), sort_keys=True) for p in parts))


def finished(trial: Trial, results: Path) -> dict[str, Any] | None:
    """Result of an earlier run of the same trial with the same code; None without one."""
    path = result_path(trial, results)
    return json.loads(path.read_text()) if path.exists() else None


def run(job: tuple[Trial, Path]) -> tuple[Trial, dict[str, Any]]:
    """Train, test, and keep the result. Takes one tuple, for the process pool."""
    trial, results = job
    one_thread()
    model, state, seconds = trained(trial)
    found = _tested(model, trial)
    found |= {name: state.rows[-1][row] for name, row in (("kl", "kl"), ("train_top1", "top1"))}
    found |= {"passes": trial.passes, "cpu_seconds": round(seconds, 1)}
    path = result_path(trial, results)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, {"arm": trial.arm, "seed": trial.world.seed, **found})
    return trial, found


def one_thread() -> None:
    """Trials share the cores: each takes one."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def result_path(trial: Trial, results: Path) -> Path:
    """The JSON file of a trial's result."""
    name = trial.arm.replace(", ", "-").replace(" ", "_")
    return results / f"{name}-{trial.world.seed}-{trial.key()[:12]}.json"


@cache
def _code() -> str:
    """Hash of the code of training, the mini-world's version and this folder's code."""
    here = Path(__file__).parent
    ours = [(here / f"{name}.py").read_text() for name in ("others", "pictures", "trial", "world")]
    return files.short_hash(code_digest(loop.__name__), str(VERSION), *ours)


def trained(trial: Trial) -> tuple[torch.nn.Module, TrainingState, float]:
    """The network, the state at the end, and CPU seconds of the training loop."""
    arm, settings = ARMS[trial.arm], trial.settings
    world = replace(trial.world, tied=UNTIED) if arm.oracle else trial.world
    seed = uniform_integer(0, "train", str(world.seed)) >> 1  # torch takes 63 bits
    source, sampling = Memory(world.height), input_of(settings)
    rows = [
        _put(source, world, drawn, arm.fill if arm.reads_counterfactuals else None)
        for drawn in _drawn(replace(world, missing=0.0))  # masks do not change the pictures
    ]
    torch.manual_seed(seed)
    model = build_backbone(settings.backbone, len(world.labels), sampling.frames, sampling.size)
    if trial.network.weights is not None:
        load_weights(model, settings.backbone, trial.network.weights)
    learner = CarLearner.of(model, settings, classes=len(world.labels), seed=seed, device="cpu")
    clips = TrainingClips(
        rows,
        world.labels,
        source,
        frames=sampling.frames,
        size=sampling.size,
        stride=sampling.stride,
        augment=settings.augment,
        seed=seed,
        actors=Actors(
            MemoryPixels(source),
            pairs=settings.alpha > 0,
            min_erased=settings.min_erased,
            swap=settings.swap if arm.swaps else None,
        ),
    )
    started = os.times()
    with tempfile.TemporaryDirectory(prefix="bench-shortcut-") as folder:
        state = loop.train(learner, clips, workers=0, store=Path(folder), key="")
    ended = os.times()
    return learner.evaluated, state, ended.user + ended.system - started.user - started.system


def _put(source: Memory, world: World, drawn: tuple, fill: str | None):
    """Store a drawn clip with its counterfactual, unless `fill` is None; return its row."""
    clip, pictures, masks = drawn
    hole = holes(clip.name, masks, world.dilate, world.missing)
    other = None if fill is None else erased(clip.name, pictures, hole, fill)
    return source.put(clip, pictures, hole, other)


@lru_cache(maxsize=2)  # the arms of a seed share one world; the oracle has another
def _drawn(world: World) -> list[tuple]:
    clips = world.training()
    return [(clip, *drawn) for clip, drawn in zip(clips, world.drawn(clips), strict=True)]


@lru_cache(maxsize=2)  # with true masks, and with those of the trial
def _test_clips(world: World) -> tuple[Memory, list, np.ndarray, np.ndarray]:
    """Pictures and rows of the test; label and scenery of each clip, int64 (N,)."""
    source, clips = Memory(world.height), world.testing()
    drawn = zip(clips, world.drawn(clips), strict=True)
    rows = [_put(source, world, (clip, *made), MEDIAN) for clip, made in drawn]
    labels = np.array([LABELS.index(clip.label) for clip in clips])
    sceneries = np.array([SCENERIES.index(clip.background) for clip in clips])
    return source, rows, labels, sceneries


def _tested(model: torch.nn.Module, trial: Trial) -> dict[str, float]:
    """Results, per cent.

    `without_actor`: crossed clips classified as their scenery when only the bare scenery is left,
    by true masks. `tde`, `tde_own`: right by argmax(p - c), with c of the trial's masks.
    """
    world = replace(trial.world, tied=UNTIED)
    p, bare, labels, sceneries = _logits(model, trial, replace(world, missing=0.0))
    c = bare if not world.missing else _logits(model, trial, world)[1]
    predicted, without = p.argmax(axis=1), (p - c).argmax(axis=1)
    crossed = labels != sceneries
    return {
        "crossed": _percent((predicted == labels)[crossed]),
        "own": _percent((predicted == labels)[~crossed]),
        "scenery": _percent((predicted == sceneries)[crossed]),
        "without_actor": _percent((bare.argmax(axis=1) == sceneries)[crossed]),
        "tde": _percent((without == labels)[crossed]),
        "tde_own": _percent((without == labels)[~crossed]),
    }


def _logits(
    model: torch.nn.Module, trial: Trial, world: World
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logits p and c float32 (N, K) of the test clips; their labels and sceneries int64 (N,)."""
    source, rows, labels, sceneries = _test_clips(world)
    sampling = input_of(trial.settings)
    clips = EvaluationClips(
        rows,
        source,
        frames=sampling.frames,
        size=sampling.size,
        stride=sampling.stride,
        views=1,
        crops=1,
        actors=MemoryPixels(source),
    )
    answers = list(
        predict(model, clips, sampling, average="softmax", batch=16, workers=0, device="cpu")
    )
    p = np.stack([one.logits for one in answers])
    # A view without the actor is its own counterfactual.
    c = np.stack([one.logits if one.erased is None else one.erased for one in answers])
    return p, c, labels, sceneries


def _percent(right: np.ndarray) -> float:
    return 100 * float(right.mean())
