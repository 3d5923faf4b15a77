"""Clocks that go backwards: files older than their inputs remake nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.drills import Drill

pytestmark = pytest.mark.slow
DAY = 86_400


@pytest.mark.parametrize("days", [-1, 1], ids=["a day back", "a day ahead"])
def test_outputs_of_another_day_remake_nothing(reference: Drill, tmp_path: Path, days: int):
    drill = reference.copy(tmp_path / "copy")
    for path in drill.build.rglob("*"):
        os.utime(path, (time.time() + days * DAY,) * 2)
    index = drill.build / "index/videos.parquet"
    index.touch()
    assert drill.planned("dataset") == {}
    before = drill.clips()
    drill.run("dataset")
    assert drill.clips() == before


def test_outputs_in_the_reverse_order_of_their_making(reference: Drill, tmp_path: Path):
    drill = reference.copy(tmp_path / "copy")
    files = sorted(drill.build.rglob("*.parquet"), key=lambda path: path.stat().st_mtime)
    for number, path in enumerate(reversed(files)):
        os.utime(path, (time.time() - DAY + number,) * 2)
    assert drill.planned("dataset") == {}


def test_a_build_goes_on_when_the_clock_went_back(reference: Drill, tmp_path: Path):
    """What is made before the change seems to come from the future; what follows is made once."""
    drill = reference.copy(tmp_path / "copy")
    for path in [*drill.build.rglob("*"), *drill.folder.glob("world/**/*.mp4")]:
        os.utime(path, (time.time() + DAY,) * 2)
    drill.settings = drill.merged({"composite": {"crf": 30}})
    assert set(drill.planned("dataset")) == {"composite_shard", "annotate", "validate"}
    drill.run("dataset")
    assert drill.planned("dataset") == {}
