"""Settings as dataclasses: fields with limits, and a mapping checked against them.

Standard library only: the workflow imports it.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from dataclasses import field
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError


def setting(default: Any, **limits: Any) -> Any:
    """A field with its limits: `low`, `high` (inclusive), `choices`, `path=True` (must exist),
    `url=True` (or an http(s) address), `sha256=True` (64 hex digits), `empty=True` (a list may be
    empty), `about` (a text for the manual, where a table has it). A field may be a list of
    dataclasses: `tuple[Part, ...]`."""
    if isinstance(default, (list, dict)):
        raise TypeError("defaults are immutable: use a tuple or a dataclass")
    if dataclasses.is_dataclass(default):
        return field(default_factory=lambda: default, metadata=limits)
    return field(default=default, metadata=limits)


def required(**limits: Any) -> Any:
    """A field without a default, for parts of a list."""
    return field(metadata=limits)


def build(cls: type, values: Any, base: Path | str = ".") -> Any:
    """An instance of a dataclass of `setting` fields, with every default filled in.

    Paths are relative to `base` and must exist. Raises UserError with one line that names the
    key, what was wanted and what came.
    """
    return _build(cls, values, "", Path(base))


def _build(cls: type, values: Any, prefix: str, base: Path) -> Any:
    where = prefix.rstrip(".") or "the configuration"
    if not isinstance(values, dict):
        raise UserError(f"config: {where}: wanted a mapping, got {_shown(values)}")
    known = {f.name: f for f in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            raise UserError(
                f"config: unknown key {prefix}{key}: wanted one of {', '.join(known)}; "
                "correct or remove it"
            )
    hints = typing.get_type_hints(cls)
    needed = [name for name, f in known.items() if _is_needed(f) and name not in values]
    if needed:
        raise UserError(f"config: {where}: wanted {', '.join(needed)} too; set them")
    return cls(
        **{
            key: _checked(value, hints[key], known[key], prefix + key, base)
            for key, value in values.items()
        }
    )


def _is_needed(f: dataclasses.Field) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _checked(value: Any, hint: Any, spec: dataclasses.Field, key: str, base: Path) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, key + ".", base)
    if value in ([], ()) and spec.metadata.get("empty"):
        return ()
    part = _part(hint)
    if part is not None:
        return _parts(part, value, key, base)
    value = _typed(value, hint, key)
    if value is None:
        return None
    for item in value if isinstance(value, tuple) else (value,):
        _check_limits(item, spec.metadata, key)
    if spec.metadata.get("sha256"):
        return _hexadecimal(value, key)
    if spec.metadata.get("path"):
        may_be_url = spec.metadata.get("url", False)
        if isinstance(value, tuple):
            return tuple(_source(item, may_be_url, key, base) for item in value)
        return _source(value, may_be_url, key, base)
    return value


def _part(hint: Any) -> type | None:
    """The dataclass of which the hint wants a list."""
    inner = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None
    return typing.cast(type, inner) if dataclasses.is_dataclass(inner) else None


def _parts(part: type, value: Any, key: str, base: Path) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f"config: {key}: wanted a list, got {_shown(value)}")
    return tuple(_build(part, item, f"{key}[{number}].", base) for number, item in enumerate(value))


def _typed(value: Any, hint: Any, key: str) -> Any:
    """`value` as the type of the hint, or an error; 1 is a float, but "1" and true are not."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
        return _typed(value, hint, key)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)) or not value:
            raise UserError(f"config: {key}: wanted a list, got {_shown(value)}")
        return tuple(_typed(v, typing.get_args(hint)[0], key) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise UserError(f"config: {key}: wanted {_NAMES[hint]}, got {_shown(value)}")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _shown(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"


def _check_limits(value: Any, limits: typing.Mapping[str, Any], key: str) -> None:
    low, high, choices = limits.get("low"), limits.get("high"), limits.get("choices")
    if choices and value not in choices:
        wanted = ", ".join(str(c) for c in choices)
        raise UserError(f"config: {key}: wanted one of {wanted}, got {value!r}")
    # not (value >= low) also refuses nan
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        wanted = f"between {low} and {high}" if high is not None else f"at least {low}"
        raise UserError(f"config: {key}: wanted a value {wanted}, got {value!r}")


def is_url(value: str) -> bool:
    """Whether a text names something on the network rather than a file."""
    return value.lower().startswith(("http://", "https://"))


def _hexadecimal(value: str, key: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise UserError(f"config: {key}: wanted a sha256, 64 hex digits, got {value[:80]!r}")
    return value.lower()


def _source(value: str, may_be_url: bool, key: str, base: Path) -> str:
    return value if may_be_url and is_url(value) else _existing(value, key, base)


def _existing(value: str, key: str, base: Path) -> str:
    path = base / Path(value).expanduser()
    if not path.exists():
        raise UserError(
            f"config: {key}: wanted an existing path, got {value!r} ({path} is missing)"
        )
    return str(path)
