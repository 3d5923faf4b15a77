"""OccludeNet-I and -M: clips of recordings, cut exactly, views at one time, and why not."""

from __future__ import annotations

import argparse
import os
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_segments import RATE, frames_of, long_video, number_of, numbered, sound_of, sweep

from occludenet_build.config import load
from occludenet_build.core import ledger, tables
from occludenet_build.core.errors import UserError
from occludenet_build.media.video.cut import cut_video
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.planes import layout_of, new_frame, plane_arrays
from occludenet_build.media.video.source import open_video, to_rgb
from occludenet_build.media.video.synth import write_video
from occludenet_build.release.csv_format import MultiView, read_csv
from occludenet_build.release.groups import derived_group
from occludenet_build.sources.recordings import CLIPS, look, offsets
from occludenet_build.sources.recordings.command import add_arguments
from occludenet_build.sources.recordings.command import run as run_stage
from occludenet_build.sources.recordings.files import FileFacts
from occludenet_build.sources.recordings.offsets import ViewTime
from occludenet_build.sources.recordings.stretches import Seen, common_stretches, even_stretches
from occludenet_build.sources.recordings.takes import Take, View

HEAD = "file,class,subject,take"


def run(folder, sets, **values):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    build = folder / "build"
    args = parser.parse_args(
        ["--root", str(build), "--out", str(build / "recordings/clips.parquet")]
    )
    encoder = {"preset": "ultrafast", "crf": 18}
    config = load({"recordings": {"sets": sets, **values}, "composite": encoder}, folder, False)
    run_stage(args, config)
    return {row["clip"]: row for row in tables.read_rows(args.out)}


def made(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "build").rglob("*.mp4")}


def view_video(path, first, count, fps=10, sound=True):
    """A view that shows the numbers of the take's frames, from `first` on, and hears its sweep."""
    pictures = list(numbered(first + count))[first:]
    audio = sweep((first + count) / 10)[round(first / 10 * RATE) :] if sound else None
    write_video(path, pictures, Fraction(fps), options={"g": "25"}, audio=audio, sample_rate=RATE)
    return path


SET_I = {"name": "I", "folder": "in"}


def write_set_i(folder):
    (folder / "in").mkdir()
    long_video(folder / "in/one.mp4", frames=80)
    long_video(folder / "in/long.mp4", frames=140)
    long_video(folder / "in/short.mp4", frames=30)
    (folder / "in/noise.mp4").write_bytes(b"\0" * 5000)
    rows = ["one,walk,P1,1", "long.mp4,armed,P2,1", "short,walk,P3,1", "noise,walk,P4,1"]
    (folder / "in/recordings.csv").write_text("\n".join([HEAD, *rows, "gone,walk,P5,1"]) + "\n")


def test_the_stage_cuts_resumes_and_says_why_not(tmp_path):
    write_set_i(tmp_path)
    rows = run(tmp_path, [SET_I])
    assert {row["recording"]: row["reason"] for row in rows.values()} == {
        "one": None,
        "long.mp4": None,
        "short": "too_short",
        "noise": "not_a_video",
        "gone": "missing",
    }
    one = rows["Walk_P1_1_000000_000008"]
    assert one["file"] == f"OccludeNet-I/{one['split']}/Walk/Walk_P1_1_000000_000008.mp4"
    assert (one["picture"], one["sound"], one["frames"], one["width"]) == (
        "copied",
        "copied",
        80,
        128,
    )
    check_is_the_recording_to_the_bit(tmp_path / "build" / one["file"], tmp_path / "in/one.mp4")
    assert one["warnings"] == [] and one["view"] is None and one["offset_seconds"] == 0
    parts = [row for row in rows.values() if row["recording"] == "long.mp4"]
    assert [(row["take_seconds"], row["frames"], row["picture"]) for row in parts] == [
        (0.0, 70, "encoded"),
        (7.0, 70, "encoded"),
    ]
    assert {row["group"] for row in parts} == {"Armed_P2_1"}
    whole = frames_of(tmp_path / "in/long.mp4")
    shown = [frames_of(tmp_path / "build" / row["file"]) for row in parts]
    assert [n for part in shown for _, n in part] == [n for _, n in whole]
    kind, records = read_csv(tmp_path / f"build/OccludeNet-I/annotations/{parts[0]['split']}_i.csv")
    assert kind is MultiView
    assert MultiView("Armed", "Armed_P2_1_000000_000007.mp4") in records
    page = (tmp_path / "build/recordings/index.html").read_text()
    assert page.count('<section class="take"') == 3 and "strips/Walk_P1_1_000000_000008.jpg" in page

    before = made(tmp_path)
    (tmp_path / "in/one.mp4").touch()  # another time, the same bytes
    assert run(tmp_path, [SET_I]) == rows and made(tmp_path) == before
    # other facts in the table, a lower threshold: new rows, the same files
    table = tmp_path / "in/recordings.csv"
    lines = [line + ",cam 1" for line in table.read_text().splitlines()]
    table.write_text("\n".join([f"{HEAD},camera", *lines[1:]]) + "\n")
    new = run(tmp_path, [SET_I], checks={"dark": 0.1, "blur": 0.01})
    assert made(tmp_path) == before
    one = new["Walk_P1_1_000000_000008"]
    assert one["camera"] == "cam 1" and {"blurred", "too_dark"} <= set(one["warnings"])
    # a row less: its clips are gone, and the splits that were written hold them where they were
    frozen = (tmp_path / "build/recordings/I.csv").read_text().splitlines()
    killed = "OccludeNet-I/train/Walk/Walk_P9_1_000000_000008.mp4"
    (tmp_path / "build" / killed).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build" / killed).write_bytes(b"of a run that was killed, of a take that is gone")
    (tmp_path / "build/OccludeNet-I/train/Walk/.Walk_P9_1.part.mp4").write_bytes(b"half of it")
    with ledger.locked_ledger(tmp_path / "build/recordings/store/clips", CLIPS) as store:
        store.commit(ledger.ClipResult({"clip": "Walk_P9_1", "key": "k", "file": killed}))
    table.write_text("\n".join(line for line in frozen if not line.startswith("one,")) + "\n")
    run(tmp_path, [SET_I])
    kept = {name: time for name, time in before.items() if name.startswith("Armed")}
    assert made(tmp_path) == kept
    assert not list((tmp_path / "build").rglob(".*.part*"))
    assert len(list((tmp_path / "build/recordings/strips").iterdir())) == 2


def check_is_the_recording_to_the_bit(copy, source):
    assert frames_of(copy) == frames_of(source)
    with open_video(copy) as one, open_video(source) as other:
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(to_rgb(mine), to_rgb(theirs))
    heard = sound_of(copy)[1]
    np.testing.assert_array_equal(heard, sound_of(source)[1][: len(heard)])


VIEWS = {"cam1": (0, 140), "cam2": (15, 135), "cam3": (6, 114)}
"""View -> the take's frame at which it begins, and how many it has."""


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    return {name: view_video(folder / f"{name}.mp4", *of) for name, of in VIEWS.items()}


def write_set_m(folder, views, people=("P1", "P2"), offsets="stated"):
    """A take of three views for each person."""
    (folder / "m").mkdir()
    rows = []
    for person in people:
        for view, path in views.items():
            # a box that readers skip: no two recordings have the same bytes
            mark = b"\0\0\0\x0afree" + person.encode()
            (folder / f"m/{person}_{view}.mp4").write_bytes(path.read_bytes() + mark)
            offset = VIEWS[view][0] / 10 if offsets == "stated" and view != "cam1" else ""
            split = "val" if person == "P1" else "train"
            rows.append(f"{person}_{view}.mp4,fall,{person},1,{view},{split},{offset}")
    head = f"{HEAD},view,split,offset_seconds"
    (folder / "m/recordings.csv").write_text("\n".join([head, *rows]) + "\n")


SET_M = {"name": "M", "folder": "m", "layout": "views"}


def check_views_show_the_same(folder, rows):
    """Every clip shows all of the take's frames of its stretch, and so do the other views."""
    stretches = {}
    for row in rows.values():
        numbers = [n for _, n in frames_of(folder / "build" / row["file"])]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        stretches.setdefault((row["group"], row["take_seconds"]), []).append(numbers)
    for shown in stretches.values():
        assert len(shown) == 3 and shown[0] == shown[1] == shown[2]


def test_views_are_cut_to_their_common_time(tmp_path, views):
    write_set_m(tmp_path, views, ["P1"])
    rows = run(tmp_path, [SET_M])
    assert {row["status"] for row in rows.values()} == {"ok"} and len(rows) == 6
    check_views_show_the_same(tmp_path, rows)
    two = rows["Fall_P1_1_view2_000001.500_000006.800"]
    assert (two["method"], two["offset_seconds"], two["start_seconds"]) == ("table", 1.5, 0.0)
    assert rows["Fall_P1_1_view1_000001.500_000006.800"]["start_seconds"] == 1.5
    assert two["file"] == f"OccludeNet-M/Fall/Fall_view_val/{two['clip']}.mp4"
    assert {derived_group(clip) for clip in rows} == {two["group"]}
    _, records = read_csv(tmp_path / "build/OccludeNet-M/annotations/val_m.csv")
    assert len(records) == 6
    assert records[0] == MultiView("Fall", "Fall_P1_1_view1_000001.500_000006.800.mp4")


class Found:
    """What media.sync says of a view."""

    drift, confidence, method, reason = 0.0, 0.93, "sound", None

    def __init__(self, seconds, reason=None):
        self.seconds, self.reason = seconds, reason


@pytest.mark.slow
def test_offsets_that_are_not_sure_are_said(tmp_path, views, monkeypatch):
    write_set_m(tmp_path, views, offsets="measured")
    asked = []

    def measured(paths, reference, stated):
        asked.append((sorted(paths), reference))
        unsure = "P2" in str(paths["cam1"])
        return {
            "cam2": Found(1.5),
            "cam3": Found(None, "ambiguous: two fits") if unsure else Found(0.6),
        }

    monkeypatch.setattr(offsets, "measured_offsets", measured)
    rows = run(tmp_path, [SET_M])
    assert asked == [(["cam1", "cam2", "cam3"], "cam1")] * 2
    good = {clip: row for clip, row in rows.items() if row["status"] == "ok"}
    assert {row["subject"] for row in good.values()} == {"P1"} and len(good) == 6
    check_views_show_the_same(tmp_path, good)
    one = good["Fall_P1_1_view3_000001.500_000006.800"]
    assert (one["method"], one["confidence"], one["offset_seconds"]) == ("sound", 0.93, 0.6)
    bad = [row for row in rows.values() if row["status"] != "ok"]
    assert {row["reason"] for row in bad} == {"offset_unsure"} and len(bad) == 3
    assert all("cam3: ambiguous: two fits; state it" in row["detail"] for row in bad)
    # the user states the one that is not sure: only that take is asked about again, and cut
    before, table = made(tmp_path), tmp_path / "m/recordings.csv"
    line = "P2_cam3.mp4,fall,P2,1,cam3,train,"
    table.write_text(table.read_text().replace(line, f"{line}0.6"))
    rows = run(tmp_path, [SET_M])
    assert len(asked) == 3 and len(made(tmp_path)) == 12
    assert before.items() <= made(tmp_path).items()
    check_views_show_the_same(tmp_path, rows)
    stated = rows["Fall_P2_1_view3_000001.500_000006.800"]
    assert (stated["method"], stated["confidence"]) == ("table", None)


@pytest.mark.parametrize(
    ("lost", "stated", "expected"),
    [
        ((), {"b": 2}, {"a": 0, "b": 2, "c": 0.5}),
        ((), {"a": 10}, {"a": 10, "b": 10.5, "c": 10.5}),
        (("a",), {}, {"b": 0, "c": 0.5}),
        (("a",), {"c": 3}, {"b": 3.5, "c": 3}),  # c is on the clock of a, so b must be too
    ],
)
def test_offsets_are_on_one_clock_also_without_the_first_view(monkeypatch, lost, stated, expected):
    views = tuple(
        View(name, n, f"{name}.mp4", "", Fraction(stated[name]) if name in stated else None, ())
        for n, name in enumerate("abc")
    )
    take = Take("M", "t", "Walk", ("P1",), "1", "", None, views)
    facts = {
        ("t", name): FileFacts(Path(name), name, Fraction(9), 90, 8, 8)
        for name in "abc"
        if name not in lost
    }
    monkeypatch.setattr(
        offsets,
        "measured_offsets",
        lambda paths, reference, stated: dict.fromkeys(paths, Found(0.5)),
    )
    (job,) = offsets.offset_jobs([take], facts, "1")
    row = offsets.find_offsets(job).row
    assert dict(zip(row["views"], row["offsets"], strict=True)) == expected


@pytest.mark.slow
def test_a_lost_view_a_change_of_size_and_what_is_refused(tmp_path, views):
    write_set_m(tmp_path, views)
    (tmp_path / "m/P1_cam3.mp4").unlink()
    write_video(tmp_path / "m/P2_cam2.mp4", [np.full((48, 64, 3), 90, np.uint8)] * 135, 10)
    rows = run(tmp_path, [SET_M])
    of = {(row["subject"], row["view"]): row for row in rows.values()}
    assert of["P1", "cam3"]["reason"] == "missing"
    assert of["P1", "cam1"]["warnings"] == ["missing_view"]
    assert set(of["P2", "cam2"]["warnings"]) == {
        "blurred",
        "frozen",
        "no_sound",
        "other_resolution",
    }
    assert of["P2", "cam1"]["warnings"] == []
    rows = run(tmp_path, [SET_M], checks={"refuse": ["missing_view", "frozen"]})
    of = {(row["subject"], row["view"]): row for row in rows.values()}
    assert (of["P1", "cam1"]["status"], of["P1", "cam1"]["reason"]) == ("skipped", "missing_view")
    assert (of["P2", "cam2"]["status"], of["P2", "cam2"]["reason"]) == ("skipped", "frozen")
    assert "s without a change, wanted less than 1.5" in of["P2", "cam2"]["detail"]
    files = {row["file"] for row in rows.values() if row["status"] == "ok"}
    assert {
        str(p.relative_to(tmp_path / "build")) for p in (tmp_path / "build").rglob("*.mp4")
    } == files


def test_names_instead_of_a_table(tmp_path):
    names = ("walk/P1_1.mp4", "walk/Zoe\u0308_1.mp4", "high jump/Zo\u00eb_2.mp4", "other.mp4")
    for number, name in enumerate(names):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        long_video(tmp_path / "in" / name, frames=60 + number, sound=False)
    shutil.copyfile(tmp_path / "in/walk/P1_1.mp4", tmp_path / "in/walk/P3_1.mp4")
    latin = os.fsdecode(b"walk/P\xe9_1.mp4")
    (tmp_path / "in/other.mp4").rename(tmp_path / "in" / latin)
    (tmp_path / "in/other.mp4").touch()
    rows = run(tmp_path, [{**SET_I, "pattern": "{class}/{subject}_{take}.mp4"}])
    assert rows["I/other.mp4"]["reason"] == "misplaced" and rows["I/other.mp4"]["split"] is None
    assert rows["I/walk/P\\xe9_1.mp4"]["reason"] == "not_utf8"
    copy = rows["Walk_P3_1"]
    assert (copy["status"], copy["reason"]) == ("skipped", "duplicate")
    assert copy["detail"] == "same bytes as I/walk/P1_1.mp4", "they could be in two splits"
    good = {row["label"]: row for row in rows.values() if row["subject"] == "Zo\u00eb"}
    assert set(good) == {"Walk", "high jump"} and len(made(tmp_path)) == 3
    assert good["Walk"]["split"] == good["high jump"]["split"], "one person, however written"


def test_a_camera_that_stops_is_frozen_whether_it_repeats_a_picture_or_leaves_it_out():
    grey = [np.full((18, 32), level, np.uint8) for level in (0, 90, 90, 180)]
    for times, longest in (((0, 1, 2, 3), 2), ((0, 1, 2, 9), 8), ((0, 5, 6, 7), 5)):
        frozen = look._Frozen()
        for at, small in zip(times, grey, strict=True):
            frozen.add(at, small)
        assert frozen.longest == longest


@pytest.mark.parametrize("dataset", ["Recordings", "OccludeNet-S", "logs"])
def test_a_folder_of_the_build_is_no_folder_of_a_set(tmp_path, dataset):
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match=f"wanted a dataset of its own, {dataset} is the folder of"):
        run(tmp_path, [{**SET_I, "dataset": dataset}])


def test_no_set_and_an_empty_table(tmp_path):
    with pytest.raises(UserError, match=r"recordings\.sets: wanted a list of sets, got none"):
        run(tmp_path, [])
    (tmp_path / "in").mkdir()
    (tmp_path / "in/recordings.csv").write_text(f"{HEAD}\n")
    with pytest.raises(UserError, match="wanted a row per recording, got none"):
        run(tmp_path, [SET_I])


F = Fraction


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([(0, 10, [(0, None)])], [(0, 10)]),
        ([(0, 10, [(2, 4), (5, None)])], [(2, 4), (5, 10)]),
        ([(0, 10, [(0, None)]), (3, 10, [(0, None)])], [(3, 10)]),
        ([(0, 10, [(0, None)]), (-3, 10, [(0, None)])], [(0, 7)]),
        ([(0, 10, [(0, None)]), (10, 10, [(0, None)])], []),
        (
            [(0, 16, [(0, 8), (8, 16)]), (0, 16, [(0, F("8.1")), (F("8.1"), 16)])],
            [(0, 8), (F("8.1"), 16)],
        ),
        ([(0, 10, [(12, None)])], []),
    ],
)  # fmt: skip
def test_the_time_that_views_share(views, expected):
    seen = [
        Seen(ViewTime(F(offset)), F(length), tuple((F(a), b and F(b)) for a, b in parts))
        for offset, length, parts in views
    ]
    assert common_stretches(seen) == expected


def test_drift_is_followed():
    time = ViewTime(F(2), drift=1e-4)
    assert time.to_take(F(1000)) == F("1002.1") and time.to_view(F("1002.1")) == 1000


@pytest.mark.parametrize("limits", [(5, 10), (8, 10), (5, 5)])
def test_stretches_are_even_and_within_the_limits(limits):
    shortest, longest = map(F, limits)
    for tenths in range(30, 700):
        length = F(tenths, 10)
        found = even_stretches((F(3), 3 + length), shortest, longest)
        lengths = [end - start for start, end in found]
        assert bool(found) == (length >= shortest - F(1, 10))
        assert all(shortest - F(1, 10) <= one <= longest + F(1, 10) for one in lengths)
        assert len(set(lengths)) <= 1 and all(a[1] == b[0] for a, b in pairwise(found))
        assert not found or (found[0][0] >= 3 and found[-1][1] <= 3 + length)


def negative(frames):
    """A FrameChange that inverts the luma of every frame."""
    for pts, frame in frames:
        new, layout = new_frame(frame), layout_of(frame)
        for number, (mine, theirs) in enumerate(
            zip(plane_arrays(new, layout), plane_arrays(frame, layout), strict=True)
        ):
            mine[:] = 255 - theirs if number == 0 else theirs
        yield pts, new


def test_frames_may_be_changed_before_they_are_encoded(tmp_path):
    path = long_video(tmp_path / "long.mp4")
    encoding = Encoding("libx264", 18, "ultrafast", "avx2", keyframe_seconds=1)
    out = tmp_path / "cut.mp4"
    piece = cut_video(path, F(3), F(8), out, encoding, change=negative)
    assert piece.frames == 50 and piece.sound == "copied"
    with open_video(out) as source:
        shown = [number_of(255 - to_rgb(frame)) for frame in source]
    assert shown == list(range(30, 80))
