"""Stage integralaction: its data sets, the three trainings, the evaluation, the gate's tables."""

import csv
import dataclasses
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from support.clips import LABELS, place_of, write_world
from support.train import environment

from occludenet_build.config import Config
from occludenet_build.config.integralaction import Integralaction, PosedSet, for_mode
from occludenet_build.config.loop import Optimizer
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.people.poses import DETAIL
from occludenet_build.recognition import checkpoint
from occludenet_build.recognition.clip_table import read_clips, training_clips
from occludenet_build.recognition.datasets import FrameReader
from occludenet_build.recognition.integralaction import gates, learner
from occludenet_build.recognition.integralaction.clips import (
    EvaluationViews,
    PosedClips,
    Seen,
    collate,
)
from occludenet_build.recognition.integralaction.evaluation import TrainedMode
from occludenet_build.recognition.integralaction.network import IntegralAction
from occludenet_build.recognition.integralaction.page_tables import page_tables
from occludenet_build.recognition.integralaction.pose_sources import BuildPoses
from occludenet_build.recognition.integralaction.poses_in import Persons
from occludenet_build.recognition.integralaction.training import long_enough
from occludenet_build.recognition.prediction_table import (
    ModelInfo,
    read_predictions,
    write_predictions,
)

SMALL = Integralaction(
    modes=("rgb_pose",), frames=3, interval=4, size=32, short_side=36, epochs=2, fusion_epochs=1,
    batch=6, views=2, workers=0, device="cpu", tensorboard=False, scales=(0.25, 0.75), log_steps=1,
    learning_rate=1e-3, fusion_rate=1e-2,
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    write_poses(root)
    return root


def write_poses(root):
    """A person of 18 joints on the square of every clip; on occluded ones nobody in half of it."""
    rows = tables.read_rows(root / "annotate/clips.parquet")
    found = [row for clip in rows for row in _poses_of(clip)]
    found.sort(key=lambda row: (row["clip"], row["set"], row["frame"]))
    detail = root / "poses/store/000/detail.parquet"
    detail.parent.mkdir(parents=True)
    with pa.parquet.ParquetWriter(detail, DETAIL) as writer:
        for clip in dict.fromkeys(row["clip"] for row in found):
            own = [row for row in found if row["clip"] == clip]
            writer.write_table(tables.from_rows(own, DETAIL))
    names = dict.fromkeys(row["clip"] for row in rows)
    manifest = [{"clip": name, "status": "ok", "poses_hash": name} for name in names]
    tables.write_table(pa.Table.from_pylist(manifest), root / "poses/000.parquet")


def _poses_of(clip):
    for frame in range(clip["frames"]):
        if clip["scale"] and frame % 2:
            continue
        left = place_of(clip["label"], frame)
        x = [left + joint % 6 for joint in range(18)]
        y = [8 + joint // 3 for joint in range(18)]
        yield {
            "clip": clip["clip"], "set": clip["set"], "frame": frame, "track": 0, "actor": True,
            "state": "found", "x": x, "y": y, "score": [0.9] * 18, "under": [False] * 18,
        }  # fmt: skip


class Given:
    """A person in the top left corner of every frame, and one more on the clean twin."""

    def of(self, clip, found_on, size):
        people = np.zeros((1 + (found_on == "clean"), 18, 3))
        people[..., 2] = 0.9
        return Persons(size, dict.fromkeys(range(clip.frames), people))


class Nobody:
    def of(self, clip, found_on, size):
        return Persons(size, reason="no_poses", detail="nobody")


def clips_of(world, settings=SMALL):
    return training_clips(world / "annotate/clips.parquet", list(LABELS), settings.scales, False)


def posed(world, mode="rgb_pose", poses=None, found_on="occluded", seed=1):
    source = FrameReader(world, SMALL.short_side, keep=False)
    seen = Seen.of(SMALL, mode)
    return PosedClips(clips_of(world), LABELS, source, poses, seen, found_on, seed)


def test_a_view_is_a_function_of_seed_file_and_epoch(world):
    one, same = posed(world, poses=Given())[2, 5], posed(world, poses=Given())[2, 5]
    other = posed(world, poses=Given())[2, 6]
    assert torch.equal(one.video, same.video) and torch.equal(one.places, same.places)
    assert not torch.equal(one.places, other.places)
    assert one.video.shape == (3, 32, 32, 3) and one.places.shape == (3, 5, 18, 2)
    assert one.found == 3 and posed(world, poses=Given(), found_on="clean")[2, 5].found == 6


def test_what_a_mode_does_not_see_is_not_read(world):
    rgb, pose = posed(world, "rgb_only")[0, 0], posed(world, "pose_only", Given())[0, 0]
    assert rgb.places is None and rgb.video is not None
    assert pose.video is None and pose.places is not None


def test_a_clip_without_poses_and_one_that_is_lost(world):
    batch = collate([posed(world, poses=Nobody())[0, 0], posed(world, poses=Given())[1, 0]])
    assert batch.without_poses == 1 and batch.video.shape[0] == len(batch.files) == 2
    clips = posed(world, poses=Given())
    clips.clips[0] = dataclasses.replace(clips.clips[0], file="away.mp4")
    lost = collate([clips[0, 0]])
    assert not lost.files and lost.video is None
    assert lost.skipped[0].reason.startswith("missing")


def test_views_of_the_evaluation_have_both_sources(world):
    clips = read_clips(world / "annotate/clips.parquet", "test")
    source = FrameReader(world, SMALL.short_side, keep=False)
    seen = Seen.of(SMALL, "rgb_pose")
    found = [(clip.set, EvaluationViews([clip], source, Given(), seen, 2)[0]) for clip in clips]
    assert all(item.video.shape == (2, 3, 32, 32, 3) for _, item in found)
    # a clean twin is its own twin
    assert all(item.found == ([6] if name == "clean" else [6, 12]) for name, item in found)
    assert EvaluationViews(clips, source, Nobody(), seen, 2)[0].reasons == ["no_poses"]
    listed = dataclasses.replace(clips[-1], scale=math.nan)
    assert EvaluationViews([listed], source, Given(), seen, 2)[0].found == [6]


def test_the_split_must_have_poses(world, caplog):
    clips = clips_of(world)
    poses, strange = BuildPoses(world / "poses"), dataclasses.replace(clips[0], clip="strange")
    poses.check_known(clips)
    assert not caplog.text
    poses.check_known([*clips, strange])
    assert "1 of 13 clips are not in the stage poses" in caplog.text
    assert poses.of(strange, "clean", (32, 32)).reason == "no_poses"
    with pytest.raises(UserError, match="wanted the poses of the clips of the split train, the"):
        poses.check_known([strange])


@pytest.mark.parametrize("mode", ["rgb_only", "pose_only", "rgb_pose"])
def test_a_batch_of_nobody_passes_the_network(mode):
    """As a process without clips does where batch norm waits for all."""
    network = IntegralAction(5, mode, 2).eval()
    settings = dataclasses.replace(SMALL, frame_factor=2)
    nothing = learner._nothing(network, settings)
    given = learner.network_input(nothing.video, nothing.places, nothing.scores, settings, "cpu")
    logits, gate = network(*given)
    assert logits.shape == (0, 5) and (gate is None) == (mode != "rgb_pose")


def test_clips_that_are_too_short_are_left_out(world, caplog):
    clips = clips_of(world)
    longer = [dataclasses.replace(clips[0], frames=60)]
    assert long_enough([*clips, *longer], Integralaction()) == longer
    assert "too_few_frames" in caplog.text
    with pytest.raises(UserError, match="wanted clips of at least 57 frames"):
        long_enough(clips, Integralaction())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frame_factor": 3}, "wanted a divisor of integralaction.interval, 8, got 3"),
        ({"size": 30}, "wanted a multiple of 4"),
        ({"modes": ("rgb_only", "rgb_only")}, "wanted different"),
        ({"lists": (PosedSet("M", "x", poses="y"),) * 2}, "wanted different names"),
        (
            {"modes": ("rgb_pose",), "optimizer": Optimizer(final_rate=1e-3)},
            "fusion_rate: wanted at least optimizer.first_rate and final_rate, 0.001, got 0.0005",
        ),
    ],
)
def test_settings_that_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        Integralaction(**values)


def test_a_mode_depends_on_its_settings_only():
    changed = Integralaction(gate_weight=5.0, fusion_rate=1.0, views=3)
    assert for_mode(changed, "rgb_only", 0) == for_mode(Integralaction(), "rgb_only", 0)
    assert for_mode(changed, "rgb_pose", 0) != for_mode(Integralaction(), "rgb_pose", 0)
    poses = Integralaction(poses="clean", as_released=("statistics", "swap"))
    assert for_mode(poses, "rgb_only", 0) == for_mode(Integralaction(), "rgb_only", 0)
    assert for_mode(poses, "pose_only", 0).as_released == ("swap",)


def gate_table(path, seed, shift):
    """10 clips at two sets; with the poses of the clean twin the gate is 0.1 wider."""
    rows = [
        {
            "clip": f"c{number}", "set": name, "scale": scale, "file": f"{name}/c{number}.mp4",
            "poses": source, "gate": 0.5 + shift + 0.1 * (source == "clean"), "found": number % 2,
            "reason": None if number % 2 else "no_poses", "group": None,
            "actor_hidden": None if name == "clean" else 0.2, "label": "a", "seed": seed,
        }
        for number in range(10)
        for name, scale in (("clean", 0.0), ("D-50", 0.5))
        for source in ("occluded", "clean")
    ]  # fmt: skip
    tables.write_table(tables.from_rows(rows, gates.GATES), path)


def test_the_gate_by_set_and_by_measured_occlusion(tmp_path):
    """The mean over seeds, of each clip; the order of sets is that of scales."""
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for seed, path in enumerate(paths):
        gate_table(path, seed, 0.1 * seed)
    rows = gates.gate_rows(paths)
    seen = [(row["by"], row["value"], row["poses"]) for row in rows]
    assert seen == [
        ("set", "clean", "occluded"), ("set", "clean", "clean"), ("set", "D-50", "occluded"),
        ("set", "D-50", "clean"), ("set", "D-50", gates.DIFFERENCE),
        ("hidden", "0.15 to 0.3", "occluded"), ("hidden", "0.15 to 0.3", "clean"),
        ("hidden", "0.15 to 0.3", gates.DIFFERENCE),
    ]  # fmt: skip
    assert [row["gate"] for row in rows] == [0.55, 0.65, *[0.55, 0.65, -0.1] * 2]
    assert {(row["seeds"], row["clips"], row["found"]) for row in rows} == {(2, 10, 0.5)}
    assert all(row["low"] < row["gate"] < row["high"] for row in rows)
    table = page_tables([], rows)["integralaction_gate"]
    assert [len(block["rows"]) for block in table["blocks"]] == [2, 2, 1, 1, 1, 1]
    assert table["blocks"][2]["rows"][0][2].startswith("-0.100 (")


def predicted(path, mode, right):
    """Predictions of clips 0 to n of D-50, right or wrong."""
    rows = [
        {
            "clip": f"c{number}", "set": "D-50", "scale": 0.5, "file": f"D-50/c{number}.mp4",
            "label": "a", "predicted": "a" if one else "b", "top1": one, "top5": True,
            "logits": [0.0, 1.0], "group": None,
        }
        for number, one in enumerate(right)
    ]  # fmt: skip
    about = ModelInfo("integralaction", ("a", "b"), arm=mode, seed=int(path.stem[-1]))
    write_predictions(rows, about, gates.predictions_file(path, "occluded"))
    return path


def test_modes_are_compared_on_the_clips_that_all_have_predicted(tmp_path):
    paths = [
        predicted(tmp_path / "rgb_only-0.parquet", "rgb_only", [True, False]),
        predicted(tmp_path / "rgb_only-1.parquet", "rgb_only", [True, True, True]),
        predicted(tmp_path / "pose_only-0.parquet", "pose_only", [False, False, True]),
    ]
    rows = gates.mode_rows(paths)
    seen = [(row["mode"], row["seeds"], row["clips"], row["top1"], row["top5"]) for row in rows]
    assert seen == [("rgb_only", 2, 2, 75.0, ""), ("pose_only", 1, 2, 0.0, "")]
    assert list(page_tables(rows, [])) == ["integralaction_accuracy"]
    with pytest.raises(UserError, match="wanted one table per mode and seed"):
        gates.mode_rows([paths[0], paths[0]])


KILLED = """
import os, runpy, signal, sys
from occludenet_build.recognition.integralaction.learner import GateLearner as Learner

at, learn, done = int(sys.argv.pop(1)), Learner.learn, []

def until_killed(*values):
    done.append(1)
    if len(done) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(*values)

Learner.learn = until_killed
sys.argv.insert(1, "integralaction")
runpy.run_module("occludenet_build", run_name="__main__")
"""


def command(root, what, out, *more, settings=SMALL, program=("-m", "occludenet_build")):
    values = dataclasses.asdict(settings)
    start = ["integralaction", what] if program[0] == "-m" else [what]
    return [
        sys.executable, *program, *start, "--clips", str(root / "annotate/clips.parquet"),
        "--labels", str(root / "annotate/labels.json"), "--poses", str(root / "poses"),
        "--root", str(root), "--out", str(out), "--log", str(out.with_suffix(".log")),
        "--settings", json.dumps({"integralaction": values}), *map(str, more),
    ]  # fmt: skip


def done(line):
    ended = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """All three modes, pose_only killed within its third batch and started again."""
    folder = tmp_path_factory.mktemp("integralaction")
    done(command(world, "train", folder / "rgb_only-0.pt", "--mode", "rgb_only"))
    pose = folder / "pose_only-0.pt"
    late = dataclasses.replace(SMALL, checkpoint_minutes=0.0)
    line = command(
        world, "train", pose, "--mode", "pose_only", settings=late, program=("-c", KILLED, "3")
    )
    dead = subprocess.run(line, capture_output=True, env=environment(), timeout=300)
    assert dead.returncode == -signal.SIGKILL and not pose.exists()
    said = done(command(world, "train", pose, "--mode", "pose_only", settings=late))
    assert "resuming" in said and "2 steps done" in said
    starts = (folder / "rgb_only-0.pt", pose)
    both = folder / "rgb_pose-0.pt"
    done(command(world, "train", both, "--mode", "rgb_pose", "--starts", *starts))
    return folder


@pytest.mark.slow
def test_the_third_stage_learns_aggregator_and_classifier_only(trained):
    names = ("rgb_only", "pose_only", "rgb_pose")
    rgb, pose, both = (checkpoint.load(trained / f"{n}-0.pt")["network"] for n in names)
    for key, tensor in both.items():
        part = key.split(".")[0]
        if part == "img_backbone":
            assert torch.equal(tensor, rgb[key]), key
        if part in ("pose_backbone", "pose2feat"):
            assert torch.equal(tensor, pose[key]), key
    curve = list(csv.DictReader((trained / "rgb_pose-0.csv").open()))
    assert 0 < float(curve[-1]["gate"]) < 1 and float(curve[-1]["pull"]) > 0


@pytest.mark.slow
def test_a_killed_training_ends_as_one_that_was_not(world, trained, tmp_path):
    again = tmp_path / "pose_only-0.pt"
    done(command(world, "train", again, "--mode", "pose_only"))
    one, other = (checkpoint.load(path)["network"] for path in (again, trained / again.name))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert again.with_suffix(".csv").read_text() == (trained / "pose_only-0.csv").read_text()


@pytest.mark.slow
def test_evaluation_with_both_sources_and_a_list_with_mapped_classes(world, trained, tmp_path):
    mimetics(world, tmp_path)
    listed = PosedSet(
        "Mimetics", str(tmp_path / "list.csv"), str(world), poses=str(tmp_path / "poses"),
        classes=str(tmp_path / "classes.json"),
    )  # fmt: skip
    settings = dataclasses.replace(SMALL, lists=(listed,))
    out = tmp_path / "rgb_pose-0.parquet"
    model = trained / "rgb_pose-0.pt"
    done(command(world, "evaluate", out, "--model", model, settings=settings))
    rows = read_predictions(out).rows
    sets = ["clean", "D-25", "D-75", "Mimetics"]
    assert rows["set"].tolist() == [name for name in sets for _ in range(3)]
    of_twin = read_predictions(out.with_suffix(".clean.parquet")).rows
    assert of_twin["set"].tolist() == [name for name in sets[:3] for _ in range(3)]
    found = tables.read_table(out.with_suffix(".gates.parquet")).to_pandas()
    assert found["gate"].between(0, 1).all() and len(found) == len(rows) + len(of_twin)
    reasons = found.loc[found["set"] == "Mimetics", "reason"]
    assert reasons.notna().tolist() == [False, True, True] and set(reasons[1:]) == {"no_poses"}
    seen = {key: part["found"].tolist() for key, part in found.groupby(["set", "poses"])}
    # on occluded clips somebody is found in the even frames only; frames are 4 apart
    assert seen["clean", "occluded"] == seen["clean", "clean"] == seen["D-75", "clean"] == [6] * 3
    assert seen["D-75", "occluded"] == [3, 3, 3] and seen["Mimetics", "occluded"] == [6, 0, 0]
    rows, clean = rows[:9], rows["set"][:9] == "clean"
    assert np.allclose(np.stack(rows["logits"][clean]), np.stack(of_twin["logits"][clean]))
    assert not np.allclose(np.stack(rows["logits"][3:9]), np.stack(of_twin["logits"][3:9]))
    done([
        sys.executable, "-m", "occludenet_build", "integralaction", "summary", "--predictions",
        str(out), "--out", str(tmp_path / "modes.csv"),
    ])  # fmt: skip
    gate = list(csv.DictReader((tmp_path / "gate.csv").open()))
    assert [row["poses"] for row in gate if row["value"] == "Mimetics"] == ["occluded"]
    assert {"integralaction_accuracy", "integralaction_gate"} == set(
        json.loads((tmp_path / "tables.json").read_text())
    )


@pytest.mark.slow
def test_a_published_file_is_evaluated_with_a_mode_and_names(world, trained, tmp_path):
    """It has the network only, in the published envelope, with the prefix of several GPUs."""
    ours = checkpoint.load(trained / "pose_only-0.pt")["network"]
    model = tmp_path / "snapshot_29.pth.tar"
    named = {f"module.{key}": tensor for key, tensor in ours.items()}
    torch.save({"epoch": 29, "network": named, "optimizer": {"state": {}}}, model)
    out, again = tmp_path / "pose_only-0.parquet", tmp_path / "ours-0.parquet"
    done(command(world, "evaluate", out, "--model", model, "--mode", "pose_only"))
    own = command(world, "evaluate", again, "--model", trained / "pose_only-0.pt")
    done([part for part in own if part not in ("--labels", str(world / "annotate/labels.json"))])
    assert read_predictions(out).rows.equals(read_predictions(again).rows)
    with pytest.raises(UserError, match=r"for 7 classes, .* has no classifier of this size"):
        TrainedMode.of(model, "pose_only", list("abcdefg"), SMALL, 0)
    with pytest.raises(UserError, match=r"lacks labels, .*; give --mode and --labels"):
        TrainedMode.read(model)


@pytest.mark.slow
def test_two_processes_share_every_batch(world, trained, tmp_path):
    """The last batch of a step has a process without clips. On CPUs batch norm sees the part of its
    process, so losses are near those of one process, not equal: what is frozen must be equal."""
    starts = [trained / "rgb_only-0.pt", trained / "pose_only-0.pt"]
    out = tmp_path / "rgb_pose-0.pt"
    line = command(
        world, "train", out, "--mode", "rgb_pose", "--starts", *starts,
        settings=dataclasses.replace(SMALL, batch=11, processes=2),
        program=("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--",
                 "occludenet_build"),
    )  # fmt: skip
    done(line)
    rows = list(csv.DictReader(out.with_suffix(".csv").open()))
    assert [int(row["clips"]) for row in rows] == [11, 1]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    rgb, both = (checkpoint.load(path)["network"] for path in (starts[0], out))
    frozen = [key for key in both if key.startswith("img_backbone")]
    assert all(torch.equal(both[key], rgb[key]) for key in frozen)
    assert not torch.equal(both["classifier.fc.0.weight"], rgb["classifier.fc.0.weight"])


def mimetics(world, folder):
    """A list of the clean test clips with classes of other names; poses of the first one only."""
    clips = read_clips(world / "annotate/clips.parquet", "test")
    clean = [clip for clip in clips if clip.set == "clean"]
    lines = [f"{clip.file},{clip.label.upper()}" for clip in clean]
    (folder / "list.csv").write_text("\n".join(["file,label", *lines, ""]))
    (folder / "classes.json").write_text(json.dumps({name.upper(): name for name in LABELS}))
    person = [[4.0 + joint, 10.0, 0.9] for joint in range(18)]
    given = {"pose": [[person]] * clean[0].frames, "score": [[1.0]] * clean[0].frames}
    path = folder / "poses" / clean[0].file
    path.with_suffix("").mkdir(parents=True)
    (path.with_suffix("") / "data.json").write_text(json.dumps(given))


@pytest.mark.slow
def test_a_network_in_the_place_of_another_is_named(world, trained, tmp_path):
    line = command(
        world, "train", tmp_path / "rgb_pose-0.pt", "--mode", "rgb_pose",
        "--starts", trained / "pose_only-0.pt", trained / "rgb_only-0.pt",
    )  # fmt: skip
    ended = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=300)
    assert ended.returncode == 2 and "wanted a checkpoint of IntegralAction's rgb_only" in (
        ended.stderr
    )


def test_settings_of_the_command_are_those_of_the_section():
    assert Config(integralaction=SMALL).section(Integralaction) is SMALL
