"""Settings of the wing results: the paper's tables and figures, the page."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Paper:
    """The paper's tables and figures, from this build's numbers beside the printed ones."""

    trained: bool = setting(True)
    """Train and evaluate train.arms for them; false: only predictions.dumps and builds count."""
    common: bool = setting(True)
    """Compare models on the clips that all of them were shown; false: each on its own."""
    bootstrap: int = setting(1000, low=10)
    """Resamplings for the bands of curves."""
    bins: int = setting(5, low=2, high=100)
    """Bins of the measured occlusion in Figures 4b and 4c."""
    dpi: int = setting(200, low=50, high=1200)
    """Of the PNG files."""
    parents: str | None = setting(None, path=True)
    """JSON {parent: [class, ...]} in the place of the paper's Appendix G."""


@dataclass(frozen=True)
class Report:
    examples: int = setting(6, low=0, high=200)
    """Clips shown as strips."""
    frames: int = setting(6, low=1, high=30)
    """Frames in a strip."""
