"""Sets that are given by a list: their clips, and which lines are none."""

from __future__ import annotations

import math
import stat
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.config import ListedSet
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.lists import read_label_map, read_list, source_clips


@dataclass(frozen=True)
class Group:
    """Clips of one root."""

    root: Path
    clips: list[Clip]
    where: str
    """What they are of, for errors."""


def read(listed: ListedSet) -> tuple[Group, list[dict[str, str]]]:
    """The clips of a list, each file once, and the lines that are left out with their reason.

    Raises UserError: a list or label map that does not read, a line without a label, a file that
    the list gives two labels.
    """
    names = None if listed.label_map is None else read_label_map(listed.label_map)
    lines = read_list(listed.file, names)
    root = Path(listed.root or Path(listed.file).parent)
    clips, skipped = [], []
    first: dict[tuple[int, int], Clip] = {}
    for line, source in zip(lines, source_clips([line.file for line in lines]), strict=True):
        if line.label is None:
            raise UserError(
                f"evaluate.lists: {listed.file}: wanted a label beside {line.file}, got none"
            )
        clip = _clip(listed.name, source, line.file, line.label)
        found = _identity(root / line.file)
        if found is None:
            skipped.append(_left_out(clip, "missing", REASONS["missing"]))
        elif found in first:
            _must_be_alike(first[found], clip, listed.file)
            skipped.append(_left_out(clip, "duplicate", f"it is {first[found].file}"))
        else:
            first[found] = clip
            clips.append(clip)
    return Group(root, clips, listed.file), skipped


def _clip(set_name: str, source: str, file: str, label: str) -> Clip:
    facts = {"frames": 0, "area_ratio": None, "duration_ratio": None, "scale": math.nan}
    hashes = {"file_hash": "", "counterfactual": None, "counterfactual_hash": None}
    return Clip(clip=source, set=set_name, split="", label=label, file=file, **facts, **hashes)  # type: ignore[arg-type]


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode, which all links to a file share; None where there is no file."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: no name for a file
        return None
    # a pipe would wait for somebody who writes
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _left_out(clip: Clip, reason: str, detail: str) -> dict[str, str]:
    return {"set": clip.set, "file": clip.file, "reason": f"{reason}: {detail}"}


def _must_be_alike(first: Clip, other: Clip, path: str) -> None:
    if first.label != other.label:
        raise UserError(
            f"evaluate.lists: {path}: {first.file} and {other.file} are one file, but the list "
            f"calls it {first.label} and {other.label}; correct the list"
        )
