"""The whole workflow with --use-conda, in environments that pip has filled. Slow: it installs.

The environment with PyTorch takes about 7 GB, which is removed at the end.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import REPO
from support import conda
from support.conda_jobs import check_isolated, environment_of, submitter
from support.workflow import SETTINGS, Build

from occludenet_build import config as cfg

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(conda.missing_python()), reason=conda.missing_python()),
]


class CondaBuild(Build):
    """A build whose jobs ran in conda environments."""

    isolated: dict[str, set[str]]
    """Stage -> environments of its jobs."""


@pytest.fixture(scope="module")
def built(world, tmp_path_factory) -> Iterator[CondaBuild]:
    """A build with every stage of `all`; its environments are in the folder envs."""
    folder = tmp_path_factory.mktemp("built")
    build = CondaBuild(folder, world, SETTINGS)
    stand_in = conda.install(folder / "conda", "index")
    build.environ = stand_in.environment(**submitter(folder / "submitter", Path(sys.prefix)))
    try:
        build.run("--use-conda", "--conda-prefix", "envs", "all")
        # before other tests run more in these environments
        build.isolated = check_isolated(folder / "envs", package=REPO)
        yield build
    finally:
        shutil.rmtree(folder / "envs", ignore_errors=True)


def python_of(build: Build, environment: str) -> Path:
    """The interpreter of an environment."""
    (prefix,) = [
        path.with_suffix("")
        for path in (build.folder / "envs").glob("*.yaml")
        if environment_of(str(path.with_suffix(""))) == environment
    ]
    return prefix / "bin/python"


ENVIRONMENTS = {
    "network": "acquire",
    "video": "index occluders select actor_masks composite annotate validate leaks",
    "people": "detect",
    "torch": "train evaluate attention",
    "report": "paper report",
}
"""Environment -> stages whose jobs run in it; detect with motion, actor_masks with grabcut."""


def test_all_jobs_run_in_their_own_environments(built):
    expected = {stage: {name} for name, stages in ENVIRONMENTS.items() for stage in stages.split()}
    assert built.isolated == expected
    assert (built.folder / "build/report/index.html").stat().st_size > 10_000


def test_going_on_without_conda_plans_nothing(built):
    again = Build(built.folder, None, SETTINGS)
    assert again.planned("all") == {}
    assert again.planned("all", "--rerun-triggers", "software-env")["train_arm"] > 0


IMPORT_NAMES = {
    "imageio-ffmpeg": "imageio_ffmpeg",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pydeprecate": "deprecate",
    "pyyaml": "yaml",
    "segment-anything": "segment_anything",
    "ultralytics-opencv-headless": "ultralytics",
    "yt-dlp": "yt_dlp",
    "yt-dlp-ejs": "yt_dlp_ejs",
}
"""Package -> its module, where the two differ."""


@pytest.mark.parametrize("file", sorted((REPO / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_an_environment_is_what_its_file_says(built, file):
    """Every package has the version of constraints.txt, and can be imported; OpenCV is headless."""
    python = python_of(built, file.stem)
    command = [python, "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    listed = listed.lower().replace("_", "-").split()
    pinned = (REPO / "constraints.txt").read_text().lower().replace("_", "-").split()
    brought = ("pip==", "setuptools==", "wheel==")  # by conda, with Python
    assert {one for one in set(listed) - set(pinned) if not one.startswith(brought)} == set()
    assert not any(one.startswith("opencv-python==") for one in listed)
    named = yaml.safe_load(file.read_text())["dependencies"][-1]["pip"]
    modules = [IMPORT_NAMES.get(n, n) for n in (one.split("==")[0] for one in named)]
    after = file.with_suffix(".post-deploy.sh")
    modules += re.findall(r"(\S+)==", after.read_text()) if after.exists() else []
    subprocess.run([python, "-c", f"import {', '.join(modules)}"], check=True)


WEIGHTS = """
from occludenet_build.core import ultralytics_import
ultralytics_import.install()
from ultralytics import YOLO
for kind, file in {"yolov8n": "detect.pt", "yolov8n-seg": "segment.pt"}.items():
    made = YOLO(f"{kind}.yaml")
    made.model.names[0] = "person"
    made.save(file)
"""
"""Untrained models, which find what they find."""
OTHER = [
    ("video", "proposals", "--videos build/index/videos.parquet --detect build/detect/000.parquet"
     " --out new/proposals/candidates.parquet", {}),
    ("torch", "detect", "--videos build/index/shards/000.parquet --out new/detect/000.parquet",
     {"backend": "yolo", "weights": "detect.pt", "image_size": 64}),
    ("torch", "actor_masks", "--clips build/select/shards/000.parquet --boxes build/detect/store"
     " --out new/actor_masks/000.parquet",
     {"backend": "yolo-seg", "weights": "segment.pt", "image_size": 64}),
    ("torch", "predictions", "--help", {}),
]  # fmt: skip
"""Environment, stage, arguments and settings of what `all` does not run here."""


def test_other_stages_and_backends_run_in_their_environments(built):
    variables = {"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin", "HOME": str(built.folder)}
    run = {"cwd": built.folder, "env": variables, "capture_output": True, "text": True}
    done = subprocess.run([python_of(built, "torch"), "-c", WEIGHTS], check=False, **run)
    assert done.returncode == 0, done.stderr
    config = cfg.load(built.merged({s: own for _, s, _, own in OTHER if own}), base=built.folder)
    for environment, stage, words, _ in OTHER:
        own = ["--settings", cfg.canonical(cfg.stage_settings(config, stage))]
        command = [python_of(built, environment), "-m", "occludenet_build", stage]
        done = subprocess.run([*command, *words.split(), *own], check=False, **run)
        assert done.returncode == 0, (stage, done.stderr[-2000:])
