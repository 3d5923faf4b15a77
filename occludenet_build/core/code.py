"""Which files of this package a module runs, and a digest of them. Standard library only."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of this package that `module` imports, anywhere in its source."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source_file(module).read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if _is_ours(name))


def _is_ours(module: str) -> bool:
    return module.split(".")[0] == PACKAGE.name and source_file(module).exists()


def source_file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules() -> list[str]:
    """Every module of the package, by dotted name."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def closure(module: str) -> set[str]:
    """`module` and everything of this package that it imports, directly or not.

    A package stands for all its modules, since a registry may load them by name.
    """
    todo, seen = [module], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo.extend(imports(name))
        if source_file(name).name == "__init__.py" and name.count(".") == 1:
            todo.extend(m for m in modules() if m.startswith(f"{name}.") and name not in _SHELVES)
    return seen


# What shapes no result: settings reach a room as values, and these only carry them and report.
_NEUTRAL = {
    f"{PACKAGE.name}.{name}"
    for name in ("config", "command", "stages", "core.settings", "core.progress", "core.errors")
}


def _shapes_results(module: str) -> bool:
    return not any(module == name or module.startswith(f"{name}.") for name in _NEUTRAL)


# Folders of independent modules: importing one does not mean running its neighbours.
_SHELVES = {f"{PACKAGE.name}.core"}


@cache
def digest(module: str) -> str:
    """A digest of the source of everything `module` runs: an edit changes it, a touch does not."""
    total = hashlib.blake2b(digest_size=12)
    for name in sorted(filter(_shapes_results, closure(f"{PACKAGE.name}.{module}"))):
        for path in _files(name):
            total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def _files(module: str) -> list[Path]:
    """The source of a module; for a package also the templates and tables that lie in it."""
    source = source_file(module)
    if source.name != "__init__.py":
        return [source]
    return [
        source,
        *sorted(p for p in source.parent.iterdir() if p.is_file() and p.suffix != ".py"),
    ]
