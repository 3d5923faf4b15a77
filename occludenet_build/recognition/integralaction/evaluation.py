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

from occludenet_build.config.integralaction import Integralaction
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

_OF_VIEWS = (*("frames", "interval", "frame_factor", "size", "short_side", "persons", "epochs"),)
"""Settings of a training that its evaluation takes; others may change with the code."""


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
        """Read a network that this stage has written. Raises UserError where it is another file."""
        values = checkpoint.load(path)
        missing = {"network", "mode", "labels", "settings", "seed"} - set(values)
        if missing or values["mode"] not in MODES:
            raise UserError(
                f"wanted a network written by integralaction, {path} lacks "
                f"{', '.join(sorted(missing)) or 'a known mode'}; give --mode and --labels with a "
                "published checkpoint"
            )
        kept = {name: values["settings"][name] for name in _OF_VIEWS if name in values["settings"]}
        settings = from_mapping(Integralaction, kept, late=True)
        return cls.of(path, values["mode"], values["labels"], settings, values["seed"])

    @classmethod
    def of(
        cls, path: Path, mode: str, labels: list[str], settings: Integralaction, seed: int
    ) -> TrainedMode:
        """A checkpoint that says nothing about itself, such as a published one.

        Raises UserError where it is another network's, or one without what the mode needs.
        """
        network = IntegralAction(len(labels), mode, settings.frame_factor)
        if absent := merge.load_weights(network, path):
            raise UserError(
                f"wanted a trained network of {mode} for {len(labels)} classes, {path} has no "
                f"{' and no '.join(absent)} of this size; give another file, or other labels"
            )
        return cls(network.eval(), mode, labels, settings, seed)

    @property
    def sees_poses(self) -> bool:
        """Whether it sees poses."""
        return self.mode != "rgb_only"

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


@dataclass(frozen=True)
class Answer:
    """What the network says of a clip with the poses of one source."""

    logits: Tensor
    """float32 (K,): logarithm of the mean softmax over the views."""
    gate: float | None
    """Mean over views, frames and channels: 1 is all pose; None but for rgb_pose."""
    found: int
    """Persons with a pose, over all views and frames."""
    reason: str | None = None
    """Why the clip has no poses, of core.errors.REASONS."""


@torch.no_grad()
def answers(
    trained: TrainedMode,
    clips: Sequence[ClipRow],
    root: Path,
    poses: PoseSource | None,
    settings: Integralaction,
) -> Iterator[tuple[ClipRow, list[Answer] | str]]:
    """Each clip with its answers, one for each source of its poses (clips.pose_sources_of; one for
    rgb_only), or with the reason why it cannot be read.

    `settings`: views, device and workers of the evaluation.
    """
    device = resolve_device(settings.device)
    trained.network.to(device).eval()
    data = EvaluationViews(
        clips,
        FrameReader(root, trained.settings.short_side, keep=False),
        poses if trained.sees_poses else None,
        Seen.of(trained.settings, trained.mode),
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
    places, scores = (torch.cat(one) if one else None for one in (item.places, item.scores))
    inputs = network_input(item.video, places, scores, trained.settings, device)
    logits, gate = trained.network(*inputs)
    found = list(zip(item.found, item.reasons, strict=True)) or [(0, None)]
    gates = [None] * len(found) if gate is None else gate.chunk(len(found))
    for own, one, facts in zip(logits.chunk(len(found)), gates, found, strict=True):
        averaged = torch.logsumexp(F.log_softmax(own, dim=1), dim=0) - math.log(len(own))
        yield Answer(averaged.cpu(), None if one is None else float(one.mean()), *facts)


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

    Raises UserError where the map lacks a class, or is none.
    """
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise UserError(f"{where}: wanted {{class of the list: class of this build}}, correct it")
    unknown = sorted({clip.label for clip in clips} - set(names))
    if unknown:
        raise UserError(f"{where}: wanted every class of the list, got no {', '.join(unknown[:5])}")
    return [dataclasses.replace(clip, label=names[clip.label]) for clip in clips]
