"""Checks by name (CHECKS), and those that compare the files: lists, scales, splits, label ids.

Every check takes a Release and yields a ReleaseFinding per problem.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.dataset.validate import content
from occludenet_build.dataset.validate.release import (
    OutputClip,
    Release,
    ReleaseFinding,
    SourceClip,
    split_order,
)
from occludenet_build.release.terms import class_order


def malformed(release: Release) -> Iterator[ReleaseFinding]:
    """Yield rows and files that do not parse."""
    yield from release.malformed


def missing_files(release: Release) -> Iterator[ReleaseFinding]:
    """Yield files that were not given, and so were not checked."""
    for split in release.splits:
        if split not in release.overall:
            name = f"{split}_d.csv"
            yield ReleaseFinding("note", split, name, detail=f"{name} was not read: lists only")
        annotated = {p.scale for p, _ in release.annotated if p.source.split == split}
        lists = {scale for other, scale in release.lists if other == split}
        for scale in sorted(annotated - lists):
            name = f"{split}_{scale * 100:g}.csv"
            detail = f"clips are annotated at scale {scale:g}, {name} was not read"
            yield ReleaseFinding("warning", split, name, detail=detail)


def duplicate(release: Release) -> Iterator[ReleaseFinding]:
    """Yield clips that one file names twice."""
    for kind, outputs in _clips_by_file_kind(release).items():
        twice = [output for output, number in Counter(outputs).items() if number > 1]
        yield from _per_source(twice, f"more than once in the {kind}")


def listed_not_annotated(release: Release) -> Iterator[ReleaseFinding]:
    """Yield listed clips without a row in the overall annotation of their split."""
    known = {output for output, _ in release.annotated}
    lost = {p for p, _ in release.entries if p not in known and p.source.split in release.overall}
    yield from _per_source(lost, "in the lists, not in the overall annotation")


def annotated_not_listed(release: Release) -> Iterator[ReleaseFinding]:
    """Yield annotated clips that are missing in the list of their split and scale."""
    known = {output for output, _ in release.entries}
    lost = {
        p
        for p, _ in release.annotated
        if p not in known and (p.source.split, p.scale) in release.lists
    }
    yield from _per_source(lost, "in the overall annotation, not in the lists")


def incomplete_scales(release: Release) -> Iterator[ReleaseFinding]:
    """Yield source clips that lack some of the scales of their split."""
    for kind, outputs in _clips_by_file_kind(release).items():
        scales: dict[SourceClip, set[float]] = defaultdict(set)
        of_split: dict[str, set[float]] = defaultdict(set)
        for output in outputs:
            scales[output.source].add(output.scale)
            of_split[output.source.split].add(output.scale)
        lost = [
            OutputClip(source, scale)
            for source, found in scales.items()
            for scale in of_split[source.split] - found
        ]
        yield from _per_source(lost, f"missing in the {kind}, which has the clip at other scales")


def source_in_two_places(release: Release) -> Iterator[ReleaseFinding]:
    """Yield source clips in two splits (a leak) or in two classes (one label is wrong)."""
    outputs = set().union(*_clips_by_file_kind(release).values())
    homes: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for output in outputs:
        homes[output.source.clip].add((output.source.split, output.source.label))
    clips = Counter(output.source.clip for output in outputs)
    for clip, found in sorted(homes.items()):
        if len(found) > 1:
            splits = {split for split, _ in found}
            severity, split = ("error", None) if len(splits) > 1 else ("warning", min(splits))
            named = ", ".join(f"{s}/{label}" for s, label in sorted(found))
            yield ReleaseFinding(severity, split, clip, 1, clips[clip], f"one source in {named}")


def header_row(release: Release) -> Iterator[ReleaseFinding]:
    """Note that lists have a header row, which some loaders cannot read."""
    if release.lists:
        detail = (
            f"{len(release.lists)} lists begin with the row file,label: loaders that call "
            "int(label) on every line (UniFormerV2, PySlowFast) stop there"
        )
        yield ReleaseFinding("note", None, "file,label", detail=detail)


AWKWARD_CHARACTERS = {
    "spaces": " ",
    "parentheses": "()",
    "quotes or apostrophes": "'\"`",
    "commas or semicolons": ",;",
}
"""Name -> characters that break lists split at spaces, shell commands or loaders."""


def class_names(release: Release) -> Iterator[ReleaseFinding]:
    """Note characters in class names that other programs cannot handle."""
    outputs = set().union(*_clips_by_file_kind(release).values())
    clips = Counter(output.source.label for output in outputs)
    for what, characters in AWKWARD_CHARACTERS.items():
        found = sorted(name for name in clips if set(name) & set(characters))
        if found:
            detail = (
                f"{len(found)} of {len(clips)} class folders have {what}: {_abbreviated(found)}"
            )
            yield ReleaseFinding(
                "note", None, what, clips=sum(clips[n] for n in found), detail=detail
            )


def _abbreviated(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _clips_by_file_kind(release: Release) -> dict[str, list[OutputClip]]:
    return {
        "overall annotation": [output for output, _ in release.annotated],
        "lists": [output for output, _ in release.entries],
    }


def _per_source(outputs: Iterable[OutputClip], text: str) -> Iterator[ReleaseFinding]:
    """Yield one error per source, with its scales."""
    scales: dict[SourceClip, list[float]] = defaultdict(list)
    for output in sorted(outputs):
        scales[output.source].append(output.scale)
    for source in sorted(scales, key=lambda s: (split_order(s.split), s)):
        at = ", ".join(f"{scale:g}" for scale in scales[source])
        detail = f"{source.label}, at {at}: {text}"
        yield ReleaseFinding("error", source.split, source.clip, 1, len(scales[source]), detail)


Ids = dict[str, set[int]]


def check_label_ids(release: Release) -> Iterator[ReleaseFinding]:
    """Yield classes with several ids, ids with several classes, and ids unlike the label map."""
    ids: Ids = defaultdict(set)
    for output, label_id in release.entries:
        ids[output.source.label].add(label_id)
    clips = Counter(output.source.label for output, _ in release.entries)
    sources = Counter(label for _, label, _ in {output.source for output, _ in release.entries})
    for severity, label, detail in (*_ambiguous(ids), *_against_a_map(ids, release.label_map)):
        yield ReleaseFinding(severity, None, label, sources[label], clips[label], detail)


LabelProblem = tuple[str, str, str]
"""(severity, class, detail)"""


def _ambiguous(ids: Ids) -> Iterator[LabelProblem]:
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


def _against_a_map(ids: Ids, given: dict[str, int] | None) -> Iterator[LabelProblem]:
    """Compare with the given label map (error), or with plainly sorted names (warning)."""
    severity, name = ("error", "the label map") if given is not None else ("warning", SORTED_NAMES)
    expected = given if given is not None else sorted_names(ids)
    for label in sorted(ids, key=class_order):
        (one, *several) = sorted(ids[label])
        if label not in expected:
            yield severity, label, f"id {one} in the lists, the class is not in {name}"
        elif not several and one != expected[label]:
            yield severity, label, f"id {one} in the lists, {expected[label]} in {name}"


SORTED_NAMES = "plainly sorted names (mmaction2)"


def sorted_names(ids: Ids) -> dict[str, int]:
    """Class name -> id, if the ids of the lists numbered the class names in plain order.

    Classes that are not in the lists do not shift the ids. The release sorts "drinking/" after
    "drinking beer/"; plain sorting puts "drinking" first.
    """
    return dict(zip(sorted(ids), sorted(min(each) for each in ids.values()), strict=True))


def read_label_map(path: Path) -> dict[str, int]:
    """Class name -> id, from a text file with one name per line, CSV or JSON.

    Raises UserError where the file is not readable, has another format, or names a class twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"wanted a label map, {path} is not readable: {error}") from error
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
    """Parse `name,id` or `id,name`; a first row without a number is a header."""
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


CHECKS: dict[str, Callable[[Release], Iterable[ReleaseFinding]]] = {
    "malformed": malformed,
    "missing_files": missing_files,
    "duplicate": duplicate,
    "listed_not_annotated": listed_not_annotated,
    "annotated_not_listed": annotated_not_listed,
    "incomplete_scales": incomplete_scales,
    "source_in_two_places": source_in_two_places,
    "scales_disagree": content.scales_disagree,
    "fractional_frames": content.fractional_frames,
    "not_occluded": content.not_occluded,
    "odd_fps": content.odd_fps,
    "quota": content.quota,
    "occluder_in_two_splits": content.occluder_in_two_splits,
    "occluder_use": content.occluder_use,
    "label_ids": check_label_ids,
    "class_names": class_names,
    "header_row": header_row,
}
"""Name -> check, in the order of the report."""


def run_checks(release: Release) -> dict[str, list[ReleaseFinding]]:
    """Check name -> its findings."""
    return {name: list(check(release)) for name, check in CHECKS.items()}
