"""Which file a name in the table means, and what the clips of it are called."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from pathlib import Path, PurePosixPath

from occludenet_build.core import names
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.video.suffixes import SUFFIXES
from occludenet_build.segments.table import Segment

_LONGEST_STEM = 160  # bytes: times, a suffix and a temporary name's dots still fit into 255


class Videos:
    """The files below a folder, by their names."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"segments.videos: wanted a folder, got {folder}")
        self._paths = sorted(names.below(self.folder))
        self._named: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in self._paths:
            if path.suffix.lower() in SUFFIXES:
                for name in {path.name, path.stem}:
                    self._named[name].append(path)

    def find(self, name: str, label: str) -> PurePosixPath:
        """The file, relative to the folder; of several of that name, the one in its class's folder.

        Raises ItemError: missing, ambiguous.
        """
        wanted = PurePosixPath(name)
        exact = [path for path in self._paths if path == wanted]
        found = exact or self._named.get(wanted.name, [])
        if len(wanted.parts) > 1 and not exact:  # a part of its folder, or no suffix was given
            found = [path for path in found if _ends_with(path.parent, wanted.parent)]
        if len(found) > 1:
            mine = [path for path in found if path.parent.name.casefold() == label.casefold()]
            found = mine if len(mine) == 1 else found
        if not found:
            raise ItemError("missing", f"no video {name!r} in {self.folder}")
        if len(found) > 1:
            raise ItemError("ambiguous", ", ".join(str(path) for path in found[:5]))
        return found[0]


def _ends_with(path: PurePosixPath, end: PurePosixPath) -> bool:
    return path.parts[-len(end.parts) :] == end.parts


def clip_names(segments: list[Segment]) -> list[str]:
    """A name for each segment's clip that no other has, whatever file system it lies on."""
    plain = [clip_name(s.video, s.start, s.end) for s in segments]
    return names.told_apart(plain, [(s.video, str(s.start)) for s in segments])


def clip_name(video: str, start: Fraction, end: Fraction) -> str:
    """As Kinetics names its clips.

    >>> clip_name("Abuse/Abuse001_x264.mp4", Fraction(12), Fraction(41, 2))
    'Abuse001_x264_000012_000020.500'
    """
    path = PurePosixPath(video)
    stem = path.stem if path.suffix.lower() in SUFFIXES else path.name
    text = stem.encode("utf-8", "replace").decode().lstrip(".") or "video"
    return f"{names.shortened(text, _LONGEST_STEM)}_{_time(start)}_{_time(end)}"


def _time(seconds: Fraction) -> str:
    if seconds.denominator == 1:
        return f"{seconds.numerator:06d}"
    return f"{float(seconds):010.3f}"
