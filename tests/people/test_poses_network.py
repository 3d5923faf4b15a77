"""Poses end to end: a network of real size with random weights, and the whole way by Snakemake.

No trained weights of a pose model can be had here: a random network of the real architecture takes
the same way, and its joints are compared with those of its raw output.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.pose_weights import random_weights
from support.workflow import SETTINGS, Build

from demo.world.build import JOINTS, build
from demo.world.clips import render
from demo.world.joints import clip_joints
from demo.world.plan import Settings, plan
from occludenet_build.config.poses import Poses
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.poses import read_poses
from occludenet_build.media.imaging import skeletons
from occludenet_build.media.video.synth import write_video
from occludenet_build.people.detectors.yolo import letterbox
from occludenet_build.people.posers.interface import PosedClip

pytestmark = pytest.mark.slow

WORLD = Settings(train=1, val=1, test=1, crossed=0, seconds=1.0, images=6)
LOW = 1e-5
"""A random network is sure of nobody."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return random_weights(tmp_path_factory.mktemp("weights") / "random-pose.pt")


def test_the_joints_are_those_of_the_raw_output(weights, tmp_path):
    import torch

    from occludenet_build.core.torch_models import load_yolo
    from occludenet_build.people.posers.yolo_pose import YoloPose

    picture = render(Settings(train=1, seconds=1.0), plan(WORLD)[0])[0][:3]
    write_video(tmp_path / "a.mp4", list(picture), 12)
    clip = PosedClip(tmp_path / "a.mp4", sha256_file(tmp_path / "a.mp4"), (144, 112))
    settings = Poses(weights=str(weights), image_size=224, score=LOW, batch=2, device="cpu")
    found = list(YoloPose(settings, threads=1).poses(clip))
    assert [poses.frame for poses in found] == [0, 1, 2]

    network = load_yolo(weights, "pose")[0].model.eval()
    placed = letterbox((144, 112), (224, 224), 32, True)
    for poses, (_, rgb) in zip(found, clip.pictures(), strict=True):
        given = torch.from_numpy(placed.apply(rgb)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            raw = network.fuse()(given)[0][0].numpy()  # (4 + 1 + 17 * 3, anchors)
        surest = raw[4].argmax()
        points = raw[5:, surest].reshape(17, 3).copy()
        points[:, 0] = (points[:, 0] - placed.left) / (placed.inner[0] / 144)
        points[:, 1] = (points[:, 1] - placed.top) / (placed.inner[1] / 112)
        points[:, :2] = points[:, :2].clip(0, (144, 112))
        assert np.abs(poses.joints[0] - skeletons.from_coco(points[None])[0]).max() < 0.01


def test_other_models_are_refused_in_one_line(tmp_path):
    from ultralytics import YOLO

    from occludenet_build.people.posers.yolo_pose import YoloPose

    hands = random_weights(tmp_path / "hands.pt", (21, 3))
    with pytest.raises(UserError, match=r"wanted a model of 17 keypoints .* has 21 x 3"):
        YoloPose(Poses(weights=str(hands), device="cpu"))
    YOLO("yolov8n.yaml", verbose=False).save(str(tmp_path / "boxes.pt"))
    with pytest.raises(UserError, match=r"wanted a pose model, .* is a detect model"):
        YoloPose(Poses(weights=str(tmp_path / "boxes.pt"), device="cpu"))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("poses")
    build(folder / "world", WORLD, workers=2)
    poses = {"poses": {"backend": "miniworld", "file": f"world/{JOINTS}"}}
    made = Build(folder, None, SETTINGS | poses)
    made.run("poses")
    return made


def test_the_drawn_joints_are_in_the_table_of_a_build(built):
    folder = built.folder / "build"
    drawn = {clip.name: clip_joints(WORLD, clip) for clip in plan(WORLD)}
    seen = 0
    for manifest in sorted((folder / "poses").glob("[0-9]*.parquet")):
        for row in tables.read_rows(manifest):
            assert row["status"] == "ok" and row["sets"] == ["clean", "D-25", "D-75"]
            clean = read_poses(manifest, row["clip"], "clean").actor
            assert np.abs(clean.joints - drawn[row["clip"]][clean.frames]).max() < 1e-4
            hidden = read_poses(manifest, row["clip"], "D-75").actor
            lost = (hidden.joints[..., 2] == 0) & (clean.joints[..., 2] > 0)
            assert (lost == hidden.is_under).all()
            seen += len(clean)
    assert seen == sum(len(joints) for joints in drawn.values()), "in every frame"
    found = pd.read_csv(folder / "poses/summary.csv")
    whole = found[found["joint"] == "all"].set_index(["set", "place"])
    assert 0 < whole.loc[("D-25", "all"), "gap"] < whole.loc[("D-75", "all"), "gap"] < 0.6
    for name in ("D-25", "D-75"):
        assert whole.loc[(name, "under"), "share"] == 0 and whole.loc[(name, "beside"), "gap"] == 0
    assert (folder / "poses/sheet.jpg").stat().st_size > 20_000


def test_only_what_changed_runs_again(built):
    assert built.planned("poses") == {}
    other = built.where(built.merged({"poses": {"joint_score": 0.3}}))
    assert set(other.planned("poses")) == {"poses_shard"}  # whose ledgers have all clips
    assert not {"poses_shard", "poses"} & set(built.planned("annotate")), "no part of all"


def test_a_network_takes_the_same_way(built, weights, tmp_path):
    built = built.copied(tmp_path)
    values = {"backend": "ultralytics", "weights": str(weights), "image_size": 160, "score": LOW}
    network = built.where(SETTINGS | {"poses": values | {"device": "cpu", "splits": ["test"]}})
    network.run("poses")
    rows = [
        row
        for manifest in sorted((built.folder / "build/poses").glob("[0-9]*.parquet"))
        for row in tables.read_rows(manifest)
    ]
    assert len(rows) == 5 and {row["split"] for row in rows} == {"test"}
    assert {row["weights_sha256"] for row in rows} == {sha256_file(weights)}
    assert all(row["status"] == "ok" and sum(row["no_track"]) > 0 for row in rows)
    detail = pq.read_table(built.folder / "build/poses/store/000/detail.parquet").to_pandas()
    joints = np.stack(detail[detail["state"] != "not_found"]["x"])
    assert np.isfinite(joints).all() and (joints >= 0).all() and (joints <= 144).all()
