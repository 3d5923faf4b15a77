"""Size at which an occluder hides a given share of the actor: composite.scale_mode `target`.

One size factor holds for the whole clip, so that the occluder does not pulsate. The share is the
mean over the frames with an occluder, of the actor's mask if the clip has masks, else of their box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging import masks as rle
from occludenet_build.occlusion.geometry import clip_to_picture
from occludenet_build.occlusion.ground_truth import add_mask
from occludenet_build.occlusion.patches import ClipCutout
from occludenet_build.occlusion.placement import PlacedRect, Placement

_SMALLEST, _LARGEST = 0.02, 4.0
"""Limits of the size factor."""
_STEPS = 16
"""Steps of the bisection: 4 / 2^16 is less than a pixel."""
_SAMPLE = 32
"""Frames of the first solution."""


class ActorPixels(NamedTuple):
    """The actor's pixels in one frame: bool (h, w), with the first one at (x, y) of the picture."""

    frame: int
    x: int
    y: int
    pixels: np.ndarray


class TargetSolution(NamedTuple):
    """The solved size relative to the actor's box, and the share that it hides."""

    factor: float
    share: float
    """Mean hidden share of the actor over all frames."""


def solve_size_factors(
    placement: Placement,
    cutouts: Sequence[ClipCutout],
    masks: Mapping[int, bytes],
    targets: Iterable[float],
    tolerance: float,
) -> dict[float, TargetSolution]:
    """Target -> the size factor that reaches it.

    `masks`: frame -> the actor's mask, COCO RLE counts of the displayed picture; may be empty.
    `targets` and `tolerance` are shares of the actor, 0 to 1.
    Raises ItemError: target_missed where no factor reaches a target, no_occluded_frame where no
    frame shows actor and occluder together.
    """
    actors = _Actors(placement, masks)
    if not actors.frames:
        raise ItemError("no_occluded_frame", "no frame shows actor and occluder together")
    return {target: _solved(actors, placement, cutouts, target, tolerance) for target in targets}


def factors_and_shares(
    placement: Placement,
    cutouts: Sequence[ClipCutout],
    masks: Mapping[int, bytes],
    scales: Iterable[float],
    settings: Composite,
) -> tuple[dict[float, float], dict[float, float]]:
    """Nominal scale -> size factor, and -> share of the actor that it hides.

    A factor is the scale itself except with scale_mode `target`; shares are measured with it only.
    `masks` and the errors are those of `solve_size_factors`.
    """
    if settings.scale_mode != "target":
        return {scale: scale for scale in scales}, {}
    solved = solve_size_factors(placement, cutouts, masks, scales, settings.target_tolerance)
    factors = {scale: solution.factor for scale, solution in solved.items()}
    return factors, {scale: solution.share for scale, solution in solved.items()}


def _solved(
    actors: _Actors,
    placement: Placement,
    cutouts: Sequence[ClipCutout],
    target: float,
    tolerance: float,
) -> TargetSolution:
    for frames in (actors.sample(), actors.frames):

        def share(factor: float, frames: Sequence[int] = frames) -> float:
            return _mean_share(map(actors.at, frames), placement, cutouts, factor)

        factor = _bisect(share, target)
        hidden = _mean_share(map(actors.at, actors.frames), placement, cutouts, factor)
        if abs(hidden - target) <= tolerance:
            return TargetSolution(factor, hidden)
    raise ItemError(
        "target_missed", f"wanted {target:g} hidden, got {hidden:.3f} at size {factor:.2f}"
    )


def _bisect(share: Callable[[float], float], target: float) -> float:
    low, high = _SMALLEST, _LARGEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < target else (low, middle)
    return (low + high) / 2


def _mean_share(
    actors: Iterable[ActorPixels],
    placement: Placement,
    cutouts: Sequence[ClipCutout],
    factor: float,
) -> float:
    shares = [_share(a, placement.rects(a.frame, factor), cutouts) for a in actors]
    return float(np.mean(shares))


def _share(
    actor: ActorPixels, placed: Sequence[PlacedRect], cutouts: Sequence[ClipCutout]
) -> float:
    hidden = np.zeros_like(actor.pixels)
    for number, rect in placed:
        silhouette = cutouts[number].silhouette(rect.w, rect.h)
        add_mask(hidden, silhouette, rect.x - actor.x, rect.y - actor.y)
    return np.count_nonzero(hidden & actor.pixels) / np.count_nonzero(actor.pixels)


class _Actors:
    """The actor's pixels in the frames with an occluder."""

    def __init__(self, placement: Placement, masks: Mapping[int, bytes]) -> None:
        self._clip, self._masks = placement.clip, masks
        known = masks if masks else self._clip.boxes
        self.frames = [n for n in placement.frames if n in known and self._has_pixels(n)]

    def _has_pixels(self, frame: int) -> bool:
        return bool(self.at(frame).pixels.any())

    def sample(self) -> list[int]:
        positions = np.linspace(0, len(self.frames) - 1, min(_SAMPLE, len(self.frames)))
        return [self.frames[round(position)] for position in positions]

    def at(self, frame: int) -> ActorPixels:
        width, height = self._clip.size
        if not self._masks:
            x1, y1, x2, y2 = clip_to_picture(self._clip.boxes[frame].box, (width, height))
            return ActorPixels(frame, x1, y1, np.ones((y2 - y1, x2 - x1), bool))
        mask = rle.decode(self._masks[frame], height, width)
        x1, y1, x2, y2 = rle.box_of(mask) or (0, 0, 0, 0)
        return ActorPixels(frame, x1, y1, mask[y1:y2, x1:x2])
