"""Label ids: one for each class, and whether another label map has the same."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.release.order import class_order
from occludenet_build.validate.clips import Release
from occludenet_build.validate.finding import Finding

Ids = dict[str, set[int]]


def label_ids(release: Release) -> Iterator[Finding]:
    ids: Ids = defaultdict(set)
    for place, label_id in release.entries:
        ids[place.source.label].add(label_id)
    clips = Counter(place.source.label for place, _ in release.entries)
    sources = Counter(label for _, label, _ in {place.source for place, _ in release.entries})
    for severity, label, detail in (*_ambiguous(ids), *_against_a_map(ids, release.label_map)):
        yield Finding(severity, None, label, sources[label], clips[label], detail)


Said = tuple[str, str, str]
"""(severity, class, detail)"""


def _ambiguous(ids: Ids) -> Iterator[Said]:
    owners: dict[int, set[str]] = defaultdict(set)
    for label in sorted(ids, key=class_order):
        if len(ids[label]) > 1:
            yield "error", label, f"ids {', '.join(map(str, sorted(ids[label])))} for one class"
        for label_id in ids[label]:
            owners[label_id].add(label)
    for label_id, labels in sorted(owners.items()):
        for label in sorted(labels, key=class_order) if len(labels) > 1 else ():
            others = ", ".join(sorted(labels - {label}, key=class_order))
            yield "error", label, f"id {label_id}, which stands for {others} too"


def _against_a_map(ids: Ids, given: dict[str, int] | None) -> Iterator[Said]:
    """An asked-for map must agree; the order of plainly sorted names is only the usual trap."""
    severity, name = ("error", "the label map") if given is not None else ("warning", SORTED)
    wanted = given if given is not None else sorted_names(ids)
    for label in sorted(ids, key=class_order):
        (one, *several) = sorted(ids[label])
        if label not in wanted:
            yield severity, label, f"id {one} in the lists, the class is not in {name}"
        elif not several and one != wanted[label]:
            yield severity, label, f"id {one} in the lists, {wanted[label]} in {name}"


SORTED = "plainly sorted names (mmaction2)"


def sorted_names(ids: Ids) -> dict[str, int]:
    """The ids of the lists, dealt to the class names in their plain order.

    Classes that the lists lack shift nothing. The release sorts "drinking/" behind
    "drinking beer/", plain sorting puts "drinking" first.
    """
    return dict(zip(sorted(ids), sorted(min(each) for each in ids.values()), strict=True))


def read_label_map(path: Path) -> dict[str, int]:
    """Class name -> id, from names in lines, CSV or JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"wanted a label map, {path} does not read: {error}") from error
    pairs = _READERS.get(path.suffix.lower(), _from_lines)(text, path)
    found = dict(pairs)
    if not pairs or len(found) < len(pairs):
        got = "one twice" if pairs else "none"
        raise UserError(f"{path}: wanted class names, each once, got {got}; correct the label map")
    return found


Pairs = list[tuple[str, int]]


def _from_lines(text: str, path: Path) -> Pairs:
    return [(name, number) for number, name in enumerate(text.splitlines())]


def _from_json(text: str, path: Path) -> Pairs:
    try:
        value: Any = json.loads(text, object_pairs_hook=list)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: wanted JSON, got {error}; correct the label map") from error
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return [(name, number) for number, name in enumerate(value)]
    if isinstance(value, list) and all(isinstance(p, tuple) and type(p[1]) is int for p in value):
        return value
    raise UserError(f"{path}: wanted {{name: id}} or [name, ...], got {text[:60]!r}")


def _from_csv(text: str, path: Path) -> Pairs:
    """`name,id` or `id,name`; a first row without a number is a header."""
    pairs = []
    for line, cells in enumerate(csv.reader(text.splitlines()), start=1):
        numbers = [cell.strip().isdecimal() for cell in cells]
        if line == 1 and len(cells) == 2 and not any(numbers):
            continue
        if len(cells) != 2 or not any(numbers):
            raise UserError(f"{path}, line {line}: wanted name,id or id,name, got {cells}")
        name, number = cells if numbers[1] else reversed(cells)
        pairs.append((name.strip(), int(number)))
    return pairs


_READERS = {".json": _from_json, ".csv": _from_csv}
