"""How much moves in a recording from frame to frame, for footage without sound.

Cameras that stand elsewhere, one of them near infrared, see other pixels; what they share is when
something moves, and how much. Pictures are compared at 96 pixels across, with what the sensor's
noise adds left out. The energy is compressed by the logarithm, minus its mean over half a second.
People who walk or run repeat themselves, and each camera sees others hidden: short silent takes are
mostly refused, not guessed. (Energies in bands of rows were tried: they gave more wrong peaks.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from occludenet_build.media.sync.envelopes import Signal, locally_centred
from occludenet_build.media.video.sample import small_grey
from occludenet_build.media.video.source import open_video

RATE = 100.0
"""Columns per second: energies lie between frames, and are interpolated."""
_WIDTH = 96
_MEAN_SECONDS = 0.5
_AGREES = 0.045
STILL = 0.2
"""Grey levels of mean change per second below which nothing moves."""


def motion_signal(path: Path | str) -> Signal | None:
    """The signal of a video; None if nothing moves. Decodes the whole video.

    Raises ItemError: the reasons of opening a video.
    """
    times, energies = _energies(path)
    if len(times) < 3 or energies.max() < STILL:
        return None
    grid = np.arange(int(times[-1] * RATE)) / RATE
    row = np.interp(grid, times, energies)
    level = max(float(np.median(row)), 0.05 * float(row.mean())) + 1e-6
    return Signal(locally_centred(np.log(row + level)[None], RATE, _MEAN_SECONDS), RATE, _AGREES)


def _energies(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Times in the middle between frames, seconds, and energies per second: float64 (N,), (N,)."""
    times, energies, last = [], [], None
    for seconds, picture in _small_pictures(path):
        if last is not None and seconds > last[0]:
            times.append((seconds + last[0]) / 2)
            energies.append(_energy(last[1], picture) / (seconds - last[0]))
        last = seconds, picture
    return np.array(times), np.array(energies)


def _energy(before: np.ndarray, after: np.ndarray) -> float:
    """Mean change of grey levels from picture to picture, float32 (H, W)."""
    change = np.abs(after - before)
    # most pixels stand still: their change is noise
    return float(np.maximum(change - 4 * np.median(change), 0).mean())


def _small_pictures(path: Path | str) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (seconds from the first frame, grey picture, float32 (H, W)) of every frame."""
    zero = None
    with open_video(path) as source:
        for frame in source:
            at = (frame.pts or 0) * source.time_base
            zero = at if zero is None else zero
            tall = max(2, round(_WIDTH * frame.height / frame.width))
            yield float(at - zero), small_grey(frame, _WIDTH, tall).astype(np.float32)
