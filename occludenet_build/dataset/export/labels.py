"""Label ids: those of the build, and those of the program that reads an export.

A label space numbers the classes of one or more sets: annotate/labels.json that of clean and D,
measure/<set>/labels.json that of S, I and M. Lists of a set use the ids of its own space, from 0,
because a network is trained on one set. Formats that hold all sets in one file use one map: the ids
of annotate, then the further classes of the other sets, in the order of sets and ids. Equal names
are one class.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from occludenet_build.core.errors import UserError


def read_label_map(file: Path) -> dict[str, int]:
    """Class name -> id, from a text file with a name per line, or from JSON {name: id}.

    A byte order mark, empty lines at the end, and quotes around a name (Kinetics' JSON has them)
    are left out. Raises UserError where a name or an id occurs twice, or an id is no number from 0.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise _bad(file, f"a text file in UTF-8, got {error}") from error
    if file.suffix.lower() != ".json":
        names = [line.strip() for line in text.rstrip().splitlines()]
        pairs = [(name, number) for number, name in enumerate(names)]
    else:
        pairs = [(name.strip().strip('"'), number) for name, number in _json_items(file, text)]
    return _checked(file, pairs)


def _json_items(file: Path, text: str) -> list[tuple[str, int]]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise _bad(file, f"JSON, got {error}") from error
    if isinstance(values, list) and all(isinstance(name, str) for name in values):
        return [(name, number) for number, name in enumerate(values)]
    if not isinstance(values, dict) or not all(
        isinstance(number, int) and not isinstance(number, bool) and number >= 0
        for number in values.values()
    ):
        raise _bad(file, "{name: id} with ids from 0, got something else")
    return list(values.items())


def _checked(file: Path, pairs: list[tuple[str, int]]) -> dict[str, int]:
    for what, values in (
        ("names", [name for name, _ in pairs]),
        ("ids", [str(number) for _, number in pairs]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice or "" in values:
            raise _bad(file, f"different {what}, got {', '.join(twice) or 'an empty line'} twice")
    if not pairs:
        raise _bad(file, "a class per line, got none")
    return dict(pairs)


def _bad(file: Path, text: str) -> UserError:
    return UserError(f"export.label_maps: {file}: wanted {text}; correct the file")


def ids_of_reader(names: Iterable[str], reader: Mapping[str, int], format: str) -> dict[str, int]:
    """Class name -> id of the reading program, for the classes of the build.

    Names may differ in case, and in what is neither letter nor digit: many programs write
    `catching_or_throwing_baseball`. Raises UserError that lists all classes that are not in the
    map, or that are one class there.
    """
    wanted = list(names)
    folded: dict[str, list[str]] = {}
    for name in reader:
        folded.setdefault(_folded(name), []).append(name)
    found: dict[str, int] = {}
    for name in wanted:
        same = folded.get(_folded(name), [])
        if name in reader or len(same) == 1:
            found[name] = reader[name if name in reader else same[0]]
    missing = [name for name in wanted if name not in found]
    shared = [n for n in found if list(found.values()).count(found[n]) > 1]
    if missing or shared:
        raise UserError(
            f"export.label_maps: {format}: wanted an id for every class, got "
            + "; ".join(
                f"{text} {', '.join(listed)}"
                for text, listed in (("none for", missing), ("the same for", shared))
                if listed
            )
            + "; add them to the file, or leave these sets out with export.sets"
        )
    return found


def _folded(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def joined(spaces: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """One map of several label spaces: the ids of the first, then further classes of the others.

    >>> joined([{"climb": 0, "run": 1}, {"fight": 0, "run": 1}])
    {'climb': 0, 'run': 1, 'fight': 2}
    """
    found: dict[str, int] = {}
    for space in spaces:
        if not found:
            found.update(space)
        for name in sorted(space, key=lambda one: space[one]):
            found.setdefault(name, max(found.values()) + 1)
    return found
