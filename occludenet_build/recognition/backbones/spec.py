"""What a backbone says of itself: how it is built, what it takes, whose checkpoints it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

Colour = tuple[float, float, float]
Tensors = dict[str, Tensor]
Renames = tuple[tuple[str, str], ...]
"""(pattern, replacement) for re.sub, each tried on every key, in this order."""

GREY_MEAN: Colour = (0.45, 0.45, 0.45)
GREY_STD: Colour = (0.225, 0.225, 0.225)
IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Input:
    """The clips that a network was made for; training and evaluation give it such clips."""

    frames: int
    size: int
    """Side of the square crop, pixels."""
    short_side: int
    """The short side before the crop, pixels."""
    stride: int
    """Frames from one to the next; 0: spread evenly over the whole clip."""
    mean: Colour = GREY_MEAN
    """Of RGB in [0, 1], taken off each pixel before it is divided by `std`."""
    std: Colour = GREY_STD


@dataclass(frozen=True)
class FeatureLayout:
    """The last module of a network in whose output places of the clip can be told apart, and whose
    places all still reach the logits: what class activation maps weight (recognition.cam)."""

    layer: str
    order: str = "volume"
    """volume: (N, C, t, h, w); channels_last: (N, t, h, w, C); tokens: (N, first + t h w, C);
    frame_tokens: (N T, first + h w, C). h = w."""
    first: int = 0
    """Class tokens, which stand before the others and have no place."""
    frames: int = 1
    """Of tokens: frames of the clip to one place in time."""


@dataclass(frozen=True)
class Backbone:
    make: Callable[..., nn.Module]
    """(classes, frames, size, **rates) -> the network with random weights."""
    head: str
    """Starts the names of the parameters that depend on the number of classes."""
    input: Input
    layout: FeatureLayout
    formats: tuple[Renames, ...] = ()
    """From the names of other projects' checkpoints to ours."""
    fit: Callable[[Tensors, Tensors], Tensors] = lambda given, wanted: given
    """(given, wanted) -> given, with tables of another length made to fit, where the official
    code does that."""
    k710: bool = False
    """Its checkpoints may have the 710 classes of K710, of which the first 400 are Kinetics-400."""
    rates: tuple[str, ...] = ()
    """What `make` may be told to leave out in training: dropout, drop_path."""


def normalised(clips: Tensor, mean: Colour = GREY_MEAN, std: Colour = GREY_STD) -> Tensor:
    """uint8 (N, T, H, W, 3) -> float32 (N, 3, T, H, W), what every backbone takes."""
    pixels = clips.permute(0, 4, 1, 2, 3).float().div_(255)
    off, scale = (pixels.new_tensor(colour).view(3, 1, 1, 1) for colour in (mean, std))
    return pixels.sub_(off).div_(scale)


def drop_rates(rate: float, count: int) -> list[float]:
    """Even steps from 0 to `rate`: how often each of `count` blocks is dropped in training.

    >>> drop_rates(0.5, 3)
    [0.0, 0.25, 0.5]
    """
    return [rate * number / max(count - 1, 1) for number in range(count)]


def zero_parameters(module: nn.Module) -> None:
    """For a last layer of a branch, which then begins as nothing."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
