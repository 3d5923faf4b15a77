"""Predictions for clips: averaged over views in time and crops in space, each clip once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occludenet_build.recognition.backbones.spec import Input, normalised
from occludenet_build.recognition.datasets import Skipped, loader
from occludenet_build.recognition.eval_dataset import EvaluationClips


class Answer(NamedTuple):
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
) -> Iterator[Answer | Skipped]:
    """Per clip, in the order of the data set."""
    model.to(device).eval()
    numbers = list(range(len(clips)))
    batches = [numbers[at : at + batch] for at in range(0, len(numbers), batch)]

    def averaged(views: list[Tensor]) -> Iterator[Tensor]:
        return iter(_averaged(model, views, seen, average, device))

    for items in loader(clips, batches, workers, device, collate=list):
        read = [item for item in items if not isinstance(item, Skipped)]
        plain = averaged([item.clip for item in read])
        erased = averaged([item.erased for item in read if item.erased is not None])
        for item in items:
            if isinstance(item, Skipped):
                yield item
                continue
            twin = None if item.erased is None else next(erased)
            yield Answer(next(plain), twin, item.problem)


def _averaged(
    model: nn.Module, clips: list[Tensor], seen: Input, average: str, device: str
) -> Tensor:
    if not clips:
        return torch.empty(0)
    views = torch.stack(clips).to(device)
    logits = model(normalised(views.flatten(0, 1), seen.mean, seen.std)).float()
    return AVERAGES[average](logits.unflatten(0, views.shape[:2])).cpu()
