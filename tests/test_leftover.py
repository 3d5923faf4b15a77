"""leftover: who is still found in the counterfactuals, from tables alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from small_build import write_groups

from occludenet_build import actor_masks, config, leftover
from occludenet_build.composite import ERASED
from occludenet_build.core import masks, tables
from occludenet_build.core.errors import UserError
from occludenet_build.detect import BOXES, ROWS
from occludenet_build.leftover.__main__ import arguments, work
from occludenet_build.leftover.compare import is_left
from occludenet_build.select import CLIPS

ACTOR, OTHER, FAR = (10, 10, 50, 90), (20, 10, 60, 90), (70, 10, 95, 60)
SETTINGS = {"detect": {"backend": "motion"}, "counterfactual": {"fill": "mean"}}


def run(*words, **settings):
    parser = argparse.ArgumentParser()
    arguments(parser)
    work(parser.parse_args([str(w) for w in words]), config.load_part(SETTINGS | settings))


def box_rows(clip, boxes):
    """boxes: frame -> [(box, whether he is the actor)]"""
    return [
        {"clip": clip, "frame": n, "score": 0.9, "track": 0, "actor": actor, "filled": False}
        | dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True))
        for n, found in boxes.items()
        for box, actor in found
    ]


def write_boxes(path, by_clip):
    parts = [tables.from_rows(box_rows(c, boxes), BOXES) for c, boxes in by_clip.items() if boxes]
    write_groups(path, parts, BOXES)


@pytest.fixture
def build(tmp_path):
    """Two clips of two classes at one scale; detect could not read the third counterfactual."""
    same = {"status": "ok", "split": "train", "detect_shard": "005", "frames": 6, "fps": 25.0}
    same |= {"width": 100, "height": 100}
    chosen = [
        same | {"clip": clip, "label": label, "path": f"{clip}.mp4"}
        for clip, label in (("a", "jumping"), ("b", "walking"), ("c", "walking"))
    ]
    tables.write(tables.from_rows(chosen, CLIPS), tmp_path / "select/000.parquet")
    made = [
        {"clip": row["clip"], "status": "ok", "scales": [0.5], "file_hashes": [row["clip"]]}
        | {"files": [f"e/{row['clip']}.mp4"]}
        for row in chosen
    ]
    made.append({"clip": "d", "status": "skipped", "reason": "no_mask"})
    tables.write(tables.from_rows(made, ERASED), tmp_path / "counterfactual/000.parquet")
    source = {n: [(ACTOR, True), (OTHER, False)] for n in range(6)}
    write_boxes(tmp_path / "detect/store/005/detail.parquet", dict.fromkeys("abc", source))
    found = {
        "0.50_a": {0: [((11, 10, 51, 90), True)], 1: [(OTHER, True)], 2: [(FAR, True)]},
        "0.50_b": {5: [(ACTOR, True)]},
    }
    write_boxes(tmp_path / "leftover/detect/store/000/detail.parquet", found)
    states = [{"clip": "0.50_a", "status": "ok"}, {"clip": "0.50_b", "status": "skipped"}]
    states.append({"clip": "0.50_c", "status": "failed", "reason": "truncated"})
    tables.write(tables.from_rows(states, ROWS), tmp_path / "leftover/detect/000.parquet")
    rows = [{"clip": "a", "frame": n, "area": 1, "rle": masks.encode(np.ones((2, 2), bool))}
            for n in range(4)]  # fmt: skip
    parts = [
        tables.from_rows([row | {"clip": c} for row in rows], actor_masks.DETAIL) for c in "ab"
    ]
    write_groups(tmp_path / "actor_masks/store/000/detail.parquet", parts, actor_masks.DETAIL)
    return tmp_path


def compare(build, **settings):
    run("--clips", build / "select/000.parquet", "--erased", build / "counterfactual/000.parquet",
        "--root", build, "--out", build / "leftover/videos/000.parquet", **settings)  # fmt: skip
    run("--videos", build / "leftover/videos/000.parquet",
        "--found", build / "leftover/detect/000.parquet", "--boxes", build / "detect/store",
        "--masks", build / "actor_masks/000.parquet", "--out", build / "leftover/clips.parquet",
        **settings)  # fmt: skip
    rows = {row["source"]: row for row in tables.read_rows(build / "leftover/clips.parquet")}
    return rows, json.loads((build / "leftover/summary.json").read_text())


def test_who_is_left_and_where(build):
    rows, summary = compare(build)
    videos = tables.read(build / "leftover/videos/000.parquet")
    assert videos.schema.equals(leftover.VIDEOS)
    assert videos["path"].to_pylist() == [str(build / f"e/{c}.mp4") for c in "abc"]
    # frame 0: the actor himself; 1: the other person; 2: somebody far away
    wanted = {"actor_frames": 6, "erased_frames": 4, "leftover_frames": 1, "residual": 0.25}
    assert rows["a"].items() >= (wanted | {"first_leftover": 0, "fill": "mean"}).items()
    # he is found in frame 5, but was not erased there
    assert rows["b"]["residual"] == 0 and rows["b"]["first_leftover"] is None
    assert (rows["c"]["status"], rows["c"]["reason"]) == ("failed", "truncated")
    assert summary["residual"] == 1 / 8 and summary["clips"] == 2
    assert summary["by_class"]["jumping"]["residual"] == 0.25
    assert summary["by_class"]["walking"] == {"clips": 1, "actor_frames": 6, "erased_frames": 4,
                                              "leftover_frames": 0, "residual": 0}  # fmt: skip
    assert list(summary["by_scale"]) == ["0.5"]


@pytest.mark.parametrize(
    ("found", "left"),
    [([], False), ([ACTOR], True), ([OTHER], False), ([FAR], False), ([FAR, ACTOR], True)],
)
def test_one_frame(found, left):
    found = np.float32(found).reshape(-1, 4)
    assert is_left(np.float32(ACTOR), np.float32([OTHER]), found) == left
    assert is_left(np.float32(ACTOR), np.zeros((0, 4), np.float32), np.float32([OTHER]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"counterfactual": {"splits": []}}, "wanted counterfactual clips to look at"),
        ({"counterfactual": {"files": False}}, "files false"),
        ({"detect": {"backend": "file"}}, "wanted a detector that looks"),
    ],
)
def test_what_cannot_be_looked_at(settings, message):
    with pytest.raises(UserError, match=message):
        run("--out", Path("x.parquet"), **settings)
    with pytest.raises(UserError, match="got neither"):
        run("--out", Path("x.parquet"))


def test_without_masks_nothing_is_erased(build):
    (build / "actor_masks/store/000/detail.parquet").unlink()
    rows, summary = compare(build)
    assert rows["a"]["erased_frames"] == 0 and rows["a"]["residual"] is None
    assert summary["residual"] is None


def test_the_report_shows_it(build, tmp_path):
    from occludenet_build.config import Config
    from occludenet_build.report.build import Build
    from occludenet_build.report.page import render

    compare(build)
    text = render(Build(build), Config(), {}, [])
    assert "What is left of the erased actor" in text and "12.5 %" in text and "jumping" in text
    assert "What is left" not in render(Build(tmp_path / "select"), Config(), {}, [])
