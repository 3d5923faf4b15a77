"""One contact sheet: rows of the same frames, each row with its name on the left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core import sheets
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import write_bytes
from occludenet_build.core.thumbnails import COLOURS, Drawing, Mark, Outline, evenly
from occludenet_build.sheets.build import Clip

Row = dict[str, Any]

NAMES = 112
"""Pixels for the names of the rows."""
PEOPLE = (
    (90, 160, 255),
    (255, 110, 90),
    (190, 130, 255),
    (255, 225, 90),
    (120, 230, 230),
    (255, 150, 210),
    (170, 220, 90),
)
"""Colours of tracks, in turn."""


def save(clip: Clip, out: Path, frames: int, width: int) -> Path:
    """Write the sheet of a clip into the folder `out`."""
    path = out / f"{clip.name}.jpg"
    write_bytes(path, sheets.jpeg(sheet(clip, frames, width)))
    return path


def sheet(clip: Clip, frames: int, width: int) -> np.ndarray:
    """The sheet of a clip, uint8 (H, W, 3) RGB, with so many frames in about so many pixels."""
    shown = evenly(clip.frames, frames)
    boxes = clip.boxes()
    parts = [_heads(clip, shown, _shots(boxes))]
    for name, path, drawings in _rows(clip, shown, boxes):
        parts.append(_row(name, path, shown, drawings, width))
    return sheets.stacked(parts)


def _rows(
    clip: Clip, shown: list[int], boxes: list[Row]
) -> Iterator[tuple[str, Path, dict[int, Drawing]]]:
    """Name, file and what is drawn on its frames."""
    yield "boxes", clip.source, _people(boxes)
    masks = {row["frame"]: row["rle"] for row in clip.masks()}
    if masks:
        yield "mask", clip.source, _outlined(masks, "actor")
    truth = clip.truth() if clip.occluded else []
    for scale, file in clip.occluded.items():
        hidden = {r["frame"]: r["occluder_rle"] for r in truth if abs(r["scale"] - scale) < 1e-6}
        yield f"{scale * 100:g}%", clip.root / file, _outlined(hidden, "occluder")
    if clip.erased:
        scale = list(clip.erased)[len(clip.erased) // 2]
        yield f"counterf. {scale * 100:g}%", clip.root / clip.erased[scale], {}


def _people(boxes: list[Row]) -> dict[int, Drawing]:
    """The boxes of every frame, the actor's last and thick."""
    marks: dict[int, list[Mark]] = {}
    for row in sorted(boxes, key=lambda row: row["actor"]):
        colour = PEOPLE[row["track"] % len(PEOPLE)]
        if row["actor"]:
            colour = COLOURS["filled" if row["filled"] else "detected"]
        text = f"actor {row['track']}" if row["actor"] else str(row["track"])
        box = tuple(row[side] for side in ("x1", "y1", "x2", "y2"))
        marks.setdefault(row["frame"], []).append(Mark(box, colour, text, row["actor"]))
    return {frame: Drawing(tuple(here)) for frame, here in marks.items()}


def _outlined(rles: Mapping[int, bytes | None], name: str) -> dict[int, Drawing]:
    return {
        frame: Drawing(outlines=(Outline(rle, COLOURS[name]),))
        for frame, rle in rles.items()
        if rle is not None
    }


def _shots(boxes: list[Row]) -> dict[int, int]:
    """Frame -> shot, where there is a box."""
    return {row["frame"]: row["shot"] for row in boxes if row["shot"] is not None}


def _heads(clip: Clip, shown: list[int], shots: dict[int, int]) -> np.ndarray:
    """The clip's name, and what there is to say of the frames that are shown."""
    times = ", ".join(
        f"{frame} ({frame / clip.fps:.2f} s)" if clip.fps else str(frame) for frame in shown
    )
    seen = [f"{frame}: {shots[frame]}" for frame in shown if frame in shots]
    lines = [clip.name, f"{clip.frames} frames, shown: {times}"]
    if len(set(shots.values())) > 1:
        lines.append(f"frame: shot  {', '.join(seen)}")
    return sheets.text(lines)


def _row(
    name: str, path: Path, shown: list[int], drawings: Mapping[int, Drawing], width: int
) -> np.ndarray:
    try:
        strip = sheets.film_strip(path, shown, drawings, width=width - NAMES, most=360)
    except ItemError as error:
        return sheets.text([f"{name}: {path} cannot be shown: {error}"])
    return sheets.labelled(name, strip, NAMES)
