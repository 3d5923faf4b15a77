"""Pickles of numpy arrays in builtin containers, as the ground truth of action detection comes in.

A pickle is a program: `pickle.load` runs whatever its author wrote. `load_arrays` runs nothing.
It knows containers, numbers and texts, and the few names with which numpy writes arrays of numbers;
each name stands for a function of this module, arrays are built from their checked parts and not by
numpy's own `__setstate__`, and no pickle can set an attribute of anything.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError

_DTYPE = re.compile(r"[<>=|]?(\?|[biufcSU]\d{1,9})")
"""Names of the dtypes that are read: numbers and texts, never objects."""
_DEPTH = 32
"""Nesting of containers, at most."""
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_NEW, _OLD = b"numpy._core.multiarray", b"numpy.core.multiarray"
_BROKEN = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError),
    *(AttributeError, UnicodeError, OverflowError, ImportError, MemoryError, RecursionError),
)
"""What the unpickler raises for bytes that are no pickle."""


def load_arrays(path: Path) -> Any:
    """Content of a pickle of numpy arrays and scalars, builtin containers, numbers and texts.

    Texts of Python 2 are decoded as ISO-8859-1. Raises UserError for anything else, and where the
    file cannot be read.
    """
    try:
        return parse_arrays(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"wanted a pickle of arrays, cannot read {path}: {error.strerror}"
        ) from error
    except _BROKEN as error:
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(
            f"wanted a pickle of arrays and builtin containers, got {path}: {said}; give a file "
            "that was written by a trusted program in that form"
        ) from error


def parse_arrays(content: bytes) -> Any:
    """The same for the bytes of a pickle. Raises pickle.UnpicklingError, or another error of
    the unpickler for bytes that are no pickle."""
    _check_memo(content)
    reader = _Reader(io.BytesIO(content), encoding="iso-8859-1")
    return _finished(reader.load(), _DEPTH, {})


def _check_memo(content: bytes) -> None:
    """Raises pickle.UnpicklingError where a place in the memo is beyond the number of opcodes: for
    place N the unpickler would take and fill 16 N bytes, up to 64 GB."""
    for number, (opcode, place, _) in enumerate(pickletools.genops(content)):
        if opcode.name in _PUTS and isinstance(place, int) and place > number:
            raise pickle.UnpicklingError(f"place {place} of the memo, of {number} values")


def dump_arrays(value: Any) -> bytes:
    """Pickle that Python 2 and every numpy read: protocol 2, numpy's names of before 2.0.

    Equal values give equal bytes: nothing is shared by reference.
    """
    stream = io.BytesIO()
    writer = pickle.Pickler(stream, protocol=2)
    writer.fast = True
    writer.dump(value)
    return _with_old_names(stream.getvalue())


def _with_old_names(content: bytes) -> bytes:
    """numpy 2 writes `numpy._core`, which numpy 1 does not have; it reads both names itself."""
    parts, done = [], 0
    for opcode, text, position in pickletools.genops(content):
        if opcode.name == "GLOBAL" and str(text).split(" ")[0].encode() == _NEW:
            assert position is not None
            parts += [content[done : position + 1], _OLD]
            done = position + 1 + len(_NEW)
    return b"".join([*parts, content[done:]])


class _Type:
    """A dtype that is being read."""

    def __init__(self, name: str, *_: Any) -> None:
        # numpy would take much more, such as "(2,)f4, O"
        if not (isinstance(name, str) and _DTYPE.fullmatch(name)):
            raise pickle.UnpicklingError(f"an array of dtype {str(name)[:40]}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """`state`: version, byte order, and for plain types only empty places."""
        if len(state) < 5 or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of records")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array that is being read."""

    value: np.ndarray

    def __init__(self, kind: Any, *_: Any) -> None:
        if not (isinstance(kind, _Name) and kind.function is _ndarray):
            raise pickle.UnpicklingError("a subclass of numpy.ndarray")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """`state`: version, shape, dtype, whether in Fortran order, bytes."""
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Type) or not isinstance(content, bytes | str):
            raise pickle.UnpicklingError("an array of objects")
        self.value = _filled(content, kind, shape, "F" if fortran else "C")


def _filled(content: bytes | str, kind: _Type, shape: Any, order: Any) -> np.ndarray:
    data = content.encode("latin1") if isinstance(content, str) else content
    flat = np.frombuffer(data, kind.dtype) if len(data) else np.zeros(0, kind.dtype)
    return flat.reshape(shape, order=order).copy()


def _from_buffer(content: bytes | bytearray, kind: _Type, shape: Any, order: str) -> _Array:
    """How protocol 5 writes an array."""
    if not isinstance(kind, _Type) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("an array of objects")
    found = _Array(_Name(_ndarray))
    found.value = _filled(bytes(content), kind, shape, order)
    return found


def _ndarray(*_: Any) -> Any:
    raise pickle.UnpicklingError("an array without its state")


def _scalar(kind: Any, content: bytes | str) -> Any:
    if not isinstance(kind, _Type) or not isinstance(content, bytes | str):
        raise pickle.UnpicklingError("a scalar that is no number")
    return _filled(content, kind, (), "C")[()]


def _no_bytes() -> bytes:
    """How Python 3 writes b"" for Python 2."""
    return b""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


class _Name:
    """What a name in a pickle stands for: a function to call. The pickle cannot change it: BUILD
    would set attributes of the function itself, such as the defaults of its arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a name whose attributes are set")


_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    **{(module, "_reconstruct"): _Array for module in _ARRAYS},
    **{(module, "scalar"): _scalar for module in _ARRAYS},
    **{(module, "set"): set for module in ("builtins", "__builtin__")},
    **{(module, "bytes"): _no_bytes for module in ("builtins", "__builtin__")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Only the names of _KNOWN; each is ours, none is numpy's."""
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _Name(_KNOWN[module, name])

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a reference to outside")


def _finished(value: Any, depth: int, done: dict[int, Any]) -> Any:
    """The value with arrays in place of what they were read into; `done`: by id, as a pickle can
    hold one list a million times."""
    if id(value) not in done:
        if depth == 0:
            raise pickle.UnpicklingError(f"containers nested deeper than {_DEPTH}")
        done[id(value)] = _made(value, depth - 1, done)
    return done[id(value)]


def _made(value: Any, depth: int, done: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {_finished(k, depth, done): _finished(v, depth, done) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_finished(one, depth, done) for one in value)
    if isinstance(value, _Array):
        if not hasattr(value, "value"):
            raise pickle.UnpicklingError("an array without its state")
        return value.value
    if isinstance(value, _Type) or callable(value):
        raise pickle.UnpicklingError("a type in place of a value")
    return value
