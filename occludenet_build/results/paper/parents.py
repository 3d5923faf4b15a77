"""Parent classes: those of the paper's Appendix G, or the user's own.

Appendix G has 38 parents for 386 of Kinetics-400's classes; 56 classes have several parents, 14
have none. published/parents.json lists the names that Appendix G spells differently than
Kinetics-400.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.results.paper import published

Parents = dict[str, tuple[str, ...]]
"""Classes by parent, in the order of the file."""


def read_parents(path: str | None) -> Parents:
    """The parents in a JSON file {parent: [class, ...]}; those of Appendix G for None.

    A file of another form, a parent without classes or with a class twice ends it with a UserError.
    """
    return appendix_g() if path is None else _checked(_json(path), path)


def appendix_g() -> Parents:
    """The parents of Appendix G, with the spelling of Kinetics-400 and without other names."""
    noted = published.printed_parents()
    renamed = {entry["printed"]: entry["class"] for entry in noted["renamed"]}
    found = {}
    for parent, printed in noted["parents"].items():
        names = (renamed.get(name, name) for name in printed)
        found[parent] = tuple(name for name in names if name is not None)
    return found


def _json(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"config: paper.parents: wanted a JSON file {{parent: [class, ...]}}, {path} cannot "
            f"be read: {error}"
        ) from error


def _checked(values: Any, path: str) -> Parents:
    if not isinstance(values, dict) or not values:
        raise _wrong(path, f"got {type(values).__name__} {str(values)[:40]}")
    for parent, names in values.items():
        if not isinstance(names, list) or not names:
            raise _wrong(path, f"got {str(names)[:40]} for {parent!r}")
        odd = [name for name in names if not isinstance(name, str) or not name.strip()]
        if odd:
            raise _wrong(path, f"got the class {odd[0]!r} under {parent!r}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise _wrong(path, f"got {twice[0]!r} twice under {parent!r}")
    return {parent: tuple(names) for parent, names in values.items()}


def _wrong(path: str, got: str) -> UserError:
    return UserError(
        f"config: paper.parents: wanted {{parent: [class, ...]}}, lists of different names, "
        f"{got}; correct {path}"
    )


def parents_of(parents: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Parents by class."""
    found: dict[str, list[str]] = {}
    for parent, names in parents.items():
        for name in names:
            found.setdefault(name, []).append(parent)
    return {name: tuple(those) for name, those in found.items()}
