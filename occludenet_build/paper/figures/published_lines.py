"""The paper's own numbers in our charts: series apart, grey, dashed, and said to be the paper's.

They are drawn only where the paper prints a number (never one read off its pictures), and only
beside predictions over the 400 classes of Kinetics or of the very set that they are of.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from occludenet_build.core.charts import MUTED
from occludenet_build.paper import published
from occludenet_build.paper.common_clips import of_d
from occludenet_build.paper.inputs import Inputs

OURS, PAPER = "ours", "paper"
KINETICS = 400

_LEVELS = {"Unoccluded": 0.0, "Slight": 0.25, "Moderate": 0.5, "Heavy": 0.75}
_NAME = "printed in the paper: mean of 7 models"


def comparable(inputs: Inputs) -> bool:
    """Whether every model that was shown OccludeNet-D knows the 400 classes of Kinetics-400."""
    shown = [one for one in inputs.predicted if of_d(one.rows["set"]).any()]
    return all(len(one.about.labels) == KINETICS for one in shown)


def published_levels(metric: str) -> pd.DataFrame:
    """Table 3: series, degree, mean (0 to 1), source; `metric` top-1 or top-5."""
    rows = published.values(3)
    rows = rows[rows["metric"] == metric]
    degree = rows["column"].map(_LEVELS).to_numpy()
    mean = rows["value"].to_numpy() / 100
    found = pd.DataFrame({"series": _NAME, "degree": degree, "mean": mean, "source": PAPER})
    return found.sort_values("degree").reset_index(drop=True)


def published_drops(metric: str) -> pd.DataFrame:
    """Table 3: unoccluded minus each degree, as of `published_levels`."""
    found = published_levels(metric)
    clean = found.loc[found["degree"] == 0, "mean"].item()
    return found[found["degree"] > 0].assign(mean=lambda rows: clean - rows["mean"])


def with_published(numbers: pd.DataFrame, theirs: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Our numbers with a column `source`, and where they compare the paper's below them."""
    ours = numbers.assign(source=OURS)
    return pd.concat([ours, theirs], ignore_index=True) if comparable(inputs) else ours


def draw_line(axes: Axes, numbers: pd.DataFrame) -> None:
    """The paper's series, if the numbers hold it."""
    rows = numbers[numbers["source"] == PAPER]
    if len(rows):
        axes.plot(rows["degree"], 100 * rows["mean"], color=MUTED, linestyle=(0, (3, 2)),
                  linewidth=0.9, label=_NAME)  # fmt: skip


def draw_level(axes: Axes, percent: float, places: list[int]) -> None:
    """One number of the paper, as a dashed stroke over the groups of bars at these places."""
    label: str | None = f"printed in the paper: {percent:.2f}"
    for place in places:
        axes.plot([place - 0.45, place + 0.45], [percent, percent], color=MUTED, label=label,
                  linestyle=(0, (3, 2)), linewidth=0.9)  # fmt: skip
        label = None


def best_on_s() -> float:
    """Figure 7's caption: the best top-1 on S after training on OccludeNet-D, percent."""
    return float(published.figures()["figure_7"]["top1_percent"])
