"""How much moves in a recording from frame to frame, for footage without sound.

Cameras that stand elsewhere, one of them near infrared, see other pixels; what they share is when
something moves, and how much. Pictures are compared at 96 pixels across, with what the sensor's
noise adds left out, in bands of rows: upright cameras see a raised arm above a step. The energy is
compressed by the logarithm, minus its mean over a second. People who walk or run repeat themselves,
so that short silent takes are often ambiguous; these are not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from occludenet_build.media.sync.envelopes import Signal, locally_centred
from occludenet_build.media.video.source import display_of, open_video

RATE = 100.0
"""Columns per second: energies lie between frames, and are interpolated."""
_WIDTH, _BANDS = 96, 1
_MEAN_SECONDS = 1.0
STILL = 0.02
"""Grey levels of mean change below which nothing moves."""


def motion_signal(path: Path | str) -> Signal | None:
    """The signal of a video; None if nothing moves. Decodes the whole video.

    Raises ItemError: the reasons of opening a video.
    """
    times, energies = _energies(path)
    if len(times) < 3 or energies.sum(axis=0).max() < STILL * _BANDS:
        return None
    grid = np.arange(int(times[-1] * RATE)) / RATE
    rows = np.stack([np.interp(grid, times, row) for row in energies])
    usual = np.median(rows, axis=1, keepdims=True)
    level = np.maximum(usual, 0.05 * rows.mean(axis=1, keepdims=True)) + 1e-6
    return Signal(locally_centred(np.log(rows + level), RATE, _MEAN_SECONDS), RATE)


def _energies(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Times in the middle between frames, float64 (N,), seconds; energies, float64 (B, N)."""
    times, energies, last = [], [], None
    for seconds, picture in _small_pictures(path):
        if last is not None and seconds > last[0]:
            times.append((seconds + last[0]) / 2)
            energies.append(_energy(last[1], picture) / (seconds - last[0]))
        last = seconds, picture
    return np.array(times), np.array(energies).reshape(-1, _BANDS).T


def _energy(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Change from picture to picture, float32 (H, W), in bands of rows: float64 (B,)."""
    change = np.abs(after - before)
    # most pixels stand still: their change is noise
    change = np.maximum(change - 4 * np.median(change), 0)
    return np.array([band.mean() for band in np.array_split(change, _BANDS)])


def _small_pictures(path: Path | str) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (seconds from the first frame, grey picture, float32 (H, W)) of every frame."""
    zero = None
    with open_video(path) as source:
        for frame in source:
            at = (frame.pts or 0) * source.time_base
            zero = at if zero is None else zero
            tall = max(_BANDS, round(_WIDTH * frame.height / frame.width))
            small = frame.reformat(_WIDTH, tall, "gray", interpolation="AREA", threads=1)
            upright = display_of(frame).upright(small.to_ndarray())
            yield float(at - zero), upright.astype(np.float32)
