"""What a format's writer is given: the clips, their exported names, and the folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from occludenet_build.config.export import Export
from occludenet_build.core.files import publish, short_hash
from occludenet_build.dataset.export.clips import Build, ExportClip

_SAFE = re.compile(r"[^A-Za-z0-9_-]+")


def safe(text: str) -> str:
    """A text with letters, digits, `-` and `_` only.

    >>> safe("catching (or) throwing"), safe("0.25_x")
    ('catching_or_throwing', '0_25_x')
    """
    return _SAFE.sub("_", text).strip("_") or "_"


def safe_names(texts: Iterable[str]) -> dict[str, str]:
    """Text -> a safe name for it, different for different texts, whatever their order.

    A text whose safe form is also that of another one gets a hash at its end. Names that differ in
    upper and lower case only count as equal, as they are on many disks.
    """
    every = sorted(set(texts))
    forms = {text: safe(text) for text in every}
    counts: dict[str, int] = {}
    for form in forms.values():
        counts[form.lower()] = counts.get(form.lower(), 0) + 1
    return {
        text: form if counts[form.lower()] == 1 else f"{form}_{short_hash(text)[:8]}"
        for text, form in forms.items()
    }


@dataclass(frozen=True)
class Job:
    """An export in one format."""

    build: Build
    clips: Sequence[ExportClip]
    """Sorted by set, split and file."""
    labels: Mapping[str, int]
    """Class name -> label id of the reading program."""
    folder: Path
    """The folder of the export; new or with files of an earlier, perhaps interrupted, export."""
    settings: Export
    threads: int = 1

    @property
    def safe(self) -> bool:
        """Whether names have letters, digits, `-` and `_` only."""
        return self.settings.names == "safe"

    @cached_property
    def class_names(self) -> dict[str, str]:
        """Class -> name of its folder."""
        names = {clip.label for clip in self.clips}
        return safe_names(names) if self.safe else {name: name for name in names}

    @cached_property
    def clip_names(self) -> dict[str, str]:
        """Name of a clip (`ExportClip.name`) -> its exported name without folder and suffix."""
        stems = {clip.name: PurePosixPath(clip.file).stem for clip in self.clips}
        if not self.safe:
            return stems
        names = safe_names(stems.values())
        return {name: names[stem] for name, stem in stems.items()}

    def video(self, clip: ExportClip) -> str:
        """Path of a clip below the folder: `<set>/<split>/<class>/<name>.mp4`."""
        suffix = PurePosixPath(clip.file).suffix
        name = self.clip_names[clip.name]
        return f"{clip.set}/{clip.split}/{self.class_names[clip.label]}/{name}{suffix}"

    def place(self, clip: ExportClip, path: str) -> None:
        """Put the file of a clip at a path below the folder, as a hard link or a copy."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.stem}.part{target.suffix}")
        temporary.unlink(missing_ok=True)
        _link_or_copy(self.build.root / clip.file, temporary, self.settings.files == "link")
        publish(temporary, target, sync=False)


def _link_or_copy(source: Path, target: Path, link: bool) -> None:
    if link:
        try:
            os.link(source.resolve(), target)
            return
        except OSError:  # another disk, or one without hard links
            pass
    shutil.copyfile(source, target)
