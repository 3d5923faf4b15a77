"""What a format's writer is given: the clips, their exported names, and the folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from occludenet_build.config.export import Export
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.dataset.clips import Build, ExportClip
from occludenet_build.dataset.export.output import Output

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
    counts = Counter(form.lower() for form in forms.values())
    return {
        text: form if counts[form.lower()] == 1 else f"{form}_{short_hash(text)[:8]}"
        for text, form in forms.items()
    }


@dataclass(frozen=True)
class Job:
    """An export in one format."""

    build: Build
    clips: Sequence[ExportClip]
    """Those whose files are there and unchanged, sorted by set, split and file."""
    labels: Mapping[str, int]
    """Class name -> label id, one map for all sets."""
    folder: Path
    """The folder of the export; new or with files of an earlier, perhaps interrupted, export."""
    settings: Export
    threads: int = 1
    spaces: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Set -> class name -> label id, where the sets have label spaces of their own."""
    left_out: dict[str, ItemError] = field(default_factory=dict)
    """Name of a clip -> why it is not in the export; see `leave_out`."""
    exported: dict[str, str] = field(default_factory=dict)
    """Name of a clip -> its name in the export, for names.csv; see `name`."""

    @cached_property
    def output(self) -> Output:
        """The files of the export. All files must be written by it: others are removed."""
        return Output(self.folder)

    @property
    def kept(self) -> list[ExportClip]:
        """The clips that no writer has left out so far."""
        return [clip for clip in self.clips if clip.name not in self.left_out]

    def at_least(self, frames: int) -> list[ExportClip]:
        """The clips of so many frames; shorter ones are left out."""
        for clip in self.clips:
            if clip.frames < frames:
                self.leave_out(clip, "too_few_frames", f"{clip.frames}, wanted {frames}")
        return [clip for clip in self.clips if clip.frames >= frames]

    @property
    def sets(self) -> list[str]:
        """Names of the sets, in the order of the clips."""
        return list(dict.fromkeys(clip.set for clip in self.clips))

    @property
    def safe(self) -> bool:
        """Whether names have letters, digits, `-` and `_` only."""
        return self.settings.names == "safe"

    def labels_of(self, set: str) -> Mapping[str, int]:
        """Class name -> label id for the lists of one set, which may have a map of its own."""
        return self.spaces.get(set, self.labels)

    def label_id(self, clip: ExportClip) -> int:
        """Label id of a clip in the lists of its set."""
        return self.labels_of(clip.set)[clip.label]

    @cached_property
    def class_names(self) -> dict[str, str]:
        """Class -> name of its folder."""
        names = {clip.label for clip in self.clips}
        return safe_names(names) if self.safe else {name: name for name in names}

    @cached_property
    def clip_names(self) -> dict[str, str]:
        """Name of a clip (`ExportClip.name`) -> its exported name without folder and suffix.

        Unique among the clips of a set, split and class.
        """
        stems = {clip.name: PurePosixPath(clip.file).stem for clip in self.clips}
        places = Counter((c.set, c.split, c.label, stems[c.name]) for c in self.clips)
        for clip in self.clips:  # such as run.mp4 and run.mkv
            if places[clip.set, clip.split, clip.label, stems[clip.name]] > 1:
                stems[clip.name] = PurePosixPath(clip.file).name
        if not self.safe:
            return stems
        names = safe_names(stems.values())
        return {name: names[stem] for name, stem in stems.items()}

    def place_in_set(self, clip: ExportClip) -> str:
        """Path of a clip below the folder of its set, without suffix: `<split>/<class>/<name>`."""
        return f"{clip.split}/{self.class_names[clip.label]}/{self.clip_names[clip.name]}"

    def place_of(self, clip: ExportClip) -> str:
        """Path of a clip below the folder, without suffix: `<set>/<split>/<class>/<name>`."""
        return f"{clip.set}/{self.place_in_set(clip)}"

    def video_in_set(self, clip: ExportClip) -> str:
        """Path of the video of a clip below the folder of its set: `<split>/<class>/<name>.mp4`."""
        return self.place_in_set(clip) + PurePosixPath(clip.file).suffix

    def video(self, clip: ExportClip) -> str:
        """Path of the video of a clip below the folder: `<set>/<split>/<class>/<name>.mp4`."""
        return f"{clip.set}/{self.video_in_set(clip)}"

    def name(self, clip: ExportClip, exported: str) -> None:
        """Note how the clip is named in the export, for names.csv."""
        self.exported[clip.name] = exported

    def place(self, clip: ExportClip, path: str) -> None:
        """Put the video of a clip at a path below the folder, as a hard link or a copy.

        With `pixels: false` it is only named.
        """
        self.name(clip, path)
        if self.settings.pixels:
            source = self.build.root / clip.file
            self.output.place(path, source, clip.file_hash, self.settings.files == "link")

    def leave_out(self, clip: ExportClip, reason: str, detail: str = "") -> None:
        """Note that the format cannot hold a clip; the reason is one of core.errors.REASONS."""
        self.left_out[clip.name] = ItemError(reason, detail)
