"""Training steps with and without CAR, on ready batches, and in the loop that reads clips."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch

from occludenet_build.config.arms import for_arm
from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import loop
from occludenet_build.recognition.backbones.registry import build_backbone, input_of, options_of
from occludenet_build.recognition.curve import Tally
from occludenet_build.recognition.datasets import FrameReader
from occludenet_build.recognition.distributed import ALONE, Process
from occludenet_build.recognition.optim import set_rate
from occludenet_build.recognition.train_step import CarLearner
from occludenet_build.recognition.training_clips import Batch, TrainingClips

from ..detect import gpu
from . import clips
from .task import Task, free, peak_memory, rate

ARMS = "baseline", "car"
BATCH = 32
"""Clips per step, halved where they do not fit."""
PRECISIONS = ("bf16", "fp32")


def settings_of(
    task: Task, network: str, arm: str, precision: str, batch: int, **more: Any
) -> Train:
    """The settings of an arm; tiny ones have few small frames. `more`: of config.Train."""
    small: dict[str, Any] = {"frames": 4, "size": 32, "short_side": 32} if task.tiny else {}
    settings = Train(
        backbone=network,
        precision=precision,
        batch=batch,
        device=task.device,
        tensorboard=False,
        workers=0 if task.tiny else max(1, min(16, task.threads - 1)),
        memory_mib=0,
        **small,
        **more,
    )
    return for_arm(settings, arm)


def learner_of(settings: Train, device: str, process: Process = ALONE) -> CarLearner:
    """A learner with random weights, which are the same in every process."""
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True  # as train
    torch.manual_seed(0)
    seen, options = input_of(settings), options_of(settings)
    classes = len(clips.LABELS)
    model = build_backbone(settings.backbone, classes, seen.frames, seen.size, **options).train()
    learner = TimedLearner.of(
        model, settings, classes=classes, seed=0, device=device, process=process
    )
    set_rate(learner.optimizer, settings.learning_rate)  # as the loop does
    return learner


class TimedLearner(CarLearner):
    """A learner that keeps the times at which its steps ended."""

    def step(self, batches: Iterable[Batch], *, number: int, first: int, clips: int) -> Tally:
        """See Learner.step."""
        tally = super().step(batches, number=number, first=first, clips=clips)
        vars(self).setdefault("ended", []).append(time.monotonic())
        return tally


def batch_of(settings: Train, count: int, first: int = 0) -> Batch:
    """A drawn batch of `count` clips, with counterfactuals where alpha is not 0.

    `first`: number of its first clip, which its pixels follow from.
    """
    seen = input_of(settings)
    shape = count, seen.frames, seen.size, seen.size, 3
    random = torch.Generator().manual_seed(first)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
    pairs = settings.alpha > 0
    numbers = [first + number for number in range(count)]
    return Batch(
        clips=pixels,
        counterfactuals=pixels.flip(0) if pairs else None,
        present=torch.full((count,), pairs),
        labels=torch.tensor([number % len(clips.LABELS) for number in numbers]),
        files=[str(number) for number in numbers],
        skipped=[],
    )


def measure(task: Task, network: str) -> None:
    """Note steps per second of a network, by precision and arm."""
    turns = [(precision, arm) for precision in PRECISIONS for arm in ARMS]
    batch = 2 if task.tiny else BATCH
    for number, (precision, arm) in enumerate(turns):
        seconds = task.turn(len(turns) - number)
        name = f"{precision}_{arm}"
        task.part(
            name, lambda p=precision, a=arm, s=seconds: _fitting(task, network, a, p, batch, s)
        )
        free(task.device)


def _fitting(
    task: Task, network: str, arm: str, precision: str, batch: int, seconds: float
) -> dict[str, Any]:
    """The measurement with the largest batch that fits, of `batch`, its half, ..."""
    while True:
        try:
            return _steps(task, network, arm, precision, batch, seconds)
        except UserError as error:
            if "does not fit" not in str(error) or batch == 1:
                raise
        free(task.device)
        batch //= 2


def _steps(
    task: Task, network: str, arm: str, precision: str, batch: int, seconds: float
) -> dict[str, Any]:
    settings = settings_of(task, network, arm, precision, batch)
    with peak_memory(task.device) as memory:
        learner = learner_of(settings, task.device)
        ready, losses = batch_of(settings, batch), []

        def step() -> None:
            number = len(losses)
            tally = learner.step([ready], number=number, first=number, clips=batch)
            losses.append(tally.loss / batch)

        per_second = rate(step, seconds, task.device)
    return {
        "steps_per_second": round(per_second, 3),
        "clips_per_second": round(per_second * batch, 2),
        "batch": batch,
        "frames": input_of(settings).frames,
        "size": input_of(settings).size,
        "first_loss": _number(losses[0]),
        "last_loss": _number(losses[-1]),
        "memory": dict(memory),
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def measure_loop(task: Task) -> None:
    """Note the loop of the stage train: it reads, decodes and augments clips in processes."""
    network = "tiny3d" if task.tiny else "x3d_s"
    settings = settings_of(task, network, "baseline", "bf16", 2 if task.tiny else BATCH)
    task.note(network=network, batch=settings.batch, workers=settings.workers)
    task.part("loop", lambda: _loop(task, settings))


def _loop(task: Task, settings: Train) -> dict[str, Any]:
    seen, steps = input_of(settings), 3 if task.tiny else 60
    rows = clips.clip_rows(task, steps * settings.batch)
    shape = {"frames": seen.frames, "size": seen.size, "stride": seen.stride}
    reader = FrameReader(task.folder, seen.short_side, keep=False)
    data = TrainingClips(rows, clips.LABELS, reader, **shape, augment=settings.augment, seed=0)
    settings = replace(settings, epochs=1, log_steps=1000)
    learner, begun = learner_of(settings, task.device), time.monotonic()
    with gpu.utilisation() as samples:
        store = task.folder / "store"
        store.mkdir()
        loop.train(learner, data, workers=settings.workers, store=store, key="gpu")
    ended = vars(learner)["ended"]
    first = len(ended) // 4  # until then the workers start
    return {
        "steps_per_second": round((len(ended) - 1 - first) / (ended[-1] - ended[first]), 3),
        "seconds_to_first_step": round(ended[0] - begun, 1),
        "steps": len(ended),
        "utilisation_percent": round(statistics.mean(samples), 1) if samples else None,
    }
