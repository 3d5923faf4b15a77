"""The tables of a build, as far as they exist."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.predictions import Predicted, read

TABLES = {
    "acquire": "acquire/videos.parquet",
    "index": "index/videos.parquet",
    "detect": "detect/*.parquet",
    "occluders": "occluders/occluders.parquet",
    "select": "select/clips.parquet",
    "composite": "composite/*.parquet",
    "actor_masks": "actor_masks/*.parquet",
    "counterfactual": "counterfactual/*.parquet",
    "annotate": "annotate/clips.parquet",
    "train": "train/*.csv",
    "evaluate": "evaluate/*.parquet",
}
"""Room -> where its tables lie, in the order of the way through the house."""


class Build:
    """Lazy, cached access to the tables below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows = cache(self._rows)
        self.predicted = cache(read)
        if not root.is_dir():
            raise UserError(f"--root: wanted the folder of a build, got {root}")

    def files(self, room: str) -> list[Path]:
        return sorted(self.root.glob(TABLES[room]))

    @property
    def missing(self) -> list[str]:
        return [room for room in TABLES if not self.files(room)]

    def _rows(self, room: str) -> pd.DataFrame | None:
        """All rows of a room, None if it has not run."""
        parts = [tables.read(path).to_pandas() for path in self.files(room)]
        return pd.concat(parts, ignore_index=True) if parts else None

    def kinetics(self) -> pd.DataFrame | None:
        """Which clips of Kinetics are there; None where the videos come from elsewhere."""
        path = self.root / "kinetics" / "clips.parquet"
        return _parquet(path) if path.exists() else None

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

    def _trainings(self, room: str) -> dict[tuple[str, int], Path]:
        """(arm, seed) -> file, of the files <arm>-<seed> that train and evaluate write."""
        named = ((path.stem.rpartition("-"), path) for path in self.files(room))
        found = {(a, int(seed)): path for (a, _, seed), path in named if a and seed.isdigit()}
        return dict(sorted(found.items()))

    def json(self, name: str) -> Any:
        path = self.root / name
        return json.loads(path.read_text()) if path.exists() else None


def _parquet(path: Path) -> pd.DataFrame:
    return tables.read(path).to_pandas()
