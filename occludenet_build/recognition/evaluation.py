"""A trained network put together again, and its predictions for the clips of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from occludenet_build.config import Evaluate
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.torch_models import resolve_device
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.backbones.registry import build
from occludenet_build.recognition.backbones.spec import Input
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.datasets import Frames, Skipped
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.eval_dataset import EvaluationClips
from occludenet_build.recognition.predict import Answer, predict
from occludenet_build.recognition.predictions import About


@dataclass(frozen=True)
class Network:
    """What train wrote. `input`: the clips it was trained with."""

    model: nn.Module
    backbone: str
    labels: list[str]
    input: Input
    arm: str
    seed: int
    epochs: int | None
    alpha: float | None

    @classmethod
    def read(cls, path: Path) -> Network:
        values = checkpoint.load(path)
        missing = {"model", "backbone", "labels", "settings", "arm", "seed"} - set(values)
        if missing:
            raise UserError(
                f"wanted a network written by train, {path} lacks {', '.join(sorted(missing))}"
            )
        labels, seen = values["labels"], _input(values)
        model = build(values["backbone"], len(labels), seen.frames, seen.size)
        model.load_state_dict(values["model"])
        trained = (values["settings"].get(name) for name in ("epochs", "alpha"))
        return cls(model, values["backbone"], labels, seen, values["arm"], values["seed"], *trained)

    def about(self, settings: Evaluate) -> About:
        return About(
            model=self.backbone,
            labels=tuple(self.labels),
            arm=self.arm,
            seed=self.seed,
            average=settings.average,
            views=settings.views,
            crops=settings.crops,
            epochs=self.epochs,
            alpha=self.alpha,
        )


def _input(values: dict[str, Any]) -> Input:
    """Networks from before backbones stated their input: grey statistics, frames spread evenly."""
    if "input" in values:
        return Input(**values["input"])
    settings = values["settings"]
    return Input(settings["frames"], settings["size"], settings["short_side"], stride=0)


def predictions(
    network: Network,
    clips: Sequence[Clip],
    root: Path,
    settings: Evaluate,
    erasing: Erasing | None = None,
) -> Iterator[tuple[Clip, Answer | str]]:
    """Each clip once, with what the network says or why it cannot be read."""
    seen = network.input
    data = EvaluationClips(
        clips,
        Frames(root, seen.short_side, keep=False),
        frames=seen.frames,
        size=seen.size,
        stride=seen.stride,
        views=settings.views,
        crops=settings.crops,
        counterfactuals=settings.counterfactuals,
        erasing=erasing,
    )
    results = predict(
        network.model,
        data,
        seen,
        average=settings.average,
        batch=settings.batch,
        workers=settings.workers,
        device=resolve_device(settings.device),
    )
    for clip, result in progress(zip(clips, results, strict=True), len(clips), "clip"):
        yield clip, result.reason if isinstance(result, Skipped) else result
