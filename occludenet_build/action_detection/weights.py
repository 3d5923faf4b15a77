"""Checkpoints of the networks: whole ones, and the weights that a training starts from.

Official checkpoints of MOC and STADO are dicts of epoch, best, state_dict and often optimizer; a
`module.` before the names is left out. A training starts, as published, from

    coco       a detector that CenterNet trained on COCO (the official start)
    imagenet   a classifier: DLA-34 of its authors or of timm, a ResNet of torchvision
    ucf        a network of UCF101-24, for JHMDB: all but the heads of centres and movements

and keeps its random weights for what the file does not have. Files are untrusted
(`recognition.checkpoint`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor, nn

from occludenet_build.action_detection.network import ActionDetector
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones.weights import problems
from occludenet_build.recognition.checkpoint import load_tensors

Tensors = dict[str, Tensor]
Start = Literal["coco", "imagenet", "ucf"]


class _Source(NamedTuple):
    """What a kind of file is to a network."""

    renamed: Callable[[str, ActionDetector], str]
    """Its name of a tensor -> the network's."""
    dropped: tuple[str, ...]
    """Prefixes of its names, which the network does not want."""
    fresh: tuple[str, ...]
    """Prefixes of the network's names, which keep their random weights."""


def _from_centernet(name: str, model: ActionDetector) -> str:
    if name.startswith("wh."):
        return f"branch.{name}"
    if name.startswith("deconv_layers."):
        return f"backbone.deconv_layer.{name}"
    return f"backbone.{name}"


def _from_classifier(name: str, model: ActionDetector) -> str:
    return f"backbone.base.{name}" if model.name.startswith("dla") else f"backbone.{name}"


SOURCES: dict[str, _Source] = {
    "coco": _Source(
        _from_centernet,
        ("hm.", "reg.", "base.fc."),
        ("branch.hm.", "branch.mov.", "branch.mgan."),
    ),
    "imagenet": _Source(
        _from_classifier,
        ("fc.", "head."),
        ("branch.", "backbone.dla_up.", "backbone.ida_up.", "backbone.deconv_layer."),
    ),
    "ucf": _Source(
        lambda name, _: name,
        ("branch.hm.", "branch.mov."),
        ("branch.hm.", "branch.mov.", "branch.mgan."),
    ),
}
UNUSED = ("backbone.base.level3.project.", "backbone.base.level4.project.")
"""In the checkpoints of DLA-34, but without influence; timm leaves them out."""


def load_weights(model: ActionDetector, path: Path | str) -> None:
    """Load a checkpoint of the network, an official one or one of ours, to be used as it is.

    Raises UserError, which names them, where tensors are missing, unexpected or of another shape.
    """
    given, wanted = load_tensors(path), model.state_dict()
    _check(given, _without(wanted, _unused(given)), f"a checkpoint of {model.description}", path)
    model.load_state_dict(given, strict=False)


def load_start(model: ActionDetector, path: Path | str, kind: Start) -> list[str]:
    """Load a file of another task into the network; returns the names that stay random.

    A first convolution of 3 channels becomes one of flow's 3 * inputs: each channel gets the mean
    over the 3, not rescaled, as published. Raises UserError, which names them, where tensors are
    missing, unexpected or of another shape.
    """
    source, wanted = SOURCES[kind], model.state_dict()
    kept = _without(load_tensors(path), source.dropped)
    given = {source.renamed(name, model): tensor for name, tensor in kept.items()}
    first = f"{_first_convolution(model)}.weight"
    if first in given:
        given[first] = _for_channels(given[first], wanted[first])
    fresh = tuple(name for name in source.fresh if not _any(given, name))
    needed = _without(wanted, (*fresh, *_unused(given)))
    _check(given, needed, f"weights of {kind} for {model.description}", path)
    model.load_state_dict(given, strict=False)
    random = [name for name in wanted if name not in given and not name.startswith(UNUSED)]
    logging.info("%s: %d of %d tensors start from it", path, len(given), len(wanted))
    return random


def _for_channels(kernel: Tensor, wanted: Tensor) -> Tensor:
    """A kernel (out, 3, k, k) for pictures as one for the inputs of flow, where that is wanted."""
    if kernel.shape == wanted.shape or kernel.dim() != 4 or kernel.shape[1] != 3:
        return kernel
    return kernel.mean(1, keepdim=True).expand(-1, wanted.shape[1], -1, -1).contiguous()


def _first_convolution(model: ActionDetector) -> str:
    names = (name for name, part in model.named_modules() if isinstance(part, nn.Conv2d))
    return next(names)


def _check(given: Tensors, wanted: Tensors, what: str, path: Path | str) -> None:
    found = problems(given, wanted)
    if found:
        raise UserError(f"wanted {what}, {path} is not one: {found}; give another file")


def _without(tensors: Tensors, prefixes: tuple[str, ...]) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}


def _unused(given: Collection[str]) -> tuple[str, ...]:
    """The prefixes of UNUSED that the file does not have."""
    return tuple(prefix for prefix in UNUSED if not _any(given, prefix))


def _any(names: Collection[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)
