"""Is there room: what is stored, at most at one time, and what is free where it lies."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.plan.fetch import Fetch


@dataclass(frozen=True)
class Disk:
    """One file system that a build writes to."""

    folders: list[str]
    wanted: int
    """Bytes that are still to be written to it, the largest sum at one time."""
    complete: bool
    """False: some of it is not known, it is at least so much."""
    free: int

    @property
    def has_room(self) -> bool:
        return self.wanted <= self.free

    def line(self) -> str:
        least = "" if self.complete else "at least "
        verdict = "has room" if self.has_room else "has NOT the room"
        if self.has_room and not self.complete:
            verdict = "has room for what is known"
        where = ", ".join(self.folders)
        return f"{where}: wanted {least}{shown(self.wanted)}, {shown(self.free)} free: {verdict}"


def shown(number: float | None) -> str:
    """
    >>> shown(None), shown(512), shown(1536), shown(3 * 2**30)
    ('?', '512 B', '1.5 KiB', '3.0 GiB')
    """
    if number is None:
        return "?"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def needs(config: Config, fetches: Sequence[Fetch]) -> tuple[int, int, bool]:
    """(bytes of what is fetched that stay, bytes besides at one time, all known).

    What an archive holds is as large as itself, as videos do not shrink. Unless archives are kept,
    one that is being unpacked, or fetched meanwhile, is there besides.
    """
    archives = [fetch.bytes or 0 for fetch in fetches if fetch.archive]
    plain = sum(fetch.bytes or 0 for fetch in fetches if not fetch.archive)
    together = sorted(archives, reverse=True)[: config.download.parallel]
    kept = sum(archives) if config.kinetics.keep_archives else 0
    known = all(fetch.bytes is not None for fetch in fetches)
    return plain + sum(archives) + kept, 0 if kept else sum(together), known


def disks(
    config: Config, stored: int, stored_known: bool, fetches: Sequence[Fetch], there: int
) -> list[Disk]:
    """The file systems of build_dir and of download.folder. `there`: of `stored`, here already."""
    build = Path(config.build_dir)
    fetched = Path(config.download.folder) if config.download.folder else build
    stay, besides, known = needs(config, fetches)
    asked = [
        (build, max(0, stored - there), stored_known),
        (fetched, stay + besides, known),
    ]
    by_device: dict[int, list[tuple[Path, int, bool]]] = defaultdict(list)
    for folder, wanted, complete in asked:
        by_device[existing(folder).stat().st_dev].append((folder, wanted, complete))
    return [
        Disk(
            list(dict.fromkeys(str(folder) for folder, *_ in parts)),
            sum(wanted for _, wanted, _ in parts),
            all(complete for *_, complete in parts),
            shutil.disk_usage(existing(parts[0][0])).free,
        )
        for parts in by_device.values()
    ]


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())
