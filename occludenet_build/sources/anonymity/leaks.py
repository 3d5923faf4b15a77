"""The leak report: faces or heads that a detector finds again in finished clips."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from occludenet_build.core.files import csv_text, write_bytes, write_text
from occludenet_build.media.imaging.sheets import jpeg, side_by_side
from occludenet_build.media.imaging.thumbnails import Drawing, Mark, draw_thumbnail
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.sources.anonymity.finders import BATCH, NetworkFinder

_SHOWN, _HEIGHT = 4, 200
"""Frames of a clip's picture, and its height in pixels."""
_RED = (255, 60, 60)

COLUMNS = (
    *("set", "clips", "checked_frames", "leaking_frames", "rate", "leaking_clips", "bare_frames"),
)
"""Columns of leaks.csv, a row per set: rate is leaking_frames / checked_frames; leaking_clips those
with a leaking frame; bare_frames those in which nothing was hidden."""


@dataclass(frozen=True)
class LeakCheck:
    """Looks for faces or heads in finished clips."""

    finder: NetworkFinder
    every: int

    def look(self, path: Path) -> tuple[dict[str, int], bytes | None]:
        """Columns checked_frames and leaking_frames of a clip, and a JPEG of leaks, None without.

        Raises ItemError where the clip cannot be read.
        """
        checked = leaking = 0
        shown: list[np.ndarray] = []
        frames = islice(rgb_frames(path), 0, None, self.every)
        while batch := [picture for _, picture in islice(frames, BATCH)]:
            for picture, found in zip(batch, self.finder.again(batch), strict=True):
                checked += 1
                leaking += bool(len(found))
                if len(found) and len(shown) < _SHOWN:
                    marks = tuple(Mark(tuple(box.tolist()), _RED) for box in found)
                    shown.append(draw_thumbnail(picture, _HEIGHT, Drawing(marks)))
        picture_of_leaks = jpeg(side_by_side(shown)) if shown else None
        return {"checked_frames": checked, "leaking_frames": leaking}, picture_of_leaks


def leak_picture(clip: str) -> str:
    """Path of the picture of a clip's leaks, relative to the build folder."""
    return f"recordings/leaks/{clip}.jpg"


def write_leaks(root: Path, clip: str, picture: bytes | None) -> str | None:
    """Write the picture of a clip's leaks; return its path relative to `root`, None without one."""
    if picture is None:
        return None
    name = leak_picture(clip)
    write_bytes(root / name, picture)
    return name


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row of COLUMNS per set, of the finished clips' rows; rate: None if none was checked."""
    found = []
    for name in dict.fromkeys(row["set"] for row in rows):
        mine = [row for row in rows if row["set"] == name]
        checked, leaking, bare = (
            sum(row[column] or 0 for row in mine)
            for column in ("checked_frames", "leaking_frames", "bare_frames")
        )
        rate = leaking / checked if checked else None
        clips = sum(bool(row["leaking_frames"]) for row in mine)
        values = (name, len(mine), checked, leaking, rate, clips, bare)
        found.append(dict(zip(COLUMNS, values, strict=True)))
    return found


def write_report(folder: Path, rows: Sequence[Mapping[str, Any]], root: Path) -> None:
    """Write leaks.csv and leaks.html into `folder`, of the rows of the finished clips."""
    counts = summary(rows)
    cells = [["" if row[name] is None else row[name] for name in COLUMNS] for row in counts]
    write_text(folder / "leaks.csv", csv_text(COLUMNS, cells))
    write_text(folder / "leaks.html", _page(counts, rows, Path(os.path.relpath(root, folder))))


def _page(counts: list[dict[str, Any]], rows: Sequence[Mapping[str, Any]], base: Path) -> str:
    cells = ("".join(f"<td>{_text(row[name])}</td>" for name in COLUMNS) for row in counts)
    lines = "".join(f"<tr>{line}</tr>" for line in cells)
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    checked = any(row["checked_frames"] for row in counts)
    unchecked = "<p><b>Not checked:</b> there is no detector of faces or poses; set "
    unchecked += "recordings.anonymity.check_weights.</p>"
    leaks = [row for row in rows if row["leaking_frames"]]
    leaks.sort(key=lambda row: (-row["leaking_frames"] / row["checked_frames"], row["clip"]))
    bare = [row for row in rows if row["bare_frames"]]
    bare.sort(key=lambda row: (-row["bare_frames"] / row["frames"], row["clip"]))
    return (
        "<!doctype html><meta charset=utf-8><title>Leaks</title>"
        "<style>body{font:15px sans-serif;margin:2em}td,th{padding:2px 10px;text-align:left}"
        "img{display:block;max-width:100%;margin:4px 0 18px}</style>"
        "<h1>Faces and heads that are still found</h1>"
        f"<table><tr>{head}</tr>{lines}</table>{'' if checked else unchecked}"
        f"<h2>Clips with leaks: {len(leaks)}</h2>{''.join(_leak(row, base) for row in leaks)}"
        f"<h2>Clips with frames in which nothing was hidden: {len(bare)}</h2>"
        f"<ul>{''.join(_bare(row) for row in bare)}</ul>\n"
    )


def _text(value: Any) -> str:
    if value is None:
        return "not checked"
    return f"{value:.2%}" if isinstance(value, float) else html.escape(str(value))


def _leak(row: Mapping[str, Any], base: Path) -> str:
    picture = quote((base / row["leak_picture"]).as_posix()) if row["leak_picture"] else ""
    return (
        f"<div>{html.escape(row['clip'])}: {row['leaking_frames']} of {row['checked_frames']} "
        f'checked frames<img src="{picture}" alt="" loading="lazy"></div>'
    )


def _bare(row: Mapping[str, Any]) -> str:
    return f"<li>{html.escape(row['clip'])}: {row['bare_frames']} of {row['frames']} frames</li>"
