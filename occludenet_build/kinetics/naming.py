"""Which clip a file is, from the names that mirrors and archives give their files.

    <id>_000012_000022.mp4    <id>_12_22.webm    <id>.mp4    <id>_000012_000022.mp4.mkv

The id has 11 characters, `_` and `-` among them, and may begin with either. Folders before the name
count only where the name alone leaves a choice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from occludenet_build.core.video.suffixes import SUFFIXES
from occludenet_build.kinetics.clip import Clip
from occludenet_build.release import terms

_STEM = re.compile(
    rf"(?P<id>{terms.YOUTUBE_ID})(?:_(?P<start>\d{{1,6}})_(?P<end>\d{{1,6}}))?", re.ASCII
)


@dataclass(frozen=True)
class Named:
    """What a file's name says."""

    youtube_id: str
    start: int | None = None
    """Seconds; null, as the end, where the name has no times."""
    end: int | None = None


def parsed(name: str) -> Named | None:
    """What the name of a file, without folders, says; None if it is not that of a clip.

    >>> parsed("-_abc-_12_9_12_22.mp4.mkv")
    Named(youtube_id='-_abc-_12_9', start=12, end=22)
    >>> parsed("._3caPS4FHFF8.mp4") is None
    True
    """
    stem = PurePosixPath(name)
    if stem.suffix.lower() not in SUFFIXES:
        return None
    while stem.suffix.lower() in SUFFIXES:
        stem = stem.with_suffix("")
    found = _STEM.fullmatch(stem.name)
    if found is None:
        return None
    if found["start"] is None:
        return Named(found["id"])
    return Named(found["id"], int(found["start"]), int(found["end"]))


def splits_in(part: str) -> set[str]:
    """The splits that a folder's or an archive's name mentions.

    >>> sorted(splits_in("k400_train_path.txt")), splits_in("train_256"), splits_in("trains")
    (['train'], {'train'}, set())
    """
    return set(terms.splits_in(part, beside_classes=True))


def plain(label: str) -> str:
    """A class name as folders may spell it: `_` for blanks and slashes, any case."""
    return re.sub(r"[\s_/]+", " ", label).strip().casefold()


class Names:
    """The clips of the lists, by what files of them are called. Make it of all that is listed: an
    id stands for one clip only where no other clip has it, wanted or not."""

    def __init__(self, listed: Iterable[Clip]) -> None:
        self._of: dict[str, list[Clip]] = defaultdict(list)
        for clip in listed:
            self._of[clip.youtube_id].append(clip)

    def clip(self, path: str) -> Clip | None:
        """The clip that a file is, from its name and the folders before it (with `/`)."""
        *folders, name = path.split("/")
        named = parsed(name)
        if named is None:
            return None
        clips = self._of.get(named.youtube_id, [])
        if named.start is not None:
            clips = [clip for clip in clips if (clip.start, clip.end) == (named.start, named.end)]
        else:
            clips = _of_split(clips, folders)
        if len(clips) > 1:
            clips = [clip for clip in clips if plain(clip.label) in map(plain, folders)]
        return clips[0] if len(clips) == 1 else None


def _of_split(clips: list[Clip], folders: list[str]) -> list[Clip]:
    """Those of the split that the folders name, if they name one."""
    if not clips:
        return clips
    labels = {plain(clip.label) for clip in clips}
    named = {s for part in folders if plain(part) not in labels for s in splits_in(part)}
    return [clip for clip in clips if clip.split in named] if len(named) == 1 else clips
