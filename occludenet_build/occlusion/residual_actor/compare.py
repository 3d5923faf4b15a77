"""Compares the detections in counterfactual clips with the actor's boxes in their sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.build import ClipBoxes, DetailStore
from occludenet_build.core.tables import read_rows
from occludenet_build.media.imaging import boxes

MIN_IOU = 0.3
"""IoU with the actor's box below which a detected person is another person."""
Row = dict[str, Any]


@dataclass(frozen=True)
class ResidualShard:
    """The tables of one shard: the listed videos, detect's manifest, and actor_masks' manifest."""

    videos: Path
    found: Path
    masks: Path | None


def is_residual(actor: np.ndarray, others: np.ndarray, found: np.ndarray) -> bool:
    """Whether a detected box belongs to the actor rather than to another person.

    Boxes are float32 x1 y1 x2 y2, pixels: `actor` (4,), `others` (M, 4), detected `found` (N, 4).

    >>> actor, other = np.float32([0, 0, 10, 20]), np.float32([[4, 0, 14, 20]])
    >>> is_residual(actor, other, np.float32([[1, 0, 11, 20]]))
    True
    >>> is_residual(actor, other, np.float32([[3, 0, 13, 20]]))
    False
    """
    if not len(found):
        return False
    with_actor = boxes.iou(actor[None], found)[0]
    with_others = boxes.iou(others, found).max(axis=0, initial=0.0)
    return bool(((with_actor >= MIN_IOU) & (with_actor >= with_others)).any())


def residual_rows(shard: ResidualShard, sources: Path, fill: str) -> Iterator[Row]:
    """A row of CLIPS per video of a shard. `sources`: detect/store, of the source clips."""
    states = {row["clip"]: row for row in read_rows(shard.found)}
    with DetailStore(sources) as store, ExitStack() as stack:
        found = stack.enter_context(DetailStore(shard.found.parent / "store"))
        masks = shard.masks and stack.enter_context(DetailStore(shard.masks.parent / "store"))
        for video in read_rows(shard.videos):
            state = states.get(video["clip"], {"status": "failed", "reason": "missing"})
            names = ("clip", "source", "scale", "split", "label", "path")
            row = {name: video[name] for name in names} | {"fill": fill}
            if state["status"] == "failed":
                yield row | {"status": "failed", "reason": state["reason"]}
                continue
            source = video["source"]
            masked = masks.rows(source, shard.masks.stem) if masks and shard.masks else None
            erased = set(masked["frame"].to_pylist()) if masked is not None else set()
            people = ClipBoxes.of(store.rows(source, video["detect_shard"]))
            detected = ClipBoxes.of(found.rows(video["clip"], shard.found.stem))
            yield row | {"status": "ok"} | _counts(people, detected, erased)


def _counts(source: ClipBoxes, found: ClipBoxes, erased: set[int]) -> Row:
    actor, others, detected = (b.by_frame() for b in (source.actor, source.others, found))
    frames, no_boxes = sorted(erased & set(actor)), boxes.empty()
    residual = [
        frame
        for frame in frames
        if is_residual(actor[frame][0], others.get(frame, no_boxes), detected.get(frame, no_boxes))
    ]
    return {
        "actor_frames": len(actor),
        "erased_frames": len(frames),
        "residual_frames": len(residual),
        "residual": len(residual) / len(frames) if frames else None,
        "first_residual": residual[0] if residual else None,
    }


def residual_summary(rows: Iterable[Mapping[str, Any]], fill: str) -> Row:
    """The content of summary.json."""
    good = [row for row in rows if row["status"] == "ok"]
    classes = sorted({row["label"] for row in good})
    scales = sorted({row["scale"] for row in good})
    return {
        "fill": fill,
        **_sums(good),
        "by_class": {name: _sums([r for r in good if r["label"] == name]) for name in classes},
        "by_scale": {f"{s:g}": _sums([r for r in good if r["scale"] == s]) for s in scales},
    }


def _sums(rows: list[Mapping[str, Any]]) -> Row:
    names = ("actor_frames", "erased_frames", "residual_frames")
    sums: Row = {name: sum(row[name] for row in rows) for name in names}
    residual = sums["residual_frames"] / sums["erased_frames"] if sums["erased_frames"] else None
    return {"clips": len(rows)} | sums | {"residual": residual}
