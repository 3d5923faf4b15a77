"""Checkpoint files.

A checkpoint is a dict of tensors and plain values. Every file, also of other projects, is read with
weights_only, so it cannot run code.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import damaged_file
from occludenet_build.core.files import replacing

ENVELOPES = ("model", "model_state", "state_dict", "module", "network")
"""Keys under which known training programs store the network."""
PREFIXES = ("module.", "_orig_mod.")
"""Prefixes of parameter names from wrappers for several GPUs and for torch.compile."""


def save(values: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; an existing file is replaced once the new one is complete."""
    with replacing(path) as temporary:
        torch.save(values, temporary)


def load(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint to the CPU.

    Raises UserError where the file is missing or is not a dict of tensors and plain values.
    """
    if not Path(path).is_file():
        raise UserError(f"wanted a checkpoint, {path} is missing")
    try:
        # VideoMAE and VideoMamba store their command line with the network
        with torch.serialization.safe_globals([Namespace]):
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names no closed set: zip, pickle, runtime errors
        wanted = "a checkpoint of tensors and plain values"
        raise damaged_file(path, error, wanted) from error
    if not isinstance(values, dict):
        raise UserError(f"wanted a checkpoint, {path} holds a {type(values).__name__}")
    return values


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """The network's tensors by name, from the top level or from one of ENVELOPES.

    Tensors are of any shape and any dtype. Raises UserError where there are none.
    """
    values = load(path)
    inner = next((values[k] for k in ENVELOPES if isinstance(values.get(k), dict)), values)
    tensors = {_bare(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"wanted a checkpoint, {path} holds no tensors; keys: {list(values)[:5]}")
    return tensors


def _bare(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key
