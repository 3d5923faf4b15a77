"""OccludeNet-I and -M through Snakemake: drawn takes whose offsets nobody states."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from support.workflow import Build
from test_recordings_clips import HEAD, SET_I, check_views_show_the_same, made
from test_segments import RATE, long_video, numbered

from occludenet_build.core import tables
from occludenet_build.core.journal import peek
from occludenet_build.media.video.synth import write_video

PATTERN = "{class}/{subject}_{take}_{view}.mp4"
BEGINS = {"view1": 0, "view2": 13, "view3": 6}
"""View -> the take's frame at which it begins."""


def bangs(seed, seconds=16):
    """Sound with events: short noises at random times, over quiet noise."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.01, seconds * RATE)
    for at in rng.uniform(0, seconds - 0.2, 40):
        first = round(at * RATE)
        sound[first : first + 1600] += 0.4 * rng.normal(0, 1, 1600) * np.exp(-np.arange(1600) / 400)
    return np.clip(sound, -1, 1).astype(np.float32)


def write_takes(folder):
    for number, person in enumerate(("P1", "P2", "P3", "P4"), 1):
        heard, pictures = bangs(number), list(numbered(140))
        for view, first in BEGINS.items():
            path = folder / f"in/fall/{person}_1_{view}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            sound = heard[round(first / 10 * RATE) : 14 * RATE]
            write_video(path, pictures[first:], Fraction(10), audio=sound, sample_rate=RATE)


@pytest.mark.slow
def test_three_views_are_found_in_time_and_cut(tmp_path):
    write_takes(tmp_path)
    one = {"name": "M", "folder": "in", "layout": "views", "pattern": PATTERN}
    settings = {"recordings": {"sets": [one]}, "composite": {"preset": "ultrafast"}}
    build = Build(tmp_path, None, settings)
    build.run("recordings")
    rows = {
        row["clip"]: row for row in tables.read_rows(tmp_path / "build/recordings/clips.parquet")
    }
    assert {(row["status"], row["sound"]) for row in rows.values()} == {("ok", "copied")}
    assert len(rows) == 24
    for row in rows.values():
        assert abs(row["offset_seconds"] - BEGINS[row["view"]] / 10) < 0.01
        assert row["method"] == (None if row["view"] == "view1" else "sound")
    check_views_show_the_same(tmp_path, rows)
    assert {row["split"] for row in rows.values()} == {"train", "val", "test"}
    before = made(tmp_path)
    assert build.planned("build/recordings/clips.parquet") == {}
    # one more take: no other is made again, whatever its split is now
    (tmp_path / "in/fall/P4_1_view3.mp4").rename(tmp_path / "in/fall/P4_2_view3.mp4")
    assert build.planned("build/recordings/clips.parquet") == {"recordings": 1}
    build.run("recordings")
    after = made(tmp_path)
    kept = {name for name in before if "P4" not in name}
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    (tmp_path / "in").mkdir()
    video = long_video(tmp_path / "in/0.mp4").read_bytes()
    for number in range(1, 12):  # each with a box of its own that readers skip
        path = tmp_path / f"in/{number}.mp4"
        path.write_bytes(video + b"\0\0\0\x09free" + bytes([number]))
    rows = [f"{number}.mp4,walk,P{number},1" for number in range(12)]
    (tmp_path / "in/recordings.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    groups = {"commit_clips": 3}
    settings = json.dumps({"recordings": {"sets": [SET_I]}, "failures": groups})
    words = [sys.executable, "-m", "occludenet_build", "recordings", "--root", "build", "--out"]
    words += ["build/recordings/clips.parquet", "--settings", settings]
    job = subprocess.Popen(words, cwd=tmp_path, start_new_session=True)
    journal = tmp_path / "build/recordings/store/clips/journal"
    while not list(journal.glob("[!.]*.parquet")):
        assert job.poll() is None
        time.sleep(0.005)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    finished = [row["file"] for row in peek(journal.parent, 99)[1]]
    before = {file: (tmp_path / "build" / file).stat().st_mtime_ns for file in finished}
    assert 1 <= len(before) < 24
    subprocess.run(words, cwd=tmp_path, check=True, timeout=120)
    after = {file: (tmp_path / "build" / file).stat().st_mtime_ns for file in finished}
    assert after == before
    table = tables.read_rows(tmp_path / "build/recordings/clips.parquet")
    assert [row["status"] for row in table] == ["ok"] * 24
    assert len(made(tmp_path)) == 24 and not list((tmp_path / "build").rglob(".*.part*"))


@pytest.mark.slow
def test_no_set_is_one_line(tmp_path):
    text = Build(tmp_path, None, {}).run("recordings", "-n", ok=False)
    assert "config: recordings.sets: wanted a list of sets, got none" in text
    assert "Traceback" not in text
