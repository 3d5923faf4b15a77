"""A clip of Kinetics, the result of a route for it, and the clip of a file by its name.

Mirrors and archives name their files in several ways:

    <id>_000012_000022.mp4    <id>_12_22.webm    <id>.mp4    <id>_000012_000022.mp4.mkv
    <class>_<id>_12_22.mp4    v_<id>-12-22.mkv   <id>_12.0_22.0_1.mp4

Names of the second line count only if a listed clip has this id and these times. The id has 11
characters, which include `_` and `-`. Folders before the name are used only where the name alone is
ambiguous.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.release import terms
from occludenet_build.release.class_lists import plain_label
from occludenet_build.release.terms import clip_name

NO_LABEL = "unlabelled"


@dataclass(frozen=True)
class KineticsClip:
    """A row of the official lists."""

    youtube_id: str
    """11 characters of A-Z a-z 0-9 _ -"""
    start: int
    """Start of the clip in the YouTube video, seconds."""
    end: int
    """End of the clip in the YouTube video, seconds."""
    split: str
    label: str = NO_LABEL
    """Class name."""

    @property
    def name(self) -> str:
        """Id and file name.

        >>> KineticsClip("3caPS4FHFF8", 36, 46, "val", "abseiling").name
        '3caPS4FHFF8_000036_000046'
        """
        return clip_name(self.youtube_id, self.start, self.end)

    @property
    def file(self) -> str:
        """Path of the clip, below the folder of the videos."""
        return f"{self.split}/{self.label.replace('/', '_')}/{self.name}.mp4"


@dataclass(frozen=True)
class RouteResult:
    """The result of a route for one clip; all routes yield this type."""

    clip: KineticsClip
    status: str
    """present, replaced, corrupt or missing."""
    reason: str | None = None
    """Why it is not present, from core.errors.REASONS; None if it is."""
    detail: str | None = None
    """Description of the reason."""
    origin: str | None = None
    """Archive, address or mirror of the clip; without passwords and queries."""
    path: Path | None = None
    """Path of the file; None if missing."""
    bytes: int | None = None
    """Size of the file; None if missing."""
    passing: bool = False
    """Whether the failure may have passed by the next start, and is no fact about the clip."""

    @property
    def is_present(self) -> bool:
        """Whether there is an intact file of the clip."""
        return self.status in ("present", "replaced")


_STEM = re.compile(
    rf"(?P<id>{terms.YOUTUBE_ID})(?:_(?P<start>\d{{1,6}})_(?P<end>\d{{1,6}}))?", re.ASCII
)


@dataclass(frozen=True)
class ParsedName:
    """The parts of the name of a clip's file."""

    youtube_id: str
    start: int | None = None
    """Seconds; None, as `end`, if the name has no times."""
    end: int | None = None


def parse_clip_name(name: str) -> ParsedName | None:
    """Parse the name of a file, without folders; None if it is not the name of a clip.

    >>> parse_clip_name("-_abc-_12_9_12_22.mp4.mkv")
    ParsedName(youtube_id='-_abc-_12_9', start=12, end=22)
    >>> parse_clip_name("._3caPS4FHFF8.mp4") is None
    True
    """
    stem = PurePosixPath(name)
    if stem.suffix.lower() not in VIDEO_SUFFIXES:
        return None
    while stem.suffix.lower() in VIDEO_SUFFIXES:
        stem = stem.with_suffix("")
    found = _STEM.fullmatch(stem.name)
    if found is None:
        return None
    if found["start"] is None:
        return ParsedName(found["id"])
    return ParsedName(found["id"], int(found["start"]), int(found["end"]))


_TIMES = re.compile(r"[_-](\d{1,6})(?:\.0*)?[_-](\d{1,6})(?:\.0*)?(?![^_ -])", re.ASCII)
_ID = re.compile(terms.YOUTUBE_ID, re.ASCII)


def _names_within(name: str) -> Iterator[ParsedName]:
    """Yield what may be the id and times within the name of a file, with other text around."""
    stem = PurePosixPath(name)
    if stem.suffix.lower() not in VIDEO_SUFFIXES or name.startswith("."):
        return
    for start in range(len(stem.stem)):
        found = _TIMES.match(stem.stem, start)
        if found is not None and _ID.fullmatch(stem.stem[max(0, start - 11) : start]):
            yield ParsedName(stem.stem[start - 11 : start], int(found[1]), int(found[2]))


def path_part_splits(part: str) -> set[str]:
    """The splits that a folder's or an archive's name mentions.

    >>> path_part_splits("k400_train_path.txt"), path_part_splits("trains")
    ({'train'}, set())
    """
    return set(terms.splits_in(part, beside_classes=True))


class ClipNames:
    """Finds the clip of a file by its name.

    `listed` must be all clips of the lists: an id identifies a clip only if no other clip has it.
    """

    def __init__(self, listed: Iterable[KineticsClip]) -> None:
        self._of: dict[str, list[KineticsClip]] = defaultdict(list)
        for clip in listed:
            self._of[clip.youtube_id].append(clip)

    def clip(self, path: str) -> KineticsClip | None:
        """The clip of a file, by its name and folders (with `/`); None unless exactly one fits."""
        *folders, name = path.split("/")
        named = parse_clip_name(name)
        if named is None:
            return self._clip_within(name)
        clips = self._of.get(named.youtube_id, [])
        if named.start is not None:
            clips = [clip for clip in clips if (clip.start, clip.end) == (named.start, named.end)]
        else:
            clips = _of_split(clips, folders)
        if len(clips) > 1:
            clips = [clip for clip in clips if plain_label(clip.label) in map(plain_label, folders)]
        return clips[0] if len(clips) == 1 else None

    def _clip_within(self, name: str) -> KineticsClip | None:
        """The clip whose id and times stand in a name; None unless exactly one does."""
        found = {
            clip
            for named in _names_within(name)
            for clip in self._of.get(named.youtube_id, [])
            if (clip.start, clip.end) == (named.start, named.end)
        }
        return found.pop() if len(found) == 1 else None


def _of_split(clips: list[KineticsClip], folders: list[str]) -> list[KineticsClip]:
    """The clips of the split that the folders name, if they name exactly one."""
    if not clips:
        return clips
    labels = {plain_label(clip.label) for clip in clips}
    named = {
        s for part in folders if plain_label(part) not in labels for s in path_part_splits(part)
    }
    return [clip for clip in clips if clip.split in named] if len(named) == 1 else clips
