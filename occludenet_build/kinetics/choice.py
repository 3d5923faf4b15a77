"""Which of several files of a clip is taken, after all have been looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.kinetics.clip import Clip
from occludenet_build.kinetics.found import Found
from occludenet_build.kinetics.verdicts import Verdict, name_of, verdicts


@dataclass(frozen=True)
class Candidate:
    """A file that may be a clip's."""

    path: Path
    origin: str
    """Archive or mirror that it comes from."""
    is_replacement: bool = False


def choose(
    candidates: Mapping[Clip, list[Candidate]], folder: Path, threads: int
) -> Iterator[Found]:
    """A Found for each clip: its file is a sound one, of those a replacement, of those the first
    by name. What was found of the files is kept in <folder>/checks."""
    paths = [file.path for several in candidates.values() for file in several]
    known = verdicts(paths, folder / "checks", threads)
    for clip, several in candidates.items():
        told = {file: known[name_of(file.path)] for file in several}
        sound = [file for file in several if told[file].reason is None]
        best = min(sound or several, key=lambda file: (not file.is_replacement, str(file.path)))
        yield _found(clip, best, told[best])


def _found(clip: Clip, file: Candidate, verdict: Verdict) -> Found:
    if verdict.reason == "missing":
        return Found(clip, "missing", verdict.reason, verdict.detail, file.origin)
    size = file.path.stat().st_size
    if verdict.reason is not None:
        detail = verdict.detail
        return Found(clip, "corrupt", verdict.reason, detail, file.origin, file.path, size)
    status = "replaced" if file.is_replacement else "present"
    return Found(clip, status, origin=file.origin, path=file.path, bytes=size)
