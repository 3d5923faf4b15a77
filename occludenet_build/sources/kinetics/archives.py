"""Route archives: unpack the frozen tar files, and a pack of replacements for corrupt clips.

    <folder>/archives/        lists, records, and archives while they are needed
    <folder>/videos/          the selected clips of the archives
    <folder>/replacements/    the selected clips of the replacement pack
    <folder>/checks/          ledger of the checks of these files

An intact clip of the replacement pack takes precedence over that of an archive. Files of archives
are never changed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.release.terms import split_of_name
from occludenet_build.sources.kinetics.annotations import AnnotationLists
from occludenet_build.sources.kinetics.candidates import Candidate, choose_candidates
from occludenet_build.sources.kinetics.clip import (
    ClipNames,
    KineticsClip,
    RouteResult,
    path_part_splits,
)
from occludenet_build.sources.transfer.bundles import MAY_PASS, deliver_archives
from occludenet_build.sources.transfer.unpack_target import Delivery, UnpackTarget


def fetch_archives(
    lists: AnnotationLists, folder: Path, config: Config, threads: int
) -> Iterator[RouteResult]:
    """Fetch and unpack the archives; yield a ClipResult for each selected clip.

    Raises UserError where too many archives fail, and where none has a selected split.
    """
    work = _ArchiveRun(lists, folder, config)
    settings = config.kinetics
    of_split = of_splits(settings.splits)
    if not any(of_split(source) for source in settings.archives):
        raise UserError(
            f"kinetics.archives: wanted archives of {', '.join(settings.splits)}, all "
            f"{len(settings.archives)} are named for other splits; correct kinetics.splits or these"
        )
    work.unpack(settings.archives, "videos", of_split)
    if settings.replacements:
        work.unpack(settings.replacements, "replacements", of_split)
    yield from choose_candidates(work.candidates, folder, threads)
    yield from work.missing()


def of_splits(wanted: Sequence[str]) -> Callable[[str], bool]:
    """A function that tells whether an archive or list may have clips of the splits in `wanted`.

    Its file name, or else its folder, states its splits; without any it may have all.
    """

    def of_split(source: str) -> bool:
        path = urlsplit(source).path if is_url(source) else source
        *_, folder, name = ("", *path.split("/"))
        named = path_part_splits(name) or {split_of_name(folder)} - {None}
        return not named or bool(named & set(wanted))

    return of_split


@dataclass
class _ArchiveRun:
    lists: AnnotationLists
    folder: Path
    config: Config
    candidates: dict[KineticsClip, list[Candidate]] = field(
        default_factory=lambda: defaultdict(list)
    )
    refused: dict[KineticsClip, RouteResult] = field(default_factory=dict)
    """Clips that an archive has but that do not unpack."""
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    passing: bool = False
    """Whether an archive failed for a reason that may pass: what it has is not known."""

    def __post_init__(self) -> None:
        self._names = ClipNames(self.lists.listed)
        self._wanted = set(self.lists.selected)

    def clip(self, name: str) -> KineticsClip | None:
        """The selected clip of a member, by its name; None for other members."""
        clip = self._names.clip(name)
        return clip if clip in self._wanted else None

    def unpack(
        self, sources: Sequence[str], subfolder: str, of_split: Callable[[str], bool]
    ) -> None:
        """Fetch archives and unpack them below <folder>/<subfolder>; note their clips."""

        def target(name: str) -> str | None:
            clip = self.clip(name)
            return None if clip is None else clip.file

        unpack_target = UnpackTarget(
            self.folder / "archives",
            self.folder / subfolder,
            target,
            self.config.kinetics.keep_archives,
            of_split,
        )
        for delivery in deliver_archives(sources, unpack_target, self.config.download):
            self.asked += 1
            if delivery.status != "ok":
                self.failed.append(f"{delivery.address} ({delivery.reason})")
                self.passing |= delivery.reason in MAY_PASS
            self._note(delivery, unpack_target.content, subfolder == "replacements")

    def _note(self, delivery: Delivery, content: Path, is_replacement: bool) -> None:
        for piece in delivery.pieces:
            if piece.status == "left":
                continue
            clip = self.clip(piece.name)
            if clip is None:
                continue
            if piece.target is not None:
                path = content / piece.target
                file = Candidate(path, delivery.address, is_replacement)
                self.candidates[clip].append(file)
            else:
                detail = f"{piece.name}: {piece.detail or piece.reason}"
                self.refused[clip] = RouteResult(
                    clip, "missing", piece.reason, detail, delivery.address
                )

    def missing(self) -> Iterator[RouteResult]:
        """Yield a result for each selected clip without a file."""
        detail = f"in none of {self.asked} archives"
        if self.failed:
            first = ", ".join(sorted(self.failed)[:3]) + (" ..." if len(self.failed) > 3 else "")
            detail = f"{detail}; {len(self.failed)} of them failed: {first}"
            logging.warning("%d of %d archives failed: %s", len(self.failed), self.asked, first)
        for clip in self.lists.selected:
            if clip not in self.candidates:
                yield self.refused.get(clip) or RouteResult(
                    clip, "missing", "missing", detail, passing=self.passing
                )
