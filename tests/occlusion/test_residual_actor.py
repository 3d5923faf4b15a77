"""residual_actor: the actor found in counterfactuals, from tables."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from support.build import write_groups

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.media.imaging import masks
from occludenet_build.occlusion import residual_actor
from occludenet_build.occlusion.composite import ERASED
from occludenet_build.occlusion.residual_actor.command import add_arguments
from occludenet_build.occlusion.residual_actor.command import run as run_stage
from occludenet_build.occlusion.residual_actor.compare import is_residual
from occludenet_build.occlusion.select import CLIPS
from occludenet_build.people import actor_masks
from occludenet_build.people.detect import BOXES, ROWS

ACTOR, OTHER, FAR = (10, 10, 50, 90), (20, 10, 60, 90), (70, 10, 95, 60)
SETTINGS = {"detect": {"backend": "motion"}, "counterfactual": {"fill": "mean"}}


def run(*words, **settings):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run_stage(parser.parse_args([str(w) for w in words]), config.load_part(SETTINGS | settings))


def box_rows(clip, boxes):
    """Rows of detect. `boxes`: frame -> [(box, whether it is the actor's)]."""
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
    """Two clips of two classes at one scale; the third counterfactual is unreadable."""
    same = {"status": "ok", "split": "train", "detect_shard": "005", "frames": 6, "fps": 25.0}
    same |= {"width": 100, "height": 100}
    chosen = [
        same | {"clip": clip, "label": label, "path": f"{clip}.mp4"}
        for clip, label in (("a", "jumping"), ("b", "walking"), ("c", "walking"))
    ]
    tables.write_table(tables.from_rows(chosen, CLIPS), tmp_path / "select/000.parquet")
    made = [
        {"clip": row["clip"], "status": "ok", "scales": [0.5], "file_hashes": [row["clip"]]}
        | {"files": [f"e/{row['clip']}.mp4"]}
        for row in chosen
    ]
    made.append({"clip": "d", "status": "skipped", "reason": "no_mask"})
    tables.write_table(tables.from_rows(made, ERASED), tmp_path / "counterfactual/000.parquet")
    source = {n: [(ACTOR, True), (OTHER, False)] for n in range(6)}
    write_boxes(tmp_path / "detect/store/005/detail.parquet", dict.fromkeys("abc", source))
    found = {
        "0.50_a": {0: [((11, 10, 51, 90), True)], 1: [(OTHER, True)], 2: [(FAR, True)]},
        "0.50_b": {5: [(ACTOR, True)]},
    }
    write_boxes(tmp_path / "residual_actor/built/detect/store/000/detail.parquet", found)
    states = [{"clip": "0.50_a", "status": "ok"}, {"clip": "0.50_b", "status": "skipped"}]
    states.append({"clip": "0.50_c", "status": "failed", "reason": "truncated"})
    tables.write_table(
        tables.from_rows(states, ROWS), tmp_path / "residual_actor/built/detect/000.parquet"
    )
    rows = [{"clip": "a", "frame": n, "area": 1, "rle": masks.encode(np.ones((2, 2), bool))}
            for n in range(4)]  # fmt: skip
    parts = [
        tables.from_rows([row | {"clip": c} for row in rows], actor_masks.DETAIL) for c in "ab"
    ]
    write_groups(tmp_path / "actor_masks/store/000/detail.parquet", parts, actor_masks.DETAIL)
    return tmp_path


def compare(build, **settings):
    folder = build / "residual_actor/built"
    run("list", "--clips", build / "select/000.parquet",
        "--made", build / "counterfactual/000.parquet", "--root", build,
        "--out", folder / "videos/000.parquet", **settings)  # fmt: skip
    run("compare", "--videos", folder / "videos/000.parquet",
        "--found", folder / "detect/000.parquet", "--boxes", build / "detect/store",
        "--masks", build / "actor_masks/000.parquet", "--out", folder / "clips.parquet",
        **settings)  # fmt: skip
    rows = {row["source"]: row for row in tables.read_rows(folder / "clips.parquet")}
    return rows, json.loads((folder / "summary.json").read_text())


def test_who_is_left_and_where(build):
    rows, summary = compare(build)
    videos = tables.read_table(build / "residual_actor/built/videos/000.parquet")
    assert videos.schema.equals(residual_actor.VIDEOS)
    assert videos["path"].to_pylist() == [str(build / f"e/{c}.mp4") for c in "abc"]
    # frame 0: the actor; 1: the other person; 2: somebody far away
    wanted = {"actor_frames": 6, "erased_frames": 4, "residual_frames": 1, "residual": 0.25}
    assert rows["a"].items() >= (wanted | {"first_residual": 0, "fill": "mean"}).items()
    # the actor is found in frame 5, but was not erased there
    assert rows["b"]["residual"] == 0 and rows["b"]["first_residual"] is None
    assert (rows["c"]["status"], rows["c"]["reason"]) == ("failed", "truncated")
    assert summary["residual"] == 1 / 8 and summary["clips"] == 2
    assert summary["by_class"]["jumping"]["residual"] == 0.25
    assert summary["by_class"]["walking"] == {"clips": 1, "actor_frames": 6, "erased_frames": 4,
                                              "residual_frames": 0, "residual": 0}  # fmt: skip
    assert list(summary["by_scale"]) == ["0.5"]


@pytest.mark.parametrize(
    ("found", "left"),
    [([], False), ([ACTOR], True), ([OTHER], False), ([FAR], False), ([FAR, ACTOR], True)],
)
def test_one_frame(found, left):
    found = np.float32(found).reshape(-1, 4)
    assert is_residual(np.float32(ACTOR), np.float32([OTHER]), found) == left
    assert is_residual(np.float32(ACTOR), np.zeros((0, 4), np.float32), np.float32([OTHER]))


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
        run("list", "--clips", "a", "--made", "b", "--out", Path("x.parquet"), **settings)
    with pytest.raises(UserError, match="residual_actor list: wanted --clips, --made, got nothing"):
        run("list", "--out", Path("x.parquet"))


def test_without_masks_nothing_is_erased(build):
    (build / "actor_masks/store/000/detail.parquet").unlink()
    rows, summary = compare(build)
    assert rows["a"]["erased_frames"] == 0 and rows["a"]["residual"] is None
    assert summary["residual"] is None


def test_the_report_shows_it(build, tmp_path):
    from occludenet_build.config import Config
    from occludenet_build.results.report.facts import ReportBuild
    from occludenet_build.results.report.page import render_report

    compare(build)
    text = render_report(ReportBuild(build), Config(), {}, [])
    assert "What is left of the erased actor" in text and "12.5 %" in text and "jumping" in text
    assert "What is left" not in render_report(ReportBuild(tmp_path / "select"), Config(), {}, [])


def test_fills_side_by_side(build, tmp_path):
    compare(build)
    text = (build / "residual_actor/built/summary.json").read_text()
    for fill, residual in (("none", 0.9), ("zero", 0.125)):
        folder = build / "residual_actor" / fill
        folder.mkdir(parents=True)
        sums = json.loads(text) | {"fill": fill, "residual": residual}
        (folder / "summary.json").write_text(json.dumps(sums))
    parts = [build / f"residual_actor/{fill}/summary.json" for fill in ("none", "zero")]
    run("fills", "--summaries", *parts, "--out", build / "residual_actor/fills.json")
    found = json.loads((build / "residual_actor/fills.json").read_text())
    assert {fill: sums["residual"] for fill, sums in found.items()} == {"none": 0.9, "zero": 0.125}
    from occludenet_build.config import Config
    from occludenet_build.results.report.facts import ReportBuild
    from occludenet_build.results.report.page import render_report

    page = render_report(ReportBuild(build), Config(), {}, [])
    assert "90.0 %" in page and '<th class="num">none</th>' in page


def test_the_sample_is_of_the_splits_that_have_counterfactuals(build):
    row = {"status": "ok", "split": "train", "shard": "000"}
    chosen = [row | {"clip": f"c{n}", "shard": f"00{n % 2}"} for n in range(9)]
    chosen += [row | {"clip": "t", "split": "test"}, row | {"clip": "s", "status": "skipped"}]
    tables.write_table(tables.from_rows(chosen, CLIPS), build / "select/clips.parquet")
    settings = {"select": {"shards": 3}, "residual_actor": {"clips": 5}}
    run("sample", "--clips", build / "select/clips.parquet", "--out", build / "sample", **settings)
    found = {
        path.stem: [row["clip"] for row in tables.read_rows(path)]
        for path in sorted((build / "sample").glob("*.parquet"))
    }
    assert sorted(found) == ["000", "001", "002"] and found["002"] == []
    drawn = [clip for clips in found.values() for clip in clips]
    assert len(set(drawn)) == 5 and all(clip.startswith("c") for clip in drawn)
    assert all(int(clip[1:]) % 2 == int(shard) for shard, clips in found.items() for clip in clips)
