"""Configuration sections as dataclasses: fields with limits, and checks of a mapping against them.

This module uses the standard library only because the workflow imports it.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from occludenet_build.core.errors import UserError

Section = TypeVar("Section")


def setting(default: Any, **limits: Any) -> Any:
    """Declare a field of a settings dataclass, with its default and limits.

    Limits: `low` and `high` (inclusive), `choices`, `path=True` (the path must exist; with
    `late=True` too it may be missing where `from_mapping` says so), `url=True`
    (or an http(s) address), `hub=True` (or a name OWNER/NAME), `words` (or one of these words),
    `sha256=True` (64 hex digits), `empty=True` (a list may be empty), `secret=True` (messages do
    not quote the value), and `about` (a text that the manual appends). `added=True`: the setting is
    younger than results that users own, and its default is what was done before; `key_values` has
    it. A field may be a list of dataclasses: `tuple[Part, ...]`. Raises TypeError if the default is
    a list or dict.
    """
    if isinstance(default, (list, dict)):
        raise TypeError("defaults are immutable: use a tuple or a dataclass")
    if dataclasses.is_dataclass(default):
        return field(default_factory=lambda: default, metadata=limits)
    return field(default=default, metadata=limits)


def required(**limits: Any) -> Any:
    """Declare a field without a default, with the limits of `setting`; for elements of a list."""
    return field(metadata=limits)


def replacements(section: type) -> Any:
    """Declare a field that replaces some settings of `section`, a settings dataclass.

    Its value is a mapping of the settings that differ, each checked as in that section; `replaced`
    applies it. A section within the section is a mapping again.
    """
    return field(default_factory=dict, metadata={"replaces": section})


def replaced(section: Section, changes: Mapping[str, Any]) -> Section:
    """A section, a dataclass, with the values of a field of `replacements`."""
    whole: Any = section
    values = {
        name: replaced(getattr(whole, name), value) if isinstance(value, Mapping) else value
        for name, value in changes.items()
    }
    return dataclasses.replace(whole, **values)


def from_mapping(cls: type, values: Any, base: Path | str = ".", late: bool = False) -> Any:
    """Create a dataclass of `setting` fields from a mapping; missing keys get their defaults.

    Paths are relative to `base` and must exist; with `late`, those of settings declared so may be
    missing. Raises UserError, with the key, the expected value and the actual value in one line.
    """
    return _build(cls, values, "", _Paths(Path(base), late))


@dataclasses.dataclass(frozen=True)
class _Paths:
    """How paths are checked."""

    base: Path
    late: bool
    """Whether the files of `late` settings may be missing."""


def key_values(section: Any) -> dict[str, Any]:
    """The settings of a section, a dataclass, as nested dicts, for keys and for the rules' params.

    A setting that was `added` is left out while it has its default: an upgrade that brings it
    makes nothing again. So the default of such a setting must never change.
    """
    defaults = {f.name: _default(f) for f in dataclasses.fields(section)}
    return _key_values(section, defaults)


def _key_values(section: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for f in dataclasses.fields(section):
        value, default = getattr(section, f.name), defaults.get(f.name)
        if f.metadata.get("added") and value == default:
            continue
        if dataclasses.is_dataclass(value) and type(value) is type(default):
            values[f.name] = _key_values(value, vars(default))
        else:
            values[f.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return key_values(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _default(f: dataclasses.Field) -> Any:
    """The default of a field; MISSING without one."""
    return f.default if f.default_factory is dataclasses.MISSING else f.default_factory()


def is_hub_name(value: str) -> bool:
    """Whether a text has the form OWNER/NAME and is no path that exists."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", value) is not None and not Path(value).exists()


def is_url(value: str) -> bool:
    """Whether a text is an http or https address, not a path."""
    return value.lower().startswith(("http://", "https://"))


def require_distinct(key: str, values: Sequence[str], what: str = "values") -> None:
    """Check that a list has no duplicates. Raises UserError with the key and the values."""
    if len(set(values)) < len(values):
        raise UserError(f"config: {key}: wanted different {what}, got {', '.join(values)}")


def _known_fields(cls: type, values: Any, prefix: str) -> dict[str, dataclasses.Field]:
    """The fields of a section by name. Raises UserError unless `values` are a mapping of some."""
    where = prefix.rstrip(".") or "the configuration"
    if not isinstance(values, dict):
        raise UserError(f"config: {where}: wanted a mapping, got {_with_type(values)}")
    known = {f.name: f for f in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            raise UserError(
                f"config: unknown key {prefix}{key}: wanted one of {', '.join(known)}; "
                "correct or remove it"
            )
    return known


def _some(cls: type, values: Any, prefix: str, paths: _Paths) -> dict[str, Any]:
    """The checked values of those fields of a section that `values` name."""
    known, hints = _known_fields(cls, values, prefix), typing.get_type_hints(cls)
    return {
        key: _some(hints[key], value, f"{prefix}{key}.", paths)
        if dataclasses.is_dataclass(hints[key])
        else _checked(value, hints[key], known[key], prefix + key, paths)
        for key, value in values.items()
    }


def _build(cls: type, values: Any, prefix: str, paths: _Paths, default: Any = None) -> Any:
    """A section; keys that `values` lack have those of `default`, or of the class if it is None."""
    known = _known_fields(cls, values, prefix)
    where = prefix.rstrip(".") or "the configuration"
    hints = typing.get_type_hints(cls)
    missing = [name for name, f in known.items() if _is_required(f) and name not in values]
    if missing:
        raise UserError(f"config: {where}: wanted {', '.join(missing)} too; set them")
    checked = {
        key: _checked(value, hints[key], known[key], prefix + key, paths)
        for key, value in values.items()
    }
    return cls(**checked) if default is None else dataclasses.replace(default, **checked)


def _is_required(f: dataclasses.Field) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _checked(value: Any, hint: Any, spec: dataclasses.Field, key: str, paths: _Paths) -> Any:
    if "replaces" in spec.metadata:
        return _some(spec.metadata["replaces"], value, key + ".", paths)
    if dataclasses.is_dataclass(hint):
        default = None if _is_required(spec) else _default(spec)
        return _build(typing.cast(type, hint), value, key + ".", paths, default)
    if value in ([], ()) and spec.metadata.get("empty"):
        return ()
    element = _element_type(hint)
    if element is not None:
        return _elements(element, value, key, paths)
    value = _typed(value, hint, key, spec.metadata.get("secret", False))
    if value is None:
        return None
    for item in value if isinstance(value, tuple) else (value,):
        _check_limits(item, spec.metadata, key)
    if spec.metadata.get("sha256"):
        return _hexadecimal(value, key)
    if spec.metadata.get("path"):
        if spec.metadata.get("hub") and is_hub_name(value) and not (paths.base / value).exists():
            return value
        if isinstance(value, tuple):
            return tuple(_path_word_or_url(item, spec.metadata, key, paths) for item in value)
        return _path_word_or_url(value, spec.metadata, key, paths)
    return value


def _element_type(hint: Any) -> type | None:
    """The dataclass Part of a hint `tuple[Part, ...]`; None for other hints."""
    inner = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None
    return typing.cast(type, inner) if dataclasses.is_dataclass(inner) else None


def _elements(element: type, value: Any, key: str, paths: _Paths) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f"config: {key}: wanted a list, got {_with_type(value)}")
    return tuple(
        _build(element, item, f"{key}[{number}].", paths) for number, item in enumerate(value)
    )


def _typed(value: Any, hint: Any, key: str, secret: bool = False) -> Any:
    """Return `value` with the type of the hint: 1 is accepted as a float, "1" and true are not.

    Raises UserError.
    """
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
        return _typed(value, hint, key, secret)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)) or not value:
            raise UserError(f"config: {key}: wanted a list, got {_with_type(value, secret)}")
        return tuple(_typed(v, typing.get_args(hint)[0], key, secret) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        wanted = _TYPE_NAMES[hint]
        raise UserError(f"config: {key}: wanted {wanted}, got {_with_type(value, secret)}")
    return value


_TYPE_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _with_type(value: Any, secret: bool = False) -> str:
    return f"{'***' if secret else repr(value)} ({type(value).__name__})"


def _check_limits(value: Any, limits: Mapping[str, Any], key: str) -> None:
    low, high, choices = limits.get("low"), limits.get("high"), limits.get("choices")
    if choices and value not in choices:
        allowed = ", ".join(str(c) for c in choices)
        raise UserError(f"config: {key}: wanted one of {allowed}, got {value!r}")
    # `not (value >= low)` is also true for nan.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        allowed = f"between {low} and {high}" if high is not None else f"at least {low}"
        raise UserError(f"config: {key}: wanted a value {allowed}, got {value!r}")


def _hexadecimal(value: str, key: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise UserError(f"config: {key}: wanted a sha256, 64 hex digits, got {value[:80]!r}")
    return value.lower()


def _path_word_or_url(value: str, limits: Mapping[str, Any], key: str, paths: _Paths) -> str:
    if value in limits.get("words", ()) or (limits.get("url") and is_url(value)):
        return value
    return _existing_path(value, key, paths.base, paths.late and limits.get("late", False))


def _existing_path(value: str, key: str, base: Path, may_be_missing: bool) -> str:
    path = base / Path(value).expanduser()
    try:
        is_there = path.exists()
    except OSError as error:  # such as a folder above it that must not be read
        raise UserError(
            f"config: {key}: wanted a path that can be read, got {value!r} ({error})"
        ) from error
    if not is_there and not may_be_missing:
        raise UserError(
            f"config: {key}: wanted an existing path, got {value!r} ({path} is missing)"
        )
    return str(path)
