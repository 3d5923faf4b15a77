"""Checks of the occluders: how often each is used, and that no two splits share one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from occludenet_build.release.order import type_order
from occludenet_build.validate.clips import Place, Release, split_order
from occludenet_build.validate.content import by_source
from occludenet_build.validate.finding import Finding


def occluder_in_two_splits(release: Release) -> Iterator[Finding]:
    uses: dict[str, dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place, record in release.annotated:
        uses[record.occluder_file_name][place.source.split].append(place)
    if len(release.overall) < 2:
        yield from _one_split(release, len(uses))
    for name, splits in sorted(uses.items()):
        if len(splits) > 1:
            numbers = {s: len({p.source for p in splits[s]}) for s in splits}
            told = ", ".join(f"{numbers[s]} in {s}" for s in sorted(splits, key=split_order))
            clips = sum(map(len, splits.values()))
            detail = f"source clips: {told}"
            yield Finding("error", None, name, sum(numbers.values()), clips, detail)


def _one_split(release: Release, occluders: int) -> Iterator[Finding]:
    for split in release.overall:
        detail = f"{occluders} distinct occluders; one split was read, there is none to compare"
        yield Finding("note", split, "occluders", detail=detail)


def occluder_use(release: Release) -> Iterator[Finding]:
    """Per split and type: how many occluders stand in how many source clips."""
    for split in release.splits:
        uses: dict[str, Counter[str]] = defaultdict(Counter)
        for scales in by_source(release, split).values():
            record = next(iter(scales.values()))
            uses[record.occluder_type][record.occluder_file_name] += 1
        for category in sorted(uses, key=type_order):
            name, most = max(uses[category].items(), key=lambda use: (use[1], use[0]))
            detail = (
                f"{len(uses[category])} of this type in {uses[category].total()} source clips; "
                f"{name} in {most} of them"
            )
            yield Finding("note", split, category, uses[category].total(), detail=detail)
