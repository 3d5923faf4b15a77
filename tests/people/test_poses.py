"""The stage poses: joints and their order, whose they are, the user's files, the table, the gap."""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentParser
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import FRAMES, HEIGHT, WIDTH, SmallBuild

from demo.world.clips import render
from demo.world.joints import clip_joints
from demo.world.plan import Settings, plan
from occludenet_build.config import load_part
from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.poses import ClipPoses, read_poses
from occludenet_build.media.imaging import skeletons
from occludenet_build.people import poses
from occludenet_build.people.posers import posefile
from occludenet_build.people.posers.matching import matched, people_of
from occludenet_build.people.poses import summary
from occludenet_build.people.poses.command import add_arguments, run
from occludenet_build.release.terms import CLEAN

JOINT = {name: number for number, name in enumerate(skeletons.JOINTS)}


# the joints


def test_every_keypoint_of_coco_goes_to_the_joint_of_its_name():
    points = np.zeros((2, 17, 3), np.float32)
    points[..., 0] = np.arange(1, 18) + 100 * np.arange(2)[:, None]
    points[..., 1], points[..., 2] = 7, 0.5
    joints = skeletons.from_coco(points)
    for number, name in enumerate(skeletons.COCO):
        assert (joints[:, JOINT[name]] == points[:, number]).all(), name
    # "Pose Output Format (COCO)" of OpenPose's documentation
    assert [JOINT[name] for name in ("nose", "neck", "right_wrist", "left_shoulder")] == [
        0,
        1,
        4,
        5,
    ]
    assert [JOINT[name] for name in ("left_ankle", "right_eye", "left_ear")] == [13, 14, 17]


@pytest.mark.parametrize(
    ("left", "right", "neck"),
    [
        ((30, 40, 0.75), (10, 42, 0.5), (20, 41, 0.5)),
        ((30, 40, 0.75), (0, 0, 0), (0, 0, 0)),
        ((30, 40, 0.25), (10, 20, 0.25), (20, 30, 0.25)),
    ],
)
def test_the_neck_is_between_the_shoulders_and_as_sure_as_the_weaker_one(left, right, neck):
    joints = np.zeros((1, 18, 3), np.float32)
    joints[0, JOINT["left_shoulder"]], joints[0, JOINT["right_shoulder"]] = left, right
    assert skeletons.with_neck(joints)[0, JOINT["neck"]].tolist() == list(neck)


def test_drawn_joints_lie_on_the_figure():
    world = Settings(train=1, val=0, test=0, seconds=1.0)
    for clip in plan(world):
        _, masks = render(world, clip)
        for mask, joints in zip(masks, clip_joints(world, clip), strict=True):
            near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            at = np.floor(joints[joints[:, 2] > 0, :2]).astype(int)
            assert near[at[:, 1], at[:, 0]].all(), clip
            seen = {name for name, number in JOINT.items() if joints[number, 2] > 0}
            assert len(seen) == (16 if clip.label == "marching" else 18)
            hips, ankles = joints[[JOINT["left_hip"], JOINT["right_hip"]]], joints[[10, 13]]
            assert joints[JOINT["nose"], 1] < joints[JOINT["neck"], 1] < hips[:, 1].min()
            assert ankles[:, 1].max() > hips[:, 1].max()
            if clip.label != "marching":  # who faces the viewer has their right at the left
                assert joints[JOINT["right_shoulder"], 0] < joints[JOINT["left_shoulder"], 0]


# whose a pose is

ADULT, CHILD, FAR = [0, 0, 20, 40], [5, 20, 15, 40], [60, 0, 80, 40]


@pytest.mark.parametrize(
    ("found", "tracks", "pairs"),
    [
        ([ADULT, FAR], [FAR, ADULT], [(0, 1), (1, 0)]),
        ([CHILD, ADULT], [ADULT, CHILD], [(0, 1), (1, 0)]),
        ([CHILD], [ADULT, CHILD], [(0, 1)]),
        ([[2, 0, 18, 16]], [ADULT], [(0, 0)]),  # only the upper half was found
        ([[8, 10, 11, 14]], [ADULT], []),  # somebody far behind
        ([FAR], [ADULT], []),
        ([ADULT, [1, 1, 21, 41]], [ADULT], [(0, 0)]),
        ([], [ADULT], []),
        ([ADULT], [], []),
        ([[0, 0, 0, 0]], [ADULT], []),
    ],
)
def test_poses_are_assigned_to_tracks_by_their_boxes(found, tracks, pairs):
    boxes = (np.array(b, np.float32).reshape(-1, 4) for b in (found, tracks))
    assert matched(*boxes) == pairs


_BOX = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2).map(
    lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_BOX, max_size=5, unique_by=tuple), st.randoms(use_true_random=False))
def test_poses_in_the_places_of_the_tracks_are_theirs_in_any_order(boxes, random):
    order = list(range(len(boxes)))
    random.shuffle(order)
    tracks = np.array(boxes, np.float32).reshape(-1, 4)
    assert matched(tracks[order], tracks) == list(enumerate(order))


def test_members_of_a_group_are_actors_and_its_own_box_is_nobodys():
    at = {"frames": [0, 0, 0, 0], "tracks": [1, 2, 9, 3], "actor": [0, 0, 1, 0]}
    xyxy = np.array([ADULT, FAR, [0, 0, 80, 40], [200, 0, 220, 40]], np.float32)
    none = np.zeros(4)
    boxes = ClipBoxes(
        np.int32(at["frames"]), xyxy, np.int32(at["tracks"]), np.int32(none),
        np.bool_(at["actor"]), np.bool_(none),
    )  # fmt: skip
    people = people_of(boxes)
    assert people.tracks.tolist() == [1, 2, 3]
    assert people.is_actor.tolist() == [True, True, False]


# the user's files

SOURCES = {"abcdefghijk_000001_000011": posefile.PosedSource("/v/a.mp4", 200, 100, 4)}
(CLIP,) = SOURCES


def person(x: float, y: float, score: float = 0.5) -> np.ndarray:
    """A standing person of 16 x 32 px at (x, y), all joints found with one score."""
    across = {"right": 0.2, "left": 0.8}
    down = {"nose": 0.1, "eye": 0.05, "ear": 0.06, "shoulder": 0.25, "elbow": 0.4}
    down |= {"wrist": 0.55, "hip": 0.5, "knee": 0.75, "ankle": 0.98}
    joints = np.zeros((18, 3), np.float32)
    for name, number in JOINT.items():
        side, _, part = name.rpartition("_")
        if name != "neck":
            joints[number] = (x + 16 * across.get(side, 0.5), y + 32 * down[part], score)
    return skeletons.with_neck(joints[None])[0]


PEOPLE = [(0, person(20, 10)), (0, person(120, 10)), (3, person(24, 12, 0.25))]


def as_json(people=PEOPLE, first=0) -> dict:
    frames: dict[int, list] = {0: [], 1: [], 3: []}
    for frame, joints in people:
        pose = (joints[:, :2] / (200, 100)).ravel().tolist()
        frames[frame].append({"pose": pose, "score": joints[:, 2].tolist()})
    data = [{"frame_index": n + first, "skeleton": some} for n, some in frames.items()]
    return {"data": data, "label": "x", "label_index": 3}


def as_columns(without: str = "") -> pd.DataFrame:
    rows = []
    for frame, joints in PEOPLE:
        row = {"clip": "v/a.mp4", "frame": frame}
        for name, number in JOINT.items():
            if name != without:
                row |= dict(
                    zip([f"{name}_{a}" for a in ("x", "y", "score")], joints[number], strict=True)
                )
        rows.append(row)
    return pd.DataFrame(rows)


def as_lists() -> pa.Table:
    lists = {a: [j[:, n].tolist() for _, j in PEOPLE] for n, a in enumerate(("x", "y", "score"))}
    return pa.table({"clip": [CLIP] * 3, "frame": [f for f, _ in PEOPLE]} | lists)


def write(folder: Path, kind: str) -> Path:
    if kind in ("json", "video id"):
        name = CLIP if kind == "json" else CLIP[:11]
        (folder / "kinetics_val").mkdir()
        (folder / f"kinetics_val/{name}.json").write_text(json.dumps(as_json()))
        (folder / "kinetics_val_label.json").write_text('{"x": {"has_skeleton": true}}')
        return folder
    path = folder / ("p.parquet" if kind == "lists" else "p.csv")
    if kind == "lists":
        pq.write_table(as_lists(), path)
    else:
        as_columns("neck" if kind == "no neck" else "").to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["json", "video id", "lists", "columns", "no neck"])
def test_a_users_poses_are_the_same_in_every_format(tmp_path, kind):
    given = posefile.read_given(write(tmp_path, kind), SOURCES)[CLIP][CLEAN]
    assert given.frames.tolist() == [0, 0, 3]
    assert np.abs(given.joints - np.stack([j for _, j in PEOPLE])).max() < 1e-3
    assert given.joints.dtype == np.float32


def test_folders_named_as_sets_hold_poses_of_these_sets(tmp_path):
    for name in ("clean", "D-25", "D-12.5"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{CLIP}.json").write_text(json.dumps(as_json(first=1)))
    given = posefile.read_given(tmp_path, SOURCES, first_frame=1)[CLIP]
    assert sorted(given) == ["D-12.5", "D-25", "clean"]
    assert given["D-25"].frames.tolist() == [0, 0, 3]


@pytest.mark.parametrize(
    ("content", "reason", "says"),
    [
        ("{", "not_json", "Expecting"),
        ("{}", "bad_poses", "data"),
        (json.dumps(as_json(first=1)), "bad_poses", "poses.first_frame"),
        ("[" * 100_000, "not_json", "recursion"),
        *(
            (f'{{"data": [{{"frame_index": {number}, "skeleton": [{{}}]}}]}}', "bad_poses", says)
            for number, says in (("1e999", "Overflow"), ("0.5", "whole number"), ("null", "Type"))
        ),
        (json.dumps({"data": [{"frame_index": 0, "skeleton": [{"pose": [1], "score": []}]}]}),
         "bad_poses", "reshape"),
        (json.dumps({"data": [{"frame_index": 0, "skeleton": [
            {"pose": [150.0] * 36, "score": [1] * 18}]}]}), "bad_poses", "from 0 to 1"),
    ],
)  # fmt: skip
def test_a_bad_json_file_is_an_error_of_its_clip(tmp_path, content, reason, says):
    (tmp_path / f"{CLIP}.json").write_text(content)
    problem = posefile.read_given(tmp_path, SOURCES)[CLIP]
    assert isinstance(problem, ItemError) and problem.reason == reason and says in problem.detail


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="frame"), "lacks frame"),
        (lambda t: t.drop(columns="left_knee_y"), "lacks left_knee_y"),
        (lambda t: t.assign(frame=[0, 0, 4]), "frames 0 to 3, got a pose in frame 4"),
        (lambda t: t.assign(frame=[0, 0.5, 1]), "frame 0.5: wanted a whole number"),
        (lambda t: t.assign(set=["clean", None, "d-25"]), "wanted clean or a set .* got 'd-25'"),
        (lambda t: t.assign(nose_score=[0.5, 2, 1]), "a score from 0 to 1"),
        (lambda t: t.assign(nose_x=[1, None, 1]), "wanted x and y in pixels"),
    ],
)
def test_a_bad_table_stops_with_one_line(tmp_path, change, says):
    change(as_columns()).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(UserError, match=says):
        posefile.read_given(tmp_path / "p.csv", SOURCES)


def test_files_of_no_clip_of_two_and_of_another_kind(tmp_path, caplog):
    (tmp_path / "other.json").write_text(json.dumps(as_json()))
    assert posefile.read_given(tmp_path, SOURCES) == {}, "they may be of another shard"
    assert "got other.json" in caplog.text
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{CLIP}.json").write_text(json.dumps(as_json()))
    problem = posefile.read_given(tmp_path, SOURCES)[CLIP]
    assert problem.reason == "bad_poses" and "wanted one file for clean, got two" in problem.detail
    with pytest.raises(UserError, match="folder of JSON files"):
        posefile.read_given(tmp_path / "other.txt", SOURCES)


# the stage on a build of a few clips (support.build: the actor is 16 x 32 px at 4 * frame, 8)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("small")
    SmallBuild(root).write()
    return root


def given_table(path: Path, name: str, frames, moved: float = 0.0, extra: bool = False) -> None:
    """Poses of the actor of water-1 in some frames of a set, and of somebody whom detect lacks."""
    rows = [(frame, person(4 * frame + moved, 8)) for frame in frames]
    rows += [(3, person(45, 8))] if extra else []
    lists = {a: [j[:, n].tolist() for _, j in rows] for n, a in enumerate(("x", "y", "score"))}
    named = {"clip": ["water-1"] * len(rows), "set": [name] * len(rows)}
    added = pa.table(named | {"frame": [f for f, _ in rows]} | lists)
    parts = [pq.read_table(path)] if path.exists() else []
    pq.write_table(pa.concat_tables([*parts, added]), path)


def find(root: Path, out: Path, **settings) -> list[dict]:
    words = ["find", "--clips", root / "select/clips.parquet", "--boxes", root / "detect/store"]
    words += ["--composite", root / "composite/000.parquet", "--root", root]
    _run([*words, "--out", out / "000.parquet"], settings)
    return tables.read_rows(out / "000.parquet")


def _run(words, settings) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args([str(word) for word in words]), load_part({"poses": settings}))


def test_the_table_says_who_was_found_where(small, tmp_path):
    file = tmp_path / "given.parquet"
    given_table(file, CLEAN, range(2, 10), extra=True)
    given_table(file, "D-75", [2, 3], moved=1)
    rows = {r["clip"]: r for r in find(small, tmp_path, backend="file", file=str(file))}
    assert {r["reason"] for c, r in rows.items() if c != "water-1"} == {"no_poses"}
    row = rows["water-1"]
    assert row["status"] == "ok" and row["sets"] == [CLEAN, "D-75"]
    assert (row["actor_rows"], row["actor_found"], row["no_track"]) == (8, [8, 2], [1, 0])
    detail = pq.read_table(tmp_path / "store/000/detail.parquet")
    assert detail.schema.equals(poses.DETAIL)
    states = detail.to_pandas().groupby(["set", "state"]).size().to_dict()
    assert states == {
        (CLEAN, "found"): 8, (CLEAN, "no_track"): 1, ("D-75", "found"): 2, ("D-75", "not_found"): 6,
    }  # fmt: skip

    clean = read_poses(tmp_path / "000.parquet", "water-1", CLEAN)
    assert clean.frames.tolist() == [2, 3, 3, 4, 5, 6, 7, 8, 9]
    assert clean.tracks.tolist() == [0, 0, -1, 0, 0, 0, 0, 0, 0]
    assert np.allclose(clean.actor.joints[1], person(12, 8))
    occluded = read_poses(tmp_path / "000.parquet", "water-1", "D-75")
    assert occluded.is_found.tolist() == [True, True] + [False] * 6
    assert not occluded.joints[2:].any() and len(occluded.found) == 2
    # the square of 12 px covers the middle of the actor: x + 2 to x + 14, y 18 to 30
    under = {name for name, number in JOINT.items() if occluded.is_under[4, number]}
    assert under == {f"{s}_{p}" for s in ("left", "right") for p in ("elbow", "wrist", "hip")}
    assert not clean.is_under.any()
    assert len(read_poses(tmp_path / "000.parquet", "water-1", "D-25")) == 0


def test_the_gap_is_counted_under_the_occluder_and_beside_it(small, tmp_path):
    file = tmp_path / "given.parquet"
    given_table(file, CLEAN, range(2, 10))
    given_table(file, "D-75", range(2, 6), moved=4)
    given_table(file, "D-25", range(2, 10))
    find(small, tmp_path / "poses", backend="file", file=str(file))
    words = ["summary", "--poses", tmp_path / "poses", "--shards", 1, "--root", small]
    words += ["--composite", small / "composite", "--out", tmp_path / "summary.csv"]
    _run(words, {"joint_score": 0.5})
    found = pd.read_csv(tmp_path / "summary.csv")
    assert list(found.columns) == list(poses.SUMMARY)
    whole = found[found["joint"] == "all"].set_index(["set", "place"])
    assert whole.loc[CLEAN, "all"][["joints", "found"]].tolist() == [8 * 18, 8 * 18]
    assert whole.loc[("D-25", "all"), "gap"] == 0
    half = whole.loc["D-75"]
    assert half["joints"].to_dict() == {"all": 144, "under": 8 * 6, "beside": 8 * 12}
    assert half["found"].to_dict() == {"all": 72, "under": 4 * 6, "beside": 4 * 12}
    assert half["gap"].tolist() == [0.5, 0.5, 0.5] and half["moved"].tolist() == [1, 1, 1]
    knee = found[(found["set"] == "D-75") & (found["joint"] == "left_knee")].set_index("place")
    assert knee["joints"].to_dict() == {"all": 8, "under": 0, "beside": 8}
    assert list(found["set"].unique()) == [CLEAN, "D-25", "D-75"]


def test_below_the_least_score_a_joint_is_not_found():
    joints = np.stack([person(0, 0, 0.25), person(0, 0, 0.5)])
    rows = ClipPoses(
        np.int32([0, 1]), np.int32([0, 0]), np.ones(2, bool), np.ones(2, bool), joints,
        np.zeros((2, 18), bool),
    )  # fmt: skip
    counts: dict = {(CLEAN, "all"): summary.Counts()}
    summary._count_clip(counts, {CLEAN: rows}, 0.5)
    assert counts[CLEAN, "all"].found.tolist() == [1] * 18


def test_drawn_figures_lose_the_joints_under_the_occluder(small, tmp_path):
    file = tmp_path / "joints.parquet"
    given_table(file, CLEAN, range(2, 10))
    find(small, tmp_path, backend="miniworld", file=str(file))
    for name, hidden in (("D-25", 0), ("D-50", 0), ("D-75", 6)):
        rows = read_poses(tmp_path / "000.parquet", "water-1", name)
        lost = rows.joints[..., 2] == 0
        assert (lost == rows.is_under).all() and lost.sum() == 8 * hidden, name
        assert not rows.joints[lost].any()


def test_only_what_changed_is_found_again(small, tmp_path, caplog):
    file, settings = tmp_path / "given.parquet", {"backend": "file"}
    given_table(file, CLEAN, range(2, 10))
    caplog.set_level("INFO")
    first = find(small, tmp_path, file=str(file), **settings)
    before = (tmp_path / "store/000/detail.parquet").read_bytes()
    shutil.copy(file, tmp_path / "same.parquet")
    assert find(small, tmp_path, file=str(tmp_path / "same.parquet"), **settings) == first
    assert f"{len(first)} finished before, 0 to do" in caplog.text
    assert (tmp_path / "store/000/detail.parquet").read_bytes() == before
    given_table(file, "D-25", range(2, 10))
    find(small, tmp_path, file=str(file), **settings)
    assert f"{len(first) - 1} finished before, 1 to do" in caplog.text


def test_what_is_missing_is_said_in_one_line(small, tmp_path):
    with pytest.raises(UserError, match=r"poses\.file: wanted a file for poses\.backend file"):
        find(small, tmp_path, backend="file")
    with pytest.raises(UserError, match="--poses"):
        _run(["summary", "--root", small, "--composite", small, "--out", tmp_path / "s.csv"], {})


def test_the_frames_of_the_small_build_are_as_these_tests_take_them():
    assert (WIDTH, HEIGHT, FRAMES) == (64, 48, 10)
