"""What the stages do where a batch does not fit into the memory of the GPU.

On a GPU the memory of this process is limited (torch.cuda.set_per_process_memory_fraction) to what
a few items need, so that a full batch runs out of it for real. On a CPU the network raises torch's
error for batches above a size: `simulated` is true then.

    detect, actor_masks, evaluate   halve the batch, with a line in the log, and give the same
    train                           ends with one line that says what to set; what it says works
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import UserError
from occludenet_build.media.video import source
from occludenet_build.people.detect.inference import cached_model
from occludenet_build.people.maskers.interface import BoxedFrame
from occludenet_build.recognition.datasets import EvaluationClips, FrameReader
from occludenet_build.recognition.predict import predict

from . import clips, masking
from .task import Task, free
from .training import batch_of, input_of, learner_of, settings_of

FITS = 2
"""Number of items that fit into the limited memory; a batch of `BATCH` does not."""
BATCH = 16


def measure(task: Task) -> None:
    """Note what each stage does."""
    task.note(simulated=not task.on_gpu)
    for name, stage in (
        ("detect", _detect), ("actor_masks", _masks), ("evaluate", _evaluate), ("train", _train),
    ):  # fmt: skip
        task.part(name, lambda stage=stage: stage(task))
        free(task.device)


@contextmanager
def little_memory(
    task: Task, network: torch.nn.Module, few: Callable[[], Any]
) -> Iterator[list[str]]:
    """Within, only about what `few` needs fits; yields the log's warnings."""
    free(task.device)
    lines: list[str] = []
    handler = _Lines(lines)
    logging.getLogger().addHandler(handler)
    limited = _limited(few) if task.on_gpu else _simulated(network)
    try:
        with limited:
            yield lines
    finally:
        logging.getLogger().removeHandler(handler)
        free(task.device)


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _limited(few: Callable[[], Any]) -> Iterator[None]:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    few()
    torch.cuda.synchronize()
    most = torch.cuda.max_memory_allocated()
    # room for what does not grow with the batch: fragments, and workspaces of cudnn
    limit = torch.cuda.max_memory_reserved() + (most - before) // 2
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / whole))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@contextmanager
def _simulated(network: torch.nn.Module) -> Iterator[None]:
    def refuse(module: Any, values: tuple[Any, ...]) -> None:
        if len(values[0]) > FITS:
            raise torch.OutOfMemoryError("out of memory (simulated)")

    hook = network.register_forward_pre_hook(refuse)
    try:
        yield
    finally:
        hook.remove()


def _recovered(lines: Sequence[str], same: bool, difference: float | None) -> dict[str, Any]:
    """What is noted of a stage that halves its batch."""
    return {
        "recovered": bool(lines) and same,
        "ran_out_of_memory": bool(lines),
        "same_results": same,
        "largest_difference": difference,
        "log": list(lines),
    }


def _pictures(task: Task) -> list[np.ndarray]:
    """`BATCH` pictures of one shape."""
    with source.open_video(clips.paths(task)[0]) as video:
        found = [source.to_rgb(frame) for _, frame in zip(range(BATCH), video, strict=False)]
    return [found[number % len(found)] for number in range(BATCH)]


def _detect(task: Task) -> dict[str, Any]:
    weights, _ = clips.yolo_weights(task)
    # a score of 0 gives boxes to compare with random weights too
    low: dict[str, Any] = {"score": 0.0, "low_score": 0.0, "half": False, "batch": BATCH}
    low |= {"image_size": 64} if task.tiny else {}
    model = cached_model(Detect(weights=str(weights), device=task.device, **low), task.threads)
    pictures = _pictures(task)
    sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures]
    prepared = [model.prepare(picture) for picture in pictures]

    def run(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return model.finish(model.start(prepared[:count]), sizes[:count])

    whole = run(BATCH)
    with little_memory(task, model.model.network._run, lambda: run(FITS)) as lines:
        parts = run(BATCH)
    found = {"boxes": sum(len(boxes) for boxes, _ in whole), "device_after": model.device}
    return _recovered(lines, *_boxes_apart(whole, parts)) | found


def _boxes_apart(one: list, other: list) -> tuple[bool, float | None]:
    """Whether the boxes agree up to rounding, and by how many pixels they differ at most.

    Rounding may let one more box pass NMS; then only the numbers of boxes are compared.
    """
    apart = [
        float(np.abs(a[0] - b[0]).max(initial=0)) for a, b in zip(one, other, strict=True)
        if a[0].shape == b[0].shape
    ]  # fmt: skip
    counts = [(len(a[0]), len(b[0])) for a, b in zip(one, other, strict=True)]
    near = all(abs(a - b) <= 1 + 0.02 * a for a, b in counts)
    return near, round(max(apart), 4) if apart else None


def _masks(task: Task) -> dict[str, Any]:
    masker = masking.load(task, "vit_b")
    box = np.float32([8, 8, 72, 88])
    frames: list[BoxedFrame] = [(n, p, box) for n, p in enumerate(_pictures(task))]
    encoder = masker._model.image_encoder
    whole = masker._predict(frames)
    with little_memory(task, encoder, lambda: masker._predict(frames[:FITS])) as lines:
        parts = masker._predict(frames)
    shares = [
        float((a["masks"] != b["masks"]).float().mean()) for a, b in zip(whole, parts, strict=True)
    ]
    drawn = sum(float(one["masks"].float().mean()) for one in whole) / len(whole)
    return _recovered(lines, max(shares) < 0.01, round(max(shares), 6)) | {
        "share_of_pixels_in_masks": round(drawn, 4)
    }


def _evaluate(task: Task) -> dict[str, Any]:
    network = "tiny3d" if task.tiny else "x3d_s"
    settings = settings_of(task, network, "baseline", "fp32", BATCH)
    model, seen = learner_of(settings, task.device).model, input_of(settings)
    reader = FrameReader(Path(), seen.short_side, keep=False)
    shape = {"frames": seen.frames, "size": seen.size, "stride": seen.stride}

    def run(count: int) -> torch.Tensor:
        rows = clips.clip_rows(task, count)
        data = EvaluationClips(rows, reader, **shape, views=1, crops=1)
        how: dict[str, Any] = {"batch": BATCH, "workers": 0, "device": task.device}
        found = list(predict(model, data, seen, average="softmax", **how))
        return torch.stack([one.logits for one in found])

    whole = run(BATCH)
    with little_memory(task, model, lambda: run(FITS)) as lines:
        parts = run(BATCH)
    apart = float((whole - parts).abs().max())
    return _recovered(lines, apart < 0.01, apart)


def _train(task: Task) -> dict[str, Any]:
    """The error of a batch that does not fit, and a step with the settings that it asks for."""
    network = "tiny3d" if task.tiny else "x3d_s"
    settings = settings_of(task, network, "baseline", "fp32", BATCH)
    learner = learner_of(settings, task.device)

    def step(batches: int) -> None:
        size = BATCH // batches
        parts = (batch_of(settings, size, size * number) for number in range(batches))
        learner.step(parts, number=0, first=0, clips=BATCH)

    few = replace(settings, batch=FITS)
    learner.step([batch_of(few, FITS)], number=0, first=0, clips=FITS)  # makes the moments
    said = None
    with little_memory(
        task,
        learner.model,
        lambda: learner.step([batch_of(few, FITS)], number=0, first=0, clips=FITS),
    ):
        try:
            step(1)
        except UserError as error:
            said = str(error)
        free(task.device)
        works = True
        try:
            step(BATCH // FITS)
        except UserError:
            works = False
    return {"recovered": said is not None and works, "said": said, "smaller_batch_works": works}
