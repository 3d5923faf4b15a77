"""What every table and figure is made from, and the word for what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from occludenet_build.config import Config
from occludenet_build.core.charts import Chart
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.predictions import Predicted


class Missing(UserError):
    """An item cannot be made from what this build holds: what is missing and what to do."""


@dataclass(frozen=True)
class Inputs:
    """All that an item may read."""

    root: Path
    """The build's folder."""
    predicted: tuple[Predicted, ...]
    """Of this build, of dumps, of other builds."""
    parents: dict[str, tuple[str, ...]]
    """Parent class -> its classes, as in Appendix G."""
    config: Config


@dataclass(frozen=True)
class Figure:
    """One figure: both files, and the numbers in it."""

    chart: Chart
    numbers: pd.DataFrame
