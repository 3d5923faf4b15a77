"""Source clips of a published release with class, split and occluder. Standard library only.

Reads the overall annotations, `{split}_d.csv`; the file name states the split. A source clip has a
row per scale, all with one occluder. Source clips are matched with the user's videos by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.release.csv_format import Overall, read_csv
from occludenet_build.release.terms import SPLITS, parse_clip_file_name

Row = dict[str, Any]

RELEASED_CLIPS = {"train": 63_600, "val": 4_793, "test": 9_535}
"""Source clips of OccludeNet-D: of train about as many as the paper counts, of val and test as
val_d.csv and test_d.csv have."""

_LONGEST_CLASS = 180  # bytes, since a class name becomes a folder name


@dataclass(frozen=True)
class PublishedClip:
    """A source clip of the release: its occluder, times in seconds, and scales in file order."""

    source: str
    split: str
    label: str
    category: str
    occluder: str
    scales: tuple[float, ...]
    occlusion_seconds: float
    duration_seconds: float


def overall_csv_names(splits: Iterable[str] = SPLITS) -> list[str]:
    """The file names of the overall annotations of splits."""
    return [f"{split}_d.csv" for split in splits]


def overall_csv_files(path: str | None) -> list[Path]:
    """The overall annotations that `select.published` names: the file, or those in the folder.

    Raises UserError where it is not set, or names no overall annotation.
    """
    if path is None:
        raise UserError("select.published: wanted a release's CSV file or folder, got nothing")
    names = overall_csv_names()
    wanted = f"select.published: wanted {', '.join(names[:-1])} or {names[-1]}"
    place = Path(path)
    if not place.is_dir():
        if place.name not in names:
            raise UserError(f"{wanted}, got {path}; the name states the split, so rename the file")
        return [place]
    found = [place / name for name in names if (place / name).is_file()]
    if not found:
        raise UserError(f"{wanted}, got the folder {path}, which has none of them")
    return found


def read_published(path: str | None) -> list[PublishedClip]:
    """Read every source clip of the release, in the order of the files."""
    return [clip for file in overall_csv_files(path) for clip in _read_file(file)]


def _read_file(path: Path) -> list[PublishedClip]:
    kind, records = read_csv(path)
    if kind is not Overall:
        raise UserError(
            f"{path}: wanted the overall annotation, got another CSV file of the release"
        )
    groups: dict[tuple[str, str], list[tuple[float, Overall]]] = defaultdict(list)
    for record in records:
        assert isinstance(record, Overall)
        scale, source = _parsed_name(record, path)
        groups[record.action_class, source].append((scale, record))
    split = path.name.split("_")[0]
    return [_published_clip(source, split, rows, path) for (_, source), rows in groups.items()]


def _parsed_name(record: Overall, path: Path) -> tuple[float, str]:
    """(scale, source clip) of a row, after a check that the class can name a folder."""
    name = record.action_class
    plain = name == PurePosixPath(name).name and name.isprintable() and not name.startswith(".")
    if not plain or len(name.encode()) > _LONGEST_CLASS:
        raise UserError(f"{path}: wanted a class that can name a folder, got {name!r}")
    try:
        return parse_clip_file_name(record.file_name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _published_clip(
    source: str, split: str, rows: list[tuple[float, Overall]], path: Path
) -> PublishedClip:
    """The source clip of some rows, which differ only in scale."""
    first = rows[0][1]
    occluder = (first.occluder_type, first.occluder_file_name)
    for _, row in rows:
        if (other := (row.occluder_type, row.occluder_file_name)) != occluder:
            raise UserError(
                f"{path}: {source}: wanted one occluder at all scales, got {' '.join(occluder)} "
                f"and {' '.join(other)}; remove the rows that are wrong"
            )
    return PublishedClip(
        source=source,
        split=split,
        label=first.action_class,
        category=occluder[0],
        occluder=occluder[1],
        scales=tuple(scale for scale, _ in rows),
        occlusion_seconds=first.occlusion_duration,
        duration_seconds=first.video_duration,
    )


def match_videos(
    clips: Iterable[PublishedClip], videos: Iterable[Row]
) -> list[tuple[PublishedClip, Row | None]]:
    """Pair each source clip with its video, or None; each video is paired at most once.

    `videos` are rows with clip, path, split and status. A video matches by its id or by the stem
    of its file. Where several files share the stem, only those in a folder of the class match;
    usable videos come first, then those of the same split.
    """
    named = _by_name(videos)
    used: set[str] = set()
    pairs: list[tuple[PublishedClip, Row | None]] = []
    for one in clips:
        free = [r for r in _candidates(one, named) if r["clip"] not in used]
        best = min(free, key=lambda r: _distance(one, r), default=None)
        used |= {best["clip"]} if best else set()
        pairs.append((one, best))
    return pairs


def _by_name(videos: Iterable[Row]) -> dict[str, list[Row]]:
    """Id or stem -> rows: ids are unique, and differ from the stem only where stems clash."""
    named: dict[str, list[Row]] = defaultdict(list)
    for row in videos:
        for name in {row["clip"], PurePosixPath(row["path"]).stem}:
            named[name].append(row)
    return named


def _candidates(one: PublishedClip, named: dict[str, list[Row]]) -> list[Row]:
    rows = named.get(one.source, [])
    if len(rows) == 1:
        return rows
    return [row for row in rows if PurePosixPath(row["path"]).parent.name == one.label]


def _distance(one: PublishedClip, row: Row) -> tuple[bool, bool, str]:
    return row["status"] != "ok", row["split"] != one.split, row["clip"]
