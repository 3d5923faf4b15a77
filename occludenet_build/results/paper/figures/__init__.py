"""The paper's charts from predictions; each is a function of Inputs that returns a PaperFigure.

A series is a model with its arm; several trainings (seeds) of it are averaged clip by clip. The
arms of Table 6 (car_a0.5, ...) are left out. The paper's own accuracies are not used.

    4a, 4b, 4c   top-1 by degree, by measured area ratio, by measured duration ratio
    5a, 5b       top-1 by parent class; best and worst classes with their drop
    7 left       top-1 on real occlusions by training data
    7 right      gain in top-1 on every set by training on OccludeNet-D
    8            drop of ten classes on OccludeNet-D and on K-400-O
    14           top-5 drop by degree
    15, 16       classes of the parents with the largest and the smallest drop
    robustness   top-1 by the measured share hidden, with its area and oracles; not in the paper

Every chart has a table of its numbers: shares from 0 to 1, low and high the 95 % interval, n the
number of clips. A function raises MissingInput where an input does not exist. Figure 14 leaves out
models whose top-5 is always right (at most five classes).
"""

from __future__ import annotations

from collections.abc import Callable

from occludenet_build.results.paper.figures.classes import (
    figure_5a,
    figure_5b,
    figure_15,
    figure_16,
)
from occludenet_build.results.paper.figures.curves import figure_4a, figure_4b, figure_4c, figure_14
from occludenet_build.results.paper.figures.generalisation import (
    figure_7_left,
    figure_7_right,
    figure_8,
)
from occludenet_build.results.paper.figures.robustness import figure_robustness
from occludenet_build.results.paper.inputs import Inputs, PaperFigure

FIGURES: dict[str, Callable[[Inputs], PaperFigure]] = {
    make.__name__: make
    for make in (
        figure_4a,
        figure_4b,
        figure_4c,
        figure_5a,
        figure_5b,
        figure_7_left,
        figure_7_right,
        figure_8,
        figure_14,
        figure_15,
        figure_16,
        figure_robustness,
    )
}
"""Functions that make the figures, by name."""
