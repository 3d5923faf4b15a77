"""Route mirror: find the clips in a copy of Kinetics on disk, in any layout; it is not changed.

The name of a file identifies its clip; its folders are used only where the name is ambiguous (see
`clip`). Folders whose name begins with `replacement` have replacements of corrupt clips. Links to
folders are followed; files whose name begins with a dot are skipped.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.sources.kinetics.annotations import AnnotationLists
from occludenet_build.sources.kinetics.candidates import Candidate, choose_candidates
from occludenet_build.sources.kinetics.clip import ClipNames, KineticsClip, RouteResult
from occludenet_build.sources.kinetics.mirror_state import folders_once


def search_mirror(
    lists: AnnotationLists, folder: Path, config: Config, threads: int
) -> Iterator[RouteResult]:
    """Yield a ClipResult for each selected clip.

    Raises UserError where the mirror is not a folder, or has no file of a listed clip.
    """
    root = Path(config.kinetics.mirror or "")
    unread = _Unread()
    candidates = _candidates(root, lists, unread)
    yield from choose_candidates(candidates, folder, threads)
    detail = "no file of the mirror has its name" + unread.said()
    for clip in lists.selected:
        if clip not in candidates:
            yield RouteResult(
                clip, "missing", "missing", detail, str(root), passing=bool(unread.errors)
            )


@dataclass
class _Unread:
    """Folders of the mirror that could not be listed: what they have is not known."""

    errors: list[OSError] = field(default_factory=list)

    def add(self, error: OSError) -> None:
        """Note and log the error of a folder."""
        self.errors.append(error)
        logging.warning("kinetics.mirror: %s cannot be listed: %s", error.filename, error.strerror)

    def said(self) -> str:
        """A text for the details of missing clips."""
        if not self.errors:
            return ""
        return f"; {len(self.errors)} folders cannot be listed, first {self.errors[0].filename}"


def _candidates(
    root: Path, lists: AnnotationLists, unread: _Unread
) -> dict[KineticsClip, list[Candidate]]:
    """Selected clip -> its files."""
    if not root.is_dir():
        raise UserError(f"kinetics.mirror: wanted a folder, got {root}")
    names, wanted = ClipNames(lists.listed), set(lists.selected)
    found: dict[KineticsClip, list[Candidate]] = defaultdict(list)
    known, others = 0, []
    for name in sorted(_files(root, unread)):
        clip = names.clip(name)
        if clip is None:
            others.append(name)
            continue
        known += 1
        if clip in wanted:
            found[clip].append(Candidate(root / name, str(root), _is_replacement(name)))
    _log_other_files(root, known, others)
    return dict(found)


def _is_replacement(name: str) -> bool:
    return any(part.lower().startswith("replacement") for part in name.split("/")[:-1])


def _log_other_files(root: Path, known: int, others: list[str]) -> None:
    first = ", ".join(ascii(name)[1:-1] for name in others[:3]) or "it is empty"
    if not known:
        raise UserError(
            f"kinetics.mirror: wanted clips such as <youtube id>_000012_000022.mp4, {root} has "
            f"{len(others)} files and none is of a listed clip ({first}); correct the folder"
        )
    if others:
        logging.info("%d files are of no listed clip: %s ...", len(others), first)


def _files(root: Path, unread: _Unread) -> Iterator[str]:
    """Yield the files below a folder, as relative paths with `/`; each folder is read once,
    also if several links lead to it."""
    for parent, folders, names, _ in folders_once(root, unread.add):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield (Path(parent) / name).relative_to(root).as_posix()
