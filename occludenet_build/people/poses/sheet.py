"""A sheet to look at: skeletons over the frames of some clips, clean twin and occluded clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core import tables
from occludenet_build.core.build import detail_file, read_clip_rows
from occludenet_build.core.errors import ItemError
from occludenet_build.core.poses import ClipPoses
from occludenet_build.media.imaging import sheets, skeletons, thumbnails
from occludenet_build.people.poses.one_clip import SetFile, sets_of

CLIPS, FRAMES = 6, 6
"""Clips on the sheet, of as many shards as there are, and frames of each."""
_HEIGHT, _LABEL = 200, 60
"""Height of a picture and width of the names, pixels."""
_ACTOR, _OTHER = (60, 230, 60), (90, 150, 255)
"""Colours: the actor's skeleton, and those of other people."""

CompositeRows = Callable[[str], dict[str, dict[str, Any]]]
"""Function(shard) -> clip -> its row of composite."""


def draw_sheet(
    manifests: Iterable[Path], composite: CompositeRows, root: Path, least: float
) -> bytes:
    """The sheet as JPEG; `least`: score from which a joint is drawn.

    Per clip a row per set, with the frames at which they were looked at. A clip that cannot be read
    any more is named, and left out.
    """
    parts = []
    for manifest, clip in _chosen(list(manifests)):
        rows = read_clip_rows(detail_file(manifest), clip["clip"])
        parts.append(sheets.text_image([f"{clip['clip']}  {clip['label']}"]))
        made = composite(manifest.stem)[clip["clip"]]
        for one in sets_of(made, root):
            if one.name in clip["sets"]:
                parts.append(_strip(one, ClipPoses.of(rows, one.name), clip["frames"], least))
    return sheets.jpeg(sheets.stacked(parts or [sheets.text_image(["no poses"])]))


def _chosen(manifests: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """CLIPS of the clips with poses, one shard after the other in turn."""
    by_shard = [
        [(path, row) for row in tables.read_rows(path) if row["status"] == "ok"]
        for path in manifests
    ]
    longest = max((len(rows) for rows in by_shard), default=0)
    turns = [rows[turn] for turn in range(longest) for rows in by_shard if turn < len(rows)]
    return turns[:CLIPS]


def _strip(one: SetFile, poses: ClipPoses, frames: int, least: float) -> np.ndarray:
    """Frames of a set side by side, uint8 (H, W, 3), with skeletons and the name of the set."""
    numbers = thumbnails.evenly_spaced_frames(frames, FRAMES)
    try:
        pictures = thumbnails.frames_at(one.path, numbers)
    except ItemError as error:
        return sheets.text_image([f"{one.name}: {error}"])
    drawn = [_drawn(pictures[n], poses.where(poses.frames == n), least) for n in sorted(pictures)]
    if not drawn:
        return sheets.text_image([f"{one.name}: no frames"])
    return sheets.labelled(one.name, sheets.side_by_side(drawn), _LABEL)


def _drawn(picture: np.ndarray, poses: ClipPoses, least: float) -> np.ndarray:
    """A frame uint8 (H, W, 3) with its skeletons, _HEIGHT pixels high."""
    factor = _HEIGHT / picture.shape[0]
    small = thumbnails.resize_image(picture, (round(picture.shape[1] * factor), _HEIGHT))
    small = np.ascontiguousarray(small)
    for joints, is_actor in zip(poses.joints, poses.is_actor, strict=True):
        scaled = joints * np.array([factor, factor, 1], np.float32)
        skeletons.draw(small, scaled, _ACTOR if is_actor else _OTHER, max(least - 1e-6, 0.0))
    return small
