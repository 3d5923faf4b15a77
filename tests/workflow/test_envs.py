"""A job in an environment that holds one env file and nothing else. Slow: it installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPO
from support.workflow import SETTINGS, Build

from occludenet_build import config as cfg

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory) -> Build:
    """A build with every stage run, training included."""
    build = Build(tmp_path_factory.mktemp("whole"), world, SETTINGS)
    build.run("all")
    assert (build.folder / "build/report/index.html").stat().st_size > 10_000
    return build


NETWORK = [
    "acquire videos --out new/acquire/videos.parquet",
    "acquire coco --out new/acquire/coco.json",
    "acquire weights --source build/acquire/coco.json --out new/acquire/weights/detect.json",
]
VIDEO = [
    "index --videos build/acquire/videos.parquet --out new/index/videos.parquet",
    "occluders --coco build/acquire/coco.json --out new/occluders/occluders.parquet",
    "select --index build/index/videos.parquet --detect build/detect/000.parquet"
    " --occluders build/occluders/occluders.parquet --out new/select/clips.parquet",
    "leaks --clips build/select/clips.parquet --out new/leaks/clips.parquet",
    "proposals --videos build/index/videos.parquet --detect build/detect/000.parquet"
    " --out new/proposals/candidates.parquet",
    "composite --clips build/select/shards/000.parquet --boxes build/detect/store"
    " --bank build/occluders --masks build/actor_masks/000.parquet --root new"
    " --out new/composite/000.parquet --erased new/counterfactual/000.parquet",
    "annotate --select build/select/clips.parquet --occluders build/occluders/occluders.parquet"
    " --composite build/composite/000.parquet --masks build/actor_masks/000.parquet"
    " --counterfactual build/counterfactual/000.parquet --root new"
    " --out new/annotate/clips.parquet",
]
TORCH = [
    "detect --videos build/index/shards/000.parquet --out new/detect/000.parquet",
    "actor_masks --clips build/select/shards/000.parquet --boxes build/detect/store"
    " --out new/actor_masks/000.parquet",
    "train --clips build/annotate/clips.parquet --labels build/annotate/labels.json --root build"
    " --arm car --out new/train/car-0.pt",
    "evaluate --clips build/annotate/clips.parquet --root build --model build/train/car-0.pt"
    " --out new/evaluate/car-0.parquet",
    "attention --clips build/annotate/clips.parquet --root build --model build/train/car-0.pt"
    " --out new/attention/car-0.parquet",
    "predictions --help",
]
REPORT = ["report --root build --out new/report/index.html", "paper --root build"]


@pytest.mark.parametrize(
    ("env", "commands"),
    [("network", NETWORK), ("video", VIDEO), ("report", REPORT), ("torch", TORCH)],
)
def test_jobs_run_with_only_their_environment(whole, tmp_path, env, commands):
    python = installed(env, tmp_path)
    config = cfg.load(whole.settings, base=whole.folder)
    for command in commands:
        stage, *rest = command.split()
        settings = cfg.canonical(cfg.stage_settings(config, stage))
        done = subprocess.run(
            [python, "-m", "occludenet_build", stage, *rest, "--settings", settings],
            cwd=whole.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), "HOME": os.environ["HOME"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (stage, done.stderr[-2000:])
    shutil.rmtree(whole.folder / "new")


def installed(env: str, folder: Path) -> str:
    """A fresh virtual environment with the pip packages of an env file."""
    listed = yaml.safe_load((REPO / "envs" / f"{env}.yaml").read_text())["dependencies"][-1]["pip"]
    subprocess.run([sys.executable, "-m", "venv", str(folder / env)], check=True)
    python = str(folder / env / "bin" / "python")
    # what the pins pull in is pinned too, as conda's pip would otherwise take any version
    pins = ["-c", str(REPO / "constraints.txt")]
    subprocess.run([python, "-m", "pip", "install", "-q", *pins, *listed], check=True)
    afterwards = REPO / "envs" / f"{env}.post-deploy.sh"
    if afterwards.exists():
        conda = os.environ | {"CONDA_PREFIX": str(folder / env)}
        subprocess.run(["bash", str(afterwards)], check=True, env=conda)
    return python
