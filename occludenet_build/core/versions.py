"""Versions of stage results, and digests of the code that a stage runs.

A result is computed again when its version changes: the number in STAGES (`results_version`), and
with the setting `rerun_on: code` also a digest of the code. The digest covers the modules of this
package that a stage imports, directly or indirectly. This module uses the standard library only
because the workflow imports it.
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
"""Folder of the package occludenet_build."""

RERUN_ON = "OCCLUDENET_RERUN_ON"
"""Environment variable with the setting `rerun_on`. The workflow sets it for its jobs, so that a
stage run by hand and one run by Snakemake write the same ledger keys."""

ENGINE_VERSION = 2
"""Version of the results of exported networks (core.engines): a new one makes their clips again."""

# Infrastructure that does not affect results: it passes settings, reads and writes tables and
# files, starts processes and reports progress.
_INFRASTRUCTURE = {
    f"{PACKAGE.name}.{name}"
    for name in (
        *("__main__", "cli", "command", "config", "stages"),
        *("core.versions", "core.errors", "core.files", "core.ledger", "core.journal"),
        *("core.commits", "core.fork_server", "core.pool", "core.progress"),
        *("core.settings", "core.tables", "core.torch_models"),
        "sources.weights",
    )
}


def results_version(stage: str, part: str | None = None) -> str:
    """Version of the results of a stage, for the params of its rules and its ledger keys.

    Without `part` the text lists the versions of the stage and of all its parts: `index 1, facts
    1`. With `part` (a part, or the stage itself for what belongs to no part) it has that version
    alone. With `rerun_on: code` a digest of the code follows.

    >>> results_version("detect"), results_version("index", "facts")
    ('detect 1', 'facts 2')
    """
    row = STAGES[stage]
    versions = {stage: row.results_version, **row.parts}
    listed = versions if part is None else {part: versions[part]}
    text = ", ".join(f"{name} {version}" for name, version in listed.items())
    if os.environ.get(RERUN_ON, "version") == "version":
        return text
    return f"{text} {code_digest(_module(stage, part))}"


def _module(stage: str, part: str | None) -> str:
    """The module of a part if it has one of its own, else the package of the stage."""
    package = STAGES[stage].module
    of_part = f"{package}.{part}"
    return of_part if part and source_file(of_part).exists() else package


@cache
def code_digest(module: str) -> str:
    """Digest of the code that `module` runs, 24 hex digits.

    The digest covers the syntax trees without docstrings: comments, formatting and documentation
    do not change it. Other files in a package (templates and tables) are hashed byte by byte.
    """
    total = hashlib.blake2b(digest_size=12)
    for name in sorted(import_closure(module, _affects_results)):
        total.update(f"{name}\0{_tree_without_docstrings(source_file(name))}\0".encode())
        for path in _data_files(name):
            total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def import_closure(module: str, follow: Callable[[str], bool] = lambda name: True) -> set[str]:
    """`module` and all modules of this package that it imports, directly or indirectly.

    If `module` is a package, all modules in it are included. Modules for which `follow` is false
    are neither listed nor followed.
    """
    todo = [module, *(m for m in package_modules() if m.startswith(f"{module}."))]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen and follow(name):
            seen.add(name)
            todo.extend(package_imports(name))
    return seen


@cache
def package_imports(module: str) -> frozenset[str]:
    """The modules of this package that the source of `module` imports, anywhere in it.

    A module that imports a neighbour by name, as the interface of the detectors does, may import
    any: all modules of its package count.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source_file(module).read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif _imports_neighbour(node):
            folder = module.rpartition(".")[0]
            names.update(m for m in package_modules() if m.rpartition(".")[0] == folder)
    return frozenset(name for name in names if _is_in_package(name))


def _imports_neighbour(node: ast.AST) -> bool:
    """Whether this is a call such as import_module(f"{__package__}.{name}")."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("import_module")
        and any(isinstance(part, ast.Name) and part.id == "__package__" for part in ast.walk(node))
    )


def package_modules() -> list[str]:
    """Dotted names of all modules of the package."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def source_file(module: str) -> Path:
    """Path of the source of a module, whether or not it exists; `__init__.py` for a package."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_in_package(module: str) -> bool:
    return module.split(".")[0] == PACKAGE.name and source_file(module).exists()


def _affects_results(module: str) -> bool:
    return not any(module == name or module.startswith(f"{name}.") for name in _INFRASTRUCTURE)


def _tree_without_docstrings(source: Path) -> str:
    tree = ast.parse(source.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_docstring(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(statement: ast.stmt) -> bool:
    """Whether a statement is a text: a docstring of a module, class, function or field."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _data_files(module: str) -> list[Path]:
    """Files of a package that are not Python: templates and tables."""
    source = source_file(module)
    if source.name != "__init__.py":
        return []
    return sorted(p for p in source.parent.iterdir() if p.is_file() and p.suffix != ".py")
