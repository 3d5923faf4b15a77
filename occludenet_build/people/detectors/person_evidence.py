"""Whether what moves is a person, from its silhouette alone; what cannot be told is refused.

Without a network nothing knows what a person looks like, so a track counts only if it shows all of
what people show in front of an empty scene, and few other things do:

    upright      taller than wide in most frames, not thinner than a person
    whole        one body: neither an outline nor a filled rectangle, narrower at the head than at
                 its widest, neither a fraction of the picture's height nor all of it
    smooth       its box changes slowly from frame to frame; parts that come and go do not
    real         the outline is in the picture, not in the scene: no place that somebody left
    articulated  arms and legs move against the body, so the silhouette changes within a quarter
                 of a second: cars, balls, bags and doors stay as they are, noise changes altogether
    travels      leaves its place by about the width of its box: then the scene behind it is empty
                 and the silhouette whole. Leaves, curtains, water and screens stay where they are

Somebody who stays (WALKS does not hold, STAYS does) counts if the silhouette is large, steady and
without gaps for longer, and still moves to and fro: an arm or a head alone is neither.

This is no proof: a dog on its hind legs passes. How often it is right is measured, not assumed
(`benchmarks/motion.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 32, 64
"""Size of a silhouette, cells."""
LOOK = 0.25
"""Time after which a silhouette is compared with itself, seconds."""
LEAST_LOOKS = 6
"""Silhouettes to compare, at least."""
MOST_FRAMES = 200
"""Frames of a track that are looked at, at most."""


@dataclass(frozen=True)
class Sighting:
    """What moves in one place of one frame; lengths in pixels of the downscaled picture."""

    frame: int
    box: np.ndarray
    """float32 (4,): x1 y1 x2 y2."""
    place: tuple[float, float]
    """x of the box's middle and y of its feet in the scene, which the camera does not move."""
    scene: int
    """Number of the scene; places of two scenes cannot be compared."""
    silhouette: np.ndarray
    """bool (HEIGHT, WIDTH): its pixels, scaled to the box."""
    outline: float
    """How much of its outline the frame shows rather than the scene, 0 to 1."""


def outline(mask: np.ndarray, picture: np.ndarray, scene: np.ndarray) -> float:
    """Share of the edges along a mask's outline that the picture has, 0 to 1; else the scene has.

    A person who stood still for long is part of the scene. When they leave, their place differs
    from it in the form of a person, but the picture has no edge there.

    mask: uint8 (h, w), 0 or 1; picture, scene: grey, uint8 (h, w), the same place.
    """
    square = np.ones((3, 3), np.uint8)
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    rim = (cv2.dilate(padded, square) - cv2.erode(padded, square))[1:-1, 1:-1]
    shown, empty = (
        cv2.mean(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, square), rim)[0]
        for grey in (picture, scene)
    )
    return shown / max(shown + empty, 1e-6)


def silhouette(mask: np.ndarray) -> np.ndarray:
    """The mask of a box, uint8 (h, w), 0 or 1, as bool (HEIGHT, WIDTH)."""
    scaled = cv2.resize(mask * np.uint8(255), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return scaled > 127


@dataclass(frozen=True)
class Measures:
    """What a track shows."""

    seconds: float
    """Time with a box."""
    upright: float
    """Share of the frames whose box is at least UPRIGHT times as tall as wide."""
    aspect: float
    """Height by width of the box, median."""
    travel: float
    """Way across the scene, in widths of the box."""
    likeness: float
    """IoU of silhouettes LOOK seconds apart, median; 1: rigid. NaN: too few."""
    jumps: float
    """Change of the box's edges between frames, in heights of the box, 90th percentile."""
    speed: float
    """The same a second: a sprinter's foot makes less than 5 heights a second."""
    unsteady: float
    """Standard deviation of the height around its slow change, in heights of the box."""
    height: float
    """Height of the box by that of the picture, median."""
    fill: float
    """Share of the box that the silhouette fills, median."""
    head: float
    """Width at the head by the largest width, of the mean silhouette."""
    real: float
    """Share of the frames that show the outline more than the scene does."""
    presence: float
    """Share of the frames from the first to the last that have a box."""


UPRIGHT = 1.15
"""Least height by width of a box that counts as upright."""
Limits = dict[str, tuple[str, float, float]]
"""Measure -> (what is said of a track outside, least, most)."""
WALKS: Limits = {
    "upright": ("not upright", 0.6, 1.0),
    "aspect": ("not upright", 1.2, 4.5),
    "height": ("too small or too large", 0.12, 0.95),
    "fill": ("not one body", 0.3, 0.85),
    "head": ("not one body", 0.0, 0.85),
    "jumps": ("unsteady", 0.0, 0.27),
    "speed": ("unsteady", 0.0, 4.0),
    "unsteady": ("unsteady", 0.0, 0.2),
    "presence": ("unsteady", 0.7, 1.0),
    "real": ("left by somebody", 0.9, 1.0),
    "likeness": ("rigid or without a form", 0.33, 0.9),
    "travel": ("staying in place", 0.8, np.inf),
}
"""What somebody shows who walks through the picture."""
STAYS: Limits = {
    "seconds": ("too short", 1.5, np.inf),
    "upright": ("not upright", 0.75, 1.0),
    "aspect": ("not upright", 1.3, 3.0),
    "height": ("too small", 0.35, 1.0),
    "fill": ("not one body", 0.32, 0.85),
    "head": ("not one body", 0.0, 0.6),
    "jumps": ("unsteady", 0.0, 0.12),
    "speed": ("unsteady", 0.0, 3.0),
    "unsteady": ("unsteady", 0.0, 0.06),
    "presence": ("unsteady", 0.95, 1.0),
    "real": ("left by somebody", 0.95, 1.0),
    "likeness": ("rigid or without a form", 0.38, 0.82),
    "travel": ("staying in place", 0.25, np.inf),
}
"""What somebody shows who moves in one place: more of everything but the way."""


def doubt(sightings: Sequence[Sighting], size: tuple[int, int], fps: float) -> str | None:
    """Why a track may be no person, in a few words; None where everything speaks for one.

    sightings: of one track, ascending frames; size: width and height of the downscaled picture.
    """
    if len(sightings) < LEAST_LOOKS:
        return "too short"
    measures = measured(sightings, size, fps)
    walks = _first_outside(measures, WALKS)
    return walks and _first_outside(measures, STAYS) and walks


def _first_outside(measures: Measures, limits: Limits) -> str | None:
    """What is said of the first measure that is outside its limits; None where none is."""
    for name, (said, least, most) in limits.items():
        if not least <= getattr(measures, name) <= most:
            return said
    return None


def measured(sightings: Sequence[Sighting], size: tuple[int, int], fps: float) -> Measures:
    """The measures of a track of at least two sightings."""
    boxes = np.array([s.box for s in sightings], np.float64)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    tall, frames = float(np.median(height)), [s.frame for s in sightings]
    shapes = np.stack([s.silhouette for s in sightings[:: -(-len(sightings) // MOST_FRAMES)]])
    rows = shapes.mean(axis=0).mean(axis=1)
    jumps = _jumps(boxes, np.array(frames)) / tall
    return Measures(
        seconds=len(sightings) / fps,
        upright=float(np.mean(height >= UPRIGHT * width)),
        aspect=float(np.median(height / width)),
        travel=_travel(sightings) / float(np.median(width)),
        likeness=_likeness(sightings, fps),
        jumps=jumps,
        speed=jumps * fps,
        unsteady=_unsteady(height, fps) / tall,
        height=tall / size[1],
        fill=float(np.median(shapes.mean(axis=(1, 2)))),
        head=float(rows[2:8].mean() / max(rows.max(), 1e-6)),
        real=float(np.mean([s.outline > 0.5 for s in sightings])),
        presence=len(frames) / (frames[-1] - frames[0] + 1),
    )


def _travel(sightings: Sequence[Sighting]) -> float:
    """The longest way across one scene, sideways, pixels; the outermost places do not count."""
    ways = [0.0]
    for scene in {s.scene for s in sightings}:
        x = [s.place[0] for s in sightings if s.scene == scene]
        ways.append(float(np.subtract(*np.percentile(x, (95, 5)))))
    return max(ways)


def _likeness(sightings: Sequence[Sighting], fps: float) -> float:
    step = max(1, round(LOOK * fps))
    by_frame = {s.frame: s.silhouette for s in sightings}
    pairs = [(one, by_frame[f + step]) for f, one in by_frame.items() if f + step in by_frame]
    if len(pairs) < LEAST_LOOKS:
        return float("nan")
    some = pairs[:: -(-len(pairs) // MOST_FRAMES)]
    return float(np.median([(a & b).sum() / max(1, (a | b).sum()) for a, b in some]))


def _jumps(boxes: np.ndarray, frames: np.ndarray) -> float:
    gaps = np.diff(frames)[:, None]
    return float(np.percentile(np.abs(np.diff(boxes, axis=0) / gaps).max(axis=1), 90))


def _unsteady(height: np.ndarray, fps: float) -> float:
    """Deviation of the height from its running mean over a second, pixels."""
    window = min(len(height), max(3, round(fps)))
    padded = np.pad(height, (window // 2, window - 1 - window // 2), mode="edge")
    slow = np.convolve(padded, np.full(window, 1 / window), mode="valid")
    return float(np.std(height - slow))
