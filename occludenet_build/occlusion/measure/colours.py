"""What people look like: histograms of colours at head, trunk and legs, from whole frames.

The colours of a zone that two people share then say whose it is. One pass over the video also
gives the time of each frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.video import source
from occludenet_build.occlusion.measure.scene import Extent, Scene
from occludenet_build.occlusion.measure.whole import Figures
from occludenet_build.people.maskers.interface import TrackKey

_BANDS = (0.22, 0.55)
"""Ends of head and trunk, shares of the height from above."""
_LEVELS = 8
"""Levels per channel of a histogram."""
_SAMPLES = 12
"""Whole frames of which a person's histograms are made."""
_PRIOR = 2.0
"""Pixels of every colour that are added, spread over all bins: an unseen colour is unlikely, not
impossible."""


@dataclass(frozen=True)
class Zone:
    """Pixels that two people share in a frame, and where each of them is."""

    frame: int
    pixels: np.ndarray
    """int32 (N,): indices into the flattened working picture."""
    first: TrackKey
    second: TrackKey
    extents: tuple[Extent, Extent]


@dataclass
class Watched:
    """What one pass over the video gives."""

    times: list[tuple[int, float]] = field(default_factory=list)
    """(pts, seconds from the file's time 0) of each frame."""
    colour: dict[tuple[int, TrackKey, TrackKey], float] = field(default_factory=dict)
    """(frame, first, second) -> -1 to 1; above 0: the zone's colours are the second one's."""


def watch(path: Path, scene: Scene, figures: Figures, zones: Sequence[Zone]) -> Watched:
    """Read the times of all frames, and the colours of the zones.

    Raises ItemError where the video does not decode.
    """
    people = {key for zone in zones for key in (zone.first, zone.second)}
    samples = _sampled(figures, people)
    by_frame: dict[int, list[Zone]] = {}
    for zone in zones:
        by_frame.setdefault(zone.frame, []).append(zone)
    watched, models = Watched(), {key: _Model() for key in people}
    pictures: list[tuple[Zone, np.ndarray]] = []
    with source.open_video(path) as video:
        for number, frame in enumerate(video):
            pts = frame.pts or 0  # media.video.clock gives every frame one
            watched.times.append((pts, float(pts * video.time_base)))
            if number not in samples and number not in by_frame:
                continue
            rgb = cv2.resize(source.to_rgb(frame), scene.shape[::-1], interpolation=cv2.INTER_AREA)
            flat = _bins(rgb).ravel()
            for key in samples.get(number, ()):
                mask = scene.mask(key, number)
                extent = Extent.of(mask) if mask is not None else None
                if mask is not None and extent is not None:
                    models[key].add(flat, np.flatnonzero(mask), extent, scene.shape[1])
            pictures += [(zone, flat[zone.pixels]) for zone in by_frame.get(number, ())]
    for zone, colours in pictures:
        value = _lean(zone, colours, models, scene.shape[1])
        if value is not None:
            watched.colour[zone.frame, zone.first, zone.second] = value
    return watched


def _sampled(figures: Figures, people: Collection[TrackKey]) -> dict[int, list[TrackKey]]:
    """Frame -> the people whose colours are learnt in it."""
    found: dict[int, list[TrackKey]] = {}
    for key in sorted(people):
        whole = figures.get(key, [])
        at = np.linspace(0, len(whole) - 1, min(len(whole), _SAMPLES)).round().astype(int)
        for number in sorted({whole[n].frame for n in at.tolist()}):
            found.setdefault(number, []).append(key)
    return found


def _bins(rgb: np.ndarray) -> np.ndarray:
    """The bin of each pixel, int32 (H, W), of a picture uint8 (h, w, 3)."""
    levels = (rgb.astype(np.int32) * _LEVELS) >> 8
    return (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]


def _bands(pixels: np.ndarray, extent: Extent, width: int) -> np.ndarray:
    """The band, 0 to 2, of each pixel of a person: int64 (N,)."""
    height = (pixels // width - extent.y1) / max(1, extent.height)
    return np.searchsorted(np.array(_BANDS), height)


class _Model:
    """The histograms of one person."""

    def __init__(self) -> None:
        self.counts = np.zeros((len(_BANDS) + 1, _LEVELS**3))

    def add(self, flat: np.ndarray, pixels: np.ndarray, extent: Extent, width: int) -> None:
        """Count the colours of a frame in which the person is whole."""
        np.add.at(self.counts, (_bands(pixels, extent, width), flat[pixels]), 1.0)

    def log_likelihood(self, bands: np.ndarray, colours: np.ndarray) -> np.ndarray | None:
        """Of each pixel, float64 (N,); None where nothing was learnt."""
        total = self.counts.sum(axis=1, keepdims=True)
        if not total.all():
            return None
        cube = self.counts.reshape(-1, _LEVELS, _LEVELS, _LEVELS)
        # light changes a little from frame to frame: colours next to those seen are likely too
        soft = cube + sum(
            0.15 * _shifted(cube, axis, step) for axis in (1, 2, 3) for step in (-1, 1)
        )
        soft = soft.reshape(self.counts.shape) + _PRIOR / 10
        return np.log(soft / soft.sum(axis=1, keepdims=True))[bands, colours]


def _shifted(cube: np.ndarray, axis: int, step: int) -> np.ndarray:
    moved = np.roll(cube, step, axis)
    edge: list[slice | int] = [slice(None)] * cube.ndim
    edge[axis] = 0 if step > 0 else -1
    moved[tuple(edge)] = 0
    return moved


def _lean(
    zone: Zone, colours: np.ndarray, models: Mapping[TrackKey, _Model], width: int
) -> float | None:
    """Whose colours the zone shows, -1 to 1; None where one of the two was never seen whole."""
    likely = [
        models[key].log_likelihood(_bands(zone.pixels, extent, width), colours)
        for key, extent in zip((zone.first, zone.second), zone.extents, strict=True)
    ]
    if likely[0] is None or likely[1] is None or not len(colours):
        return None
    return float(np.tanh((likely[1] - likely[0]) / 2).mean())
