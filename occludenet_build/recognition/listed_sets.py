"""Evaluation sets that are not part of the build: the clips of a list, each file once."""

from __future__ import annotations

import math
import stat
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build.config.recognition import ListedSet
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.lists import read_label_map, read_list, source_clips


@dataclass(frozen=True)
class EvaluationGroup:
    """Clips whose files are relative to one folder."""

    root: Path
    clips: list[ClipRow]
    where: str
    """The table or list that names the clips, for error messages."""
    independent: dict[str, str] = field(default_factory=dict)
    """The group of clips that are not independent, by file; empty where none is named."""


def read_listed_set(
    listed: ListedSet, key: str = "evaluate.lists"
) -> tuple[EvaluationGroup, list[dict[str, str]]]:
    """The clips of a list, each file once, and entries of `skipped` for its unusable lines.

    Raises UserError where the list or its label map cannot be read, where a line has no label, or
    where the list gives one file two labels. `key`: the setting, for messages.
    """
    names = None if listed.label_map is None else read_label_map(listed.label_map)
    lines = read_list(listed.file, names, listed.group)
    root = Path(listed.root or Path(listed.file).parent)
    clips, skipped, groups = [], [], {}
    first: dict[tuple[int, int], ClipRow] = {}
    for line, source in zip(lines, source_clips([line.file for line in lines]), strict=True):
        if line.label is None:
            raise UserError(f"{key}: {listed.file}: wanted a label beside {line.file}, got none")
        clip = _listed_clip(listed.name, source, line.file, line.label)
        identity = _file_identity(root / line.file)
        if identity is None:
            skipped.append(_skipped(clip, "missing", REASONS["missing"]))
        elif identity in first:
            _check_same_label(first[identity], clip, f"{key}: {listed.file}")
            skipped.append(_skipped(clip, "duplicate", f"it is {first[identity].file}"))
        else:
            first[identity] = clip
            clips.append(clip)
            if line.group is not None:
                groups[clip.file] = line.group
    return EvaluationGroup(root, clips, listed.file, groups), skipped


def _listed_clip(set_name: str, source: str, file: str, label: str) -> ClipRow:
    facts = {"frames": 0, "area_ratio": None, "duration_ratio": None, "scale": math.nan}
    hashes = {"file_hash": "", "counterfactual": None, "counterfactual_hash": None}
    return ClipRow(clip=source, set=set_name, split="", label=label, file=file, **facts, **hashes)  # type: ignore[arg-type]


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode, which all links to a file share; None where there is no regular file."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: the name cannot be that of a file
        return None
    # opening a pipe would wait for a writer
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _skipped(clip: ClipRow, reason: str, detail: str) -> dict[str, str]:
    return {"set": clip.set, "file": clip.file, "reason": f"{reason}: {detail}"}


def _check_same_label(first: ClipRow, other: ClipRow, where: str) -> None:
    if first.label != other.label:
        raise UserError(
            f"{where}: {first.file} and {other.file} are one file, but the list "
            f"calls it {first.label} and {other.label}; correct the list"
        )
