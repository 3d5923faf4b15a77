"""The version of a stage's results, which stands for the code wherever results are compared.

Standard library only: the workflow imports it.

Which files of this package a module runs, and a digest of them. Standard library only.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from occludenet_build.stages import STAGES

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


def closure(module: str, follow: Callable[[str], bool] = lambda name: True) -> set[str]:
    """`module` and everything of this package that it imports, directly or not.

    Where `module` is a package, all its modules belong to it. Only what `follow` accepts is listed
    and followed.
    """
    todo = [module, *(m for m in modules() if m.startswith(f"{module}."))]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen and follow(name):
            seen.add(name)
            todo.extend(imports(name))
    return seen


# Plumbing, which shapes no result: settings reach a stage as values, and the rest carries them,
# reads and writes tables and files, starts processes and reports.
_PLUMBING = {
    f"{PACKAGE.name}.{name}"
    for name in (
        *("__main__", "cli", "command", "config", "stages"),
        *("core.versions", "core.errors", "core.files", "core.ledger", "core.pool"),
        *("core.progress", "core.settings", "core.tables", "core.torch_models"),
        "sources.weights",
    )
}


def _shapes_results(module: str) -> bool:
    return not any(module == name or module.startswith(f"{name}.") for name in _PLUMBING)


@cache
def digest(module: str) -> str:
    """A digest of what `module` runs, 24 hex digits.

    Of the syntax trees without docstrings: comments, formatting and documentation do not change
    it. The templates and tables that lie in a package count byte by byte.
    """
    total = hashlib.blake2b(digest_size=12)
    for name in sorted(closure(module, _shapes_results)):
        total.update(f"{name}\0{_tree(source_file(name))}\0".encode())
        for path in _beside(name):
            total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def _tree(source: Path) -> str:
    tree = ast.parse(source.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, of whatever it stands under."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _beside(module: str) -> list[Path]:
    """The templates and tables that lie in a package."""
    source = source_file(module)
    if source.name != "__init__.py":
        return []
    return sorted(p for p in source.parent.iterdir() if p.is_file() and p.suffix != ".py")


RERUN_ON = "OCCLUDENET_RERUN_ON"
"""Environment variable with the setting `rerun_on`, as the workflow sets it for its jobs: a stage
that is run by hand and one that Snakemake runs then write the same ledger keys."""


def results_version(stage: str, part: str | None = None) -> str:
    """What stands for the code in a rule's params and in the keys of a ledger.

    The versions of the stage and of its parts: `index 1, facts 1`. A key names the `part` that it
    is of (or the stage itself, for what belongs to no part) and holds that version alone. With
    `rerun_on: code` a digest of the code follows.

    >>> results_version("detect"), results_version("index", "facts")
    ('detect 1', 'facts 1')
    """
    row = STAGES[stage]
    versions = {stage: row.results_version, **row.parts}
    named = versions if part is None else {part: versions[part]}
    text = ", ".join(f"{name} {version}" for name, version in named.items())
    if os.environ.get(RERUN_ON, "version") == "version":
        return text
    return f"{text} {digest(_module(stage, part))}"


def _module(stage: str, part: str | None) -> str:
    """The part's module where it has one of its own, else the stage's package."""
    package = STAGES[stage].module
    of_part = f"{package}.{part}"
    return of_part if part and source_file(of_part).exists() else package
