"""The audit: two detectors on the same frames, with given boxes; its workflow rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import REPO
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import write_groups
from support.workflow import SETTINGS, Build

from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes
from occludenet_build.occlusion.select import CLIPS as SELECT
from occludenet_build.people.audit import CLIPS, SAMPLE, compare, sample, summary
from occludenet_build.people.detect import BOXES, ROWS

HERE, BESIDE, AFAR = (0, 0, 10, 20), (0, 10, 10, 20), (50, 50, 60, 70)


def boxes(*rows: tuple, clip: str = "a") -> pa.Table:
    """Rows (frame, box[, actor[, filled]])."""
    found = []
    for frame, box, *more in rows:
        actor, filled = [*more, False, False][:2]
        row = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
        row |= {"clip": clip, "frame": frame, "track": 0, "shot": 0}
        found.append(row | {"actor": actor, "filled": filled})
    return tables.from_rows(found, BOXES)


FIRST = boxes((0, HERE, True), (1, HERE, True), (2, HERE, True, True), (3, AFAR), (4, HERE, True))
CASES = {
    "the same": (FIRST, {"compared_frames": 3, "mean_iou": 1.0, "same_actor": 3}),
    "nobody": (boxes(), {"compared_frames": 0, "mean_iou": None, "only_first": 4}),
    "half of the actor": (
        boxes((0, BESIDE), (1, BESIDE)),
        {"compared_frames": 2, "mean_iou": 0.5, "agreeing_frames": 2, "only_first": 2},
    ),
    "elsewhere": (
        boxes((0, AFAR, True)),
        {"compared_frames": 1, "mean_iou": 0.0, "agreeing_frames": 0, "same_actor": 0},
    ),
    "the nearer of two, who is not its actor": (
        boxes((0, AFAR, True), (0, HERE)),
        {"mean_iou": 1.0, "agreeing_frames": 1, "same_actor": 0},
    ),
    "somebody more": (boxes((3, HERE), (5, HERE)), {"only_second": 1, "only_first": 4}),
    "filled in": (boxes((0, HERE, True, True)), {"compared_frames": 0, "only_first": 4}),
}


@pytest.mark.parametrize("case", CASES)
def test_two_detectors_on_one_clip(case):
    second, wanted = CASES[case]
    found = compare(ClipBoxes.of(FIRST), ClipBoxes.of(second), 0.5)
    assert found["actor_frames"] == 4
    assert {name: found[name] for name in wanted} == wanted


def test_a_table_without_the_clip_is_nobody():
    assert compare(ClipBoxes.of(FIRST), ClipBoxes.of(None), 0.5) == compare(
        ClipBoxes.of(FIRST), ClipBoxes.of(boxes()), 0.5
    )


BOX = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda p: (*p, p[0] + 15, p[1] + 20))


@settings(max_examples=40, deadline=None)
@given(st.lists(BOX, max_size=8), st.lists(BOX, max_size=8))
def test_frames_add_up(first, second):
    mine = boxes(*((frame, box, True) for frame, box in enumerate(first)))
    theirs = boxes(*((frame, box, True) for frame, box in enumerate(second)))
    found = compare(ClipBoxes.of(mine), ClipBoxes.of(theirs), 0.3)
    assert found["compared_frames"] + found["only_first"] == found["actor_frames"] == len(first)
    assert found["compared_frames"] + found["only_second"] == len(second)
    assert found["same_actor"] == found["agreeing_frames"] <= found["compared_frames"]
    assert found["mean_iou"] is None or 0 <= found["mean_iou"] <= 1


def test_the_summary_weighs_frames():
    rows = [
        {"clip": "a", "label": "run", "status": "ok", "frames": 10}
        | compare(ClipBoxes.of(FIRST), ClipBoxes.of(FIRST), 0.5),
        {"clip": "b", "label": "sit", "status": "ok", "frames": 10}
        | compare(ClipBoxes.of(boxes((0, HERE, True))), ClipBoxes.of(boxes((0, BESIDE))), 0.6),
        {"clip": "c", "label": "sit", "status": "failed", "frames": 10},
    ]
    found = summary(rows)
    assert found["all"]["clips"] == 2
    assert found["all"]["mean_iou"] == pytest.approx(3.5 / 4)
    assert found["classes"]["sit"]["agreeing_share"] == 0
    assert [row["clip"] for row in found["least_agreement"]] == ["b", "a"]


def test_the_sample_is_drawn_by_hash():
    rows = [dict.fromkeys(SAMPLE.names) | {"clip": f"clip-{k}"} for k in range(30)]
    names = [row["clip"] for row in sample(rows, 10, 0)]
    assert len(names) == 10 and names == sorted(names)
    assert names == [row["clip"] for row in sample(rows[::-1], 10, 0)]
    assert names != [row["clip"] for row in sample(rows, 10, 1)]
    assert set(names) <= {row["clip"] for row in sample(rows, 11, 0)}
    assert len(sample(rows, 99, 0)) == 30


def run(*words: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "occludenet_build", "audit", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def searched(tmp_path) -> Path:
    """Two chosen clips that both detectors have searched, the second of which failed there."""
    chosen = [
        {"clip": clip, "status": "ok", "label": "run", "split": "train", "detect_shard": "000"}
        | {"frames": 6, "width": 96, "height": 64, "fps": 25.0}
        for clip in ("a", "b")
    ]
    chosen.append({"clip": "c", "status": "skipped", "reason": "no_actor"})
    tables.write_table(tables.from_rows(chosen, SELECT), tmp_path / "select.parquet")
    found = [{"clip": "a", "status": "ok", "weights_sha256": "f00"}]
    found.append({"clip": "b", "status": "failed", "reason": "missing", "detail": "gone"})
    tables.write_table(tables.from_rows(found, ROWS), tmp_path / "audit/detect/sample.parquet")
    first = [FIRST, boxes((0, HERE, True), clip="b")]
    write_groups(tmp_path / "store/000/detail.parquet", first, BOXES)
    second = tmp_path / "audit/detect/store/sample/detail.parquet"
    write_groups(second, [boxes((0, HERE, True))], BOXES)
    return tmp_path


def test_the_command_line(searched):
    drawn, out = searched / "audit/sample.parquet", searched / "audit/clips.parquet"
    done = run("sample", "--clips", searched / "select.parquet", "--out", drawn)
    assert done.returncode == 0, done.stderr
    assert tables.read_table(drawn).schema.equals(SAMPLE)
    words = ["--sample", drawn, "--second", searched / "audit/detect/sample.parquet"]
    done = run("compare", *words, "--first", searched / "store", "--out", out)
    assert done.returncode == 0, done.stderr
    table = tables.read_table(out)
    assert table.schema.equals(CLIPS)
    ok, failed = table.to_pylist()
    assert (ok["compared_frames"], ok["mean_iou"], ok["only_first"]) == (1, 1.0, 3)
    assert (failed["status"], failed["reason"], failed["mean_iou"]) == ("failed", "missing", None)
    found = json.loads((searched / "audit/summary.json").read_text())
    assert found["all"]["clips"] == 1 and found["second"]["weights_sha256"] == ["f00"]
    assert np.isclose(found["all"]["only_first_share"], 0.75)


def test_what_is_missing_is_one_line(searched):
    done = run("compare", "--out", searched / "audit/clips.parquet")
    assert done.returncode == 2 and "wanted --sample, --first, --second" in done.stderr
    assert "Traceback" not in done.stderr


def test_audit_is_a_separate_target(world, tmp_path):
    build = Build(tmp_path, world, SETTINGS | {"audit": {"backend": "motion", "clips": 3}})
    planned = build.planned("audit")
    assert planned["audit_sample"] == planned["audit_detect"] == 1
    assert not any("audit" in rule for rule in build.planned("all"))
    refused = build.where(SETTINGS).run("audit", "-n", ok=False)
    assert "audit.weights: wanted a path" in refused and "Traceback" not in refused
