"""sheets: contact sheets of the clips of a build, to look at.

Reads the tables and videos of BUILD, as far as they are there: detect alone will do. Writes a JPEG
per clip, DIR/<clip>.jpg, whose rows show the same frames:

    boxes           the source with everybody's box and track number; the actor's box is thick, and
                    orange where it is filled in
    mask            the source with the outline of the actor's mask
    25%, 50%, ...   the occluded clips, with the outline of the occluder where there is ground truth
    counterfactual  the clip without its actor, at the middle scale

Above them are the numbers of the frames and, of a clip with cuts, of their shots. What a build has
not made is no row; a file that does not read is a row that says so. A sheet that exists is written
anew. Nothing is drawn by chance, and nothing in BUILD is changed.

What a build holds of one clip: where its files and its rows are.

One contact sheet: rows of the same frames, each row with its name on the left.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.config import Config
from occludenet_build.core.build import Build
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import write_bytes
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.imaging import sheets
from occludenet_build.media.imaging.thumbnails import COLOURS, Drawing, Mark, Outline, evenly

Row = dict[str, Any]


@dataclass(frozen=True)
class Clip:
    """One clip: its source, and what the stages wrote about it."""

    name: str
    source: Path
    frames: int
    fps: float
    root: Path
    detect_shard: str
    shard: str | None = None
    """Of the stages that make clips; None: the clip was not chosen."""
    occluded: dict[float, str] = field(default_factory=dict)
    """Scale -> file, relative to the build."""
    erased: dict[float, str] = field(default_factory=dict)

    def boxes(self) -> list[Row]:
        """Rows of detect.BOXES, everybody's."""
        return self._detail("detect", self.detect_shard)

    def masks(self) -> list[Row]:
        """Rows of actor_masks.DETAIL."""
        return self._detail("actor_masks", self.shard)

    def truth(self) -> list[Row]:
        """Rows of composite's ground truth, all scales."""
        return self._detail("composite", self.shard)

    def _detail(self, stage: str, shard: str | None) -> list[Row]:
        found = Build(self.root).detail(stage, shard, self.name) if shard else None
        return found.to_pylist() if found is not None else []


def clips_of(root: Path, names: Iterable[str]) -> list[Clip]:
    """The named clips, or all that were searched for people if none is named.

    Raises UserError where `root` is no build or has no such clip.
    """
    build = Build(root, "--build")
    index, searched = build.by_clip("index"), build.by_clip("detect")
    if not index:
        raise UserError(f"--build: wanted the folder of a build with an index, got {root}")
    wanted = list(dict.fromkeys(names)) or sorted(searched)
    unknown = [name for name in wanted if name not in searched or name not in index]
    if unknown:
        raise UserError(
            f"--clip: wanted clips that detect has searched, got {', '.join(unknown)}; "
            f"{root}/detect has {len(searched)}, such as {', '.join(sorted(searched)[:3])}"
        )
    chosen = {c: row for c, row in build.by_clip("select").items() if row["status"] == "ok"}
    occluded, erased = build.by_clip("composite"), build.by_clip("counterfactual")
    return [
        _clip(root, index[name], chosen.get(name), occluded.get(name), erased.get(name))
        for name in wanted
    ]


def _clip(
    root: Path, index: Row, chosen: Row | None, occluded: Row | None, erased: Row | None
) -> Clip:
    return Clip(
        name=index["clip"],
        source=Path(index["path"]),
        frames=index["frames"] or 0,
        fps=index["fps"] or 0.0,
        root=root,
        detect_shard=chosen["detect_shard"] if chosen else index["shard"],
        shard=chosen["shard"] if chosen else None,
        occluded=_files(occluded),
        erased=_files(erased),
    )


def _files(row: Row | None) -> dict[float, str]:
    if row is None or not row["files"]:
        return {}
    return dict(sorted(zip(row["scales"], row["files"], strict=True)))


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tool's command line."""
    parser.add_argument("--build", type=Path, required=True, help="build_dir of a build")
    parser.add_argument(
        "--clip", nargs="+", default=[], metavar="NAME", help="default: all that detect searched"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="<clip>.jpg go here")
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip; default: 8")
    parser.add_argument("--width", type=int, default=1800, help="pixels, about; default: 1800")
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write a contact sheet per clip. Raises UserError for a sheet that is too small."""
    if args.frames < 1 or args.width < 200:
        raise UserError(
            f"wanted --frames of at least 1 and --width of at least 200, got {args.frames} and "
            f"{args.width}"
        )
    clips = clips_of(args.build, args.clip)
    make = partial(save, out=args.out, frames=args.frames, width=args.width)
    made = in_processes(make, clips, args.threads)
    for path in progress(made, len(clips), "sheet"):
        logging.info("%s", path)
