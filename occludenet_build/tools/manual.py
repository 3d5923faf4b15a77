"""manual: print config.yaml, the manual of all settings.

    occludenet manual > config.yaml

The file lists every field of every section with its description, its range and its default. The
descriptions are the docstrings below the fields in the package config.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from occludenet_build import config as cfg
from occludenet_build.core.versions import package_modules, source_file

_HEADER = """\
# Manual: every setting with its default, unit and range.
#
# Set acquire.videos (or kinetics.route); all other settings have usable defaults. Published weights
# and COCO are fetched when a target needs them. Keys may be left out; unknown keys are an error.
# Paths are relative to the working directory (snakemake --directory).
# docs/running.md explains what a changed setting reruns.
"""
_WIDTH = 98
"""Maximum length of a comment line, in characters."""
_NO_BREAK = "\xa0"
"""Stands for a space at which a line must not end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: it has none of its own."""


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Print config.yaml with all defaults; `config` is not used."""
    print(text(), end="")


def text() -> str:
    """The content of config.yaml."""
    return "\n".join([_HEADER, *_section(cfg.Config, cfg.Config(), 0)]) + "\n"


def _section(cls: type, values: Any, depth: int) -> Iterator[str]:
    """Yield the lines of one section; `depth` is its nesting level, 0 for the whole file."""
    known = _descriptions()
    descriptions = {
        k: v for base in cls.__mro__[::-1] for k, v in known.get(base.__name__, {}).items()
    }
    for field in _own_first(cls):
        value = getattr(values, field.name)
        description = descriptions.get(field.name, "")
        if dataclasses.is_dataclass(value):
            if not depth:
                yield ""
            yield from _comment(description or _class_description(type(value)), {}, depth)
            yield f"{'  ' * depth}{field.name}:"
            yield from _section(type(value), value, depth + 1)
        else:
            yield from _comment(description, field.metadata, depth)
            yield f"{'  ' * depth}{field.name}: {_yaml(value)}"


def _own_first(cls: type) -> list[dataclasses.Field]:
    """The fields of a section: those that it declares, then those that it inherits."""
    return sorted(dataclasses.fields(cls), key=lambda field: field.name not in cls.__annotations__)


def _yaml(value: Any) -> str:
    """A default value as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=200).removesuffix("...\n").strip()


def _comment(description: str, limits: Mapping[str, Any], depth: int) -> list[str]:
    about = limits.get("about", "")
    parts = (" ".join(description.split()), about, _range(limits))
    indent = "  " * depth + "# "
    lines = textwrap.wrap(
        " ".join(part for part in parts if part),
        width=_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]


def _range(limits: Mapping[str, Any]) -> str:
    if limits.get("choices"):
        return f"(one of: {', '.join(str(choice) for choice in limits['choices'])})"
    if limits.get("high") is not None:
        return f"({limits['low']} to {limits['high']})".replace(" ", _NO_BREAK)
    if limits.get("low") is not None:
        return f"(at least {limits['low']})".replace(" ", _NO_BREAK)
    return ""


@cache
def _descriptions() -> dict[str, dict[str, str]]:
    """Class -> field -> the docstring below the field, for all classes of the package config."""
    files = (source_file(name) for name in package_modules() if name.startswith(cfg.__name__))
    trees = [ast.parse(path.read_text()) for path in files]
    return {
        node.name: _field_docstrings(node)
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _field_docstrings(cls: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: str(docstring.value.value)
        for field, docstring in zip(cls.body, cls.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(docstring, ast.Expr)
        and isinstance(docstring.value, ast.Constant)
    }


def _class_description(cls: type) -> str:
    """The docstring of a class; empty for the signature that Python gives a dataclass without."""
    docstring = (cls.__doc__ or "").strip()
    return "" if docstring.startswith(f"{cls.__name__}(") else docstring
