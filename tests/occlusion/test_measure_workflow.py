"""Measured occlusion through Snakemake: motion and grabcut on drawn recordings."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pytest
from support.crossing import BLUE, FPS, HEIGHT, RED, WIDTH, Crossing, Desk, Passer
from support.workflow import Build

from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file

SCENES = {
    "behind": [Desk(130, 140, 170, 205), Passer(20, 300, 190, *RED)],
    "before": [Desk(130, 120, 170, 180), Passer(20, 300, 215, *BLUE)],
}
SETTINGS = {
    "index": {"shards": 1},
    "detect": {"backend": "motion"},
    "actor_masks": {"backend": "grabcut"},
    "measure": {"sets": ["I"], "shards": 2, "occluders": "masks"},
    "recordings": {
        "sets": [{"name": "I", "folder": ".", "pattern": "{class}/{subject}_{take}.mp4"}]
    },
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"measure": {}}, "config: measure.sets: wanted S, I, M"),
        pytest.param(
            {"train": {"datasets": ["mine"]}, "measure": {"sets": ["mine"]}},
            "wanted S or a name of recordings.sets, which has I, got mine",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_sets_that_cannot_be_measured_are_one_line(tmp_path, change, line):
    text = Build(tmp_path, None, SETTINGS | change).run("measure", "-n", ok=False)
    assert line in text and "Traceback" not in text


@pytest.mark.slow
def test_measure_a_set_of_recordings(tmp_path):
    root = tmp_path / "build"
    rows = []
    for name, things in SCENES.items():
        crossing = Crossing(things, frames=60)
        file = crossing.write(root / f"OccludeNet-I/train/Walk/{name}.mp4")
        folder = tmp_path / "masks" / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "desk.png"), crossing.whole[0][0].astype(np.uint8) * 255)
        rows.append(
            {"clip": name, "status": "ok", "set": "I", "label": "Walk", "split": "train"}
            | {"file": str(file.relative_to(root)), "file_hash": sha256_file(file)}
            | {"frames": 60, "fps": float(FPS), "duration_seconds": 60 / FPS, "camera": name}
            | {"width": WIDTH, "height": HEIGHT}
        )
    table = root / "recordings/clips.parquet"
    tables.write_table(pa.Table.from_pylist(rows), table)
    build = Build(tmp_path, None, SETTINGS)
    build.run("measure", "--allowed-rules", *RULES)
    found = {row["clip"]: row for row in tables.read_rows(root / "measure/I/clips.parquet")}
    assert found["behind"]["category"] == "desk" and found["behind"]["occluded_frames"] >= 5
    assert found["before"]["occluded_frames"] == 0 and found["before"]["people"] >= 1
    assert len(list((root / "measure/I/frames").glob("*.parquet"))) == 2
    assert build.planned("measure", "--allowed-rules", *RULES) == {}
    assert build.unfinished() == []


RULES = (
    *("measure", "measure_set", "measure_shard", "measure_detect", "measure_index"),
    "measure_videos",
)
"""The rules that may run: the clips are given, not cut."""
