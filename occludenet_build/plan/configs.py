"""The configuration as Snakemake merges it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError


def load(files: Sequence[Path], base: Path) -> cfg.Config:
    """config.yaml of the folder `base`, if it has one, then `files` over it, in their order.

    Paths in them are relative to `base` and come back absolute.
    """
    values: dict[str, Any] = {}
    first = base / "config.yaml"
    for file in (*([first] if first.exists() else []), *files):
        values = merged(values, read(file))
    return cfg.load(values, base.absolute())


def read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--configfile: wanted a YAML file, {file} does not read: {error}"
        ) from error
    except yaml.YAMLError as error:
        line = " ".join(str(error).split())
        raise UserError(f"--configfile: wanted YAML, {file} is none: {line}") from error
    if not isinstance(values or {}, dict):
        raise UserError(f"--configfile: wanted room: settings in {file}, got {values!r:.80}")
    return values or {}


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`other` over `one`; mappings are merged as deep as they go, all else is replaced.

    >>> merged({"index": {"shards": 2}, "seed": 1}, {"index": {"oversample": 3}, "seed": 2})
    {'index': {'shards': 2, 'oversample': 3}, 'seed': 2}
    """
    result = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
