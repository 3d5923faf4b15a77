"""Where the poses of a clip come from: the stage poses, or for a list a folder of files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from occludenet_build.config.integralaction import PosedSet
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import short_hash
from occludenet_build.core.names import listing_digest
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.integralaction.poses_in import (
    KineticsSkeletons,
    Persons,
    Size,
    from_build,
    read_mimetics,
)
from occludenet_build.release.terms import CLEAN


class PoseSource(Protocol):
    """The poses of clips; it goes to worker processes."""

    def of(self, clip: ClipRow, found_on: str, size: Size) -> Persons:
        """The persons of a clip, or why there are none.

        `found_on`: occluded, the clip that is shown, or clean, its clean twin. `size`: height and
        width of its picture, pixels.
        """

    def identity(self, clips: Sequence[ClipRow]) -> str:
        """What the poses of these clips follow from, for keys."""


class BuildPoses:
    """The poses of the stage poses: for both twins, as they were found on each."""

    def __init__(self, folder: Path) -> None:
        """`folder`: poses/ of a build. Raises UserError where it has no table."""
        self._manifests: dict[str, Path] = {}
        self._hashes: dict[str, str] = {}
        for path in sorted(folder.glob("[0-9]*.parquet")):
            table = tables.read_table(path, ["clip", "status", "poses_hash"])
            for row in table.to_pylist():
                self._manifests[row["clip"]] = path
                self._hashes[row["clip"]] = row["poses_hash"] or row["status"]
        if not self._manifests:
            raise UserError(
                f"wanted the poses of a build in {folder}, got none; run the stage poses"
            )

    def check_known(self, clips: Sequence[ClipRow]) -> None:
        """Log the number of clips that the stage has no row of.

        Raises UserError where it has none of any: a network would learn from nobody.
        """
        unknown = [clip.clip for clip in clips if clip.clip not in self._manifests]
        if clips and len(unknown) == len(clips):
            raise UserError(
                f"wanted the poses of the clips of the split {clips[0].split}, the stage poses has "
                "none of them; name the split in poses.splits"
            )
        if unknown:
            logging.warning(
                "%d of %d clips are not in the stage poses (poses.splits), first %s: they have no "
                "poses",
                *(len(unknown), len(clips), unknown[0]),
            )

    def of(self, clip: ClipRow, found_on: str, size: Size) -> Persons:
        """See PoseSource. Raises UserError if the shard's file is damaged."""
        manifest = self._manifests.get(clip.clip)
        if manifest is None:
            return Persons(size, reason="no_poses", detail="the stage poses has no such clip")
        return from_build(manifest, clip.clip, CLEAN if found_on == "clean" else clip.set, size)

    def identity(self, clips: Sequence[ClipRow]) -> str:
        """See PoseSource."""
        return short_hash(*(self._hashes.get(clip.clip, "") for clip in clips))


class SkeletonFiles:
    """Files of kinetics-skeleton of the clips of a list."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where the folder is missing or its label file is damaged."""
        self._folder, self._files = folder, KineticsSkeletons(folder)

    def of(self, clip: ClipRow, found_on: str, size: Size) -> Persons:
        """See PoseSource."""
        return self._files.of(Path(clip.clip).name, size)

    def identity(self, clips: Sequence[ClipRow]) -> str:
        """See PoseSource."""
        return listing_digest(self._folder)


class MimeticsFiles:
    """data.json in a folder per clip."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where the folder is missing."""
        if not folder.is_dir():
            raise UserError(f"wanted a folder of Mimetics' poses, {folder} is missing")
        self._folder = folder

    def of(self, clip: ClipRow, found_on: str, size: Size) -> Persons:
        """See PoseSource."""
        return read_mimetics(self._folder / Path(clip.file).with_suffix("") / "data.json", size)

    def identity(self, clips: Sequence[ClipRow]) -> str:
        """See PoseSource."""
        return listing_digest(self._folder)


def poses_of_list(listed: PosedSet) -> PoseSource:
    """The poses of a listed set."""
    kind = MimeticsFiles if listed.form == "mimetics" else SkeletonFiles
    return kind(Path(str(listed.poses)))
