"""A trained network put together again, and its predictions for the clips of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from occludenet_build.config import Evaluate
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.core.torch_models import resolve_device
from occludenet_build.recognition import backbones, checkpoint
from occludenet_build.recognition.clips import EvaluationClips, Skipped
from occludenet_build.recognition.frames import Frames
from occludenet_build.recognition.predict import predict
from occludenet_build.recognition.table import Clip


@dataclass(frozen=True)
class Network:
    """What train wrote. `settings` are those it was trained with."""

    model: nn.Module
    backbone: str
    labels: list[str]
    settings: dict[str, Any]
    arm: str
    seed: int

    @classmethod
    def read(cls, path: Path) -> Network:
        values = checkpoint.load(path)
        missing = {"model", "backbone", "labels", "settings", "arm", "seed"} - set(values)
        if missing:
            raise UserError(
                f"wanted a network written by train, {path} lacks {', '.join(sorted(missing))}"
            )
        settings, labels = values["settings"], values["labels"]
        model = backbones.build(
            values["backbone"], len(labels), settings["frames"], settings["size"]
        )
        model.load_state_dict(values["model"])
        return cls(model, values["backbone"], labels, settings, values["arm"], values["seed"])

    def described(self) -> dict[str, Any]:
        return {"backbone": self.backbone, "arm": self.arm, "seed": self.seed}


def predictions(
    network: Network, clips: Sequence[Clip], root: Path, settings: Evaluate
) -> Iterator[tuple[Clip, np.ndarray | str]]:
    """Per clip its logits, float32 (K,), or why it cannot be read."""
    source = Frames(root, network.settings["short_side"], keep=False)
    data = EvaluationClips(
        clips,
        source,
        frames=network.settings["frames"],
        size=network.settings["size"],
        views=settings.views,
        crops=settings.crops,
    )
    results = predict(
        network.model,
        data,
        average=settings.average,
        batch=settings.batch,
        workers=settings.workers,
        device=resolve_device(settings.device),
    )
    for clip, result in progress(zip(clips, results, strict=True), len(clips), "clip"):
        yield clip, result.reason if isinstance(result, Skipped) else result.numpy()
