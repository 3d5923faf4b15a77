"""How tall people are at each place of the picture, fitted to their boxes, and how sure that is.

On flat ground the height in the picture of an upright person is linear in the row of their feet,
whatever the camera's tilt: height = intercept + slope x row, 0 at the horizon (Hoiem et al.,
"Putting Objects in Perspective", CVPR 2006, eq. 1). The line is searched among pairs of boxes for
the one that most people lie on: sitting, crouching and hidden people and children lie below it. The
feet of a hidden person are not seen, but their head is; with the line, the row of the head gives
the height too. The error grows there: by 1 / (1 - slope), as a tall person far away has their head
where a small one near has it. With a camera at the height of heads nothing can be said.

The error also has a part of the fit itself, from its covariance: large where few people went, or
where all went at the same depth. A person's own height is one deviation for all of their boxes
(generalised least squares), so that somebody who walks towards the camera says much of the horizon
and little of the height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SAMPLES = 24
"""Boxes of each person, so that a long track has no more weight than others."""
_PAIRS, _DRAWN = 600, 40
"""Lines tried, and lines drawn from the fit's covariance."""
_NEAR = 0.08
"""Deviation of a height from the line at which it still belongs to it, natural logarithm."""
_LEAST_PEOPLE = 4
"""People on the line from which it is used."""
_LEAST_SHARE = 0.4
"""Share of all people on the line from which it is used."""
_PEOPLE_DIFFER = 0.06
"""Least standard deviation of people's heights, relative: adults' is 4 to 6 %."""
_BOX_DIFFERS = 0.06
"""Standard deviation of a box's height by its noise and the step, relative; errors in the boxes of
a person are alike over some of them, so it is more than that of one box."""
_STEEP = 0.85
"""Slope from which the row of the head says nothing."""


@dataclass(frozen=True)
class GroundFit:
    """The line of a video. Rows and heights are shares of the picture's height."""

    people: int
    """People on the line."""
    lines: np.ndarray
    """float64 (K, 2): intercept and slope; the first row is the fit, the others are drawn from
    its covariance. K is 0 without a fit."""
    spread: float
    """Standard deviation of a person's height from the line, relative."""

    @property
    def trusted(self) -> bool:
        """Whether there is a fit that most people lie on."""
        return len(self.lines) > 0

    def by_feet(self, rows: np.ndarray) -> np.ndarray:
        """Heights float64 (N,) of people with their feet at these rows float64 (N,)."""
        return np.maximum(self.lines[0, 0] + self.lines[0, 1] * rows, 1e-3)

    def by_head(
        self, rows: np.ndarray, own: float, own_error: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Heights and relative errors, both float64 (N,), from the rows of heads float64 (N,).

        own: the person's height relative to the line's, and its error. The error is infinite where
        the row of a head says nothing.
        """
        intercepts, slopes = own * self.lines[:, :1], own * self.lines[:, 1:]
        rest = np.maximum(1 - slopes, 1 - _STEEP)
        heights = np.maximum((intercepts + slopes * rows) / rest, 1e-3)
        of_fit = np.log(heights).std(axis=0)
        of_person = own_error / rest[0, 0]
        unknown = (slopes[0, 0] > _STEEP) | (heights[0] <= 2e-3)
        return heights[0], np.where(unknown, np.inf, np.hypot(of_fit, of_person))


NO_FIT = GroundFit(0, np.zeros((0, 2)), _PEOPLE_DIFFER)


def fit_ground(people: list[np.ndarray]) -> GroundFit:
    """The line of a video; people: float64 (K, 2) of each, rows of the feet and heights."""
    people = [_some(one) for one in people if len(one) >= 3]
    if len(people) < _LEAST_PEOPLE:
        return NO_FIT
    owner = np.repeat(np.arange(len(people)), [len(one) for one in people])
    rows, heights = np.concatenate(people).T
    random = np.random.default_rng(0)
    line = _best_line(owner, rows, heights, random)
    if line is None:
        return NO_FIT
    line = _refined(line, owner, rows, heights)
    away = np.log(heights / _at(line, rows))
    middle = np.array([np.median(away[owner == one]) for one in range(len(people))])
    on_line = np.flatnonzero(np.abs(middle) < 2.5 * _NEAR)
    if len(on_line) < max(_LEAST_PEOPLE, _LEAST_SHARE * len(people)):
        return NO_FIT
    spread = max(_PEOPLE_DIFFER, 1.4826 * float(np.median(np.abs(middle[on_line]))))
    line, covariance = _generalised(line, [people[one] for one in on_line], spread)
    drawn = random.multivariate_normal(line, covariance, _DRAWN)
    drawn[:, 1] = np.maximum(drawn[:, 1], 0)
    return GroundFit(len(on_line), np.vstack([line, drawn]), spread)


def _some(boxes: np.ndarray) -> np.ndarray:
    count = min(_SAMPLES, len(boxes))
    return boxes[np.linspace(0, len(boxes) - 1, count).astype(int)]


def _at(line: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.maximum(line[0] + line[1] * rows, 1e-3)


def _best_line(
    owner: np.ndarray, rows: np.ndarray, heights: np.ndarray, random: np.random.Generator
) -> np.ndarray | None:
    """The line through two boxes on which most people lie, each counted once."""
    one, other = random.integers(0, len(rows), (2, _PAIRS))
    apart = np.abs(rows[one] - rows[other]) > 0.03
    one, other = one[apart], other[apart]
    slopes = (heights[one] - heights[other]) / (rows[one] - rows[other])
    flat = np.linspace(0, 1.2, 13)
    middle = random.integers(0, len(rows), len(flat))
    slopes, one = np.concatenate([slopes, flat]), np.concatenate([one, middle])
    lines = np.stack([heights[one] - slopes * rows[one], slopes], axis=1)
    lines = lines[(slopes >= 0) & (slopes < 3)]
    if not len(lines):
        return None
    away = np.log(heights / np.maximum(lines[:, :1] + lines[:, 1:] * rows, 1e-3))
    votes = np.exp(-0.5 * (away / _NEAR) ** 2) - 0.5 * (away > 3 * _NEAR)
    weights = 1 / np.bincount(owner)[owner]
    return lines[int(np.argmax(votes @ weights))]


def _refined(
    line: np.ndarray, owner: np.ndarray, rows: np.ndarray, heights: np.ndarray
) -> np.ndarray:
    """The line by iteratively reweighted least squares of relative deviations (Tukey's weights)."""
    per_person = 1 / np.bincount(owner, minlength=owner.max() + 1)[owner]
    regressors = np.stack([np.ones(len(rows)), rows], axis=1)
    for _ in range(8):
        whole = _at(line, rows)
        away = np.log(heights / whole) / (3 * _NEAR)
        weights = per_person * np.maximum(0, 1 - away**2) ** 2 / whole**2
        left = regressors.T @ (weights[:, None] * regressors)
        tie = 1e-6 * np.trace(left) * np.eye(2)
        line = np.linalg.solve(left + tie, regressors.T @ (weights * heights) + tie @ line)
    return line


def _generalised(
    line: np.ndarray, people: list[np.ndarray], spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """The line (2,) by generalised least squares, and its covariance (2, 2)."""
    for _ in range(3):
        left, right = np.zeros((2, 2)), np.zeros(2)
        for one in people:
            whole = _at(line, one[:, 0])
            kept = np.abs(np.log(one[:, 1] / whole)) < 3 * _NEAR
            regressors = np.stack([np.ones(len(one)), one[:, 0]], axis=1)[kept] / whole[kept, None]
            count = len(regressors)
            if not count:
                continue
            alike = np.full((count, count), spread**2)
            inverse = np.linalg.inv(alike + _BOX_DIFFERS**2 * np.eye(count))
            left += regressors.T @ inverse @ regressors
            right += regressors.T @ inverse @ (one[kept, 1] / whole[kept])
        covariance = np.linalg.inv(left + 1e-6 * np.trace(left) * np.eye(2))
        line = covariance @ (right + 1e-6 * np.trace(left) * line)
    return line, covariance
