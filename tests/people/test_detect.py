"""The stage detect: its command line, its backends, its rows."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import REPO

from occludenet_build.config import load_part
from occludenet_build.config.backends import DETECTORS
from occludenet_build.config.people import Detect
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.synth import write_video
from occludenet_build.people.detect import BOXES, ROWS, inference
from occludenet_build.people.detect.command import make_jobs
from occludenet_build.people.detect.command import run as run_stage
from occludenet_build.people.detectors import boxfile
from occludenet_build.people.detectors.interface import IndexedClip
from occludenet_build.sources.index import SHARD

WIDTH, HEIGHT, FRAMES = 160, 120, 40
PERSON = (24, 60)


def background() -> np.ndarray:
    small = np.random.default_rng(3).integers(60, 200, (6, 8, 3)).astype(np.uint8)
    return np.kron(small, np.ones((20, 20, 1), np.uint8))


def truth(frame: int, still_frames: range = range(0)) -> tuple[int, int, int, int]:
    """A person who walks to the right, and stands still for a while."""
    x = 4 + 3 * (frame - sum(1 for s in still_frames if s <= frame))
    return x, 40, x + PERSON[0], 40 + PERSON[1]


def draw_person(picture: np.ndarray, box: tuple[int, int, int, int]) -> None:
    """A head, a red body, and two blue legs that part with every step; they fill the box."""
    x1, y1, x2, y2 = box
    picture[y1 : y1 + 12, x1 + 7 : x2 - 7] = (240, 200, 170)
    picture[y1 + 12 : y1 + 35, x1:x2] = (235, 30, 30)
    for leg in (x1 + abs(x1 % 24 - 12) // 2, x2 - 9 - abs(x1 % 24 - 12) // 2):
        picture[y1 + 35 : y2, leg : leg + 9] = (10, 10, 240)


def pictures(
    still_frames: range = range(0), people: int = 1, noise: float = 2.0
) -> list[np.ndarray]:
    random, made = np.random.default_rng(0), []
    for frame in range(FRAMES):
        picture = background().astype(np.float32)
        if people:
            draw_person(picture, truth(frame, still_frames))
        picture += random.normal(0, noise, picture.shape)
        made.append(picture.clip(0, 255).astype(np.uint8))
    return made


def row_of(path: Path, frames: int = FRAMES) -> dict:
    facts = {"clip": path.stem, "path": str(path), "sha256": sha256_file(path), "frames": frames}
    return facts | {"width": WIDTH, "height": HEIGHT, "fps": 20.0}


def clip_of(path: Path) -> IndexedClip:
    return IndexedClip(path.stem, str(path), WIDTH, HEIGHT, FRAMES, 20.0)


@pytest.fixture(scope="session")
def walker(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("detect") / "walker.mp4"
    write_video(path, pictures(), 20)
    return path


def detected(path: Path, settings: Detect) -> tuple[dict, pd.DataFrame]:
    result = inference.detect_clip(inference.DetectJob(clip_of(path), "k", settings, None))
    detail = pd.DataFrame() if result.detail is None else result.detail.to_pandas()
    return result.row, detail


def overlaps(detail: pd.DataFrame, still_frames: range = range(0)) -> np.ndarray:
    acting = detail[detail["actor"]].sort_values("frame")
    true = np.float32([truth(f, still_frames) for f in acting["frame"]])
    return np.diag(geometry.iou(true, acting[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)))


@pytest.mark.parametrize(
    "still_frames", [range(0), range(10, 18)], ids=["walks", "stands for a while"]
)
def test_motion_finds_who_moves(tmp_path, still_frames):
    write_video(tmp_path / "a.mp4", pictures(still_frames), 20)
    row, detail = detected(tmp_path / "a.mp4", Detect(backend="motion"))
    found = overlaps(detail, still_frames)
    assert row["status"] == "ok" and row["actor_frames"] >= 0.95 * FRAMES
    assert found.mean() > 0.8 and (found > 0.5).mean() > 0.95
    assert detail["score"].dropna().between(0, 1).all()


@pytest.mark.parametrize("noise", [0.0, 2.0, 8.0])
def test_motion_reports_nothing_where_nothing_moves(tmp_path, noise):
    write_video(tmp_path / "a.mp4", pictures(people=0, noise=noise), 20)
    row, detail = detected(tmp_path / "a.mp4", Detect(backend="motion"))
    assert (row["status"], row["reason"], len(detail)) == ("skipped", "no_actor", 0)


def test_rows_follow_their_schemas_and_order(walker):
    result = inference.detect_clip(
        inference.DetectJob(clip_of(walker), "k", Detect(backend="motion"), None)
    )
    tables.from_rows([result.row], ROWS)
    assert result.detail.schema.equals(BOXES)
    detail = result.detail.to_pandas()
    assert detail[["frame", "track"]].apply(tuple, axis=1).is_monotonic_increasing
    assert (detail[detail["actor"]].groupby("frame").size() == 1).all()
    assert result.row["boxes"] == len(detail)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"frames": FRAMES + 1}, "source_changed"),
        ({"width": WIDTH + 2}, "source_changed"),
        ({"path": "gone.mp4"}, "missing"),
    ],
)
def test_a_clip_that_does_not_fit_is_a_failed_row(walker, changes, reason):
    clip = dataclasses.replace(clip_of(walker), **changes)
    row = inference.detect_clip(inference.DetectJob(clip, "k", Detect(backend="motion"), None)).row
    assert (row["status"], row["reason"]) == ("failed", reason)


def write_boxes(path: Path, rows: list[dict]) -> Path:
    table = pd.DataFrame(rows)
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return path


def box_rows(gone: range = range(0), **more) -> list[dict]:
    return [
        {"clip": "walker", "frame": f, **dict(zip(("x1", "y1", "x2", "y2"), truth(f), strict=True))}
        | more
        for f in range(FRAMES)
        if f not in gone
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("more", [{}, {"score": 0.01}, {"score": 0.5, "track": 7}])
def test_a_box_file_is_kept_unchanged(tmp_path, walker, suffix, more):
    path = write_boxes(tmp_path / f"boxes{suffix}", box_rows(range(10, 15), **more))
    settings = Detect(backend="file", boxes=str(path))
    (job,) = make_jobs([row_of(walker)], settings)
    result = inference.detect_clip(job)
    detail = result.detail.to_pandas()
    assert (result.row["actor_frames"], result.row["filled_frames"]) == (FRAMES, 5)
    assert detail["frame"][detail["filled"]].tolist() == list(range(10, 15))
    assert detail["score"][detail["filled"]].isna().all()
    assert result.row["actor_track"] == more.get("track", 0)
    assert np.allclose(overlaps(detail), 1, atol=1e-5)


def test_a_clip_without_boxes_has_no_actor(tmp_path, walker):
    path = write_boxes(tmp_path / "b.csv", [r | {"clip": "other"} for r in box_rows()])
    (job,) = make_jobs([row_of(walker)], Detect(backend="file", boxes=str(path)))
    assert inference.detect_clip(job).row["reason"] == "no_actor"


@pytest.mark.parametrize(
    "name", ["walker.mp4", "WALKER.MP4", "videos/run/walker.mkv", "D:\\run\\walker.avi", " walker"]
)
def test_a_clip_named_as_a_file(tmp_path, walker, name):
    boxes = write_boxes(tmp_path / "b.csv", [row | {"clip": name} for row in box_rows()])
    (job,) = make_jobs([row_of(walker)], Detect(backend="file", boxes=str(boxes)))
    assert inference.detect_clip(job).row["actor_frames"] == FRAMES


@pytest.mark.parametrize("names", [["walker", "x/walker.mp4"], ["a/walker.mp4", "b/walker.mp4"]])
def test_two_names_of_one_clip_are_one_line(tmp_path, names):
    path = write_boxes(tmp_path / "b.csv", [GOOD | {"clip": name} for name in names])
    with pytest.raises(UserError, match="wanted one name for the clip 'walker'"):
        boxfile.read_boxes(path, CLIPS)


def test_clips_of_equal_file_names_are_told_by_their_folder():
    clips = {
        "a-1f": "/v/run/a.mp4",
        "a-2f": "/v/walk/a.mp4",
        "a.b": "/v/a.b.mp4",
        "c.mp4": "/v/c.mp4.avi",
    }
    names = ["walk/a.mp4", "/elsewhere/run/a.mp4", "a.mp4", "a-2f.mp4", "a.b", "c.mp4", "c.mp4.avi"]
    assert boxfile.match_names(names, clips) == {
        "walk/a.mp4": "a-2f", "/elsewhere/run/a.mp4": "a-1f", "a-2f.mp4": "a-2f", "a.b": "a.b",
        "c.mp4": "c.mp4", "c.mp4.avi": "c.mp4",
    }  # fmt: skip


def run_detect(tmp_path, row: dict, boxes: Path, others: tuple[str, ...] = ()) -> None:
    shards = tmp_path / "shards"
    for number, clip in enumerate([row["clip"], *others]):
        table = tables.from_rows([row | {"clip": clip}], SHARD)
        tables.write_table(table, shards / f"{number:03d}.parquet")
    args = argparse.Namespace(
        videos=shards / "000.parquet", out=tmp_path / "detect/000.parquet", weights=None, threads=1
    )
    run_stage(args, load_part({"detect": {"backend": "file", "boxes": str(boxes)}}))


def test_no_row_names_a_clip_is_one_line(tmp_path, walker):
    boxes = write_boxes(tmp_path / "b.csv", [row | {"clip": "vid_1"} for row in box_rows()])
    with pytest.raises(UserError, match=r"no row names a clip: .*'walker', got 'vid_1'") as error:
        run_detect(tmp_path, row_of(walker), boxes)
    assert str(boxes) in str(error.value) and "\n" not in str(error.value)


def test_a_shard_without_boxes_is_said(tmp_path, walker, caplog):
    boxes = write_boxes(tmp_path / "b.csv", [row | {"clip": "other.mp4"} for row in box_rows()])
    run_detect(tmp_path, row_of(walker), boxes, others=("other",))
    (row,) = tables.read_rows(tmp_path / "detect/000.parquet")
    assert row["reason"] == "no_actor"
    assert "names 0 of 1 clips" in caplog.text


CLIPS = {"walker": (WIDTH, HEIGHT, FRAMES)}
GOOD = {"clip": "walker", "frame": 3, "x1": 1.0, "y1": 2.0, "x2": 30.0, "y2": 40.0}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"clip": "walker", "frame": 3, "x1": 1}], "lacks y1, x2, y2"),
        ([GOOD | {"x1": float("nan")}], "as x1"),
        ([GOOD | {"x2": "wide"}], "as x2, got 'wide'"),
        ([GOOD | {"frame": 2.5}], "as frame"),
        ([GOOD | {"frame": FRAMES}], "frames 0 to 39, got a box in frame 40"),
        ([GOOD | {"frame": -1}], "got a box in frame -1"),
        ([GOOD | {"x2": 0.5}], "inside 160x120"),
        ([GOOD | {"x1": 500.0, "x2": 600.0}], "inside 160x120"),
        ([GOOD | {"score": 3.0}], "from 0 to 1 as score"),
        ([GOOD | {"track": 1}, GOOD | {"track": 1, "x1": 0.0}], "track 1 has two boxes"),
        ([GOOD | {"track": 3e9}], "as track"),
    ],
)
def test_a_wrong_box_file_is_one_line(tmp_path, rows, said):
    path = write_boxes(tmp_path / "boxes.csv", rows)
    with pytest.raises(UserError, match=said) as error:
        boxfile.read_boxes(path, CLIPS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("b.txt", b"", "wanted a .csv or .parquet"),
        ("b.csv", b"", "cannot be read"),
        ("b.parquet", b"PAR1 no", "cannot be read"),
        ("none.csv", None, "is missing"),
    ],
)
def test_an_unreadable_box_file_is_one_line(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        boxfile.read_boxes(tmp_path / name, CLIPS)


def keys(settings: Detect, row: dict) -> str:
    (job,) = make_jobs([row], settings)
    return job.key


def other(settings: Detect, name: str) -> object:
    """Another value of a setting."""
    named = {"half": False, "torchvision_model": "fcos_resnet50_fpn"}
    value = getattr(settings, name)
    return named[name] if name in named else type(value)(value * 2)


def test_the_key_covers_what_matters_and_no_more(tmp_path, walker):
    boxes = write_boxes(tmp_path / "b.csv", box_rows())
    for backend, facts in DETECTORS.items():
        weights = write_boxes(tmp_path / "w.csv", box_rows())  # any bytes: nothing is loaded
        base = Detect(backend=backend, weights=str(weights), boxes=str(boxes))
        key = keys(base, row_of(walker))
        same = dataclasses.replace(base, device="cuda:3", batch=1, decode_threads=5)
        assert keys(same, row_of(walker)) == key
        assert keys(base, row_of(walker) | {"sha256": "other"}) != key
        assert keys(dataclasses.replace(base, actor="central"), row_of(walker)) != key
        for name in facts.matters:
            changed = dataclasses.replace(base, **{name: other(base, name)})
            assert keys(changed, row_of(walker)) != key
    base = dataclasses.replace(base, backend="file")
    more = write_boxes(tmp_path / "c.csv", box_rows(range(1)))
    changed = keys(dataclasses.replace(base, boxes=str(more)), row_of(walker))
    assert changed != keys(base, row_of(walker))


def run(folder: Path, settings: dict, *more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "occludenet_build", "detect"]
    command += [
        "--videos",
        str(folder / "index.parquet"),
        "--out",
        str(folder / "detect/000.parquet"),
    ]
    command += ["--settings", json.dumps({"seed": 0, "detect": settings}), *more]
    environment = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_command_line(tmp_path, walker):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    rows = [row_of(walker), row_of(broken)]
    tables.write_table(pa.Table.from_pylist(rows), tmp_path / "index.parquet")
    done = run(tmp_path, {"backend": "motion"}, "--threads", "2")
    assert done.returncode == 0, done.stderr
    first, second = tables.read_rows(tmp_path / "detect/000.parquet")
    assert (first["clip"], first["status"]) == ("walker", "ok")
    assert (second["status"], second["reason"]) == ("failed", "not_a_video")
    detail = tables.read_table(tmp_path / "detect/store/000/detail.parquet")
    assert detail.schema.equals(BOXES) and len(detail) == first["boxes"]
    manifest = (tmp_path / "detect/000.parquet").read_bytes()
    again = run(tmp_path, {"backend": "motion", "batch": 3})
    assert "2 finished before, 0 to do" in again.stderr
    assert (tmp_path / "detect/000.parquet").read_bytes() == manifest


def test_a_user_error_is_one_line_and_exit_2(tmp_path, walker):
    tables.write_table(pa.Table.from_pylist([row_of(walker)]), tmp_path / "index.parquet")
    done = run(tmp_path, {"backend": "yolo"}, "--weights", "yolov5nu.pt")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "yolov5nu.pt" in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backend": "yolo"}, "wanted a weights file"),
        ({"backend": "yolo", "weights": "yolov5nu.pt"}, "yolov5nu.pt"),
        ({"backend": "file"}, "detect.boxes: wanted a file"),
        ({"backend": "file", "boxes": "none.csv"}, "none.csv is missing"),
    ],
)
def test_a_missing_setting_is_an_error_before_any_work(walker, changes, said):
    with pytest.raises(UserError, match=said):
        list(make_jobs([row_of(walker)], Detect(**changes)))
