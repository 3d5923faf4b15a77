"""The row of one frame: the actor, who hides them, and everybody else who is hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from occludenet_build.media.imaging import masks as rle
from occludenet_build.occlusion.geometry import Rect, occlusion_degree
from occludenet_build.occlusion.measure.hiding import Hiding
from occludenet_build.occlusion.measure.scene import Extent, Scene
from occludenet_build.occlusion.measure.share import Hider, Sight
from occludenet_build.people.maskers.interface import TrackKey

_LISTED = 0.01
"""Least share of a person that somebody must hide to be listed."""


@dataclass(frozen=True)
class ActorFrame:
    """Who the actor is."""

    acting: Mapping[int, TrackKey]
    """Frame -> person."""
    filled: bool
    """Whether the box of this frame is interpolated."""


def frame_row(hiding: Hiding, frame: int, actor: ActorFrame, least: float) -> dict[str, Any]:
    """The columns of FRAMES but clip and set; `least`: hidden share from which it is occluded."""
    scene, sights = hiding.scene, hiding.sights(frame)
    pts, seconds = hiding.times[frame] if frame < len(hiding.times) else (None, None)
    key = _actor_of(actor.acting, frame, sights)
    row = {
        "scale": float("nan"),
        "frame": frame,
        "pts": pts,
        "seconds": seconds,
        "height": scene.size[0],
        "width": scene.size[1],
        "filled": actor.filled,
        "occluded": None,
        "actor_track": None,
        "actor_rle": None,
        "hiding": _hiding(sights),
    }
    if key is None:
        return row | {"occluded": False}
    return row | {"actor_track": key[1]} | _actor_columns(scene, frame, key, sights[key], least)


def _actor_of(
    acting: Mapping[int, TrackKey], frame: int, sights: Mapping[TrackKey, Sight]
) -> TrackKey | None:
    """The actor of a frame: who has the box, or who is lost between two boxes of one track."""
    key = acting.get(frame)
    if key is None:
        lost = [k for k in sights if k in set(acting.values()) and _is_between(acting, frame, k)]
        key = lost[0] if lost else None
    return key if key in sights else None


def _is_between(acting: Mapping[int, TrackKey], frame: int, key: TrackKey) -> bool:
    numbers = [number for number, who in acting.items() if who == key]
    return min(numbers) < frame < max(numbers)


def _actor_columns(
    scene: Scene, frame: int, key: TrackKey, sight: Sight, least: float
) -> dict[str, Any]:
    visible, whole = _full_masks(scene, frame, key, sight)
    known = sight.share is not None
    is_occluded = bool(sight.share >= least) if sight.share is not None else None
    columns: dict[str, Any] = {
        "occluded": is_occluded,
        "visible_rle": rle.encode(visible) if visible is not None else None,
        "visible_area": int(np.count_nonzero(visible)) if visible is not None else None,
        "actor_rle": rle.encode(whole) if whole is not None and whole.any() else None,
        "actor_area": int(np.count_nonzero(whole)) if known and whole is not None else None,
        "actor_hidden": float(sight.share) if sight.share is not None else None,
        "hidden_error": float(sight.error) if sight.error is not None else None,
        "why": sight.why,
        "box_hidden": 0.0 if known else None,
    }
    if is_occluded and sight.hiders and sight.whole is not None:
        columns |= _occluder_columns(scene, sight, sight.whole)
    return columns


def _full_masks(
    scene: Scene, frame: int, key: TrackKey, sight: Sight
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The visible and the whole mask in the size of the picture: bool (H, W), or None.

    The visible part keeps the contour that the masker gave it.
    """
    full = scene.full_mask(key, frame)
    if sight.visible is None:
        return full, full
    visible = scene.enlarged(sight.visible)
    masked = scene.mask(key, frame)
    if full is not None and masked is not None and np.array_equal(sight.visible, masked):
        visible = full
    if sight.whole is None:
        return visible, visible
    return visible, visible | scene.enlarged(sight.whole & ~sight.visible)


def _occluder_columns(scene: Scene, sight: Sight, whole: np.ndarray) -> dict[str, Any]:
    """The occluders, and how they relate to the box of the whole actor, bool (H, W)."""
    union = np.zeros(scene.shape, bool)
    for hider in sight.hiders:
        union |= hider.mask
    rects = [rect for rect in (_rect(scene, hider) for hider in sight.hiders) if rect is not None]
    box = Extent.of(whole)
    if box is None or not rects:
        return {}
    zoom = 1 / scene.scale
    sides = (box.x1 * zoom, box.y1 * zoom, box.x2 * zoom, box.y2 * zoom)
    first = sight.hiders[0]
    more = [side for r in rects[1:] for side in (r.x, r.y, r.w, r.h)]
    return {
        "x": rects[0].x,
        "y": rects[0].y,
        "w": rects[0].w,
        "h": rects[0].h,
        "more_rects": more or None,
        "degree": occlusion_degree(rects[0], sides),
        "box_hidden": float(union[box.y1 : box.y2, box.x1 : box.x2].mean()),
        "occluder_rle": rle.encode(scene.enlarged(union)),
        "occluder_track": None if isinstance(first.ident, str) else first.ident[1],
        "occluder_name": first.name,
        "evidence": " ".join(first.kinds) or None,
        "order_score": float(first.score),
    }


def _rect(scene: Scene, hider: Hider) -> Rect | None:
    """The box around what is seen of a hider, pixels of the picture."""
    extent = Extent.of(hider.mask)
    if extent is None:
        return None
    x1, y1, x2, y2 = (round(v / scene.scale) for v in (extent.x1, extent.y1, extent.x2, extent.y2))
    return Rect(x1, y1, x2 - x1, y2 - y1)


def _hiding(sights: Mapping[TrackKey, Sight]) -> list[dict[str, Any]]:
    """Everybody who is hidden, and by whom: rows of HIDING."""
    return [
        {
            "rear": key[1],
            "front": None if isinstance(hider.ident, str) else hider.ident[1],
            "name": hider.name,
            "hidden": float(hider.share),
            "score": float(hider.score),
            "evidence": " ".join(hider.kinds) or None,
        }
        for key, sight in sights.items()
        if sight.share is not None
        for hider in sight.hiders
        if hider.share >= _LISTED
    ]
