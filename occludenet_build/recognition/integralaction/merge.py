"""Weights of IntegralAction: official files, the start from ImageNet, and the merge of two stages.

A file has {"epoch", "network", "optimizer"}, names may have the prefix "module.". The third stage,
rgb_pose, starts from both others: of rgb_only everything but aggregator, classifier and the pose
stream, of pose_only everything but aggregator, classifier and the RGB stream. The new aggregator
and classifier start at random.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones.weights import problems
from occludenet_build.recognition.checkpoint import load_tensors
from occludenet_build.recognition.integralaction.network import PARTS, IntegralAction

Tensors = dict[str, Tensor]
FRESH = ("aggregator", "classifier")
"""Parts that a file may lack: they start at random."""
STREAMS = {
    mode: tuple(part for part in PARTS[mode] if part not in FRESH)
    for mode in ("rgb_only", "pose_only")
}
"""Mode -> the parts that the merge takes of it."""
_COUNTED = {"rgb_only": "img_backbone.bn1", "pose_only": "pose2feat.conv.1"}
"""Mode -> a batch norm of its stream, which counts the batches that it was trained with."""


def load_weights(network: IntegralAction, path: Path | str) -> tuple[str, ...]:
    """Load a file, official or of this project; see `load_state`."""
    return load_state(network, load_tensors(path), str(path))


def load_state(network: IntegralAction, tensors: Tensors, path: str) -> tuple[str, ...]:
    """Load tensors of any shape and dtype by their official names; return the parts of the mode
    that they lack.

    Aggregator and classifier may be missing, and so may the parts that the mode does not use; they
    stay as they are. A classifier of another number of classes is left out and logged. Raises
    UserError, which names the keys, where others are missing, unexpected or of another shape, and
    where a stream of the mode was not trained, but the other stream was.
    """
    wanted, used = network.state_dict(), PARTS[network.mode]
    given = _without_other_classifier(tensors, wanted, path)
    lacking = [part for part in _parts(wanted) if not _of([part], given)]
    may_lack = {part for part in lacking if part in FRESH or part not in used}
    held = _of(set(_parts(wanted)) - may_lack, wanted)
    _check(given, held, f"a checkpoint of IntegralAction for {network.mode}", path)
    for mode, stream in STREAMS.items():
        if set(stream) <= set(used):
            _check_trained(given, mode, path)
    network.load_state_dict(given, strict=False)
    absent = tuple(part for part in lacking if part in used)
    if absent:
        logging.info("%s: it has no %s, which starts at random", path, " and no ".join(absent))
    return absent


def load_start(network: IntegralAction, path: Path | str) -> None:
    """Start rgb_only or pose_only from ImageNet's ResNet, or from a checkpoint of IntegralAction.

    Raises UserError where the file is neither.
    """
    tensors = load_tensors(path)
    if any(key.split(".")[0] in ("img_backbone", "pose_backbone") for key in tensors):
        load_state(network, tensors, str(path))
    else:
        load_imagenet_state(network, tensors, str(path))


def load_imagenet(network: IntegralAction, path: Path | str) -> None:
    """Start both backbones from torchvision's ResNet of the same depth, trained on ImageNet.

    The pose stream does not use its stem, but has one. Raises UserError where the file is not one.
    """
    load_imagenet_state(network, load_tensors(path), str(path))


def load_imagenet_state(network: IntegralAction, tensors: Tensors, path: str) -> None:
    """As `load_imagenet`, of tensors of any shape and dtype by torchvision's names."""
    given = {key: tensor for key, tensor in tensors.items() if not key.startswith("fc.")}
    wanted = network.img_backbone.state_dict()
    _check(given, wanted, "torchvision's ResNet of the same depth (resnet18 as published)", path)
    for backbone in (network.img_backbone, network.pose_backbone):
        backbone.load_state_dict(given, strict=False)


def load_merge(network: IntegralAction, rgb: Path | str, pose: Path | str) -> None:
    """Start rgb_pose from a file of rgb_only and one of pose_only; see `merged`."""
    both = merged(network, load_tensors(rgb), load_tensors(pose), (str(rgb), str(pose)))
    load_state(network, both, f"{rgb} with {pose}")


def merged(
    network: IntegralAction, rgb: Tensors, pose: Tensors, paths: tuple[str, str] = ("rgb", "pose")
) -> Tensors:
    """The union of the RGB stream of `rgb` and the pose stream of `pose`, tensors by name.

    Tensors of any shape and dtype; `network` says which are wanted and stays as it is. Raises
    UserError, which names the keys, where one of both lacks its stream, has tensors of another
    network, or was trained in the other's mode.
    """
    union: Tensors = {}
    for mode, given, path in zip(STREAMS, (rgb, pose), paths, strict=True):
        _check_mode(network, mode, given, path)
        union |= _of(STREAMS[mode], given)
    return union


def _check_mode(network: IntegralAction, mode: str, given: Tensors, path: str) -> None:
    """Raises UserError where a file is not one of this mode."""
    wanted = network.state_dict()
    others = [part for part in _parts(wanted) if part not in STREAMS[mode]]
    own = {key: tensor for key, tensor in given.items() if key.split(".")[0] not in others}
    _check(own, _of(STREAMS[mode], wanted), f"a checkpoint of IntegralAction's {mode}", path)
    _check_trained(given, mode, path)


def _check_trained(given: Tensors, mode: str, path: str) -> None:
    """All modes have files with the same names. Raises UserError if only the other one's stream
    was trained; files that do not count batches pass."""
    (other,) = set(STREAMS) - {mode}
    if not _batches(given, mode) and _batches(given, other):
        raise UserError(
            f"wanted a checkpoint of IntegralAction's {mode}, {path} was trained as {other}: its "
            f"{STREAMS[mode][0]} has seen no batch; give each file in its own place"
        )


def _batches(given: Tensors, mode: str) -> int:
    """How many batches the stream of a mode was trained with; 0 also where the file lacks that."""
    return int(given.get(f"{_COUNTED[mode]}.num_batches_tracked", 0))


def _parts(tensors: Tensors) -> list[str]:
    """The parts of the network, in order."""
    return list(dict.fromkeys(key.split(".")[0] for key in tensors))


def _of(parts: Iterable[str], tensors: Tensors) -> Tensors:
    kept = set(parts)
    return {key: tensor for key, tensor in tensors.items() if key.split(".")[0] in kept}


def _without_other_classifier(given: Tensors, wanted: Tensors, path: str) -> Tensors:
    """Without a classifier of another number of classes."""
    theirs, ours = (tensors.get("classifier.fc.0.bias") for tensors in (given, wanted))
    if theirs is None or ours is None or theirs.shape == ours.shape:
        return given
    logging.info("%s: its classifier has %d classes, wanted %d", path, len(theirs), len(ours))
    return {key: tensor for key, tensor in given.items() if not key.startswith("classifier.")}


def _check(given: Tensors, wanted: Tensors, what: str, path: str) -> None:
    """Raises UserError."""
    if found := problems(given, wanted):
        raise UserError(f"wanted {what}, {path} is not one: {found}; give another file")
