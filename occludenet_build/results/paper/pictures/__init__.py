"""The paper's picture sheets, from clips, ground truth, the occluder bank and attention's maps.

    2     clean and occluded clips: frame, class activation map, probabilities
    3     how a clip is made: frame, actor's box, occluder, the scales
    9     maps of baseline and CAR, occluded clips
    11    clips: one source at every degree, one occluded for part of its time, S, I or M
    12    occluders, a row per type
    13    lines of an annotation file
    17    more maps of baseline and CAR, occluded and clean

Each is a function of Inputs that returns a PaperFigure, whose numbers list the content of each
panel. Clips are drawn by hash. A function raises MissingInput where an input does not exist.
"""

from __future__ import annotations

from collections.abc import Callable

from occludenet_build.results.paper.inputs import Inputs, PaperFigure
from occludenet_build.results.paper.pictures.attention import figure_2, figure_9, figure_17
from occludenet_build.results.paper.pictures.construction import figure_3, figure_12
from occludenet_build.results.paper.pictures.samples import figure_11, figure_13

PICTURES: dict[str, Callable[[Inputs], PaperFigure]] = {
    make.__name__: make
    for make in (figure_2, figure_3, figure_9, figure_11, figure_12, figure_13, figure_17)
}
"""Functions that make the figures, by name."""
