"""Drawn recordings for I and M against what is known of them, and what is written of them."""

from __future__ import annotations

import csv
import hashlib
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from demo.world.motions import CLASSES_I, CLASSES_M, MOTIONS
from demo.world.rig import COLUMNS, Rig, draw_recordings, recordings, take_of
from demo.world.take import Take
from occludenet_build.media.imaging import masks

SMALL = Rig(
    subjects=1, classes_i=("Walk",), classes_m=("Armed",), seconds=1.0, width=96, height=64,
    rates=(Fraction(8), Fraction(10), Fraction(12)),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    drawn = tmp_path_factory.mktemp("rig")
    for file in draw_recordings(drawn, SMALL, workers=1):
        assert (drawn / "recordings" / file.kind / f"{file.name}.mp4").is_file()
    return drawn


def table(path: Path) -> list[dict[str, str]]:
    with open(path) as stream:
        return list(csv.DictReader(stream))


def test_the_tables_name_every_recording(folder):
    rows = table(folder / "recordings" / "M" / "recordings.csv")
    assert list(rows[0]) == list(COLUMNS)
    lights = [row["camera"].rpartition("-")[2] for row in rows]
    assert lights == ["rgb1", "rgb2", "nir"]
    assert all(any((folder / "furniture" / row["camera"]).glob("*.png")) for row in rows)
    assert {row["class"] for row in rows} == {"Armed"} and len({row["take"] for row in rows}) == 1
    offsets = table(folder / "truth" / "offsets.csv")
    assert {row["file"] for row in offsets if row["set"] == "M"} == {row["file"] for row in rows}
    assert all(float(row["seconds"]) == 0 for row in offsets if row["view"] == "view1")


def test_recordings_have_their_rates_and_the_last_is_grey(folder):
    for row in table(folder / "truth" / "offsets.csv"):
        with av.open(str(folder / "recordings" / row["set"] / row["file"])) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            assert len(frames) == int(row["frames"])
            assert container.streams.video[0].average_rate == Fraction(row["fps"])
            assert container.streams.audio[0].rate == int(row["sound_rate"])
            channels = container.streams.audio[0].layout.nb_channels
        assert channels == (2 if row["view"] == "view2" else 1)
        colourful = np.ptp(frames[0].astype(int), axis=2).mean()
        assert colourful < 4 if (row["set"], row["view"]) == ("M", "view3") else colourful > 4


def test_what_hides_whom_agrees_with_the_masks(folder):
    for path in sorted((folder / "truth").rglob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            size = row["height"], row["width"]
            seen, whole = (masks.decode(row[name], *size) for name in ("visible", "whole"))
            assert not (seen & ~whole).any()
            if row["hidden"] is None:
                assert not whole.any()
                continue
            assert row["hidden"] == pytest.approx(1 - seen.sum() / whole.sum(), abs=1e-6)
            assert sum(row["hidden_by_share"]) == pytest.approx(row["hidden"], abs=1e-6)
            assert row["person"] not in row["hidden_by"]
            x, y = row["joints"][:2]  # the hips
            inside = masks.box_of(whole)
            assert inside is not None
            assert inside[0] - 2 <= x <= inside[2] + 2 and inside[1] - 2 <= y <= inside[3] + 2


def test_the_same_rig_draws_the_same_files(folder, tmp_path):
    draw_recordings(tmp_path, Rig(**{**vars(SMALL), "classes_m": ()}), workers=1)
    for path in sorted(tmp_path.rglob("I/*.*")):
        other = folder / path.relative_to(tmp_path)
        digests = [hashlib.md5(file.read_bytes()).hexdigest() for file in (path, other)]
        assert digests[0] == digests[1], path


def test_classes_are_those_of_the_release():
    assert len(CLASSES_I) == 7 and len(CLASSES_M) == 12
    assert set(CLASSES_I) | set(CLASSES_M) == set(MOTIONS)


@pytest.mark.slow
def test_takes_have_real_occlusion():
    """In most views the actor is hidden by a tenth at some time."""
    rig = Rig(subjects=1, classes_i=(), classes_m=CLASSES_M[:4], width=64, height=48)
    found = {}
    for file in recordings(rig):
        take, view = take_of(rig, file)
        frames = islice(take.frames(view), 0, None, 20)
        shares = []
        for frame in frames:
            whole = frame.whole["actor"]
            top = frame.top == frame.names.index("actor")
            shares.append(1 - (whole & top).sum() / whole.sum())
        found[file.name] = max(shares)
    assert np.mean([share > 0.1 for share in found.values()]) > 0.7, found


def test_all_cameras_see_the_same_moment():
    """A joint lies on the rays of all three cameras."""
    take = Take(0, "Walk", "p01", "M-t01", width=96, height=64, seconds=2.0)
    point = take.people[0].joints(3.0)[0]["crown"]
    for camera in take.cameras:
        (pixel,), (depth,) = camera.project(point[None])
        ray = np.array([pixel[0] - 48, pixel[1] - 32, camera.focal]) / camera.focal @ camera.axes
        assert np.allclose(camera.place + ray * depth, point, atol=1e-9)
