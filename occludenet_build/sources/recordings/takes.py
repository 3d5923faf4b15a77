"""Takes: performances that one or several cameras recorded at the same time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from occludenet_build.config.recordings import RecordingSet
from occludenet_build.core import names
from occludenet_build.core.errors import UserError
from occludenet_build.sources.recordings.table import Recording, take_key

Part = tuple[Fraction, Fraction | None]
"""Start and end (exclusive) of what may be used of a recording, seconds; None: to its end."""


@dataclass(frozen=True)
class View:
    """One recording of a take."""

    name: str
    """As in the table; empty if the set has no views."""
    number: int
    """Number of the view's folder, from 1."""
    file: str
    camera: str
    offset: Fraction | None
    """Time on the take's clock at which the recording begins, from the table; None: not stated."""
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Take:
    """A performance, with its views in the order of their numbers."""

    set: str
    id: str
    """Unique in the set, and able to name a file."""
    label: str
    people: tuple[str, ...]
    name: str
    """As in the table."""
    session: str
    split: str | None
    """The split that the user states."""
    views: tuple[View, ...]

    @property
    def key(self) -> str:
        """Unique in all sets."""
        return f"{self.set}/{self.id}"


def takes_of(recordings: Sequence[Recording], one: RecordingSet) -> list[Take]:
    """The takes of a set, sorted by id, whatever the order of the rows."""
    numbers = view_numbers({row.view for row in recordings}, one.views)
    groups: dict[tuple[str, ...], list[Recording]] = defaultdict(list)
    for row in sorted(recordings, key=lambda row: (row.file, row.start)):
        groups[take_key(row, one)].append(row)
    keys = sorted(groups)
    plain = [_plain_id(groups[key]) for key in keys]
    ids = names.disambiguate(plain, keys)
    takes = [_take(one, id, groups[key], numbers) for id, key in zip(ids, keys, strict=True)]
    return sorted(takes, key=lambda take: take.id)


def view_numbers(found: Iterable[str], order: Sequence[str] = ()) -> dict[str, int]:
    """View -> number of its folder, from 1.

    Numbers are those in the names if each has one of its own, else they follow `order`, or the
    alphabet.

    >>> view_numbers(["view3", "view1"]), view_numbers(["left", "front"])
    ({'view1': 1, 'view3': 3}, {'front': 1, 'left': 2})
    """
    views = [*order] or sorted(set(found) - {""})
    stated = [re.fullmatch(r"\D*0*([1-9]\d{0,3})", view, re.ASCII) for view in views]
    numbers = [int(match[1]) for match in stated if match]
    if not order and len(set(numbers)) == len(views):
        return dict(zip(views, numbers, strict=True))
    return {view: number for number, view in enumerate(views, 1)}


def _plain_id(rows: list[Recording]) -> str:
    first = rows[0]
    parts = [first.label, "-".join(_people(rows)), first.take]
    parts += [first.session] if first.session else []
    text = "_".join(re.sub(r"[^\w.-]+", "-", part).strip("-.") or "x" for part in parts)
    return names.shortened(text, 120, repr(parts))


def _people(rows: list[Recording]) -> tuple[str, ...]:
    return tuple(sorted({person for row in rows for person in row.people}))


def _take(one: RecordingSet, id: str, rows: list[Recording], numbers: dict[str, int]) -> Take:
    files: dict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        files[row.file].append(row)
    views = [_view(same, numbers) for same in files.values()]
    views.sort(key=lambda view: view.number)
    first = rows[0]
    split = next((row.split for row in rows if row.split), None)
    about = (first.label, _people(rows), first.take, first.session, split)
    return Take(one.name, id, *about, tuple(views))


def _view(rows: list[Recording], numbers: dict[str, int]) -> View:
    first = rows[0]
    parts = tuple((row.start, row.end) for row in rows)
    return View(
        first.view, numbers.get(first.view, 1), first.file, first.camera, first.offset, parts
    )


def connected(takes: Sequence[Take], together: Iterable[str]) -> list[list[Take]]:
    """Groups of takes that share a person or session, directly or through others.

    `together`: what they may share: subject, session. Groups and takes are sorted by key.
    """
    parent = {take.key: take.key for take in takes}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    owner: dict[tuple[str, str], str] = {}
    for take in takes:
        for shared in shared_names(take, together):
            other = root(owner.setdefault(shared, take.key))
            mine = root(take.key)
            parent[max(mine, other)] = min(mine, other)
    groups: dict[str, list[Take]] = defaultdict(list)
    for take in sorted(takes, key=lambda take: take.key):
        groups[root(take.key)].append(take)
    return [groups[key] for key in sorted(groups)]


def shared_names(take: Take, together: Iterable[str]) -> list[tuple[str, str]]:
    """What of a take must not be in two splits, as (column, name), besides the take.

    A person has one name in all sets, as in the consent table; a session is one of its set.
    """
    found = []
    for column in together:
        sessions = (f"{take.session} of {take.set}",) if take.session else ()
        found += [(column, name) for name in (take.people if column == "subject" else sessions)]
    return found


def check_sessions(takes: Sequence[Take], together: Iterable[str]) -> None:
    """Raises UserError where sessions are to stay in one split and a take has none."""
    without = [take for take in takes if not take.session]
    if "session" in together and without:
        raise UserError(
            f"recordings.together: wanted a session for every take of {without[0].set}, got none "
            f"for {len(without)} takes, first {without[0].id}; fill the column session in"
        )
