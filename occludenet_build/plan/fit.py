"""A start and a slope through a few points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_APART = 1.3
"""Points whose units differ less than so tell no start."""


@dataclass(frozen=True)
class Line:
    start: float
    """Of a job without work."""
    each: float
    """Of a unit."""

    def at(self, units: float) -> float:
        return self.start + self.each * units

    def times(self, factor: float) -> Line:
        return Line(self.start * factor, self.each * factor)


def line(points: Sequence[tuple[float, float]], least: float = 0.0) -> Line:
    """Least squares through (units, cost); neither part is negative, and the sum is kept.

    Where the units are all much the same, all but a start of `least` is put on them: too much
    rather than too little for a larger build.

    >>> round(line([(10, 3.0), (20, 5.0)]).at(30), 6)
    7.0
    >>> line([(10, 3.0), (11, 3.0)]).start
    0.0
    """
    units, costs = [u for u, _ in points], [c for _, c in points]
    if max(units) < _APART * min(units):
        start = min(least, sum(costs) / len(costs))
        return through(points, (sum(costs) - start * len(costs)) / sum(units))
    mean_units, mean_cost = sum(units) / len(units), sum(costs) / len(costs)
    spread = sum((u - mean_units) ** 2 for u in units)
    slope = sum((u - mean_units) * (c - mean_cost) for u, c in points) / spread
    return through(points, max(0.0, slope))


def through(points: Sequence[tuple[float, float]], slope: float) -> Line:
    """The line of that slope that keeps the sum; a flatter one where its start were negative."""
    units, costs = sum(u for u, _ in points), sum(c for _, c in points)
    if slope * units > costs:
        return Line(0.0, costs / units)
    return Line((costs - slope * units) / len(points), slope)
