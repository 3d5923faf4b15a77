"""Predictions for clips: averaged over views in time and crops in space, each clip once.

A trained network put together again, and its predictions for the clips of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occludenet_build.config.recognition import Evaluate
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.torch_models import resolve_device
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.backbones.registry import build_backbone
from occludenet_build.recognition.backbones.spec import Input, normalised
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.datasets import EvaluationClips, Frames, SkippedClip, make_loader
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.prediction_table import About


class ClipPrediction(NamedTuple):
    """What a network says of a clip, float32 (K,)."""

    logits: Tensor
    erased: Tensor | None
    """Of the clip without its actor; None where there is none."""
    problem: str | None
    """Why its counterfactual cannot be read."""


def _mean_of_logits(logits: Tensor) -> Tensor:
    return logits.mean(dim=1)


def _log_of_mean_softmax(logits: Tensor) -> Tensor:
    # softmax of this is the mean softmax: the table's logits rank as the prediction does
    return torch.logsumexp(F.log_softmax(logits, dim=2), dim=1) - log(logits.shape[1])


AVERAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": _log_of_mean_softmax,
    "logits": _mean_of_logits,
}
"""(N, views x crops, K) logits -> (N, K) logits of the average, by the name in the settings."""


@torch.no_grad()
def predict(
    model: nn.Module,
    clips: EvaluationClips,
    seen: Input,
    *,
    average: str,
    batch: int,
    workers: int,
    device: str,
) -> Iterator[ClipPrediction | SkippedClip]:
    """Per clip, in the order of the data set."""
    model.to(device).eval()
    numbers = list(range(len(clips)))
    batches = [numbers[at : at + batch] for at in range(0, len(numbers), batch)]

    def averaged(views: list[Tensor]) -> Iterator[Tensor]:
        return iter(_averaged(model, views, seen, average, device))

    for items in make_loader(clips, batches, workers, device, collate=list):
        read = [item for item in items if not isinstance(item, SkippedClip)]
        plain = averaged([item.clip for item in read])
        erased = averaged([item.erased for item in read if item.erased is not None])
        for item in items:
            if isinstance(item, SkippedClip):
                yield item
                continue
            twin = None if item.erased is None else next(erased)
            yield ClipPrediction(next(plain), twin, item.problem)


def _averaged(
    model: nn.Module, clips: list[Tensor], seen: Input, average: str, device: str
) -> Tensor:
    if not clips:
        return torch.empty(0)
    views = torch.stack(clips).to(device)
    logits = model(normalised(views.flatten(0, 1), seen.mean, seen.std)).float()
    return AVERAGES[average](logits.unflatten(0, views.shape[:2])).cpu()


@dataclass(frozen=True)
class TrainedNetwork:
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
    def read(cls, path: Path) -> TrainedNetwork:
        values = checkpoint.load(path)
        missing = {"model", "backbone", "labels", "settings", "arm", "seed"} - set(values)
        if missing:
            raise UserError(
                f"wanted a network written by train, {path} lacks {', '.join(sorted(missing))}"
            )
        labels, seen = values["labels"], _input(values)
        model = build_backbone(values["backbone"], len(labels), seen.frames, seen.size)
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


def predict_clips(
    network: TrainedNetwork,
    clips: Sequence[Clip],
    root: Path,
    settings: Evaluate,
    erasing: Erasing | None = None,
) -> Iterator[tuple[Clip, ClipPrediction | str]]:
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
        yield clip, result.reason if isinstance(result, SkippedClip) else result
