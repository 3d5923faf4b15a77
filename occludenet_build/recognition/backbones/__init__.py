"""Recognition networks by name: clips (N, 3, T, H, W), normalised float32, to logits (N, K).

registry.py lists them, spec.py says what each entry states, weights.py loads checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occludenet_build.config import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import first_line
from occludenet_build.recognition.backbones.depth import layers
from occludenet_build.recognition.backbones.registry import BACKBONES
from occludenet_build.recognition.backbones.spec import GREY_MEAN, GREY_STD, Backbone, Colour, Input
from occludenet_build.recognition.backbones.weights import start_from

__all__ = ["BACKBONES", "Input", "build", "input_of", "layers", "normalised", "start_from"]


def build(name: str, classes: int, frames: int, size: int, **rates: float | None) -> nn.Module:
    """A network with random weights from torch's global generator, in eval mode.

    `rates`, dropout and drop_path, are for training; None: the network's own. Raises UserError
    where it has no such rate, and where it takes no such clips: tried on one without pixels, which
    costs nothing.
    """
    backbone = _known(name)
    given = {key: rate for key, rate in rates.items() if rate is not None}
    for key in given.keys() - set(backbone.rates):
        raise UserError(f"train.{key}: {name} has none; leave it null")
    try:
        model = backbone.make(classes, frames, size, **given)
        with torch.device("meta"), torch.no_grad():
            trial = backbone.make(classes, frames, size).eval()
            logits = trial(torch.zeros(1, 3, frames, size, size))
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"train.backbone: {name} takes no clips of {frames} frames of {size} px "
            f"({first_line(error)}); change train.frames, train.size or the backbone"
        ) from error
    if logits.shape != (1, classes):
        raise ValueError(f"{name} gives {tuple(logits.shape)}, wanted logits (1, {classes})")
    return model.eval()


def _known(name: str) -> Backbone:
    if name not in BACKBONES:
        raise UserError(
            f"train.backbone: wanted one of {', '.join(BACKBONES)}, got {name!r}; change it"
        )
    return BACKBONES[name]


def input_of(settings: Train) -> Input:
    """What the settings say and, where they say nothing, what the backbone was made for."""
    own = _known(settings.backbone).input
    size = own.size if settings.size is None else settings.size
    short_side = settings.short_side
    if short_side is None:
        short_side = max(size, round(own.short_side * size / own.size))
    if size > short_side:
        raise UserError(
            f"train.short_side: wanted at least {size}, the crop of {settings.backbone}, got "
            f"{short_side}; change it or set train.size"
        )
    frames = own.frames if settings.frames is None else settings.frames
    stride = own.stride if settings.stride is None else settings.stride
    return Input(frames, size, short_side, stride, own.mean, own.std)


def normalised(clips: Tensor, mean: Colour = GREY_MEAN, std: Colour = GREY_STD) -> Tensor:
    """uint8 (N, T, H, W, 3) -> float32 (N, 3, T, H, W), what every backbone takes."""
    pixels = clips.permute(0, 4, 1, 2, 3).float().div_(255)
    off, scale = (pixels.new_tensor(colour).view(3, 1, 1, 1) for colour in (mean, std))
    return pixels.sub_(off).div_(scale)
