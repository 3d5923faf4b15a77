"""The clips that are asked about: those of the build, and those of lists."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.recognition import ListedSet
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.recognition.clip_table import read_clips, read_labels
from occludenet_build.recognition.lists import read_label_map, read_list, source_clips
from occludenet_build.recognition.prediction_table import Predictions

Row = dict[str, Any]


@dataclass(frozen=True)
class AskedClip:
    """A clip to ask about."""

    clip: str
    set: str
    scale: float | None
    label: str
    file: str
    file_hash: str
    """sha256; empty for a clip of a list."""
    path: Path
    """The file itself."""


def asked_clips(args: argparse.Namespace, config: Config) -> tuple[list[AskedClip], list[Row]]:
    """The clips of evaluate.split and of evaluate.lists, and entries of `skipped`.

    Raises UserError where there are none, or where a list has the name of another set.
    """
    clips, skipped = [] if args.clips is None else _of_build(args, config.evaluate.split), []
    for listed in config.evaluate.lists:
        if listed.name in {clip.set for clip in clips}:
            raise UserError(
                f"evaluate.lists: {listed.name} is a set already; give the list another name"
            )
        found, missing = _of_list(listed)
        clips += found
        skipped += missing
    if not clips:
        raise UserError(
            f"wanted clips of the split {config.evaluate.split} or of evaluate.lists, got none; "
            "change evaluate.split or name a list"
        )
    return clips, skipped


def _of_build(args: argparse.Namespace, split: str) -> list[AskedClip]:
    return [
        AskedClip(c.clip, c.set, c.scale, c.label, c.file, c.file_hash, args.root / c.file)
        for c in read_clips(args.clips, split)
    ]


def _of_list(listed: ListedSet) -> tuple[list[AskedClip], list[Row]]:
    """The clips of a list whose files exist, each file once, and entries of `skipped`."""
    names = None if listed.label_map is None else read_label_map(listed.label_map)
    root = Path(listed.root or Path(listed.file).parent)
    lines = read_list(listed.file, names)
    found: dict[str, AskedClip] = {}
    skipped = []
    for line, source in zip(lines, source_clips([line.file for line in lines]), strict=True):
        if line.label is None:
            raise UserError(f"{listed.file}: wanted a label beside {line.file}, got none")
        if not (root / line.file).is_file():
            reason = f"missing: {REASONS['missing']}"
            skipped.append({"set": listed.name, "file": line.file, "reason": reason})
            continue
        clip = AskedClip(source, listed.name, None, line.label, line.file, "", root / line.file)
        if found.setdefault(line.file, clip).label != line.label:
            raise UserError(f"{listed.file}: {line.file} has two labels; correct the list")
    return list(found.values()), skipped


def known_labels(
    args: argparse.Namespace, predicted: Sequence[Predictions], clips: Sequence[AskedClip]
) -> tuple[str, ...]:
    """The classes to choose from: those of the models, or else those of the build.

    Raises UserError where a clip has another label.
    """
    if predicted:
        labels, where = predicted[0].about.labels, str(args.predictions[0])
    elif args.labels is not None or args.clips is not None:
        path = args.labels or args.clips.with_name("labels.json")
        labels, where = tuple(read_labels(path)), str(path)
    else:
        labels, where = tuple(sorted({clip.label for clip in clips})), "the lists"
    unknown = sorted({clip.label for clip in clips} - set(labels))
    if unknown:
        raise UserError(
            f"label maps do not match: {where} knows {len(labels)} labels, but not "
            f"{', '.join(unknown[:5])}; use models and clips of the same labels"
        )
    return labels
