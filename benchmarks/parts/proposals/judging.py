"""Whether a proposed window shows somebody whom a static thing hides, and which ones are missed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from occludenet_build.config.people import Proposals
from parts.proposals.camera import SIZE
from parts.proposals.drawing import FPS, Seen
from parts.proposals.scenes import SECONDS

BINS = (0.15, 0.25, 0.4, 0.6, 0.8)
"""Borders of the hidden shares in the table."""
LEAST = 0.15
"""Hidden share, mean over a window, from which a window must be found."""
RIGHT = 0.07
"""Hidden share from which a proposal is right: two thirds of proposals.min_hidden."""


@dataclass(frozen=True)
class Window:
    """A window in which somebody is hidden, from the truth."""

    person: int
    start: float
    hidden: float
    """Mean share; pictures with more than max_hidden count as 0."""


def true_windows(seen: list[Seen], settings: Proposals) -> list[Window]:
    """The windows of all people that qualify by the truth, every half second."""
    people: dict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        if one.visible is not None:
            people[one.person].append(one)
    found = []
    length = settings.seconds
    for person, ones in people.items():
        times = np.array([one.frame / FPS for one in ones])
        for start in np.arange(0, SECONDS - length + 1e-6, 0.5):
            inside = [
                one for one, time in zip(ones, times, strict=True) if start <= time < start + length
            ]
            if len(inside) >= settings.min_present * length * FPS:
                shares = [one.hidden for one in inside if one.hidden <= settings.max_hidden]
                tall = np.median([one.visible[3] - one.visible[1] for one in inside])
                if tall >= settings.min_height * SIZE[1]:
                    hidden = sum(shares) / (length * FPS)
                    found.append(Window(person, float(start), float(hidden)))
    return found


def wanted(windows: list[Window]) -> list[Window]:
    """The windows that are to be found: the most hidden first, none overlaps an earlier one."""
    chosen: list[Window] = []
    for window in sorted(windows, key=lambda one: (-one.hidden, one.start, one.person)):
        if window.hidden >= LEAST and all(abs(window.start - c.start) >= 9 for c in chosen):
            chosen.append(window)
    return chosen


def hidden_in(seen: list[Seen], start: float, seconds: float, person: int | None) -> float:
    """The true hidden share, mean over a proposed window; `person` None: of whoever is hidden most.

    A picture without the person counts as 0."""
    shares: dict[int, list[float]] = defaultdict(list)
    for one in seen:
        if start <= one.frame / FPS < start + seconds and one.visible is not None:
            shares[one.person].append(one.hidden)
    means = {who: float(sum(ones)) / (seconds * FPS) for who, ones in shares.items()}
    return means.get(person, 0.0) if person is not None else max(means.values(), default=0.0)
