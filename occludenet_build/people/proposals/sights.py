"""One person in one picture, and how the edge at which they end is met at other times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Support:
    """How the edge of one sight is met at other times; medians over these pictures."""

    moments: int
    """Pictures of the person, shortly before and after, that end at this edge."""
    of: int
    """Pictures of the person, shortly before and after."""
    along: float
    """Way of the person along the edge in them, widths of the person."""
    people: int
    """People who end at the same place, this one included."""
    edge: float
    beside: float
    sure: float
    flat: float
    """0 where the outline is not known."""
    joints: float | None = None
    """Share of knees and ankles that are missing below the edge; None: not known."""


@dataclass(frozen=True)
class Sight:
    """One person in one picture."""

    seconds: float
    """Time of the picture, seconds from the video's first frame."""
    hidden: float
    """Share of the person that something static may hide, 0 to 1."""
    measured: bool
    """Whether measured against the scene, not estimated from the box."""
    box: tuple[float, float, float, float]
    """x1 y1 x2 y2 as detected, pixels of the video."""
    height: float
    """Expected height of the whole person, pixels of the video."""
    height_share: float
    """Height of the box, share of the picture's height."""
    side: str = ""
    """Where the person is cut: below, side, middle; empty: nowhere."""
    line: float = 0.0
    """Row (below) or column of the edge, pixels of the video."""
    edge: float = 0.0
    """Strength of the scene's edge there, 0 to 1."""
    beside: float = 0.0
    """Strength with which the edge goes on beside the person, 0 to 1."""
    error: float = 0.0
    """Error of the expected height, share of it."""
    sure: float = 0.0
    """Missing part / error of the expectation."""
    flat: float = 0.0
    """Share of the person's columns that end at the edge, 0 to 1; nan where not measured."""
    joints: float | None = None
    """Share of knees and ankles that are not found below the edge; None: not known."""
    support: Support | None = None
    """How the edge is met at other times; None before that is looked at, and without an edge."""
