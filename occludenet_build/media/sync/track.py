"""The offset over a take: lags of windows near a first fit, if they agree, and a line through them.

Windows are short, so each sees other events. Where the fit is right, they agree within some
milliseconds; where it is wrong, or the recording was cut in between, they scatter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.media.sync.correlation import Fit, vertex
from occludenet_build.media.sync.envelopes import Signal

REACH = 0.3
"""Seconds around the fit in which a window looks for its own lag."""
_SHORTEST, _LONGEST, _MOST = 1.0, 20.0, 60
_USUAL_DRIFT = 100e-6
"""Standard deviation of the drift of two clocks before anything is measured, seconds per second."""
_NOISE = 0.004
"""Standard deviation of the lag of one window, seconds."""


@dataclass(frozen=True)
class Track:
    """The line through the windows."""

    lag: float
    """Time in the reference's clock at which the view's time 0 lies, seconds."""
    drift: float
    """Seconds of the reference's clock per second of the view's, minus 1."""
    agreement: float
    """Share of the windows, by their weight, that agree with the line."""
    at_ends: float
    """The same share in the first or in the last quarter of the windows, the smaller one. Weights
    there count at least half of what is usual: chance agrees too, but weakly."""
    common: float
    """Seconds that both views cover."""


def follow(reference: Signal, view: Signal, fit: Fit) -> Track | None:
    """Follow a fit through the time that both views cover; None where no window fits in."""
    begin = max(0.0, -fit.lag)
    end = min(view.seconds, reference.seconds - fit.lag)
    found = np.array(list(_windows(reference, view, fit, begin, end))).reshape(-1, 3)
    times, lags, weights = found.T
    if weights.sum() <= 0:
        return None
    lag, drift = _robust_line(times, lags, weights, fit)
    agreed = weights * (np.abs(lags - lag - drift * times) <= view.agrees)
    quarter = -(-len(times) // 4)
    expected = np.maximum(weights, np.quantile(weights, 0.75) / 2) + 1e-9
    ends = slice(quarter), slice(len(times) - quarter, None)
    at_ends = min(agreed[part].sum() / expected[part].sum() for part in ends)
    return Track(lag, drift, float(agreed.sum() / weights.sum()), float(at_ends), end - begin)


def _windows(reference: Signal, view: Signal, fit: Fit, begin: float, end: float):
    """Yield (middle in the view's clock, lag, weight) of each window."""
    length = float(np.clip((end - begin) / 6, _SHORTEST, _LONGEST))
    number = min(max(round(2 * (end - begin) / length) - 1, 1), _MOST)
    rate, reach = view.rate, round(REACH * view.rate)
    columns = round(length * rate)
    for start in np.linspace(begin, max(end - length, begin), number):
        first = round(start * rate)
        middle = first / rate + length / 2
        shift = round((fit.lag + fit.drift * middle) * rate)
        part = view.values[:, first : first + columns]
        low = max(first + shift - reach, 0)
        against = reference.values[:, low : first + shift + columns + reach]
        scores = _sliding(against, part)
        if len(scores):
            at = int(scores.argmax())
            weight = max(float(scores[at]), 0.0) * np.sqrt(part.shape[1])
            yield middle, (low - first + at + vertex(scores, at)) / rate, weight


def _sliding(long: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Correlation, -1 to 1, of a part, (B, M), at each place in a longer signal, (B, N)."""
    count = long.shape[1] - part.shape[1] + 1
    if count < 3 or part.shape[1] < 3:
        return np.zeros(0)
    matched = sum(np.correlate(a, b, "valid") for a, b in zip(long, part, strict=True))
    sums = np.concatenate([[0.0], np.cumsum(np.square(long, dtype=np.float64).sum(axis=0))])
    energy = (sums[part.shape[1] :] - sums[:count]) * float(np.square(part).sum())
    return np.asarray(matched) / np.sqrt(energy + 1e-9)


def _robust_line(
    times: np.ndarray, lags: np.ndarray, weights: np.ndarray, fit: Fit
) -> tuple[float, float]:
    """Lag at time 0 and drift of a line through the windows that agree with each other.

    Least squares with Tukey's biweight, begun at the fit; the drift is drawn towards 0 by what is
    usual for clocks, so that a short take has none and a long one has its own.
    """
    lag, drift = fit.lag, fit.drift
    middle = float(np.average(times, weights=weights))
    for width in (0.12, 0.06, 0.04, 0.03, 0.03):
        far = np.clip((lags - lag - drift * times) / width, -1, 1)
        kept = weights / weights.mean() * (1 - far**2) ** 2 / _NOISE**2
        if kept.sum() <= 0:
            break
        x = np.stack([np.ones_like(times), times - middle])
        normal = (x * kept) @ x.T + np.diag([0.0, 1 / _USUAL_DRIFT**2])
        level, drift = np.linalg.solve(normal, (x * kept) @ lags)
        lag = level - drift * middle
    return float(lag), float(drift)
