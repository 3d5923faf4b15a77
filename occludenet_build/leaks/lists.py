"""Lists of other datasets, and which of your clips come from the same YouTube videos."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.release.terms import CLIP_NAME, split_named, splits_in

Row = dict[str, Any]

_NAME = re.compile(rf"(?<![\w-]){CLIP_NAME.pattern}(?!\d)", re.ASCII)
_OURS = re.compile(rf"{CLIP_NAME.pattern}(?:-[0-9a-f]{{6}})?", re.ASCII)
"""A clip of the build; names that were equal have six digits more."""


@dataclass(frozen=True)
class Listed:
    """A list: YouTube id -> (split or None, first second or None) of its clips."""

    name: str
    clips: dict[str, set[tuple[str | None, int | None]]]


def youtube_of(clip: str) -> tuple[str, int] | None:
    """YouTube id and first second that a clip's name gives.

    >>> youtube_of("vGlsp8wOH-8_000085_000095"), youtube_of("Abuse001_x264_000012_000021")
    (('vGlsp8wOH-8', 85), None)
    """
    found = _OURS.fullmatch(clip)
    return (found[1], int(found[2])) if found else None


def read(path: Path | str) -> Listed:
    """A list, from a CSV with a column youtube_id or from names in its lines."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"leaks.lists: {path} does not open: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"leaks.lists: {path}: wanted UTF-8, got {error.reason}") from error
    own = next(iter(splits_in(Path(path).stem)), None)
    rows = (
        _from_csv(text, own) if "youtube_id" in text.split("\n", 1)[0] else _from_names(text, own)
    )
    clips: dict[str, set[tuple[str | None, int | None]]] = defaultdict(set)
    for youtube_id, split, start in rows:
        clips[youtube_id].add((split, start))
    if not clips:
        raise UserError(
            f"leaks.lists: {path}: wanted a column youtube_id, or names such as "
            "vGlsp8wOH-8_000085_000095 in its lines, got neither"
        )
    return Listed(str(path), dict(clips))


def _from_csv(text: str, own: str | None) -> Iterator[tuple[str, str | None, int | None]]:
    for row in csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True):
        youtube_id = (row.get("youtube_id") or "").strip()
        if youtube_id:
            split = split_named(row.get("split") or "") or own
            start = re.match(r"\d+", (row.get("time_start") or "").strip())
            yield youtube_id, split, int(start[0]) if start else None


def _from_names(text: str, own: str | None) -> Iterator[tuple[str, str | None, int | None]]:
    for line in text.splitlines():
        found = _NAME.search(line)
        if found:
            yield found[1], own, int(found[2])


def joined(clips: list[Row], listed: Listed) -> Iterator[tuple[Row, str | None, bool]]:
    """(clip, the list's split, begins at the same second) for every clip that is in the list."""
    for clip in clips:
        known = youtube_of(clip["clip"])
        if known is None or known[0] not in listed.clips:
            continue
        starts: dict[str | None, set[int | None]] = defaultdict(set)
        for split, start in listed.clips[known[0]]:
            starts[split].add(start)
        for split, seconds in sorted(starts.items(), key=lambda item: item[0] or ""):
            yield clip, split, known[1] in seconds


def is_leak(split: str, list_split: str | None) -> bool:
    """Whether one dataset's evaluation would see what the other's training saw."""
    if split == "train":
        return list_split in ("val", "test")
    return list_split in ("train", None)


def counts(clips: list[Row], listed: Listed) -> list[Row]:
    """Rows of LISTS."""
    of = Counter((clip["split"], clip["label"]) for clip in clips)
    shared: Counter[tuple] = Counter()
    same: Counter[tuple] = Counter()
    for clip, list_split, is_same in joined(clips, listed):
        place = (list_split, clip["split"], clip["label"])
        shared[place] += 1
        same[place] += is_same
    return [
        {"list": listed.name, "list_split": where[0], "split": where[1], "label": where[2]}
        | {"of": of[where[1:]], "clips": number, "same_segment": same[where]}
        for where, number in sorted(shared.items(), key=lambda item: str(item[0]))
    ]


def notes(rows: list[Row], clips: list[Row]) -> list[str]:
    """In words, what a list has in common with each split."""
    of = Counter(clip["split"] for clip in clips)
    totals: dict[tuple, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        total = totals[row["list"], row["split"], row["list_split"]]
        total[0] += row["clips"]
        total[1] += row["same_segment"]
    return [
        f"{Path(name).name}: {clips_:,} of {of[split]:,} {split} clips have their video in its "
        f"{list_split + ' split' if list_split else 'clips'}, {same:,} the same segment"
        for (name, split, list_split), (clips_, same) in sorted(
            totals.items(), key=lambda item: str(item[0])
        )
    ]
