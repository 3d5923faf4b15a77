"""Where two signals fit: a normalised cross-correlation over all lags, in sections of a take.

A lag is the time in the reference's clock at which the view's time 0 lies. The statistic of a lag
is the correlation of what overlaps, times the square root of the length of the overlap: for signals
that have nothing in common it has the same spread at every lag, so that a short overlap is not
preferred.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.media.sync.envelopes import Signal

SECTION = 45.0
"""Seconds of a section. Clocks that differ by 200 ppm part by 9 ms in it."""
MOST_SECTIONS = 40
MOST_DRIFT = 500e-6
"""Seconds per second; clocks of cameras differ by 20 to 100 ppm."""
_DRIFT_STEP = 10e-6
APART = 0.12
"""Seconds from which a second lag is another one, and not the flank of the first."""
_PEAKS = 8
"""Lags that are kept of each section."""


@dataclass(frozen=True)
class Fit:
    """The best line `lag = lag at 0 + drift * time of the view`, and how it stands out."""

    lag: float
    """Seconds at the view's time 0."""
    drift: float
    """Seconds per second of the view's clock."""
    score: float
    """Statistic of the best lag, in standard deviations of the statistic of all lags."""
    ratio: float
    """Statistic of the best lag over that of the best other lag, at least APART away."""
    second: float
    """That other lag, seconds."""


class Searched:
    """A signal, float (B, N), in which others are looked for; its spectra are computed once."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self._energy = _energy(values)
        self._spectra: tuple[int, np.ndarray] = (0, np.zeros((0, 0), np.complex64))

    def statistic(self, view: np.ndarray, least: int) -> tuple[int, np.ndarray]:
        """The first lag in columns, and the statistic of it and all later ones, float64 (L,).

        `view`: float (B, M). Lags with an overlap of less than `least` columns are left out; none
        is left if a signal is shorter.
        """
        long, other = self.values.shape[1], view.shape[1]
        low, high = least - other, long - least
        if min(long, other) < least:
            return 0, np.zeros(0)
        size = 2 * cv2.getOptimalDFTSize((long + other + 1) // 2)
        product = np.zeros(size // 2 + 1, np.complex64)
        for spectrum, row in zip(self._of_size(size), view, strict=True):
            product += spectrum * np.conj(np.fft.rfft(row, size))
        lags = np.arange(low, high + 1)
        matched = np.fft.irfft(product, size)[lags].astype(np.float64)
        begin, end = np.maximum(lags, 0), np.minimum(long, lags + other)
        in_a, in_b = self._energy, _energy(view)
        energy = (in_a[end] - in_a[begin]) * (in_b[end - lags] - in_b[begin - lags])
        least_energy = 1e-6 * (in_a[-1] * in_b[-1] + 1e-12)
        return low, matched / np.sqrt(np.maximum(energy, least_energy)) * np.sqrt(end - begin)

    def _of_size(self, size: int) -> np.ndarray:
        if self._spectra[0] != size:
            self._spectra = size, np.fft.rfft(self.values, size, axis=1)
        return self._spectra[1]


def _energy(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.square(values, dtype=np.float64).sum(axis=0))])


def best_fit(reference: Signal, view: Signal, least_seconds: float) -> Fit | None:
    """The best line of a view against the reference; None where both overlap too little.

    A long view is divided into sections, each with its own best lags; the line through most of
    them wins, so that neither drift nor a noisy part spoils it.
    """
    found, searched = [], Searched(reference.values)
    least = round(least_seconds * view.rate)
    for first, last in _sections(view, least_seconds):
        low, values = searched.statistic(view.values[:, first:last], least)
        if len(values):
            middle = (first + last) / 2 / view.rate
            found.append((middle, *_peaks(low - first, values, view.rate)))
    return _line(found) if found else None


def _sections(view: Signal, least_seconds: float) -> list[tuple[int, int]]:
    """(first, last) columns of the sections: the whole of a short view, else spread evenly."""
    count = view.values.shape[1]
    length = round(max(SECTION, least_seconds) * view.rate)
    if count <= 2 * length:
        return [(0, count)]
    number = min(count // length, MOST_SECTIONS)
    firsts = np.linspace(0, count - length, number).round().astype(int)
    return [(int(first), int(first) + length) for first in firsts]


def _peaks(low: int, values: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The best lags, float64 (P,), seconds, and their statistic in standard deviations."""
    spread = 1.4826 * float(np.median(np.abs(values - np.median(values)))) + 1e-9
    left, lags, heights = values.copy(), [], []
    apart = round(APART * rate)
    for _ in range(_PEAKS):
        at = int(left.argmax())
        if left[at] <= 0:
            break
        lags.append((low + at + vertex(values, at)) / rate)
        heights.append(values[at] / spread)
        left[max(at - apart, 0) : at + apart + 1] = -np.inf
    return np.array(lags), np.array(heights)


def vertex(values: np.ndarray, at: int) -> float:
    """Where between -0.5 and 0.5 of the place `at` of a maximum of values, float (N,), it lies."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = values[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _line(found: list[tuple[float, np.ndarray, np.ndarray]]) -> Fit | None:
    """The line with the largest sum of statistics of the sections."""
    times = np.concatenate([np.full(len(lags), at) for at, lags, _ in found])
    lags = np.concatenate([lags for _, lags, _ in found])
    heights = np.concatenate([heights for _, _, heights in found])
    if not len(lags):
        return None
    steps = round(MOST_DRIFT / _DRIFT_STEP) if len(found) > 1 else 0
    tried = [
        (*_votes(lags - drift * times, heights), drift)
        for drift in _DRIFT_STEP * np.arange(-steps, steps + 1)
    ]
    sums, at, drift = max(((s, a, d) for s, a, d in tried), key=lambda t: (t[0].max(), -abs(t[2])))
    best = int(sums.argmax())
    others = [(s[k], a[k]) for s, a, _ in tried for k in [_best_apart(s, a, at[best])] if k >= 0]
    second, where = max(others, default=(1e-9, float("nan")))
    score = float(sums[best]) / np.sqrt(len(found))
    return Fit(float(at[best]), float(drift), score, float(sums[best] / max(second, 1e-9)), where)


def _votes(lags: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each lag, float64 (K,): the sum of the heights within 20 ms, and their mean lag."""
    order = np.argsort(lags)
    lags, heights = lags[order], heights[order]
    low, high = np.searchsorted(lags, lags - 0.02), np.searchsorted(lags, lags + 0.02, "right")
    sums = np.concatenate([[0.0], np.cumsum(heights)])
    moments = np.concatenate([[0.0], np.cumsum(heights * lags)])
    total = sums[high] - sums[low]
    return total, (moments[high] - moments[low]) / np.maximum(total, 1e-9)


def _best_apart(sums: np.ndarray, lags: np.ndarray, best: float) -> int:
    apart = np.abs(lags - best) > APART
    return int(np.where(apart, sums, -np.inf).argmax()) if apart.any() else -1
