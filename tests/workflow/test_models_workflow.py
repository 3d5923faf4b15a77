"""The rules of the stage models: what a change trains again, weights, and kill -9 of a member."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import REPO
from support.clips import write_world
from support.drills import kill, wait_for
from support.train import environment

from occludenet_build.recognition import checkpoint

SETTINGS = {
    "train": {
        "backbone": "tiny3d", "size": 16, "short_side": 18, "frames": 4, "epochs": 1, "batch": 4,
        "scales": [0.25, 0.75], "workers": 0, "device": "cpu", "tensorboard": False,
        "arms": ["baseline"], "checkpoint_minutes": 0.0,
    },
    "evaluate": {"views": 1, "workers": 0, "device": "cpu"},
    "composite": {"scales": [0.25, 0.75]},
    "detect": {"backend": "motion"},
    "actor_masks": {"backend": "grabcut"},
    "models": {
        "members": [
            {"name": "Tiny (3-D)"},
            {"name": "Scene", "train": {"backbone": "scene3d", "seeds": [0, 1]}},
        ],
    },
}  # fmt: skip

SNAKEFILE = """
include: "workflow/common.smk"
rule annotate:
    output:
        clips="build/annotate/clips.parquet", labels="build/annotate/labels.json",
include: "workflow/acquire.smk"
include: "workflow/train.smk"
include: "workflow/evaluate.smk"
include: "workflow/models.smk"
"""
TRAININGS = ["Scene/baseline-0", "Scene/baseline-1", "Tiny_3-D/baseline-0"]


def changed(change):
    settings = copy.deepcopy(SETTINGS)
    change(settings, settings["models"]["members"])
    return settings


def command(folder, settings, *options, targets=("models",)):
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    return [
        *(sys.executable, "-m", "snakemake", "-s", str(folder / "Snakefile"), "--cores", "2"),
        *("--directory", str(folder), "--configfile", str(folder / "mine.yaml"), *options),
        *("--rerun-triggers", "code", "input", "mtime", "params", "software-env", "--", *targets),
    ]


def snakemake(folder, settings, *options, ok=True, targets=("models",)):
    line = command(folder, settings, *options, targets=targets)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=600)
    assert (done.returncode == 0) == ok, done.stderr[-3000:]
    return done.stdout + done.stderr


def begun(folder):
    write_world(folder / "build", train=6, test=2)
    for name in ("occludenet_build", "workflow", "envs"):
        (folder / name).symlink_to(REPO / name)
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The rules of the stage alone, on clips that were not made by the others."""
    folder = begun(tmp_path_factory.mktemp("models"))
    snakemake(folder, SETTINGS)
    return folder


def again(folder, settings):
    """(trainings, evaluations) that a run would do now."""
    said = snakemake(folder, settings, "--dry-run")
    return tuple(
        sorted(re.findall(rf"output: build/models/(\S+)\.{suffix},", said))
        for suffix in ("pt", "parquet")
    )


@pytest.mark.slow
def test_two_networks_stand_in_one_table_by_the_names_of_the_settings(built):
    table = pd.read_csv(built / "build/models/by_degree.csv")
    assert list(dict.fromkeys(table["network"])) == ["Tiny (3-D)", "Scene"]
    assert set(table["set"]) == {"clean", "D-25", "D-75"}
    assert dict(zip(table["network"], table["seeds"], strict=True)) == {"Tiny (3-D)": 1, "Scene": 2}
    assert checkpoint.load(built / "build/models/Scene/baseline-1.pt")["backbone"] == "scene3d"
    assert "Tiny (3-D)" in (built / "build/models/by_degree.md").read_text()


def _nothing(settings, members):
    pass


def _an_epoch_more(settings, members):
    members[1]["train"]["epochs"] = 2


def _views(settings, members):
    members[0]["evaluate"] = {"views": 2}


def _another(settings, members):
    members.append({"name": "Third", "train": {"arms": ["clean"]}})


def _renamed_arm(settings, members):
    settings["train"]["arms"] = ["car"]
    members[0]["train"] = {"arms": ["baseline"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "trained", "evaluated"),
    [
        (_nothing, [], []),
        (_an_epoch_more, TRAININGS[:2], TRAININGS[:2]),
        (_views, [], TRAININGS[2:]),
        (_another, ["Third/clean-0"], ["Third/clean-0"]),
        (_renamed_arm, ["Scene/car-0", "Scene/car-1"], ["Scene/car-0", "Scene/car-1"]),
    ],
)
def test_a_change_of_a_member_is_done_for_it_alone(built, change, trained, evaluated):
    assert again(built, changed(change)) == (trained, evaluated)


@pytest.mark.slow
def test_a_member_starts_from_its_own_weights(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy", symlinks=True)
    weights = folder / "build/models/Scene/baseline-1.pt"

    def weighted(settings, members):
        members[1]["train"] |= {"weights": str(weights), "seeds": [5]}

    def wrong_hash(settings, members):
        weighted(settings, members)
        members[1]["train"]["weights_sha256"] = 64 * "0"

    def away(settings, members):
        members[1]["train"] |= {"weights": "away.pt", "seeds": [5]}

    said = snakemake(folder, changed(away), ok=False)
    assert "config: models.members: Scene: train.weights: wanted an existing path" in said
    assert "Traceback" not in said
    said = snakemake(folder, changed(wrong_hash), ok=False)
    assert "train.weights_sha256: wanted 0000" in said
    snakemake(folder, changed(weighted))
    note = folder / "build/acquire/weights/models/Scene.json"
    assert str(weights) in note.read_text() and not note.with_name("Tiny_3-D.json").exists()
    assert (folder / "build/models/Scene/baseline-5.pt").exists()


@pytest.mark.slow
def test_a_folder_of_transformers_is_taken_for_train_and_for_a_member(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy", symlinks=True)
    (folder / "network").mkdir()
    (folder / "network/config.json").write_text("{}")

    def of_transformers(settings, members):
        settings["train"] |= {"backbone": "hf", "weights": "network"}
        members[0]["train"] = {"backbone": "tiny3d"}
        members.append({"name": "Own"})

    notes = [f"build/acquire/weights/{name}.json" for name in ("train", "models/Own")]
    snakemake(folder, changed(of_transformers), targets=notes)
    found = [json.loads((folder / name).read_text()) for name in notes]
    assert [Path(note["path"]).name for note in found] == ["network", "network"]


@pytest.mark.slow
def test_what_cannot_be_trained_or_compared_is_one_line(built):
    def erased(settings, members):
        settings["counterfactual"] = {"splits": []}
        members[1]["train"]["arms"] = ["car"]

    def nobody(settings, members):
        members.clear()

    for change, message in (
        (erased, "config: models.members: Scene: counterfactual.splits: wanted train among them"),
        (nobody, "config: models.members: wanted networks, got none"),
    ):
        said = snakemake(built, changed(change), "--dry-run", ok=False)
        assert message in said and "Traceback" not in said


@pytest.mark.slow
def test_the_tables_follow_the_members(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "copy", symlinks=True)
    snakemake(folder, changed(lambda settings, members: members.pop()))
    for name in ("by_degree.csv", "study.md", "pairs.csv", "tables.json", "study.svg"):
        path = folder / "build/models" / name
        assert not path.exists() or "Scene" not in path.read_text(), name
    assert (folder / "build/models/Scene/baseline-0.pt").exists()


@pytest.mark.slow
def test_a_killed_member_goes_on_where_it_was(built, tmp_path):
    """kill -9 of Snakemake and its job, in the middle of a training: the curve is the same."""

    def longer(settings, members):
        members[0]["train"] = {"epochs": 60}
        del members[1]

    whole = begun(tmp_path / "whole")
    settings = changed(longer)
    snakemake(whole, settings)
    folder = begun(tmp_path / "killed")
    line = command(folder, settings)
    process = subprocess.Popen(
        line, env=environment(), start_new_session=True, stderr=subprocess.DEVNULL
    )
    store = folder / "build/models/Tiny_3-D/store/baseline-0/checkpoint.pt"
    wait_for(store.exists)
    kill(process)
    done = checkpoint.load(store)["state"]["step"]
    assert done and not (folder / "build/models/Tiny_3-D/baseline-0.pt").exists()
    snakemake(folder, settings, "--rerun-incomplete")
    log = (folder / "build/logs/models/Tiny_3-D/train-baseline-0.log").read_text()
    assert "steps done" in log
    curves = [root / "build/models/Tiny_3-D/baseline-0.csv" for root in (whole, folder)]
    assert curves[0].read_text() == curves[1].read_text()
    tables = [root / "build/models/by_degree.csv" for root in (whole, folder)]
    assert tables[0].read_bytes() == tables[1].read_bytes()
