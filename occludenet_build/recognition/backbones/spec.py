"""The entry of a backbone in the registry: its constructor, input, layers and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from occludenet_build.core.errors import UserError

Colour = tuple[float, float, float]
Tensors = dict[str, Tensor]
Renames = tuple[tuple[str, str], ...]
"""(pattern, replacement) pairs, which re.sub applies to every key in this order."""

GREY_MEAN: Colour = (0.45, 0.45, 0.45)
GREY_STD: Colour = (0.225, 0.225, 0.225)
IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Input:
    """The clips that a network takes, in training and evaluation."""

    frames: int
    """Number of frames in a view."""
    size: int
    """Side of the square crop, pixels."""
    short_side: int
    """The short side before the crop, pixels."""
    stride: int
    """Distance of consecutive frames of a view; 0: spread evenly over the whole clip."""
    mean: Colour = GREY_MEAN
    """RGB in [0, 1], subtracted from each pixel before the division by `std`."""
    std: Colour = GREY_STD

    def of_size(self, size: int | None, short_side: int | None, section: str) -> Input:
        """The same with these sizes in pixels; None: the size here, and a short side in proportion.

        `section`: of the settings, for the message. Raises UserError where the crop is larger than
        the short side.
        """
        size = self.size if size is None else size
        if short_side is None:
            short_side = max(size, round(self.short_side * size / self.size))
        if size > short_side:
            raise UserError(
                f"{section}.short_side: wanted at least {size}, the side of the crop, got "
                f"{short_side}; change it or set {section}.size"
            )
        return replace(self, size=size, short_side=short_side)


@dataclass(frozen=True)
class FeatureLayout:
    """The layer that class activation maps are computed from (recognition.cam), and its layout.

    It is the last module whose output has positions of the clip that all influence the logits.
    """

    layer: str
    """Name of the module in the network."""
    order: str = "volume"
    """volume: (N, C, t, h, w); channels_last: (N, t, h, w, C); tokens: (N, first + t h w, C);
    frame_tokens: (N t, first + h w, C); tokens_in_time: (N, first + h w t, C). h = w."""
    first: int = 0
    """Number of class tokens, which precede the others and have no position."""
    frames: int = 1
    """With tokens of any order: number of frames of the clip per position in time."""


@dataclass(frozen=True)
class ImageStart:
    """How a video network starts from torchvision's 2-D network of the same names."""

    new: str = ""
    """Pattern of the names that only the video network has, besides the head; "": none."""
    head_std: float | None = None
    """Standard deviation of the head's weights, where it differs from that of a random start."""

    def lacks(self, key: str) -> bool:
        """Whether the 2-D network lacks a tensor of this name, though its head may not."""
        return bool(self.new) and re.search(self.new, key) is not None


def is_counter(key: str) -> bool:
    """Whether a tensor counts the batches of batch norm: it has no influence, and old checkpoints,
    torchvision's among them, lack it."""
    return key.endswith("num_batches_tracked")


OPTIONS = ("dropout", "drop_path", "temporal_stride")
"""The settings of train, of these names, that reach the constructors of backbones."""


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry."""

    make: Callable[..., nn.Module]
    """(classes, frames, size, **options) -> the network with random weights."""
    head: str
    """Prefix of the parameters whose size depends on the number of classes."""
    input: Input
    layout: FeatureLayout
    formats: tuple[Renames, ...] = ()
    """Renames from the parameter names of other projects to those of this network."""
    fit: Callable[[Tensors, Tensors], Tensors] = lambda given, wanted: given
    """(checkpoint, network) -> checkpoint with position tables resized to the network, where the
    official code does that."""
    k710: bool = False
    """Whether checkpoints may have the 710 classes of K710, which start with Kinetics-400."""
    options: tuple[str, ...] = ()
    """Those of OPTIONS that `make` takes."""
    images: ImageStart | None = None
    """The start from a 2-D network that was trained on images; None: there is none."""


def normalised(clips: Tensor, mean: Colour = GREY_MEAN, std: Colour = GREY_STD) -> Tensor:
    """The input of a backbone, float32 (N, 3, T, H, W), from clips uint8 (N, T, H, W, 3), RGB."""
    pixels = clips.permute(0, 4, 1, 2, 3).float().div_(255)
    offset, scale = (pixels.new_tensor(colour).view(3, 1, 1, 1) for colour in (mean, std))
    return pixels.sub_(offset).div_(scale)


def drop_rates(rate: float, count: int) -> list[float]:
    """Stochastic depth rates of `count` blocks, evenly spaced from 0 to `rate`.

    >>> drop_rates(0.5, 3)
    [0.0, 0.25, 0.5]
    """
    return [rate * number / max(count - 1, 1) for number in range(count)]


def zero_parameters(module: nn.Module) -> None:
    """Set all parameters to 0, so that the branch that ends with this module starts as 0."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
