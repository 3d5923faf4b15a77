"""Stage moc through its command: kill -9 and resume, a folder like JHMDB's, a build's sets."""

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from conftest import REPO
from support import tubes as drawn
from support.export import ExportBuild, Source

from occludenet_build.action_detection.moc.command import add_arguments, run
from occludenet_build.config import load_part
from occludenet_build.core.errors import UserError
from occludenet_build.recognition import checkpoint

pytestmark = pytest.mark.slow

SMALL = {
    "backbone": "resnet_18", "size": 64, "frames": 3, "head_width": 32, "attention_width": 16,
    "batch": 6, "epochs": 2, "starts": 1, "workers": 0, "device": "cpu", "tensorboard": False,
    "test_step": 3, "objects": 10, "learning_rate": 1e-4, "log_steps": 1,
}  # fmt: skip
KILLED = """
import os, runpy, signal, sys
from occludenet_build.action_detection.moc.learner import DetectorLearner as Learner

at, learn, done = int(sys.argv.pop(1)), Learner.learn, []

def until_killed(*values):
    done.append(1)
    if len(done) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(*values)

Learner.learn = until_killed
sys.argv.insert(1, "moc")
runpy.run_module("occludenet_build", run_name="__main__")
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    return drawn.folder(root)


def settings(path: Path, **changes):
    truth = {"file": str(path), "frames": str(path.parent / "Frames")}
    return {"moc": SMALL | {"truth": truth, "tests": ["clean"]} | changes}


def moc(values, *line):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    before = torch.get_num_threads()
    run(parser.parse_args([str(word) for word in line]), load_part(values))
    torch.set_num_threads(before)


def train(values, out, root, network="stado", trained_on="clean"):
    line = ("--network", network, "--trained-on", trained_on, "--seed", "0", "--root", root)
    moc(values, "train", *line, "--out", out)
    return checkpoint.load(out)


def program(values, out, *start):
    line = [sys.executable, *start, "train", "--network", "stado", "--trained-on", "clean"]
    line += ["--root", str(out.parent), "--out", str(out), "--settings", json.dumps(values)]
    environment = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    return subprocess.run(line, capture_output=True, text=True, env=environment)


def same(one, other):
    return all(torch.equal(one["state_dict"][k], other["state_dict"][k]) for k in one["state_dict"])


def test_killed_in_the_middle_of_a_step_it_goes_on_to_the_same(films, tmp_path):
    """2 epochs of 2 steps; the best epoch of the test split, as released, is kept."""
    values = settings(films, choice="best", as_released=["model_choice"])
    whole_dir, out = tmp_path / "whole", tmp_path / "moc/stado-clean-0.pt"
    whole_dir.mkdir()
    whole = program(values, whole_dir / "stado-clean-0.pt", "-m", "occludenet_build", "moc")
    assert whole.returncode == 0, whole.stderr
    out.parent.mkdir()
    dead = program(values, out, "-c", KILLED, "4")
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert checkpoint.load(out.parent / "store/stado-clean-0/checkpoint.pt")["state"]["step"] == 2
    assert not out.exists()
    done = program(values, out, "-m", "occludenet_build", "moc")
    assert done.returncode == 0, done.stderr
    assert "2 steps done" in done.stderr and "epoch 2: frame AP" in done.stderr
    one, other = (checkpoint.load(p) for p in (out, whole_dir / out.name))
    assert same(one, other) and one["epoch"] == other["epoch"] and one["best"] == other["best"]
    assert out.with_suffix(".csv").read_text() == (whole_dir / "stado-clean-0.csv").read_text()


def test_a_folder_like_jhmdbs_from_training_to_tables(films, tmp_path):
    """It learns to find the shapes, and to look at the half that the masks show."""
    values = settings(films, epochs=14, starts=4, learning_rate=5e-4, warmup_epochs=3.0)
    values["moc"] |= {"augment": False, "mask_weight": 4.0}  # enough to learn it in so few steps
    values["moc"]["optimizer"] = {"name": "adamw", "schedule": "cosine"}
    out = tmp_path / "stado-clean-0.pt"
    train(values, out, tmp_path)
    with out.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"loss", "hm", "mov", "wh", "mask"} < set(rows[0])
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    tubes = tmp_path / "stado-clean-0.tubes.parquet"
    moc(values, "evaluate", "--model", out, "--root", tmp_path, "--out", tubes)
    moc(values, "summary", "--tables", tmp_path, "--out", tmp_path / "ap.csv")
    with (tmp_path / "ap.csv").open() as file:
        ap = {row["metric"]: row for row in csv.DictReader(file)}
    assert float(ap["frame-AP@0.5"]["value"]) > 60 and float(ap["video-AP@0.5"]["value"]) > 60
    assert ap["frame-AP@0.5"]["n"] == "6" and ap["frame-AP@0.5"]["set"] == "clean"
    with (tmp_path / "attention.csv").open() as file:
        parts = {row["part"]: row for row in csv.DictReader(file)}
    assert float(parts["actor"]["value"]) > 3 * float(parts["actor"]["area"])
    assert sum(float(row["value"]) for row in parts.values()) == pytest.approx(1, abs=1e-3)
    found = pq.read_table(tubes).to_pylist()
    best = max(
        (row for row in found if row["video"] == "rise/film13_x_13"), key=lambda r: r["score"]
    )
    assert best["label"] == "rise" and len(best["boxes"]) == 4 * len(best["scores"])
    assert "| stado | clean | 1 |" in (tmp_path / "ap.md").read_text()


def test_the_sets_of_a_build_and_an_official_start(tmp_path):
    sources = tuple(
        Source(f"v{number}_00000{number}_000009", label, split, frames=20)
        for number, (label, split) in enumerate(
            [("yoga", "train"), ("abseiling", "train"), ("yoga", "test"), ("abseiling", "test")]
        )
    )
    root = tmp_path / "build"
    ExportBuild(root, sources, scales=(0.25, 0.5)).write()
    values = {"moc": SMALL | {"tests": ["clean", "D-50"], "epochs": 1}}
    values["composite"] = {"scales": [0.25, 0.5]}
    out = root / "moc/moc-occluded-0.pt"
    out.parent.mkdir()
    first = train(values, out, root, "moc", "occluded")
    assert first["trained_on"] == "occluded" and first["settings"]["occluded"] == ("D-25", "D-50")
    tubes = out.with_name("moc-occluded-0.tubes.parquet")
    moc(values, "evaluate", "--model", out, "--root", root, "--out", tubes)
    read = json.loads(out.with_suffix(".json").read_text())
    assert {(row["set"], row["n"]) for row in read["ap"]} == {("clean", 2), ("D-50", 2)}
    # a network of this stage is a start for another one, of which centres are new
    values["moc"] |= {"weights": str(out), "start": "ucf"}
    train(values, tmp_path / "stado-occluded-0.pt", root, "stado", "occluded")
    values["moc"] |= {"start": "imagenet"}
    with pytest.raises(UserError, match=r"wanted weights of imagenet .*missing"):
        train(values, tmp_path / "other.pt", root, "moc", "clean")
    values["moc"] |= {"weights": None, "tests": ["D-75"]}
    with pytest.raises(UserError, match=r"moc.tests: wanted sets of this build .* got D-75"):
        moc(values, "evaluate", "--model", out, "--root", root, "--out", tubes)
    with pytest.raises(UserError, match=r"wanted evaluations in .* run moc evaluate first"):
        moc(values, "summary", "--tables", tmp_path, "--out", tmp_path / "ap.csv")
