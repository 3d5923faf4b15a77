"""A safe reader of pickles from other programs.

Unpickling can call any function that the file names. This reader allows plain values, numpy arrays
and torch tensors and refuses everything else. Files of torch.save are read with weights_only.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import first_line


def load_pickle(path: Path | str) -> Any:
    """The value in a pickle or in a file of torch.save.

    Raises UserError where the file cannot be read, or names anything but arrays and plain values.
    """
    try:
        return _load(Path(path))
    except UserError:
        raise
    except Exception as error:  # a broken or hostile pickle raises anything
        raise UserError(
            f"wanted a pickle of arrays and plain values, {path} cannot be read: "
            f"{first_line(error)}"
        ) from error


def _load(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        return _of_torch(path)
    with open(path, "rb") as stream:
        value = _Restricted(stream, path).load()
        if isinstance(value, int):  # the old format of torch.save: several pickles, a number first
            stream.seek(0)
            return _of_torch(io.BytesIO(stream.read()))
    return value


class _Restricted(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        # numpy.core became numpy._core with numpy 2
        known = _allowed().get((module.replace("numpy.core", "numpy._core"), name))
        if known is None:
            raise UserError(
                f"{self._path} would run {module}.{name}: only numpy arrays, torch tensors and "
                "plain values are read; save the scores as .npy"
            )
        return known


@cache
def _allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    """Functions that a pickle may name, by module and name.

    Those that rebuild arrays are taken from what arrays reduce to.
    """
    import torch

    array = np.zeros(1)
    return {
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _latin,
        ("numpy", "dtype"): np.dtype,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy._core.multiarray", "_reconstruct"): _builder(array.__reduce__()),
        ("numpy._core.multiarray", "scalar"): _builder(np.float64(0).__reduce__()),
        ("numpy._core.numeric", "_frombuffer"): _builder(array.__reduce_ex__(5)),
        ("torch._utils", "_rebuild_tensor_v2"): _builder(torch.zeros(1).__reduce_ex__(2)),
        ("torch.storage", "_load_from_bytes"): _storage,
    }


def _builder(reduced: Any) -> Callable[..., Any]:
    return reduced[0]


def _latin(text: str, encoding: str) -> bytes:
    """Decode bytes, which Python 3 writes as latin1 text in protocol 2."""
    if encoding != "latin1":
        raise UserError(f"a pickle of arrays encodes as latin1, this one as {encoding!r}")
    return text.encode("latin1")


def _storage(content: bytes) -> Any:
    """The storage of a tensor; torch's own function would load any pickle."""
    return _of_torch(io.BytesIO(content))


def _of_torch(file: Any) -> Any:
    import torch

    return torch.load(file, map_location="cpu", weights_only=True)
