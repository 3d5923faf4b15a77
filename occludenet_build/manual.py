"""manual: config.yaml, written from the package config.

    occludenet manual > config.yaml

Every field of every section with the text under it, its range, and its default.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from occludenet_build import config as cfg
from occludenet_build.core.code import modules, source_file

_HEAD = """\
# The manual: every setting with its default, unit and range.
# Set acquire.*, and weights for yolo and sam; everything else may stay.
# A key may be left out: its default holds. Unknown keys are refused. Paths are relative to
# the working directory (snakemake --directory). docs/running.md says what reruns when.
"""


def text() -> str:
    """The whole of config.yaml."""
    return "\n".join([_HEAD, *_section(cfg.Config, cfg.Config(), 0)]) + "\n"


def _section(cls: type, values: Any, depth: int) -> Iterator[str]:
    meanings = _meanings()[cls.__name__]
    for field in dataclasses.fields(cls):
        value = getattr(values, field.name)
        if dataclasses.is_dataclass(value):
            own = _class_meaning(type(value)) if depth else ""
            if not depth:
                yield ""
            yield from _comment(meanings.get(field.name) or own, {}, depth)
            yield f"{'  ' * depth}{field.name}:"
            yield from _section(type(value), value, depth + 1)
        else:
            yield from _comment(meanings.get(field.name, ""), field.metadata, depth)
            plain = list(value) if isinstance(value, tuple) else value
            shown = yaml.safe_dump(plain, default_flow_style=True, width=200).removesuffix("...\n")
            yield f"{'  ' * depth}{field.name}: {shown.strip()}"


def _comment(meaning: str, limits: Mapping[str, Any], depth: int) -> list[str]:
    about = limits.get("about", "")
    words = " ".join(part for part in (" ".join(meaning.split()), about, _range(limits)) if part)
    return textwrap.wrap(
        words,
        width=98,
        initial_indent="  " * depth + "# ",
        subsequent_indent="  " * depth + "# ",
        break_on_hyphens=False,
    )


def _range(limits: Mapping[str, Any]) -> str:
    if limits.get("choices"):
        return f"(one of: {', '.join(str(choice) for choice in limits['choices'])})"
    if limits.get("high") is not None:
        return f"({limits['low']} to {limits['high']})"
    return f"(at least {limits['low']})" if limits.get("low") is not None else ""


def _meanings() -> dict[str, dict[str, str]]:
    """Class -> field -> the text that stands under it."""
    files = (source_file(name) for name in modules() if name.startswith(cfg.__name__))
    trees = [ast.parse(path.read_text()) for path in files]
    return {
        node.name: {
            before.target.id: str(after.value.value)
            for before, after in zip(node.body, node.body[1:], strict=False)
            if isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        }
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _class_meaning(cls: type) -> str:
    """Its docstring; a dataclass without one gets its signature for one from Python."""
    text = (cls.__doc__ or "").strip()
    return "" if text.startswith(f"{cls.__name__}(") else text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none of its own."""


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Print the text of config.yaml: the defaults, whatever `config` holds."""
    print(text(), end="")
