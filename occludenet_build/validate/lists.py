"""Checks of the files against each other: lists, overall annotation, scales, splits, names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from occludenet_build.validate.clips import Place, Release, Source, split_order
from occludenet_build.validate.finding import Finding


def malformed(release: Release) -> Iterator[Finding]:
    yield from release.malformed


def missing_files(release: Release) -> Iterator[Finding]:
    """What was not given is not checked: say so."""
    for split in release.splits:
        if split not in release.overall:
            name = f"{split}_d.csv"
            yield Finding("note", split, name, detail=f"{name} was not read: lists only")
        annotated = {p.scale for p, _ in release.annotated if p.source.split == split}
        lists = {scale for other, scale in release.lists if other == split}
        for scale in sorted(annotated - lists):
            name = f"{split}_{scale * 100:g}.csv"
            detail = f"clips are annotated at scale {scale:g}, {name} was not read"
            yield Finding("warning", split, name, detail=detail)


def duplicate(release: Release) -> Iterator[Finding]:
    """The same clip twice in one file."""
    for kind, places in _kinds(release).items():
        twice = [place for place, number in Counter(places).items() if number > 1]
        yield from _per_source(twice, f"more than once in the {kind}")


def listed_not_annotated(release: Release) -> Iterator[Finding]:
    known = {place for place, _ in release.annotated}
    lost = {p for p, _ in release.entries if p not in known and p.source.split in release.overall}
    yield from _per_source(lost, "in the lists, not in the overall annotation")


def annotated_not_listed(release: Release) -> Iterator[Finding]:
    known = {place for place, _ in release.entries}
    lost = {
        p
        for p, _ in release.annotated
        if p not in known and (p.source.split, p.scale) in release.lists
    }
    yield from _per_source(lost, "in the overall annotation, not in the lists")


def incomplete_scales(release: Release) -> Iterator[Finding]:
    """A source that is there at some scales, and not at others that its split has."""
    for kind, places in _kinds(release).items():
        scales: dict[Source, set[float]] = defaultdict(set)
        of_split: dict[str, set[float]] = defaultdict(set)
        for place in places:
            scales[place.source].add(place.scale)
            of_split[place.source.split].add(place.scale)
        lost = [
            Place(source, scale)
            for source, found in scales.items()
            for scale in of_split[source.split] - found
        ]
        yield from _per_source(lost, f"missing in the {kind}, which has the clip at other scales")


def source_in_two_places(release: Release) -> Iterator[Finding]:
    """A source in two splits leaks; in two classes it has a wrong label in one of them."""
    places = set().union(*_kinds(release).values())
    homes: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for place in places:
        homes[place.source.clip].add((place.source.split, place.source.label))
    clips = Counter(place.source.clip for place in places)
    for clip, found in sorted(homes.items()):
        if len(found) > 1:
            splits = {split for split, _ in found}
            severity, split = ("error", None) if len(splits) > 1 else ("warning", min(splits))
            named = ", ".join(f"{s}/{label}" for s, label in sorted(found))
            yield Finding(severity, split, clip, 1, clips[clip], f"one source in {named}")


def header_row(release: Release) -> Iterator[Finding]:
    if release.lists:
        detail = (
            f"{len(release.lists)} lists begin with the row file,label: loaders that call "
            "int(label) on every line (UniFormerV2, PySlowFast) stop there"
        )
        yield Finding("note", None, "file,label", detail=detail)


TRAPS = {
    "spaces": " ",
    "parentheses": "()",
    "quotes or apostrophes": "'\"`",
    "commas or semicolons": ",;",
}
"""Characters that break lists split at spaces, shell commands and loaders: name -> which."""


def class_names(release: Release) -> Iterator[Finding]:
    places = set().union(*_kinds(release).values())
    clips = Counter(place.source.label for place in places)
    for what, characters in TRAPS.items():
        found = sorted(name for name in clips if set(name) & set(characters))
        if found:
            detail = f"{len(found)} of {len(clips)} class folders have {what}: {_some(found)}"
            yield Finding("note", None, what, clips=sum(clips[n] for n in found), detail=detail)


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _kinds(release: Release) -> dict[str, list[Place]]:
    return {
        "overall annotation": [place for place, _ in release.annotated],
        "lists": [place for place, _ in release.entries],
    }


def _per_source(places: Iterable[Place], text: str) -> Iterator[Finding]:
    """An error for each source, with its scales."""
    scales: dict[Source, list[float]] = defaultdict(list)
    for place in sorted(places):
        scales[place.source].append(place.scale)
    for source in sorted(scales, key=lambda s: (split_order(s.split), s)):
        at = ", ".join(f"{scale:g}" for scale in scales[source])
        detail = f"{source.label}, at {at}: {text}"
        yield Finding("error", source.split, source.clip, 1, len(scales[source]), detail)
