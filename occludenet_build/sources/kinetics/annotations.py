"""Read the official lists of Kinetics, and select clips.

A list is a CSV file with a header: label, youtube_id, time_start, time_end, split, in any order,
under the names that mirrors use, and with commas, semicolons or tabs; other columns are ignored.
Without a label column, clips get the label `unlabelled`; without a split column, the file name of
the list states the split. A list may also be the JSON file that DeepMind publishes beside its CSV.
Downloads are kept in <folder>/annotations.
"""

from __future__ import annotations

import csv
import difflib
import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from occludenet_build import config as cfg
from occludenet_build.core import names, seeds
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.settings import is_url
from occludenet_build.release.class_lists import expanded, plain_label
from occludenet_build.release.terms import YOUTUBE_ID, split_of_name
from occludenet_build.sources.kinetics.clip import (
    NO_LABEL,
    KineticsClip,
    path_part_splits,
)
from occludenet_build.sources.transfer.download import Download, file_name, redact
from occludenet_build.sources.transfer.parallel import download_all

MAX_MALFORMED = 10
"""Largest number of malformed lines in a list; with more, the file is rejected."""
_LARGEST = 1 << 28
_COLUMNS = {
    "youtube_id": ("youtube_id", "video_id", "id", "ytid"),
    "time_start": ("time_start", "start", "start_time", "start_seconds"),
    "time_end": ("time_end", "end", "end_time", "end_seconds"),
    "label": ("label", "class", "class_name"),
    "split": ("split", "subset"),
}
"""Column -> names in the lists of mirrors."""


@dataclass(frozen=True)
class AnnotationLists:
    """Clips of the official lists."""

    listed: Sequence[KineticsClip]
    """All clips, each once."""
    selected: Sequence[KineticsClip]
    """Clips that the settings select, sorted by name."""


def read_lists(config: cfg.Config, folder: Path) -> AnnotationLists:
    """Fetch missing lists, and read all lists.

    Raises UserError where a list cannot be fetched or is malformed, and where no clip is selected.
    """
    listed: dict[str, KineticsClip] = {}
    twice = 0
    for source in config.kinetics.annotations:
        for clip in _clips(source, folder / "annotations", config.download):
            twice += listed.setdefault(clip.name, clip) is not clip
    if twice:
        logging.info(
            "annotations: %d clips are listed more than once; the first line counts", twice
        )
    clips = list(listed.values())
    return AnnotationLists(clips, select_clips(clips, config.kinetics, config.seed))


def select_clips(
    clips: Sequence[KineticsClip], settings: cfg.Kinetics, seed: int
) -> list[KineticsClip]:
    """Select clips by split, class and number per class; sorted by name.

    Raises UserError for unknown classes, and where no clip is left.
    """
    _refuse_unknown(clips, settings)
    groups: dict[tuple[str, str], list[KineticsClip]] = defaultdict(list)
    classes = set(expanded(settings.classes))
    for clip in clips:
        if clip.split in settings.splits and (not classes or clip.label in classes):
            groups[clip.split, clip.label].append(clip)
    if settings.per_class is not None:
        for group in groups.values():
            group.sort(key=lambda clip: (seeds.selection_key(seed, clip.name), clip.name))
            del group[settings.per_class :]
    wanted = sorted((c for group in groups.values() for c in group), key=lambda clip: clip.name)
    if not wanted:
        raise UserError(
            f"kinetics.annotations: wanted clips of {', '.join(settings.splits)}, the lists have "
            f"{len(clips)} clips of {', '.join(sorted({c.split for c in clips}))}; correct either"
        )
    return wanted


def _refuse_unknown(clips: Sequence[KineticsClip], settings: cfg.Kinetics) -> None:
    labels = {clip.label for clip in clips}
    by_plain = {plain_label(label): label for label in sorted(labels)}
    for name in expanded(settings.classes):
        if name not in labels:
            close = difflib.get_close_matches(plain_label(name), by_plain, n=3)
            meant = " or ".join(repr(by_plain[match]) for match in close) or "one of the lists'"
            raise UserError(
                f"kinetics.classes: wanted a class of the annotations, got {name!r}; did you mean "
                f"{meant}?"
            )


def _clips(source: str, folder: Path, settings: cfg.Downloads) -> Iterator[KineticsClip]:
    if not is_url(source):
        yield from read_annotation_csv(Path(source))
        return
    path = _fetched(source, folder / file_name(source, "list"), settings)
    try:
        yield from read_annotation_csv(path)
    except UserError:
        path.unlink(missing_ok=True)  # often an HTML page with an error message
        raise


def _fetched(source: str, target: Path, settings: cfg.Downloads) -> Path:
    bounded = replace(settings, max_bytes=min(settings.max_bytes, _LARGEST), failure_budget=1.0)
    (outcome,) = download_all([Download(source, target)], bounded)
    if outcome.status == "ok":
        return target
    if outcome.reason == "offline":
        raise UserError(
            f"kinetics.annotations: {redact(source)}: wanted the list {target}, it is missing, and "
            "downloads are switched off; fetch it where there is a network, or name a file"
        )
    raise UserError(
        f"kinetics.annotations: {redact(source)}: not fetched: {outcome.reason} ({outcome.detail})"
        "; correct the address, start again later, or name a file"
    )


def read_annotation_csv(path: Path) -> Iterator[KineticsClip]:
    """Yield the clips of a list, line by line; malformed lines are logged and skipped.

    Raises UserError where the file is not readable, the header lacks a column, and for more
    than MAX_MALFORMED malformed lines.
    """
    malformed = good = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = _rows(stream)
            at = _columns(next(rows, (0, []))[1], path)
            for line, row in rows:
                if not any(row):
                    continue
                try:
                    clip = _clip(row, at, path)
                except (ItemError, ValueError) as error:
                    malformed += 1
                    _note(f"{path}, line {line}: {error}", malformed)
                else:
                    good += 1
                    yield clip
    except (OSError, UnicodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise UserError(
            f"{path}: wanted a list of Kinetics, it is not readable: {error}"
        ) from error
    if malformed and not good:
        raise UserError(
            f"{path}: wanted a list of Kinetics, none of its lines is a clip; see above"
        )


def _rows(stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a list; the first is its header."""
    first = stream.readline()
    stream.seek(0)
    if first.lstrip().startswith("{"):
        yield from enumerate(_json_rows(json.load(stream)), 1)
        return
    reader = csv.reader(stream, delimiter=max(",;\t", key=first.count))
    for row in reader:
        yield reader.line_num, row


def _json_rows(content: dict[str, Any]) -> Iterator[list[str]]:
    """Rows of DeepMind's JSON: id -> annotations (label, segment: start and end), subset."""
    yield ["youtube_id", "time_start", "time_end", "label", "split"]
    for youtube_id, entry in content.items():
        known = entry if isinstance(entry, dict) else {}
        noted = known.get("annotations")
        noted = noted if isinstance(noted, dict) else {}
        segment = noted.get("segment")
        start, end = segment if isinstance(segment, list) and len(segment) == 2 else ("", "")
        yield [str(cell) for cell in (youtube_id, start, end, noted.get("label", ""),
                                      known.get("subset", ""))]  # fmt: skip


def _note(problem: str, malformed: int) -> None:
    if malformed > MAX_MALFORMED:
        raise UserError(
            f"{problem}; this and {malformed - 1} lines before: wanted a list of Kinetics, "
            "label,youtube_id,time_start,time_end,split; correct or replace the file"
        )
    logging.warning("%s; skipped", problem)


def _columns(header: list[str], path: Path) -> dict[str, int]:
    """Column -> its position in the header."""
    plain_names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in header]
    at = {
        column: plain_names.index(name)
        for column, known in _COLUMNS.items()
        for name in known[::-1]
        if name in plain_names
    }
    missing = {"youtube_id", "time_start", "time_end"} - at.keys()
    if not ({"split"} & at.keys() or len(path_part_splits(path.name)) == 1):
        missing.add("split")
    if missing:
        raise UserError(
            f"{path}: wanted a list of Kinetics with the columns {', '.join(sorted(missing))}, its "
            f"first line is {','.join(header)[:120]!a}"
        )
    return at


def _clip(row: list[str], at: dict[str, int], path: Path) -> KineticsClip:
    cell = {column: row[index].strip() for column, index in at.items() if index < len(row)}
    if len(cell) < len(at):
        raise ValueError(f"wanted {len(at)} columns, got {len(row)}")
    if not re.fullmatch(YOUTUBE_ID, cell["youtube_id"]):
        raise ValueError(f"wanted a YouTube id of 11 characters, got {cell['youtube_id'][:40]!a}")
    start, end = (_seconds(cell[column]) for column in ("time_start", "time_end"))
    if end <= start:
        raise ValueError(f"wanted an end after the start, got {start} to {end}")
    split = split_of_name(cell["split"]) if "split" in cell else path_part_splits(path.name).pop()
    if split is None:
        raise ValueError(f"wanted train, val or test, got {cell['split'][:40]!a}")
    clip = KineticsClip(cell["youtube_id"], start, end, split, cell.get("label") or NO_LABEL)
    names.safe_name(clip.file)
    return clip


def _seconds(text: str) -> int:
    """Parse whole seconds.

    >>> _seconds("12"), _seconds("12.0")
    (12, 12)
    """
    if not re.fullmatch(r"\d{1,6}(\.0*)?", text):
        raise ValueError(f"wanted whole seconds, got {text[:40]!a}")
    return int(text.partition(".")[0])
