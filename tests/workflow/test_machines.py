"""A build by two machines without a shared disk: real Snakemake in two folders, then merged."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO
from support.drills import digest
from support.workflow import SETTINGS, Build

pytestmark = pytest.mark.slow


def occludenet(build: Build, *arguments: str) -> str:
    done = subprocess.run(
        [build.python, "-m", "occludenet_build", *arguments, "--configfile", "mine.yaml"],
        cwd=build.folder, env=build.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def start(folder: Path, *options: str) -> str:
    """Run start.sh as on a machine that has the package and its Snakemake."""
    snakemake = f"{shlex.quote(sys.executable)} -m snakemake"
    done = subprocess.run(
        ["sh", "start.sh", "--cores", "2", *options],
        cwd=folder, env=os.environ | {"SNAKEMAKE": snakemake, "PYTHONPATH": str(REPO)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def on_two_machines(build: Build, name: str) -> None:
    """Split, copy to two machines without dates, as scp does, make the halves there, merge."""
    occludenet(build, "split", "2", "--out", name, "--copy")
    parts = sorted((build.folder / name).iterdir())
    for part in parts:
        machine = build.folder.parent / f"{name}-{part.name}"
        shutil.copytree(part, machine, copy_function=shutil.copy)
        start(machine)
        assert "Nothing to be done" in start(machine, "-n")
        shutil.rmtree(part)
        machine.rename(part)
    occludenet(build, "merge", *map(str, parts))


def test_detection_on_two_machines_is_not_repeated(world, tmp_path):
    build = Build(tmp_path / "project", world, SETTINGS)
    build.run("index")
    on_two_machines(build, "parts")
    planned = build.planned("composite")
    assert "select" in planned and not {"index", "detect_shard"} & {*planned}
    assert build.where(build.merged({"detect": {"score": 0.3}})).planned("detect") == {
        "detect_shard": 2
    }


def test_two_halves_are_the_whole(built, world, tmp_path):
    """With a build_dir elsewhere: a machine has another one, below its folder."""
    root = tmp_path / "big disk/D"
    build = Build(tmp_path / "project", world, SETTINGS | {"build_dir": str(root)})
    build.run("index")
    on_two_machines(build, "detect_parts")
    assert "detect_shard" not in build.planned("composite")
    build.run("select")
    on_two_machines(build, "clip_parts")
    assert build.planned("composite") == {}
    left = build.planned("all")
    assert not {"index", "detect_shard", "select", "actor_masks_shard", "composite_shard"} & {*left}
    assert {"annotate", "train_arm", "evaluate_arm"} <= {*left}

    whole = built.folder / "build"
    for pattern in ("OccludeNet-D*/**/*.mp4", "*/[0-9]*.parquet"):
        names = {path.relative_to(whole) for path in whole.glob(pattern)}
        assert names == {path.relative_to(root) for path in root.glob(pattern)} and names
        assert [n for n in names if digest(root / n) != digest(whole / n)] == []

    # a later change of a setting reruns merged shards like all others
    changed = build.where(build.merged({"composite": {"crf": 30}}))
    assert changed.planned("composite") == {"composite_shard": 3}
    build.run("annotate")
    assert build.planned("annotate") == {}
