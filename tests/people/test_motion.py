"""The backend motion: cameras that move, people and what is none, and its refusals."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import walkers
from support.walkers import Walker, filmed, truth

from occludenet_build.config.people import Detect
from occludenet_build.core import tables
from occludenet_build.core.errors import REASONS
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.synth import write_video
from occludenet_build.people.detect import ROWS, command, inference
from occludenet_build.people.detectors.camera_motion import Reference, transformed
from occludenet_build.people.detectors.interface import IndexedClip
from occludenet_build.people.detectors.motion import survey
from occludenet_build.people.detectors.person_evidence import outline

SETTINGS = Detect(backend="motion")


def clip_of(path: Path, pictures: list[np.ndarray]) -> IndexedClip:
    write_video(path, pictures, Fraction(walkers.FPS))
    height, width = pictures[0].shape[:2]
    return IndexedClip(path.stem, str(path), width, height, len(pictures), walkers.FPS)


def detected(path: Path, pictures: list[np.ndarray]) -> tuple[dict, pd.DataFrame]:
    job = inference.DetectJob(clip_of(path, pictures), "k", SETTINGS, None)
    result = inference.detect_clip(job)
    detail = pd.DataFrame() if result.detail is None else result.detail.to_pandas()
    return result.row, detail


NEAR, FAR = Walker(), Walker(tall=60, speed=2.4)


@pytest.mark.parametrize(
    ("walker", "camera"),
    [
        (NEAR, walkers.still),
        (NEAR, walkers.shaky),
        (NEAR, walkers.panning),
        (NEAR, walkers.zooming),
        (FAR, walkers.shaky),
    ],
)
def test_a_walker_is_the_actor_whatever_the_camera_does(tmp_path, camera, walker):
    row, detail = detected(tmp_path / "a.mp4", filmed(walker, camera))
    assert (row["status"], row["reason"]) == ("ok", None), row["detail"]
    acting = detail[detail["actor"]]
    assert len(acting) >= 50
    found = acting[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)
    true = np.stack([truth(walker, camera, f) for f in acting["frame"]])
    overlap = np.diag(geometry.iou(found, true))
    assert (overlap > 0.5).mean() > 0.9 and overlap.mean() > 0.7


NO_PEOPLE = {
    "car": walkers.block(110, 45, 2.0),
    "cupboard": walkers.block(34, 80, 2.5),
    "ball": walkers.ball(16, 3.0),
    "dog": walkers.dog,
    "leaves": walkers.leaves,
    "left behind": walkers.left_behind,
}


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        *((name, walkers.still) for name in NO_PEOPLE),
        ("cupboard", walkers.shaky),
        ("dog", walkers.shaky),
    ],
)
def test_what_is_no_person_is_refused_with_a_reason(tmp_path, name, camera):
    row, detail = detected(tmp_path / "a.mp4", filmed(NO_PEOPLE[name], camera))
    assert (row["status"], row["reason"]) == ("skipped", "no_person_like_motion"), row["detail"]
    assert "may be no person" in row["detail"] and "detect.backend yolo" in row["detail"]
    assert detail.empty


@pytest.mark.parametrize("paint", [Walker(), walkers.nothing], ids=["walker", "nobody"])
def test_a_camera_that_shows_no_scene_is_refused(tmp_path, paint):
    row, _ = detected(tmp_path / "a.mp4", filmed(paint, walkers.whirling))
    assert (row["status"], row["reason"]) == ("skipped", "camera_moves"), row["detail"]
    assert "60 of 60 frames" in row["detail"]


def flickering(frame: int) -> float:
    return 1.0 + 0.3 * (frame % 3 - 1)


@pytest.mark.parametrize(
    ("camera", "light"),
    [
        (walkers.still, flickering),
        (walkers.shaky, flickering),
        (walkers.panning, lambda frame: 1.0),
    ],
)
def test_nobody_is_found_where_only_the_camera_or_the_light_moves(tmp_path, camera, light):
    row, _ = detected(tmp_path / "a.mp4", filmed(walkers.nothing, camera, light=light))
    assert row["status"] == "skipped" and row["reason"] in {"no_actor", *inference.REFUSALS}


def test_a_few_frames_show_no_scene(tmp_path):
    row, _ = detected(tmp_path / "a.mp4", filmed(Walker(speed=12), walkers.still, frames=6))
    assert row["reason"] == "no_person_like_motion" and "too few frames" in row["detail"]


def test_who_walks_counts_and_the_car_beside_them_does_not(tmp_path):
    car, walker = walkers.block(90, 30, 1.5), Walker(x=200, speed=-2.5, tall=80)

    def both(scene: np.ndarray, frame: int) -> None:
        moved = scene[:120].copy()  # the car drives in the upper part of the picture
        walker(scene, frame)
        car(moved := np.vstack([moved, scene[:40]]), frame)
        scene[:58] = moved[100:158]

    row, detail = detected(tmp_path / "a.mp4", filmed(both, walkers.still))
    assert row["status"] == "ok", row["detail"]
    found = detail[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)
    true = np.stack([truth(walker, walkers.still, f) for f in detail["frame"]])
    assert (np.diag(geometry.iou(found, true)) > 0.3).mean() > 0.9


def test_a_cut_ends_the_scene(tmp_path):
    other = [255 - p for p in filmed(Walker(x=200, speed=-3), walkers.still)]
    path = tmp_path / "a.mp4"
    clip = clip_of(path, [*filmed(Walker(), walkers.still), *other])
    cuts, parts = survey(clip)
    assert cuts == [60] and [(p.start, p.end) for p in parts] == [(0, 60), (60, 120)]
    row = inference.detect_clip(inference.DetectJob(clip, "k", SETTINGS, None)).row
    assert row["status"] == "ok" and row["actor_frames"] >= 110


@pytest.mark.parametrize("frame", [3, 20, 41])
def test_the_camera_s_motion_is_that_of_the_scene(frame):
    one, other = (filmed(Walker(), walkers.shaky, frame + 1)[k] for k in (0, frame))
    found = Reference(one.mean(axis=2).astype(np.uint8)).register(
        other.mean(axis=2).astype(np.uint8)
    )
    assert found is not None and found.holds
    points = np.array([[20.0, 20], [220, 20], [220, 140], [20, 140]])
    start, end = (np.vstack([walkers.shaky(f), [0, 0, 1]]) for f in (0, frame))
    true = (end @ np.linalg.inv(start))[:2]
    away = transformed(points, found.transform) - transformed(points, true)
    assert np.linalg.norm(away, axis=1).max() < 0.5


def test_nothing_is_said_of_a_camera_before_a_blank_wall():
    wall = np.full((160, 240), 128, np.uint8)
    assert Reference(wall).register(wall) is None


def test_an_outline_belongs_to_the_picture_that_shows_it():
    empty = np.full((40, 30), 90, np.uint8)
    body = empty.copy()
    body[8:32, 8:22] = 200
    mask = (body > 100).astype(np.uint8)
    assert outline(mask, body, empty) > 0.9 and outline(mask, empty, body) < 0.1


def test_the_log_says_what_to_do_about_refused_clips(caplog):
    rows = [
        {"clip": c, "reason": r, "status": "skipped"} for c, r in zip("abc", REFUSED, strict=True)
    ]
    table = tables.from_rows([*rows, {"clip": "d", "status": "ok"}], ROWS)
    with caplog.at_level(logging.INFO):
        command.log_refusals(table)
    assert "3 of 4 clips refused (2 camera_moves, 1 no_person_like_motion)" in caplog.text
    assert "detect.backend yolo" in caplog.text


REFUSED = ("camera_moves", "no_person_like_motion", "camera_moves")


def test_the_reasons_are_in_the_closed_list():
    assert set(inference.REFUSALS) <= set(REASONS)
