"""sheets: draw contact sheets of the clips of a build.

Reads the tables and videos of BUILD, as far as they exist; the stages index and detect are
sufficient. Writes one JPEG per clip, DIR/<clip>.jpg. Its rows show the same frames:

    boxes           the source with the boxes and track numbers of all people; the actor's box is
                    thick, and orange if it is interpolated
    mask            the source with the outline of the actor's mask
    25%, 50%, ...   the occluded clips, with the outline of the occluder in occluded frames
    counterfactual  the clip without its actor, at the middle scale

The header lists the frame numbers and, for a clip with cuts, their shots. Outputs that BUILD does
not have get no row; a file that cannot be read gets a row with the error. Existing sheets are
overwritten. The result is deterministic, and nothing in BUILD is changed.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from occludenet_build.config import Config
from occludenet_build.core.build import BuildTables, Row
from occludenet_build.core.errors import UserError, as_item_error
from occludenet_build.core.files import write_bytes
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.imaging import sheets
from occludenet_build.media.imaging.thumbnails import (
    COLOURS,
    Drawing,
    Mark,
    Outline,
    evenly_spaced_frames,
)

NAME_WIDTH = 112
"""Width of the names of the rows, in pixels."""
TRACK_COLOURS = (
    (90, 160, 255),
    (255, 110, 90),
    (190, 130, 255),
    (255, 225, 90),
    (120, 230, 230),
    (255, 150, 210),
    (170, 220, 90),
)
"""Colours of the tracks, by track number modulo their count."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--build", type=Path, required=True, help="build folder")
    parser.add_argument(
        "--clip", nargs="+", default=[], metavar="NAME", help="clips; default: all of detect"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for <clip>.jpg"
    )
    parser.add_argument("--frames", type=int, default=8, help="frames per clip; default: 8")
    parser.add_argument(
        "--width", type=int, default=1800, help="approximate width, pixels; default: 1800"
    )
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write one contact sheet per clip. Raises UserError for too few frames or pixels."""
    if args.frames < 1 or args.width < 200:
        raise UserError(
            f"wanted --frames of at least 1 and --width of at least 200, got {args.frames} and "
            f"{args.width}"
        )
    clips = clips_of(args.build, args.clip)
    draw_sheet = partial(save, out=args.out, frames=args.frames, width=args.width)
    paths = in_processes(draw_sheet, clips, args.threads)
    for path in progress(paths, len(clips), "sheet"):
        logging.info("%s", path)


@dataclass(frozen=True)
class SheetClip:
    """A clip of a build: its source, and the outputs of the stages for it."""

    name: str
    source: Path
    frames: int
    fps: float
    root: Path
    detect_shard: str
    shard: str | None = None
    """Shard of the stages that write clips; None: the clip was not selected."""
    occluded: dict[float, str] = field(default_factory=dict)
    """Occlusion scale -> occluded clip, relative to the build."""
    erased: dict[float, str] = field(default_factory=dict)
    """Occlusion scale -> counterfactual clip, relative to the build."""

    def boxes(self) -> list[Row]:
        """Rows of detect.BOXES, for all people."""
        return self._detail("detect", self.detect_shard)

    def masks(self) -> list[Row]:
        """Rows of actor_masks.DETAIL."""
        return self._detail("actor_masks", self.shard)

    def truth(self) -> list[Row]:
        """Rows of the ground truth of composite, for all scales."""
        return self._detail("composite", self.shard)

    def _detail(self, stage: str, shard: str | None) -> list[Row]:
        rows = BuildTables(self.root).detail(stage, shard, self.name) if shard else None
        return rows.to_pylist() if rows is not None else []


def clips_of(root: Path, names: Iterable[str]) -> list[SheetClip]:
    """The named clips, or without names all clips that detect has searched.

    Raises UserError if `root` is not a build or does not have a named clip.
    """
    build = BuildTables(root, "--build")
    index, searched = build.by_clip("index"), build.by_clip("detect")
    if not index:
        raise UserError(f"--build: wanted the folder of a build with an index, got {root}")
    chosen = list(dict.fromkeys(names)) or sorted(searched)
    unknown = [name for name in chosen if name not in searched or name not in index]
    if unknown:
        raise UserError(
            f"--clip: wanted clips that detect has searched, got {', '.join(unknown)}; "
            f"{root}/detect has {len(searched)}, such as {', '.join(sorted(searched)[:3])}"
        )
    selected = {c: row for c, row in build.by_clip("select").items() if row["status"] == "ok"}
    occluded, erased = build.by_clip("composite"), build.by_clip("counterfactual")
    return [
        _clip(root, index[name], selected.get(name), occluded.get(name), erased.get(name))
        for name in chosen
    ]


def _clip(
    root: Path, index: Row, selected: Row | None, occluded: Row | None, erased: Row | None
) -> SheetClip:
    return SheetClip(
        name=index["clip"],
        source=Path(index["path"]),
        frames=index["frames"] or 0,
        fps=index["fps"] or 0.0,
        root=root,
        detect_shard=selected["detect_shard"] if selected else index["shard"],
        shard=selected["shard"] if selected else None,
        occluded=_files(occluded),
        erased=_files(erased),
    )


def _files(row: Row | None) -> dict[float, str]:
    if row is None or not row["files"]:
        return {}
    return dict(sorted(zip(row["scales"], row["files"], strict=True)))


def save(clip: SheetClip, out: Path, frames: int, width: int) -> Path:
    """Write the sheet of a clip into the folder `out`; return its path. `width` in pixels."""
    path = out / f"{clip.name}.jpg"
    write_bytes(path, sheets.jpeg(sheet(clip, frames, width)))
    return path


def sheet(clip: SheetClip, frames: int, width: int) -> np.ndarray:
    """Draw the sheet of a clip, uint8 (H, W, 3) RGB, about `width` pixels wide."""
    shown = evenly_spaced_frames(clip.frames, frames)
    boxes = clip.boxes()
    parts = [_header(clip, shown, _shots(boxes))]
    for name, path, drawings in _rows(clip, shown, boxes):
        parts.append(_row(name, path, shown, drawings, width))
    return sheets.stacked(parts)


def _rows(
    clip: SheetClip, shown: list[int], boxes: list[Row]
) -> Iterator[tuple[str, Path, dict[int, Drawing]]]:
    """Yield the name, the video file and the annotations of each row."""
    yield "boxes", clip.source, _box_drawings(boxes)
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


def _box_drawings(boxes: list[Row]) -> dict[int, Drawing]:
    """Frame -> boxes of all people, the actor's last and thick."""
    marks: dict[int, list[Mark]] = {}
    for row in sorted(boxes, key=lambda row: row["actor"]):
        colour = TRACK_COLOURS[row["track"] % len(TRACK_COLOURS)]
        if row["actor"]:
            colour = COLOURS["filled" if row["filled"] else "detected"]
        text = f"actor {row['track']}" if row["actor"] else str(row["track"])
        box = tuple(row[side] for side in ("x1", "y1", "x2", "y2"))
        marks.setdefault(row["frame"], []).append(Mark(box, colour, text, row["actor"]))
    return {frame: Drawing(tuple(drawn)) for frame, drawn in marks.items()}


def _outlined(rles: Mapping[int, bytes | None], name: str) -> dict[int, Drawing]:
    return {
        frame: Drawing(outlines=(Outline(rle, COLOURS[name]),))
        for frame, rle in rles.items()
        if rle is not None
    }


def _shots(boxes: list[Row]) -> dict[int, int]:
    """Frame -> shot, for frames with a box."""
    return {row["frame"]: row["shot"] for row in boxes if row["shot"] is not None}


def _header(clip: SheetClip, shown: list[int], shots: dict[int, int]) -> np.ndarray:
    """Header lines: the clip's name, and the numbers, times and shots of the frames."""
    times = ", ".join(
        f"{frame} ({frame / clip.fps:.2f} s)" if clip.fps else str(frame) for frame in shown
    )
    numbered = [f"{frame}: {shots[frame]}" for frame in shown if frame in shots]
    lines = [clip.name, f"{clip.frames} frames, shown: {times}"]
    if len(set(shots.values())) > 1:
        lines.append(f"frame: shot  {', '.join(numbered)}")
    return sheets.text_image(lines)


def _row(
    name: str, path: Path, shown: list[int], drawings: Mapping[int, Drawing], width: int
) -> np.ndarray:
    try:
        strip = sheets.film_strip(path, shown, drawings, width=width - NAME_WIDTH, most=360)
    except Exception as error:
        return sheets.text_image([f"{name}: {path} cannot be read: {as_item_error(error)}"])
    return sheets.labelled(name, strip, NAME_WIDTH)
