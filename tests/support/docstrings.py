"""Counts what the docstrings of public functions tell: shapes, dtypes, and errors.

python tests/support/docstrings.py        lists every function that lacks something
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "occludenet_build"

ARRAY = re.compile(r"\b(ndarray|NDArray|ArrayLike|Tensor)\b")
_SIZE = r"(?:\w+|\.\.\.)(?: ?[-+*/] ?\w+)?"
SHAPE = re.compile(rf"\([A-Z0-9_]\w*(?: ?[-+*/] ?\w+)?(?:, ?{_SIZE})*,?\)|\bscalar\b|\bany shape\b")
"""Such as (N, 4), (H, W, 3) or (K,)."""
DTYPE = re.compile(r"\b(u?int(8|16|32|64)?|float(16|32|64)?|bool(ean)?|any dtype)\b")
RAISES = re.compile(r"\b[Rr]aises?\b")


@dataclass(frozen=True)
class Lack:
    """A public function and what its docstring does not tell."""

    where: str
    kind: str
    """docstring, shape, dtype or raises."""


@dataclass(frozen=True)
class Function:
    """One public function or method, and what is to be told of it."""

    where: str
    docstring: str
    has_arrays: bool
    raises: bool

    def needs(self) -> dict[str, bool]:
        """Kind -> whether it is told, of the kinds that are asked of this function."""
        found = {"docstring": bool(self.docstring)}
        if self.has_arrays:
            found["shape"] = bool(SHAPE.search(self.docstring))
            found["dtype"] = bool(DTYPE.search(self.docstring))
        if self.raises:
            found["raises"] = bool(RAISES.search(self.docstring))
        return found


def functions(package: Path = PACKAGE) -> Iterator[Function]:
    """Every public function, and every public method of a public class."""
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text())
        aliases = _array_aliases(tree)
        for holder in [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]:
            if isinstance(holder, ast.ClassDef) and holder.name.startswith("_"):
                continue
            for node in holder.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    yield _function(path, holder, node, aliases)


def _function(path: Path, holder: ast.AST, node: ast.FunctionDef, aliases: set[str]) -> Function:
    name = f"{holder.name}.{node.name}" if isinstance(holder, ast.ClassDef) else node.name
    annotations = [a.annotation for a in _arguments(node) if a.annotation] + [node.returns]
    words = " ".join(ast.unparse(one) for one in annotations if one is not None)
    return Function(
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno} {name}",
        ast.get_docstring(node) or "",
        bool(ARRAY.search(words)) or bool(aliases & set(re.findall(r"\w+", words))),
        _raises(node),
    )


def _arguments(node: ast.FunctionDef) -> list[ast.arg]:
    a = node.args
    more = [one for one in (a.vararg, a.kwarg) if one is not None]
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *more]


def _array_aliases(tree: ast.Module) -> set[str]:
    """Names such as `Mask = np.ndarray` at the top of a module."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Attribute, ast.Subscript))
        for target in node.targets
        if isinstance(target, ast.Name)
        and ARRAY.search(ast.unparse(node.value))
        and not ast.unparse(node.value).startswith("dict")
    }


def _raises(node: ast.FunctionDef) -> bool:
    """Whether its own body raises something new; passing an error on does not count."""
    todo: list[ast.AST] = list(node.body)
    while todo:
        one = todo.pop()
        if isinstance(one, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(one, ast.Raise) and one.exc is not None:
            return True
        todo.extend(ast.iter_child_nodes(one))
    return False


def lacks(package: Path = PACKAGE) -> tuple[dict[str, tuple[int, int]], list[Lack]]:
    """Kind -> (told, asked), and every lack."""
    counts: dict[str, tuple[int, int]] = {}
    missing = []
    for function in functions(package):
        for kind, told in function.needs().items():
            yes, asked = counts.get(kind, (0, 0))
            counts[kind] = (yes + told, asked + 1)
            if not told:
                missing.append(Lack(function.where, kind))
    return counts, missing


if __name__ == "__main__":
    counts, missing = lacks()
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for lack in missing:
        if wanted in lack.where:
            print(f"{lack.where}: no {lack.kind}")
    for kind, (told, asked) in counts.items():
        print(f"{kind}: {told} of {asked}, {100 * told / asked:.0f} %")
