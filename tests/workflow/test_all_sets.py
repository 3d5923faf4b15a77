"""The demo of all sets, smaller: D, S, I and M built, trained, evaluated and exported."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import REPO
from support.workflow import SETTINGS, Build

from demo.world.rig import Rig, draw_recordings
from demo.world.surveillance import Surveillance, draw_surveillance

pytestmark = pytest.mark.slow
RATES = (Fraction(25, 2), Fraction(15), Fraction(12))
FORMATS = ("mmaction2", "webdataset", "youtube_vis")


def test_four_sets_are_built_trained_and_exported(world, tmp_path):
    build = Build(tmp_path, world, SETTINGS | {"build_dir": "build"})
    sets = tmp_path / "world" / "sets"
    draw_surveillance(sets, Surveillance(classes=("fighting", "robbery"), width=192, height=108))
    rig = Rig(
        classes_i=("Indoor_Run", "Walk"), classes_m=("Wander",), width=192, height=108,
        rates=RATES, others=0, truth=False,
    )  # fmt: skip
    draw_recordings(sets, rig)
    # the committed settings, with the paths of this test and a training of one epoch
    text = (REPO / "demo" / "all_sets.yaml").read_text().replace("build/demo/world", "world")
    given = yaml.safe_load(text)
    given.pop("poses")
    given["recordings"]["split"] = {"train": 0.6, "val": 0.0, "test": 0.4}
    given["export"] = {"formats": list(FORMATS), "sets": ["D-75", "I", "M", "S"]}
    build.settings = build.merged({k: v for k, v in given.items() if k != "build_dir"})
    build.run("evaluate", "table_1", "export")
    assert build.planned("evaluate", "table_1", "export") == {}

    table = pd.read_csv(tmp_path / "build/paper/table_1.csv")
    ours = table[table["source"] == "ours"].set_index("Dataset")
    assert list(ours.index) == [f"OccludeNet-{name}" for name in "DSIM"]
    assert ours["View"].tolist() == ["Single-View"] * 3 + ["Multi-View"]
    for name in "SIM":
        for arm in ("baseline", "car"):
            found = pd.read_parquet(tmp_path / f"build/evaluate/{name}/{arm}-0.parquet")
            assert set(found["set"]) == {name} and len(found)
        measured = pd.read_parquet(tmp_path / f"build/measure/{name}/clips.parquet")
        assert set(measured["source"]) == {"measured"}
        assert len(measured) == int(ours.loc[f"OccludeNet-{name}", "Clips"])
    exported = counts(tmp_path / "build/export")
    for format in FORMATS:
        assert {name for name, _ in exported[format]} >= {"D-75", "I", "M", "S"}, format


def counts(folder: Path) -> dict[str, dict[tuple[str, str], int]]:
    """Format -> (set, split) -> number of exported clips."""
    found = {}
    for format in FORMATS:
        summary = json.loads((folder / format / "export.json").read_text())["clips_per_split"]
        found[format] = {tuple(place.split("/")): number for place, number in summary.items()}
    return found
