"""The tables of a build, as far as they exist."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError

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

    def trainings(self, room: str) -> dict[tuple[str, int], pd.DataFrame]:
        """(arm, seed) -> rows, of the files <arm>-<seed> that train and evaluate write."""
        found = {}
        for path in self.files(room):
            arm, _, seed = path.stem.rpartition("-")
            if arm and seed.isdigit():
                read = pd.read_csv if path.suffix == ".csv" else _parquet
                found[arm, int(seed)] = read(path)
        return dict(sorted(found.items()))

    def json(self, name: str) -> Any:
        path = self.root / name
        return json.loads(path.read_text()) if path.exists() else None


def _parquet(path: Path) -> pd.DataFrame:
    return tables.read(path).to_pandas()
