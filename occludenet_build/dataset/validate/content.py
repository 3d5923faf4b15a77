"""Checks of the overall annotation: occlusion, times, frame rate, quota, occluders."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

from occludenet_build.dataset.validate.release import (
    OutputClip,
    Release,
    ReleaseFinding,
    SourceClip,
    split_order,
)
from occludenet_build.release.csv_format import Overall
from occludenet_build.release.terms import class_order, occluder_type_order

SLOWEST_FPS, FASTEST_FPS = 5.0, 61.0
SELDOM, NEARLY_ALWAYS = 0.10, 0.99
"""Occluded share of a clip's duration, 0 to 1."""

HALF_DIGIT = 0.005
"""Largest rounding error of a time or rate with two decimals."""

Scales = dict[float, Overall]


def annotated_by_source(release: Release, split: str) -> dict[SourceClip, Scales]:
    """Source clip -> scale -> record, of one split, in the order of the file."""
    found: dict[SourceClip, Scales] = defaultdict(dict)
    for output, record in release.annotated:
        if output.source.split == split:
            found[output.source][output.scale] = record
    return found


def not_occluded(release: Release) -> Iterator[ReleaseFinding]:
    """Yield clips that are never occluded (errors), and counts of extremes (notes)."""
    for split in release.splits:
        sources = annotated_by_source(release, split)
        for source, scales in sources.items():
            never = sum(record.occlusion_duration == 0 for record in scales.values())
            if never:
                detail = f"{source.label}: occlusion duration 0, in an occluded set"
                yield ReleaseFinding("error", split, source.clip, 1, never, detail)
        yield from _shares(split, sources)


def _shares(split: str, sources: dict[SourceClip, Scales]) -> Iterator[ReleaseFinding]:
    """Count clips that are occluded in a small part of their duration, and in nearly all of it."""
    shares = {s: [_share(record) for record in scales.values()] for s, scales in sources.items()}
    for subject, low, high in (
        (f"occluded < {SELDOM:.0%} of the time", -math.inf, SELDOM),
        (f"occluded >= {NEARLY_ALWAYS:.0%} of the time", NEARLY_ALWAYS, math.inf),
    ):
        counts = [n for each in shares.values() if (n := sum(low <= x < high for x in each))]
        if counts:
            detail = f"{len(counts)} of {len(shares)} source clips"
            yield ReleaseFinding("note", split, subject, len(counts), sum(counts), detail)


def _share(record: Overall) -> float:
    return record.occlusion_duration / record.video_duration if record.video_duration else 0.0


SHARED = {
    "type": "occluder_type",
    "occluder": "occluder_file_name",
    "pixel ratio": "occluder_pixel_ratio",
    "occlusion duration": "occlusion_duration",
    "video duration": "video_duration",
    "fps": "fps",
}
"""Name -> field of Overall that is the same at all scales of one source."""


def scales_disagree(release: Release) -> Iterator[ReleaseFinding]:
    """Yield source clips whose records differ between scales.

    A different occlusion duration is only a warning: a small occluder on a path of its own may
    cover the actor in fewer frames.
    """
    for split in release.splits:
        for source, scales in annotated_by_source(release, split).items():
            for name, attribute in SHARED.items():
                values = {at: getattr(record, attribute) for at, record in scales.items()}
                if len(set(values.values())) > 1:
                    got = ", ".join(f"{value} at {at:g}" for at, value in sorted(values.items()))
                    detail = f"{source.label}: wanted one {name}, got {got}"
                    severity = "warning" if name == "occlusion duration" else "error"
                    yield ReleaseFinding(severity, split, source.clip, 1, len(scales), detail)


def fractional_frames(release: Release) -> Iterator[ReleaseFinding]:
    """Yield clips whose `occlusion duration` times fps is not a whole number of frames."""
    for split in release.splits:
        for source, scales in annotated_by_source(release, split).items():
            bad = [r for r in scales.values() if not whole_frames(r.occlusion_duration, r.fps)]
            if bad:
                seconds, fps = bad[0].occlusion_duration, bad[0].fps
                detail = (
                    f"{source.label}: occlusion duration {seconds:.2f} s x {fps:.2f} fps = "
                    f"{seconds * fps:.2f} frames, wanted a whole number"
                )
                yield ReleaseFinding("warning", split, source.clip, 1, len(bad), detail)


def whole_frames(seconds: float, fps: float) -> bool:
    """Whether a whole number of frames explains both values, each rounded to two decimals.

    >>> whole_frames(8.62, 29.92), whole_frames(0.15, 10.0)
    (True, False)
    """
    low = max(0.0, seconds - HALF_DIGIT) * max(0.0, fps - HALF_DIGIT)
    high = (seconds + HALF_DIGIT) * (fps + HALF_DIGIT)
    return math.floor(high + 1e-9) >= math.ceil(low - 1e-9)


def odd_fps(release: Release) -> Iterator[ReleaseFinding]:
    """Yield unusual frame rates (warnings), and the range of all rates (a note)."""
    for split in release.splits:
        sources = annotated_by_source(release, split)
        rates = [record.fps for scales in sources.values() for record in scales.values()]
        for source, scales in sources.items():
            odd = [r.fps for r in scales.values() if not SLOWEST_FPS <= r.fps <= FASTEST_FPS]
            if odd:
                detail = f"{source.label}: {odd[0]:.2f} fps"
                yield ReleaseFinding("warning", split, source.clip, 1, len(odd), detail)
        if rates:
            detail = f"fps from {min(rates):.2f} to {max(rates):.2f}"
            yield ReleaseFinding("note", split, "fps", len(sources), len(rates), detail)


def quota(release: Release) -> Iterator[ReleaseFinding]:
    """Note the usual number of source clips per class and type, and the classes with another."""
    for split in release.splits:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for source, scales in annotated_by_source(release, split).items():
            counts[source.label][next(iter(scales.values())).occluder_type] += 1
        if counts:
            yield from _quota(split, counts)


def _quota(split: str, counts: dict[str, Counter[str]]) -> Iterator[ReleaseFinding]:
    types = sorted({name for each in counts.values() for name in each}, key=occluder_type_order)
    seen = Counter(each[name] for each in counts.values() for name in types)
    usual = max(seen, key=lambda number: (seen[number], number))
    off = [label for label in counts if any(counts[label][name] != usual for name in types)]
    detail = (
        f"{len(counts) - len(off)} of {len(counts)} classes have {usual} source clips of each "
        f"type: {', '.join(types)}"
    )
    total = sum(sum(each.values()) for each in counts.values())
    yield ReleaseFinding("note", split, "usual quota", total, detail=detail)
    for label in sorted(off, key=class_order):
        numbers = ", ".join(f"{name} {counts[label][name]}" for name in types)
        yield ReleaseFinding(
            "note", split, label, sum(counts[label].values()), detail=f"off it: {numbers}"
        )


def occluder_in_two_splits(release: Release) -> Iterator[ReleaseFinding]:
    """Yield occluders that several splits share (a leak)."""
    uses: dict[str, dict[str, list[OutputClip]]] = defaultdict(lambda: defaultdict(list))
    for output, record in release.annotated:
        uses[record.occluder_file_name][output.source.split].append(output)
    if len(release.overall) < 2:
        yield from _one_split(release, len(uses))
    for name, splits in sorted(uses.items()):
        if len(splits) > 1:
            numbers = {s: len({p.source for p in splits[s]}) for s in splits}
            shared = ", ".join(f"{numbers[s]} in {s}" for s in sorted(splits, key=split_order))
            clips = sum(map(len, splits.values()))
            detail = f"source clips: {shared}"
            yield ReleaseFinding("error", None, name, sum(numbers.values()), clips, detail)


def _one_split(release: Release, occluders: int) -> Iterator[ReleaseFinding]:
    for split in release.overall:
        detail = f"{occluders} distinct occluders; one split was read, there is none to compare"
        yield ReleaseFinding("note", split, "occluders", detail=detail)


def occluder_use(release: Release) -> Iterator[ReleaseFinding]:
    """Note the number of occluders and of source clips, per split and type."""
    for split in release.splits:
        uses: dict[str, Counter[str]] = defaultdict(Counter)
        for scales in annotated_by_source(release, split).values():
            record = next(iter(scales.values()))
            uses[record.occluder_type][record.occluder_file_name] += 1
        for category in sorted(uses, key=occluder_type_order):
            name, most = max(uses[category].items(), key=lambda use: (use[1], use[0]))
            detail = (
                f"{len(uses[category])} of this type in {uses[category].total()} source clips; "
                f"{name} in {most} of them"
            )
            yield ReleaseFinding("note", split, category, uses[category].total(), detail=detail)
