"""Settings of the stage that makes OccludeNet-I and -M, or sets like them, from recordings."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from occludenet_build.config.anonymity import MODES, Anonymity, check_anonymity
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, required, setting

FIELDS = ("class", "subject", "take", "view", "camera", "session", "split")
"""Fields of a naming pattern, and columns of a table: who and what a recording shows."""
NEEDED_FIELDS = ("class", "subject", "take")
"""Those that each recording must have."""
CHECKS = (
    *("missing_view", "other_resolution", "no_sound", "silent"),
    *("too_dark", "too_bright", "blurred", "frozen"),
)
"""Checks of a clip: reasons (core.errors), and the words of the column `warnings`."""


@dataclass(frozen=True)
class RecordingSet:
    """A set of recordings: where they are, and who and what they show."""

    name: str = required()
    """Name of the set: I, M, or your own; letters, digits and _."""
    folder: str = required(path=True)
    """Folder of the recordings, at any depth."""
    table: str | None = setting(None, path=True)
    """CSV file file,class,subject,take[,view,camera,session,split,start_seconds,end_seconds,
    offset_seconds,note]. null: recordings.csv in `folder`, unless there is a `pattern`."""
    pattern: str | None = setting(None)
    """Instead of a table: how the files are named, such as {class}/{subject}_{take}_{view}.mp4."""
    layout: str = setting("splits", choices=("splits", "views"))
    """Folders of the clips. splits, as in OccludeNet-I: {split}/{Class}/; views, as in
    OccludeNet-M: {Class}/{Class}_view1, _view2, ... and {Class}_view_val for the split val."""
    dataset: str | None = setting(None)
    """Folder of the set in build_dir; null: OccludeNet-<name>."""
    views: tuple[str, ...] = setting((), empty=True)
    """Names of the views in the order view1, view2, ...; the first that a take has gives its clock.
    Empty: the numbers in their names, else their alphabetical order."""
    takes: str = setting("subject", choices=("subject", "set"))
    """What a take's name is unique in. subject: the takes of one class, session and group of people
    (take 1 of P01 is another than take 1 of P02); set: the whole set."""
    size: str | None = setting(None)
    """Resolution that all recordings should have, such as 1920x1080; null: that of most."""

    def __post_init__(self) -> None:
        where = f"config: recordings.sets, {self.name}"
        is_taken = self.name.lower() in ("d", "s", "leaks")
        if re.fullmatch(r"\w{1,40}", self.name, re.ASCII) is None or is_taken:
            raise UserError(
                "config: recordings.sets: wanted a name of letters, digits and _, but D, S and "
                f"leaks, got {self.name!r}"
            )
        if self.table is not None and self.pattern is not None:
            raise UserError(f"{where}: wanted a table or a pattern, got both; remove one")
        if self.pattern is not None:
            _check_pattern(self.pattern, where)
        folder = self.dataset_folder
        if not folder.isprintable() or "/" in folder or folder.startswith(".") or not folder:
            raise UserError(f"{where}: wanted a dataset that can name a folder, got {folder!r}")
        if self.size is not None and re.fullmatch(r"\d+x\d+", self.size, re.ASCII) is None:
            raise UserError(f"{where}: wanted a size such as 1920x1080, got {self.size!r}")
        require_distinct(f"recordings.sets, {self.name}: views", self.views, "names")

    @property
    def dataset_folder(self) -> str:
        """Folder of the set, relative to the build folder."""
        return f"OccludeNet-{self.name}" if self.dataset is None else self.dataset

    @property
    def table_file(self) -> str | None:
        """Path of the table; None with a pattern."""
        if self.pattern is not None:
            return None
        return str(Path(self.folder) / "recordings.csv") if self.table is None else self.table


def _check_pattern(pattern: str, where: str) -> None:
    """Raises UserError for a pattern that is malformed or lacks a needed field."""
    example = "such as {class}/{subject}_{take}_{view}.mp4"
    try:
        parts = [(text, name) for text, name, _, _ in string.Formatter().parse(pattern)]
    except ValueError as error:
        raise UserError(f"{where}: wanted a pattern {example}, got {pattern!r}: {error}") from error
    names = [name for _, name in parts if name is not None]
    for name in names:
        if name not in FIELDS:
            raise UserError(
                f"{where}: wanted {', '.join(FIELDS)} as fields of the pattern, got {{{name}}}"
            )
    missing = [name for name in NEEDED_FIELDS if name not in names]
    if missing or len(set(names)) < len(names):
        raise UserError(
            f"{where}: wanted a pattern {example}, with each field once and with "
            f"{', '.join(f'{{{name}}}' for name in NEEDED_FIELDS)}, got {pattern!r}"
        )
    for (_, before), (between, after) in pairwise(parts):
        if before is not None and after is not None and not between:
            raise UserError(
                f"{where}: wanted a text between {{{before}}} and {{{after}}}, got none: nobody "
                "can say where the one ends"
            )


@dataclass(frozen=True)
class RecordedShares:
    """Shares of the splits; they must sum to 1."""

    train: float = setting(0.8, low=0, high=1)
    """Share of the split train (release: 0.8)."""
    val: float = setting(0.05, low=0, high=1)
    """Share of the split val (release: 0.05)."""
    test: float = setting(0.15, low=0, high=1)
    """Share of the split test (release: 0.15)."""


@dataclass(frozen=True)
class RecordingChecks:
    """When a clip gets a warning, and which warnings keep it out."""

    refuse: tuple[str, ...] = setting((), choices=CHECKS, empty=True)
    """Checks whose clips are left out: rows with this reason. A clip that fails another check is
    written and has the warning."""
    silent_db: float = setting(-60.0, low=-200, high=0)
    """Level of the sound below which it is silent, dB of full scale, root mean square."""
    dark: float = setting(0.9, low=0, high=1)
    """Share of the pixels that are black (luma below 10 %) above which a clip is too_dark."""
    bright: float = setting(0.5, low=0, high=1)
    """Share of the pixels that are white (luma above 98 %) above which a clip is too_bright."""
    blur: float = setting(0.6, low=0, high=1)
    """Blur, 0 (sharp) to 1, above which a clip is blurred: median over pictures of 360 lines; 0.6
    is a Gaussian blur of about 5 pixels of 1080 lines."""
    frozen_seconds: float = setting(1.5, low=0.04, high=600)
    """Time without any change of the picture from which a clip is frozen, seconds."""


@dataclass(frozen=True)
class Recordings:
    """Stage recordings: OccludeNet-I, OccludeNet-M and sets like them from your own recordings. The
    encoder is that of composite."""

    sets: tuple[RecordingSet, ...] = setting((), empty=True)
    """The sets: a list of {name, folder, table or pattern, layout, ...}. docs/recordings.md lists
    the keys of a set."""
    split: RecordedShares = setting(RecordedShares())
    """Shares of the splits, of the takes of each class. All clips and views of a take are in one
    split, and everything that `together` names; `split` in a table assigns takes yourself."""
    together: tuple[str, ...] = setting(("subject",), choices=("subject", "session"), empty=True)
    """What is in one split only, besides takes: people (subject; over all sets), sessions. []:
    takes only, so that a person may be in train and in test."""
    min_seconds: float = setting(5.0, low=0.1, high=600)
    """Minimum duration of a clip, in seconds (release: 5)."""
    max_seconds: float = setting(10.0, low=0.1, high=600)
    """Maximum duration of a clip, in seconds (release: 10); longer recordings are cut evenly."""
    copy_whole: bool = setting(True)
    """Copy the packets of a recording that is a clip as it is, without a loss, if MP4 can hold
    them; false: encode all clips alike."""
    checks: RecordingChecks = setting(RecordingChecks())
    anonymise: str = setting("off", choices=MODES)
    """What is hidden in the pictures before they are encoded; the sound stays. head: the heads of
    all people; face: faces; off: nothing. docs/anonymity.md."""
    anonymity: Anonymity = setting(Anonymity())
    consent: str | None = setting(None, path=True)
    """CSV file subject,consent[,scope,note]: yes or no for each person in `sets`. The clips of
    somebody who says no, or is not in it, are rows with the reason no_consent. null: not asked."""

    def __post_init__(self) -> None:
        shares = self.split
        total = shares.train + shares.val + shares.test
        if abs(total - 1) > 1e-9:
            raise UserError(f"config: recordings.split: wanted shares that sum to 1, got {total:g}")
        check_anonymity(self.anonymise, self.anonymity)
        if self.min_seconds > self.max_seconds:
            raise UserError(
                f"config: recordings.min_seconds: wanted at most recordings.max_seconds, "
                f"{self.max_seconds:g}, got {self.min_seconds:g}"
            )
        require_distinct("recordings.sets", [one.name.lower() for one in self.sets], "names")
        folders = [one.dataset_folder.lower() for one in self.sets]
        require_distinct("recordings.sets", folders, "dataset folders")
