"""Loading of checkpoints into backbones: parameter names, heads, and errors."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import Tensor, nn

from occludenet_build.core.errors import UserError
from occludenet_build.recognition.backbones.image_start import (
    INFLATIONS,
    from_images,
    is_image_network,
    log_start,
    start_head,
)
from occludenet_build.recognition.backbones.registry import BACKBONES, renamed_key
from occludenet_build.recognition.backbones.spec import Backbone, Tensors, is_counter
from occludenet_build.recognition.checkpoint import load_tensors

K710, K400 = 710, 400
_SHOWN = 4


def load_weights(
    model: nn.Module, name: str, path: Path | str, inflation: str = INFLATIONS[0]
) -> None:
    """Load a checkpoint file into the backbone `name`; see `load_state`."""
    load_state(model, name, load_tensors(path), str(path), inflation)


def load_state(
    model: nn.Module, name: str, tensors: Tensors, path: str, inflation: str = INFLATIONS[0]
) -> None:
    """Load tensors into a backbone; a head with another number of classes is left out and logged.

    A 2-D network, where the backbone starts from such ones, is inflated, and a line is logged.
    Raises UserError, which names the keys, where other tensors are missing, unexpected or of
    another shape. `path` is for messages; `inflation`: one of INFLATIONS.
    """
    spec, wanted = BACKBONES[name], model.state_dict()
    given = _our_names(tensors, wanted, spec)
    if is_image_network(given, wanted, spec):
        filled, fill = from_images(given, wanted, spec, inflation)
        _check(filled, fill, name, path)
        log_start(given, filled, wanted, inflation, path)
        model.load_state_dict(filled, strict=False)
        start_head(model, spec)
        return
    given = _shaped(given, wanted)
    given = _without_fixed_tables(spec.fit(given, wanted), model)
    if spec.k710:
        given = _kinetics_400(given, wanted, spec.head, path)
    if _other_head(given, wanted, spec.head, path):
        given, wanted = _without(given, spec.head), _without(wanted, spec.head)
    _check(given, wanted, name, path)
    model.load_state_dict(given, strict=False)


def _check(given: Tensors, wanted: Tensors, name: str, path: str) -> None:
    found = problems(given, wanted)
    if found:
        raise UserError(
            f"wanted a checkpoint of {name}, {path} is not one: {found}; change train.weights "
            "or train.backbone"
        )


def _our_names(given: Tensors, wanted: Tensors, spec: Backbone) -> Tensors:
    """The tensors with the renames, or none, that match most names of the network."""
    named = [
        {renamed_key(key, names): t for key, t in given.items()} for names in ((), *spec.formats)
    ]
    return max(named, key=lambda tensors: len(tensors.keys() & wanted.keys()))


def _shaped(given: Tensors, wanted: Tensors) -> Tensors:
    """Tensors in the network's shape where only axes of size 1 differ: a linear layer may be a
    1 x 1 convolution in another project."""

    def fitted(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        alike = [side for side in tensor.shape if side > 1] == [side for side in shape if side > 1]
        return tensor.reshape(shape) if alike else tensor

    return {k: fitted(t, tuple(wanted[k].shape)) if k in wanted else t for k, t in given.items()}


def _without_fixed_tables(given: Tensors, model: nn.Module) -> Tensors:
    """Without VideoMAE's sine table, which mmaction2 stores and this network computes."""
    table = getattr(model, "positions", None)
    stored = given.get("pos_embed")
    if not isinstance(table, Tensor) or stored is None or stored.shape != table.shape:
        return given
    same = (stored.float() - table).abs().max() < 1e-4
    return {key: t for key, t in given.items() if key != "pos_embed"} if same else given


def _kinetics_400(given: Tensors, wanted: Tensors, head: str, path: str) -> Tensors:
    """The first 400 classes of a head of K710, those of Kinetics-400, if the network has 400."""
    heads = {key: tensor for key, tensor in given.items() if key.startswith(head)}
    ours = [len(tensor) for key, tensor in wanted.items() if key.startswith(head)]
    if set(ours) != {K400} or not heads or {len(t) for t in heads.values()} != {K710}:
        return given
    logging.info("%s: using the first 400 of its head's 710 classes, those of Kinetics-400", path)
    return given | {key: tensor[:K400] for key, tensor in heads.items()}


def _other_head(given: Tensors, wanted: Tensors, head: str, path: str) -> bool:
    """Whether the head is missing, or differs from the network's only in the number of classes."""
    ours = {key: tensor for key, tensor in wanted.items() if key.startswith(head)}
    theirs = {key: given[key] for key in ours if key in given}
    if not theirs:
        logging.info("%s: it has no head; the head starts with random weights", path)
        return True
    theirs_classes, our_classes = (
        {len(tensor) for tensor in tensors.values()} for tensors in (theirs, ours)
    )
    if theirs_classes == our_classes:
        return False
    if any(theirs[key].shape[1:] != ours[key].shape[1:] for key in theirs):
        return False
    logging.info(
        "%s: its head has %d classes, wanted %d; the head starts with random weights",
        path,
        *theirs_classes,
        *our_classes,
    )
    return True


def _without(tensors: Tensors, head: str) -> Tensors:
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(head)}


def problems(given: Tensors, wanted: Tensors) -> str:
    """What of the wanted tensors, any shape and dtype, is missing, unexpected or of another shape;
    empty if nothing is."""
    missing = [key for key in wanted if key not in given and not is_counter(key)]
    unexpected = [key for key in given if key not in wanted]
    other = [
        f"{key} ({_shape(given[key])}, wanted {_shape(wanted[key])})"
        for key in given
        if key in wanted and given[key].shape != wanted[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": other}
    return "; ".join(f"{len(keys)} {what}: {_listed(keys)}" for what, keys in kinds.items() if keys)


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
