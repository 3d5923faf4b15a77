"""The rule of training: which arms there are, and which of them a change trains again."""

import copy
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import REPO
from support.clips import write_world
from support.train import environment

SETTINGS = {
    "train": {
        "backbone": "tiny3d", "size": 16, "short_side": 18, "frames": 4, "epochs": 1, "batch": 4,
        "scales": [0.25, 0.75], "workers": 0, "device": "cpu", "tensorboard": False,
        "arms": ["baseline", "car", "stillmix"], "alphas": [0.5],
    },
    "composite": {"scales": [0.25, 0.75]},
    "detect": {"backend": "motion"},
    "actor_masks": {"backend": "grabcut"},
}  # fmt: skip


SNAKEFILE = """
include: "workflow/common.smk"
rule annotate:
    output:
        clips="build/annotate/clips.parquet", labels="build/annotate/labels.json",
include: "workflow/train.smk"
"""


def snakemake(folder, changes=None, *options):
    settings = copy.deepcopy(SETTINGS)
    settings["train"] |= changes or {}
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    line = [
        *(sys.executable, "-m", "snakemake", "-s", str(folder / "Snakefile"), "--cores", "2"),
        *("--directory", str(folder), "--configfile", str(folder / "mine.yaml"), *options),
        *("--rerun-triggers", "code", "input", "mtime", "params", "software-env", "--", "train"),
    ]
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


VERSION = "\nprint('VERSION', evaluate_version(), file=sys.stderr)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "sampling", "version"),
    [
        ("ibm_i3d_resnet50", "published", "evaluate 1, protocol 2"),
        ("ibm_i3d_resnet50", "ibm", "evaluate 1"),
        ("i3d_r50", "published", "evaluate 1"),
    ],
)
def test_a_changed_protocol_is_a_version_of_its_evaluations(tmp_path, backbone, sampling, version):
    """As a param it has Snakemake make them again, and those only."""
    for name in ("occludenet_build", "workflow", "envs"):
        (tmp_path / name).symlink_to(REPO / name)
    (tmp_path / "Snakefile").write_text(SNAKEFILE + VERSION)
    settings = copy.deepcopy(SETTINGS) | {"evaluate": {"sampling": sampling}}
    settings["train"] |= {"backbone": backbone}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(settings))
    line = [sys.executable, "-m", "snakemake", "-s", str(tmp_path / "Snakefile"), "--lint"]
    line += ["--directory", str(tmp_path), "--configfile", str(tmp_path / "mine.yaml")]
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=600)
    assert f"VERSION {version}\n" in done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The rules of training alone, on clips that were not made by the others."""
    folder = tmp_path_factory.mktemp("built")
    write_world(folder / "build", test=0)
    for name in ("occludenet_build", "workflow", "envs"):
        (folder / name).symlink_to(REPO / name)
    (folder / "Snakefile").write_text(SNAKEFILE)
    snakemake(folder)
    return folder


def again(folder, changes):
    said = snakemake(folder, changes, "--dry-run")
    return sorted(re.findall(r"output: build/train/(\S+)\.pt,", said))


@pytest.mark.slow
def test_every_arm_is_trained_and_nothing_twice(built):
    names = {path.stem for path in (built / "build/train").glob("*.pt")}
    assert names == {"baseline-0", "car-0", "car_a0.5-0", "stillmix-0"}
    assert again(built, {}) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "trained"),
    [
        ({"alpha": 2.0}, ["car-0"]),
        ({"empty_masks": "keep"}, ["car-0", "car_a0.5-0"]),
        ({"mix": {"still_beta": 100.0}}, ["stillmix-0"]),
        ({"arms": ["baseline", "clean"], "alphas": []}, ["clean-0"]),
        ({"seeds": [0, 7], "arms": ["baseline"], "alphas": []}, ["baseline-7"]),
        (
            {"learning_rate": 0.5},
            ["baseline-0", "car-0", "car_a0.5-0", "stillmix-0"],
        ),
    ],
    ids=str,
)
def test_a_change_trains_again_what_it_concerns(built, changes, trained):
    assert again(built, changes) == trained


@pytest.mark.slow
def test_the_rule_starts_several_processes(built, tmp_path):
    built = shutil.copytree(built, tmp_path / "copy", symlinks=True)
    changes = {"processes": 2, "arms": ["car"], "alphas": [], "seeds": [3]}
    snakemake(built, changes)
    assert "tiny3d on cpu, 2 processes" in (built / "build/logs/train/car-3.log").read_text()
