"""Recognition networks by name: clips (N, 3, T, H, W), normalised float32, to logits (N, K)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import video

from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import first_line
from occludenet_build.recognition.checkpoint import load_tensors
from occludenet_build.recognition.tiny3d import Tiny3D

MEAN, STD = 0.45, 0.225


@dataclass(frozen=True)
class Backbone:
    """`make(classes, frames, size)` builds it with random weights; `head` starts the names of the
    parameters that depend on the number of classes."""

    make: Callable[[int, int, int], nn.Module]
    head: str


def _mvit_v2_s(classes: int, frames: int, size: int) -> nn.Module:
    # Its position tables have the size of the input, and torchvision's builder fixes it.
    if (frames, size) != (16, 224):
        raise ValueError("it takes 16 frames of 224 px")
    return video.mvit_v2_s(weights=None, num_classes=classes)


BACKBONES: dict[str, Backbone] = {
    "tiny3d": Backbone(lambda classes, frames, size: Tiny3D(classes), "head."),
    "r3d_18": Backbone(lambda n, t, s: video.r3d_18(weights=None, num_classes=n), "fc."),
    "mc3_18": Backbone(lambda n, t, s: video.mc3_18(weights=None, num_classes=n), "fc."),
    "r2plus1d_18": Backbone(lambda n, t, s: video.r2plus1d_18(weights=None, num_classes=n), "fc."),
    "s3d": Backbone(lambda n, t, s: video.s3d(weights=None, num_classes=n), "classifier.1."),
    "mvit_v2_s": Backbone(_mvit_v2_s, "head.1."),
    "swin3d_t": Backbone(lambda n, t, s: video.swin3d_t(weights=None, num_classes=n), "head."),
}


def build(name: str, classes: int, frames: int, size: int) -> nn.Module:
    """A network with random weights from torch's global generator, tried on one empty clip."""
    if name not in BACKBONES:
        raise UserError(
            f"train.backbone: wanted one of {', '.join(BACKBONES)}, got {name!r}; change it"
        )
    try:
        model = BACKBONES[name].make(classes, frames, size)
        with torch.no_grad():
            logits = model.eval()(torch.zeros(1, 3, frames, size, size))
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"train.backbone: {name} takes no clips of {frames} frames of {size} px "
            f"({first_line(error)}); change train.frames, train.size or the backbone"
        ) from error
    if logits.shape != (1, classes):
        raise ValueError(f"{name} gives {tuple(logits.shape)}, wanted logits (1, {classes})")
    return model


def start_from(model: nn.Module, name: str, path: Path | str) -> None:
    """Load a checkpoint into a backbone; a head of another size is left out and said.

    Raises UserError that names the keys where anything else is missing, unexpected or of
    another shape.
    """
    given, wanted, head = load_tensors(path), model.state_dict(), BACKBONES[name].head
    heads = [key for key in wanted if key.startswith(head)]
    if any(key not in given or given[key].shape != wanted[key].shape for key in heads):
        logging.info("%s: its head is missing or of another size, ours starts at random", path)
        given = {key: value for key, value in given.items() if not key.startswith(head)}
        wanted = {key: value for key, value in wanted.items() if not key.startswith(head)}
    problems = {
        "missing": [key for key in wanted if key not in given],
        "unexpected": [key for key in given if key not in wanted],
        "of another shape": [
            key for key in given if key in wanted and given[key].shape != wanted[key].shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(f"{what}: {_listed(keys)}" for what, keys in problems.items() if keys)
        raise UserError(f"wanted a checkpoint of {name}, {path} is not one: {listed}")
    model.load_state_dict(given, strict=False)


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")


def normalised(clips: Tensor) -> Tensor:
    """uint8 (N, T, H, W, 3) -> float32 (N, 3, T, H, W), what every backbone takes."""
    return clips.permute(0, 4, 1, 2, 3).float().div_(255).sub_(MEAN).div_(STD)
