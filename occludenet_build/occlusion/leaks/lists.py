"""Lists of other datasets, and the clips that come from the same YouTube videos."""

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
from occludenet_build.release.terms import CLIP_NAME, split_of_name, splits_in

Row = dict[str, Any]

_NAME = re.compile(rf"(?<![\w-]){CLIP_NAME.pattern}(?!\d)", re.ASCII)
_OURS = re.compile(rf"{CLIP_NAME.pattern}(?:-[0-9a-f]{{6}})?", re.ASCII)
"""Name of a clip of the build; six hex digits distinguish equal names."""


@dataclass(frozen=True)
class DatasetList:
    """A list of another dataset; `clips`: YouTube id -> (split or None, start second or None)."""

    name: str
    clips: dict[str, set[tuple[str | None, int | None]]]


def youtube_segment(clip: str) -> tuple[str, int] | None:
    """YouTube id and start, seconds, in the name of a clip; None for other names.

    >>> youtube_segment("vGlsp8wOH-8_000085_000095"), youtube_segment("Abuse001_x264_000012_000021")
    (('vGlsp8wOH-8', 85), None)
    """
    found = _OURS.fullmatch(clip)
    return (found[1], int(found[2])) if found else None


def read_list(path: Path | str) -> DatasetList:
    """Read a list: a CSV file with a column youtube_id, or a text file with a name per line.

    Raises UserError where the file cannot be read or has neither.
    """
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
    return DatasetList(str(path), dict(clips))


def _from_csv(text: str, own: str | None) -> Iterator[tuple[str, str | None, int | None]]:
    for row in csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True):
        youtube_id = (row.get("youtube_id") or "").strip()
        if youtube_id:
            split = split_of_name(row.get("split") or "") or own
            start = re.match(r"\d+", (row.get("time_start") or "").strip())
            yield youtube_id, split, int(start[0]) if start else None


def _from_names(text: str, own: str | None) -> Iterator[tuple[str, str | None, int | None]]:
    for line in text.splitlines():
        found = _NAME.search(line)
        if found:
            yield found[1], own, int(found[2])


def clips_in_list(clips: list[Row], listed: DatasetList) -> Iterator[tuple[Row, str | None, bool]]:
    """(clip, the list's split, whether both start at the same second) of each clip in the list."""
    for clip in clips:
        segment = youtube_segment(clip["clip"])
        if segment is None or segment[0] not in listed.clips:
            continue
        starts: dict[str | None, set[int | None]] = defaultdict(set)
        for split, start in listed.clips[segment[0]]:
            starts[split].add(start)
        for split, seconds in sorted(starts.items(), key=lambda item: item[0] or ""):
            yield clip, split, segment[1] in seconds


def is_leak(split: str, list_split: str | None) -> bool:
    """Whether a clip is in a training split of one dataset and a val or test split of the other.

    A list without a split counts as training data.
    """
    if split == "train":
        return list_split in ("val", "test")
    return list_split in ("train", None)


def count_rows(clips: list[Row], listed: DatasetList) -> list[Row]:
    """The rows of LISTS for one list."""
    of = Counter((clip["split"], clip["label"]) for clip in clips)
    shared: Counter[tuple] = Counter()
    same: Counter[tuple] = Counter()
    for clip, list_split, is_same in clips_in_list(clips, listed):
        key = (list_split, clip["split"], clip["label"])
        shared[key] += 1
        same[key] += is_same
    return [
        {"list": listed.name, "list_split": key[0], "split": key[1], "label": key[2]}
        | {"of": of[key[1:]], "clips": number, "same_segment": same[key]}
        for key, number in sorted(shared.items(), key=lambda item: str(item[0]))
    ]


def list_notes(rows: list[Row], clips: list[Row]) -> list[str]:
    """A line per list and pair of splits: the number of common videos and segments."""
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
