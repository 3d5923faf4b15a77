"""Band-limited envelopes of the sound of a recording: what survives distance, noise and echoes.

The power in bands of the spectrum every 5 ms, compressed by the logarithm above the band's usual
level, minus its mean over 0.3 s. The mean removes what differs between microphones: level, tone,
steady noise and slow changes. Sound is decoded in a stream; kept are 23 MB per hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

SOUND_RATE = 8_000
"""Samples per second to which sound is reduced: speech, steps and claps lie below 4 kHz."""
_HOP, _WINDOW, _LENGTH = 40, 200, 256
RATE = SOUND_RATE / _HOP
"""Envelopes per second."""
_EDGES = np.geomspace(150, 3_800, 9)
"""Limits of the bands, Hz."""
_MEAN_SECONDS = 0.3
SILENCE = 1e-4
"""Root mean square of samples in [-1, 1] below which a recording is silent: -80 dB."""
_BLOCK = 2_000
"""Envelopes that are computed at a time."""


@dataclass(frozen=True)
class Signal:
    """What two views are compared by: `values`, float32 (B, N), each row with local mean 0."""

    values: np.ndarray
    rate: float
    """Columns per second, from the first frame of the picture on."""
    agrees: float = 0.02
    """Seconds from a line through windows within which a window agrees with it."""

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.values.shape[1] / self.rate


def band_powers(pieces: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """Power per band and envelope, float32 (B, N), and the root mean square of all samples.

    `pieces`: of the sound in order, float32 (M,), at SOUND_RATE. A column lies in the middle of its
    window, and the first one is half a window late; all views alike.
    """
    found, rest, energy, count = [], np.zeros(0, np.float32), 0.0, 0
    for piece in pieces:
        energy += float(np.square(piece, dtype=np.float64).sum())
        count += len(piece)
        rest = np.concatenate([rest, piece])
        while len(rest) >= _BLOCK * _HOP + _WINDOW:
            found.append(_powers(rest[: (_BLOCK - 1) * _HOP + _WINDOW]))
            rest = rest[_BLOCK * _HOP :]
    if len(rest) >= _WINDOW:
        found.append(_powers(rest))
    powers = np.concatenate(found, axis=1) if found else np.zeros((len(_EDGES) - 1, 0), np.float32)
    return powers, float(np.sqrt(energy / max(count, 1)))


def _powers(samples: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    shape = np.hanning(_WINDOW).astype(np.float32)
    spectrum = np.square(np.abs(np.fft.rfft(windows * shape, _LENGTH)))
    firsts = np.searchsorted(np.fft.rfftfreq(_LENGTH, 1 / SOUND_RATE), _EDGES)
    return np.add.reduceat(spectrum[:, : firsts[-1]], firsts[:-1], axis=1).T.astype(np.float32)


def sound_signal(powers: np.ndarray) -> Signal:
    """The signal of band powers, float32 (B, N)."""
    usual = np.median(powers, axis=1, keepdims=True)
    loud = powers.mean(axis=1, keepdims=True)
    # digital silence before or after the sound would make the usual level zero
    level = np.maximum(usual, 1e-3 * loud) + np.float32(1e-12)
    return Signal(locally_centred(np.log(powers + level), RATE, _MEAN_SECONDS), RATE)


def locally_centred(values: np.ndarray, rate: float, seconds: float) -> np.ndarray:
    """Values, float (B, N), minus their mean over `seconds`, each row scaled alike: float32."""
    width = 2 * max(1, round(seconds * rate / 2)) + 1
    values = np.ascontiguousarray(values, np.float32)
    centred = values - cv2.blur(values, (width, 1), borderType=cv2.BORDER_REPLICATE)
    scale = np.sqrt(np.mean(np.square(centred), axis=1, keepdims=True)) + 1e-9
    return np.clip(centred / scale, -6, 6).astype(np.float32)
