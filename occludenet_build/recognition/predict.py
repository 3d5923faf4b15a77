"""Predictions for clips: averaged over views in time and crops in space, each clip once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occludenet_build.recognition.backbones import Input, normalised
from occludenet_build.recognition.clips import EvaluationClips, Skipped, loader


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
) -> Iterator[Tensor | Skipped]:
    """Per clip, in the order of the data set: the averaged logits (K,) float32, or Skipped."""
    model.to(device).eval()
    numbers = list(range(len(clips)))
    batches = [numbers[at : at + batch] for at in range(0, len(numbers), batch)]
    for items in loader(clips, batches, workers, device, collate=list):
        read = [item for item in items if not isinstance(item, Skipped)]
        averaged = iter(_averaged(model, [views for _, views in read], seen, average, device))
        for item in items:
            yield item if isinstance(item, Skipped) else next(averaged)


def _averaged(
    model: nn.Module, clips: list[Tensor], seen: Input, average: str, device: str
) -> Tensor:
    if not clips:
        return torch.empty(0)
    views = torch.stack(clips).to(device)
    logits = model(normalised(views.flatten(0, 1), seen.mean, seen.std)).float()
    return AVERAGES[average](logits.unflatten(0, views.shape[:2])).cpu()
