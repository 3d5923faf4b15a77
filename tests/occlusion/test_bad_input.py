"""Rendering of odd, wrong, huge and missing inputs, and on a full disk."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import REPO
from support.composite_stage import CompositeStage
from support.render import (
    CLEAN,
    OCCLUDED,
    files_in,
    job_of,
    look,
    opaque,
    planes,
    textured,
    with_gap,
    write_png,
)

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.render import render

SETTINGS = Composite(scales=(0.25, 0.75), preset="ultrafast", smooth_seconds=0.0)
GOOD = (20.0, 10.0, 60.0, 50.0)
NOTHING = None
WHOLE = (0, 0, 96, 64)

BOXES = [
    ("larger than the picture", (-500.0, -400.0, 600.0, 470.0), WHOLE),
    ("partly outside", (-40.0, -30.0, 40.0, 30.0), (0, 0, 30, 22)),
    ("wholly outside", (500.0, 500.0, 600.0, 600.0), NOTHING),
    ("far outside on the left", (-900.0, 10.0, -800.0, 50.0), NOTHING),
    ("no width", (30.0, 10.0, 30.0, 50.0), NOTHING),
    ("no area at all", (30.0, 30.0, 30.0, 30.0), NOTHING),
    ("inverted", (60.0, 50.0, 20.0, 10.0), NOTHING),
    ("inverted in one direction", (60.0, 10.0, 20.0, 50.0), NOTHING),
    ("a fraction of a pixel", (30.2, 30.2, 30.4, 30.4), None),
    ("not a number", (math.nan, 10.0, 60.0, 50.0), NOTHING),
]


@pytest.mark.parametrize("mode", ["stretch", "fit", "area"])
@pytest.mark.parametrize(("name", "box", "hidden"), BOXES, ids=[b[0] for b in BOXES])
def test_odd_boxes_hide_what_they_cover_of_the_picture_and_harm_no_other_frame(
    make_clip, tmp_path, name, box, hidden, mode
):
    clip = make_clip("a.mp4", 6)
    boxes = {0: ActorBox(GOOD), 3: ActorBox(box), 5: ActorBox(GOOD)}
    job = job_of(clip, tmp_path / "build", 6, boxes)
    rows = render(job, replace(SETTINGS, scale_mode=mode)).truth.table().to_pylist()
    rows = {row["frame"]: row for row in rows if row["scale"] == 0.75}
    assert [n for n, row in rows.items() if row["occluded"] and n != 3] == [0, 5]
    rle = rows[3]["occluder_rle"]
    mask = masks.decode(rle, 64, 96) if rle else np.zeros((64, 96), bool)
    if mode == "stretch" and name != "a fraction of a pixel":
        x1, y1, x2, y2 = hidden or (0, 0, 0, 0)
        expected = np.zeros((64, 96), bool)
        expected[y1:y2, x1:x2] = True
        assert (mask ^ expected).sum() <= 60  # a row or column of rounding
    clean, shown = (planes(job.root / out.file)[3][:64] for out in (CLEAN, OCCLUDED[1]))
    changed = np.abs(clean.astype(int) - shown) > 12
    near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert not (changed & ~near).any()
    assert changed[mask].mean() > 0.8 if mask.sum() > 20 else True


def test_boxes_are_checked_where_the_stage_reads_them(tmp_path):
    boxes = {"two": {0: GOOD, 7: (math.nan, 1.0, 2.0, 3.0)}}
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", boxes=boxes).write()
    with pytest.raises(UserError, match=r"wanted a number as x1 of two, frame 7, in .* got nan"):
        stage.run()


@pytest.mark.parametrize("size", [(400, 500), (1, 1), (3000, 2)])
def test_cutouts_of_any_size(make_clip, tmp_path, size):
    cutout = write_png(tmp_path / "cut.png", opaque(*size))
    boxes = {n: ActorBox(GOOD) for n in range(4)}
    job = job_of(make_clip("a.mp4", 4), tmp_path / "build", 4, boxes, cutouts=(cutout,))
    for row in render(job, SETTINGS).truth.table().to_pylist():
        mask = masks.decode(row["occluder_rle"], 64, 96)
        assert mask.sum() == row["w"] * row["h"]
        assert max(row["w"] / 40, row["h"] / 40) == pytest.approx(row["scale"], abs=0.02)


def grey(path, dtype=np.uint8):
    cv2.imwrite(str(path), np.full((20, 20), 200, dtype))


def deep(path):
    cv2.imwrite(str(path), np.full((20, 20, 4), 60_000, np.uint16))


def cut_short(path):
    write_png(path, opaque())
    path.write_bytes(path.read_bytes()[:40])


def without_alpha(path):
    cv2.imwrite(str(path), np.full((20, 20, 3), 200, np.uint8))


@pytest.mark.parametrize("draw", [grey, deep, cut_short, lambda path: None])
def test_pictures_that_are_no_cutouts_are_told(make_clip, tmp_path, draw):
    draw(tmp_path / "cut.png")
    cutouts = (tmp_path / "cut.png",)
    job = job_of(make_clip("a.mp4", 4), tmp_path / "b", 4, with_gap(4, (96, 64)), cutouts=cutouts)
    with pytest.raises(UserError, match=r"cut.png: wanted an 8-bit RGB or RGBA PNG"):
        render(job, SETTINGS)
    assert files_in(job.root) == []


def test_a_picture_without_alpha_is_opaque(make_clip, tmp_path):
    without_alpha(tmp_path / "cut.png")
    cutouts = (tmp_path / "cut.png",)
    boxes = {n: ActorBox(GOOD) for n in range(4)}
    job = job_of(make_clip("a.mp4", 4), tmp_path / "build", 4, boxes, cutouts=cutouts)
    for row in render(job, SETTINGS).truth.table().to_pylist():
        assert masks.area(row["occluder_rle"], 64, 96) == row["w"] * row["h"]


@pytest.mark.parametrize("alpha", [0, 127])
def test_an_occluder_that_hides_nothing_makes_no_clip(make_clip, tmp_path, alpha):
    rgba = opaque()
    rgba[:, :, 3] = alpha
    cutouts = (write_png(tmp_path / "cut.png", rgba),)
    boxes = with_gap(24, (96, 64))
    job = job_of(make_clip("a.mp4", 24), tmp_path / "build", 24, boxes, cutouts=cutouts)
    with pytest.raises(ItemError, match="no_occluded_frame"):
        render(job, SETTINGS)
    assert files_in(job.root) == []


SOURCES = [
    ("shorter", lambda p, made: shutil.copy(made("b.mp4", 20), p), "source_changed"),
    ("longer", lambda p, made: shutil.copy(made("b.mp4", 80), p), "source_changed"),
    ("gone", lambda p, made: p.unlink(), "missing"),
    ("empty", lambda p, made: p.write_bytes(b""), "empty_file"),
    ("cut", lambda p, made: p.write_bytes(p.read_bytes()[:3000]), "truncated"),
    ("text", lambda p, made: p.write_text("no video\n" * 99), "not_a_video"),
]


@pytest.mark.parametrize("share", [0, 24])
@pytest.mark.parametrize(("name", "change", "reason"), SOURCES, ids=[s[0] for s in SOURCES])
def test_a_source_that_is_not_what_was_indexed(make_clip, tmp_path, name, change, reason, share):
    clip = make_clip("a.mp4", 60, sound=True)
    change(clip, make_clip)
    job = job_of(clip, tmp_path / "build", 60, with_gap(60, (96, 64)))
    with pytest.raises(ItemError) as caught:
        render(job, replace(SETTINGS, share_frames=share))
    assert caught.value.reason == reason
    assert files_in(job.root) == []


def test_a_matroska_file_that_was_cut_has_fewer_frames(make_clip, tmp_path):
    clip = make_clip("a.mkv", 60, sound=True)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    job = job_of(clip, tmp_path / "build", 60, with_gap(60, (96, 64)))
    with pytest.raises(ItemError, match="source_changed"):
        render(job, SETTINGS)
    assert files_in(job.root) == []


def test_one_frame(make_clip, tmp_path):
    clip = make_clip("a.mp4", 1, sound=True)
    job = job_of(clip, tmp_path / "build", 1, {0: ActorBox(GOOD, filled=True)})
    rendered = render(job, Composite(scales=(0.25, 0.75)))
    rows = rendered.truth.table().to_pylist()
    assert [(r["frame"], r["occluded"], r["filled"]) for r in rows] == [(0, True, True)] * 2
    assert [len(planes(job.root / out.file)) for out in job.outputs] == [1, 1, 1]


_RENDER = """
import re, sys
from pathlib import Path
from support.render import CLEAN, ClipOutput, job_of, with_gap
from occludenet_build.occlusion.render import render
from occludenet_build.config import Composite
source, root, frames, width, height = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6])
scales = tuple(map(float, sys.argv[6:]))
outputs = (*(ClipOutput(f"d/{scale}.mp4", scale) for scale in scales), CLEAN)
boxes = with_gap(frames, (width, height))
job = job_of(source, root, frames, boxes, scales=scales, outputs=outputs)
render(job, Composite(scales=scales, preset="veryfast"))
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_mib(source, root, frames, size, scales):
    """Peak memory of a process that renders this clip only, MiB."""
    words = [sys.executable, "-c", _RENDER, source, root, frames, *size, *scales]
    environment = os.environ | {"PYTHONPATH": f"{REPO}:{REPO / 'tests'}"}
    done = subprocess.run(
        [str(word) for word in words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout) / 1024


def large(path, frames, size):
    """Two alternating pictures."""
    small = textured(2, size[0] // 8, size[1] // 8)
    pictures = [cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in small]
    turns = (pictures[n % 2] for n in range(frames))
    write_video(path, turns, 25, options={"preset": "ultrafast"})
    return path


UHD = (3840, 2160)


@pytest.mark.slow
def test_memory_at_4k(tmp_path):
    source = large(tmp_path / "a.mp4", 4, UHD)
    assert peak_mib(source, tmp_path / "build", 4, UHD, (0.75,)) < 1536
    assert len(look(tmp_path / "build" / CLEAN.file).times) == 4


@pytest.mark.slow
def test_memory_at_4k_with_all_outputs(tmp_path):
    """x264 buffers some 15 pictures of every output, which is nearly all of the memory."""
    source = large(tmp_path / "a.mp4", 20, UHD)
    assert peak_mib(source, tmp_path / "build", 20, UHD, (0.25, 0.5, 0.75)) < 2816


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip(tmp_path):
    peaks = []
    for frames in (500, 10_000):
        source = large(tmp_path / f"{frames}.mp4", frames, (64, 64))
        root = tmp_path / f"build {frames}"
        peaks.append(peak_mib(source, root, frames, (64, 64), (0.25, 0.5, 0.75)))
        assert len(look(root / CLEAN.file).times) == frames
    assert peaks[1] < 256
    assert peaks[1] - peaks[0] < 60  # what is recorded of 10,000 frames
