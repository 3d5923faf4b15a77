"""StillMix's bank: the frames that a network of single frames classifies with most confidence.

Li et al., ICCV 2023, section 4: a 2D reference network is trained to recognise the action from one
frame; the frames that it classifies with most confidence carry the static bias and form the bank
from which StillMix draws. The authors take 1,024 frames for HMDB51. Choices of this implementation:
the network is a ResNet-18, each clip gives one frame per epoch and one candidate for the bank, and
the confidence is the probability of the clip's label.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.backbones.spec import IMAGENET_MEAN, IMAGENET_STD, normalised
from occludenet_build.recognition.datasets import make_loader
from occludenet_build.recognition.optim import BatchOrder
from occludenet_build.recognition.training_clips import Batch, TrainingClips, collate

_RATE, _TUNED_RATE = 1e-3, 1e-4
"""Learning rates from random weights and from ImageNet's weights."""


def load_or_make_bank(
    clips: TrainingClips,
    settings: Train,
    *,
    seed: int,
    device: str,
    workers: int,
    path: Path,
    key: str,
) -> Tensor:
    """The bank, uint8 (B, S, S, 3) on the CPU; read from `path` if that has the same `key`."""
    if path.exists():
        values = checkpoint.load(path)
        if values.get("key") == key:
            return values["bank"]
    singles = clips.single_frames()
    model = _trained(singles, settings, seed, device, workers)
    bank = _surest(model, singles, settings, device, workers)
    checkpoint.save({"key": key, "bank": bank}, path)
    return bank


def _trained(
    singles: TrainingClips, settings: Train, seed: int, device: str, workers: int
) -> nn.Module:
    torch.manual_seed(uniform_integer(seed, "reference") >> 1)
    model = resnet18(num_classes=len(singles.positions))
    weights = settings.mix.still_weights
    if weights is not None:
        _start_from(model, weights)
    model.to(device).train()
    rate = _RATE if weights is None else _TUNED_RATE
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    epochs = settings.mix.still_epochs
    order = BatchOrder(
        len(singles), settings.batch, epochs, uniform_integer(seed, "reference order")
    )
    right = seen = 0
    for batch in progress(
        make_loader(singles, order, workers, device, collate), len(order), "still batch"
    ):
        if len(batch.files) < 2:  # batch norm needs two
            continue
        logits = model(_pictures(batch, device))
        labels = batch.labels.to(device)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        right, seen = right + int((logits.argmax(1) == labels).sum()), seen + len(labels)
    logging.info("network of single frames: training top-1 %.1f %%", 100 * right / max(seen, 1))
    return model.eval()


def _start_from(model: nn.Module, path: str) -> None:
    """Load ImageNet's weights, except those of the head."""
    given = {k: t for k, t in checkpoint.load_tensors(path).items() if not k.startswith("fc.")}
    wanted = {k for k in model.state_dict() if not k.startswith("fc.")}
    try:
        model.load_state_dict(given, strict=False)
        fits = given.keys() == wanted
    except RuntimeError:
        fits = False
    if not fits:
        raise UserError(
            f"train.mix.still_weights: wanted torchvision's resnet18, {path} is another network; "
            "change it"
        )


@torch.no_grad()
def _surest(
    model: nn.Module, singles: TrainingClips, settings: Train, device: str, workers: int
) -> Tensor:
    """The frames with most confidence; of all batches only the best so far are kept."""
    best = torch.empty(0)
    frames: Tensor | None = None
    for batch in make_loader(singles, list(_once(singles, settings)), workers, device, collate):
        if not batch.files:
            continue
        shares = F.softmax(model(_pictures(batch, device)).float(), dim=1).cpu()
        sure = shares.gather(1, batch.labels[:, None])[:, 0]
        best = torch.cat([best, sure])
        frames = batch.clips[:, 0] if frames is None else torch.cat([frames, batch.clips[:, 0]])
        kept = best.argsort(descending=True, stable=True)[: settings.mix.still_frames]
        best, frames = best[kept], frames[kept]
    if frames is None:
        return torch.empty(0)
    logging.info("bank of %d stills, smallest confidence %.2f", len(frames), float(best[-1]))
    return frames


def _once(singles: TrainingClips, settings: Train) -> Iterator[list[tuple[int, int]]]:
    """Batches with every clip once, in a frame that was not used for training."""
    unseen = settings.mix.still_epochs
    for at in range(0, len(singles), settings.batch):
        yield [(n, unseen) for n in range(at, min(at + settings.batch, len(singles)))]


def _pictures(batch: Batch, device: str) -> Tensor:
    """float32 (N, 3, S, S)."""
    return normalised(batch.clips.to(device), IMAGENET_MEAN, IMAGENET_STD)[:, :, 0]
