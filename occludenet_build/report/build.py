"""The tables of a build as pandas has them, and what train and evaluate left."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from occludenet_build.core import build
from occludenet_build.recognition.predictions import Predicted, read
from occludenet_build.stages import TABLES as ALL_TABLES

TABLES = tuple(
    name for name in ALL_TABLES if name not in ("kinetics", "frames", "attention", "segments")
)
"""The tables whose absence the page tells."""


class Build(build.Build):
    """Cached access to the tables of a build."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.dataframe = cache(self._dataframe)
        self.predicted = cache(read)

    @property
    def missing(self) -> list[str]:
        return [name for name in TABLES if not self.files(name)]

    def _dataframe(self, name: str) -> pd.DataFrame | None:
        """All rows of a table; None where its stage has not run."""
        found = self.table(name)
        return None if found is None else found.to_pandas()

    def curves(self) -> dict[tuple[str, int], pd.DataFrame]:
        """(arm, seed) -> loss curve."""
        return {key: pd.read_csv(path) for key, path in self._trainings("train").items()}

    def predictions(self) -> dict[tuple[str, int], Predicted]:
        """(arm, seed) -> what that network says of the clips."""
        return {key: self.predicted(path) for key, path in self._trainings("evaluate").items()}

    def effects(self) -> dict[tuple[str, int], pd.DataFrame]:
        """(arm, seed) -> the causal effect of Eq. 1, of those for which it was asked."""
        tables_of = {
            key: pd.read_csv(path.with_suffix(".effect.csv"))
            for key, path in self._trainings("evaluate").items()
            if path.with_suffix(".effect.csv").exists()
        }
        return {key: table for key, table in tables_of.items() if len(table)}

    def _trainings(self, stage: str) -> dict[tuple[str, int], Path]:
        """(arm, seed) -> file, of the files <arm>-<seed> that train and evaluate write."""
        named = ((path.stem.rpartition("-"), path) for path in self.files(stage))
        found = {(a, int(seed)): path for (a, _, seed), path in named if a and seed.isdigit()}
        return dict(sorted(found.items()))
