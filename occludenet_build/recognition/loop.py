"""The training loop of CAR and, with alpha 0, of its baseline; checkpoints, and going on.

Nothing random is kept in a checkpoint: the order of an epoch, the view of a clip and the dropout
of a step are functions of the seed, so a training that was killed goes on to the same curve.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from occludenet_build.config import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.seeds import integer
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.backbones import Input, input_of, normalised
from occludenet_build.recognition.clips import Batch, Order, TrainingClips, loader
from occludenet_build.recognition.curve import State
from occludenet_build.recognition.loss import car_loss


def train(
    model: nn.Module,
    clips: TrainingClips,
    settings: Train,
    *,
    seed: int,
    device: str,
    workers: int,
    work_file: Path,
    key: str,
) -> State:
    """Train `model` in place and return the loss curve; `settings.alpha` 0 is the baseline.

    `work_file` is written after every epoch and every `checkpoint_minutes`; one that carries the
    same `key` is gone on from. Raises UserError on a loss that is not finite.
    """
    model.to(device)
    optimizer = make_optimizer(model, settings)
    state = _resumed(work_file, key, model, optimizer)
    order = Order(len(clips), settings.batch, settings.epochs, seed, state.step)
    batches = loader(clips, order, workers, device)
    saved = time.monotonic()
    model.train()
    for batch in progress(batches, len(order), "step"):
        rate = learning_rate(state.step, order.steps_per_epoch, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(integer(seed, "step", str(state.step)) >> 1)
        if batch.files:
            _step(model, optimizer, batch, settings, device, state)
        _note_skipped(batch, state)
        state.step += 1
        epoch_ends = state.step % order.steps_per_epoch == 0
        if epoch_ends or state.step % settings.log_steps == 0:
            state.close_row((state.step - 1) // order.steps_per_epoch + 1, rate)
        if epoch_ends:
            state.close_epoch(state.step // order.steps_per_epoch, settings.epochs)
        if epoch_ends or time.monotonic() - saved > 60 * settings.checkpoint_minutes:
            _save(work_file, key, model, optimizer, state)
            saved = time.monotonic()
    return state


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: Train,
    device: str,
    state: State,
) -> None:
    seen = input_of(settings)
    logits = model(normalised(batch.clips.to(device), seen.mean, seen.std))
    terms = car_loss(
        logits,
        batch.labels.to(device),
        counterfactual_logits(model, batch.counterfactuals, device, seen),
        batch.present.to(device),
        alpha=settings.alpha,
        causal_term=settings.causal_term,
        detach_counterfactual=settings.detach_counterfactual,
    )
    _must_be_finite("loss", terms.loss, batch, state)
    optimizer.zero_grad(set_to_none=True)
    terms.loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), settings.clip_gradient or math.inf)
    _must_be_finite("gradient", norm, batch, state)
    optimizer.step()
    state.row.add(terms, logits, batch.labels)


def counterfactual_logits(
    model: nn.Module, counterfactuals: Tensor | None, device: str, seen: Input
) -> Tensor | None:
    """c, by a forward of its own: batch norm takes this batch's statistics and keeps none."""
    if counterfactuals is None:
        return None
    with _statistics_kept(model):
        return model(normalised(counterfactuals.to(device), seen.mean, seen.std))


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch, as in training, but leaves its running statistics."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _must_be_finite(what: str, value: Tensor, batch: Batch, state: State) -> None:
    if not torch.isfinite(value):
        raise UserError(
            f"train: the {what} is {float(value.detach())} in step {state.step}, with the clips "
            f"{', '.join(batch.files)}; look at them, or lower train.learning_rate"
        )


def _note_skipped(batch: Batch, state: State) -> None:
    for file, reason in batch.skipped:
        logging.warning("skipped %s: %s", file, reason)
    state.row.skipped += len(batch.skipped)


def make_optimizer(model: nn.Module, settings: Train) -> torch.optim.Optimizer:
    """AdamW; biases and the scales of norms do not decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate(step: int, steps_per_epoch: int, settings: Train) -> float:
    """A linear rise over the warm-up, then half a cosine down to 0 at the end."""
    total = settings.epochs * steps_per_epoch
    warm = min(round(settings.warmup_epochs * steps_per_epoch), total)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))


def _save(
    path: Path, key: str, model: nn.Module, optimizer: torch.optim.Optimizer, state: State
) -> None:
    values: dict[str, Any] = {
        "key": key,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": asdict(state),
    }
    checkpoint.save(values, path)


def _resumed(path: Path, key: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """The state of a checkpoint that belongs to this training, loaded; else a fresh one."""
    if not path.exists():
        return State()
    values = checkpoint.load(path)
    if values.get("key") != key:
        logging.info("%s was made by other settings, data or code: not gone on from", path)
        return State()
    model.load_state_dict(values["model"])
    optimizer.load_state_dict(values["optimizer"])
    state = State.of(values["state"])
    logging.info("going on from %s, %d steps done", path, state.step)
    return state
