"""Settings of the stages that write the paper's tables and figures and the HTML report."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Paper:
    """Stage paper: tables and figures of the paper, with the results of this build next to the
    published ones."""

    trained: bool = setting(True)
    """Train and evaluate train.arms for the paper; false: use only predictions.dumps and
    predictions.builds."""
    common: bool = setting(True)
    """Compare models on the clips that all of them were evaluated on; false: each model on all of
    its clips."""
    bootstrap: int = setting(1000, low=10)
    """Number of bootstrap samples for the confidence bands of curves."""
    bins: int = setting(5, low=2, high=100)
    """Number of bins of the measured occlusion in Figures 4b and 4c, and of the robustness."""
    hidden: str = setting("actor_hidden", choices=("actor_hidden", "area_ratio"), added=True)
    """The share hidden in the robustness figure: of the actor's mask, or of the actor's box, which
    needs no masks; both are means over the occluded frames."""
    dpi: int = setting(200, low=50, high=1200)
    """Resolution of the PNG files, in dots per inch."""
    parents: str | None = setting(None, path=True)
    """JSON file {parent: [class, ...]} of parent classes; null: Appendix G of the paper."""


@dataclass(frozen=True)
class Report:
    """Stage report: the HTML page of a build."""

    examples: int = setting(6, low=0, high=200)
    """Number of clips shown as strips of frames."""
    frames: int = setting(6, low=1, high=30)
    """Number of frames per strip."""
