"""Predictions of IntegralAction: mean softmax over the views, and the gate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from occludenet_build.config.integralaction import POSE_SOURCES, Integralaction
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.settings import from_mapping
from occludenet_build.core.torch_models import resolve_device
from occludenet_build.recognition import accuracy, checkpoint
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader, SkippedClip, make_loader
from occludenet_build.recognition.integralaction import merge
from occludenet_build.recognition.integralaction.clips import EvaluationViews, PosedViews, Seen
from occludenet_build.recognition.integralaction.learner import network_input
from occludenet_build.recognition.integralaction.network import MODES, IntegralAction
from occludenet_build.recognition.integralaction.pose_sources import PoseSource
from occludenet_build.recognition.prediction_table import ModelInfo

Row = dict[str, Any]


@dataclass(frozen=True)
class TrainedMode:
    """A network that this stage has written."""

    network: IntegralAction
    mode: str
    labels: list[str]
    """In the order of the logits."""
    settings: Integralaction
    """Of its training: frames, distances and sizes are those that it is evaluated with."""
    seed: int

    @classmethod
    def read(cls, path: Path) -> TrainedMode:
        """Read a checkpoint. Raises UserError where it is another file."""
        values = checkpoint.load(path)
        missing = {"network", "mode", "labels", "settings", "seed"} - set(values)
        if missing or values["mode"] not in MODES:
            raise UserError(
                f"wanted a network written by integralaction, {path} lacks "
                f"{', '.join(sorted(missing)) or 'a known mode'}"
            )
        settings = from_mapping(Integralaction, _plain(values["settings"]), late=True)
        labels, mode = values["labels"], values["mode"]
        network = IntegralAction(len(labels), mode, settings.frame_factor)
        merge.load_weights(network, path)
        return cls(network.eval(), mode, labels, settings, values["seed"])

    @property
    def sources(self) -> tuple[str, ...]:
        """On which clips poses are found, of those that change what it sees."""
        return () if self.mode == "rgb_only" else POSE_SOURCES

    def about(self, views: int) -> ModelInfo:
        """The facts that a table of its predictions carries."""
        return ModelInfo(
            model="integralaction",
            labels=tuple(self.labels),
            arm=self.mode,
            seed=self.seed,
            views=views,
            crops=1,
            epochs=self.settings.epochs,
        )


def _plain(settings: Row) -> Row:
    """Settings of a checkpoint without the paths of the machine that trained."""
    return settings | {"weights": None, "skeletons": None, "lists": ()}


@dataclass(frozen=True)
class Answer:
    """What the network says of a clip with the poses of one source."""

    logits: Tensor
    """float32 (K,): logarithm of the mean softmax over the views."""
    gate: float | None
    """Mean over views, frames and channels: 1 is all pose; None but for rgb_pose."""
    found: int
    """Persons with a pose, over all views and frames."""


@torch.no_grad()
def answers(
    trained: TrainedMode,
    clips: Sequence[ClipRow],
    root: Path,
    poses: PoseSource | None,
    settings: Integralaction,
) -> Iterator[tuple[ClipRow, list[Answer] | str]]:
    """Each clip with its answers, one for each of `trained.sources` (one without poses), or with
    the reason why it cannot be read.

    `settings`: views, device and workers of the evaluation.
    """
    device = resolve_device(settings.device)
    trained.network.to(device).eval()
    data = EvaluationViews(
        clips,
        FrameReader(root, trained.settings.short_side, keep=False),
        poses if trained.sources else None,
        Seen.of(trained.settings, trained.mode),
        trained.sources,
        settings.views,
    )
    batches = [[number] for number in range(len(clips))]
    loader = make_loader(data, batches, settings.workers, device, collate=list)
    for clip, (item,) in progress(zip(clips, loader, strict=True), len(clips), "clip"):
        if isinstance(item, SkippedClip):
            yield clip, item.reason
        else:
            yield clip, [_checked(one, clip) for one in _answers_of(trained, item, device)]


def _answers_of(trained: TrainedMode, item: PosedViews, device: str) -> Iterator[Answer]:
    for number in range(max(len(trained.sources), 1)):
        places, scores = (
            (item.places[number], item.scores[number]) if trained.sources else (None, None)
        )
        inputs = network_input(item.video, places, scores, trained.settings, device)
        logits, gate = trained.network(*inputs)
        averaged = torch.logsumexp(F.log_softmax(logits, dim=1), dim=0) - math.log(len(logits))
        found = item.found[number] if trained.sources else 0
        yield Answer(averaged.cpu(), None if gate is None else float(gate.mean()), found)


def _checked(answer: Answer, clip: ClipRow) -> Answer:
    """Raises UserError where a logit is not finite: it has no rank."""
    if not answer.logits.isfinite().all():
        raise UserError(
            f"{clip.file}: wanted finite logits, the network gives nan or infinite; it has "
            "diverged: train it again with a lower integralaction.learning_rate"
        )
    return answer


def prediction_row(clip: ClipRow, answer: Answer, labels: Sequence[str]) -> Row:
    """A row of recognition.prediction_table.PREDICTIONS."""
    logits = answer.logits.tolist()
    return {
        "clip": clip.clip,
        "set": clip.set,
        "scale": None if math.isnan(clip.scale) else clip.scale,
        "file": clip.file,
        "label": clip.label,
        **accuracy.rank_logits(logits, labels, clip.label),
        "logits": logits,
        **{name: getattr(clip, name) for name in ("degree", "area_ratio", "actor_hidden")},
        "duration_ratio": clip.duration_ratio,
    }


def renamed(clips: Sequence[ClipRow], names: dict[str, str], where: str) -> list[ClipRow]:
    """The clips with this build's names of their classes.

    Raises UserError where the map lacks a class.
    """
    unknown = sorted({clip.label for clip in clips} - set(names))
    if unknown:
        raise UserError(f"{where}: wanted every class of the list, got no {', '.join(unknown[:5])}")
    return [dataclasses.replace(clip, label=names[clip.label]) for clip in clips]
