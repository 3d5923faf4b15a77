"""--use-conda, with a stand-in for conda: what jobs see, and what is rerun.

Quick here: environments of links, and the stages acquire, occluders and index. test_conda_build.py
installs every environment and runs the whole workflow.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO
from support import conda
from support.conda_jobs import check_isolated, environment_of, notes, submitter
from support.workflow import SETTINGS, Build, repository

pytestmark = pytest.mark.skipif(bool(conda.missing_python()), reason=conda.missing_python())

SEEN = {"acquire": {"network"}, "occluders": {"video"}, "index": {"video"}}
JOBS = {"acquire_coco": 1, "acquire_videos": 1, "index": 1, "occluders": 1}
TARGETS = ("build/occluders/occluders.parquet", "build/index/videos.parquet")
CONDA = "--use-conda"
BY_ENVIRONMENT = ("--rerun-triggers", "software-env")
"""What Snakemake does by itself, without the profile."""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> conda.Conda:
    return conda.install(tmp_path_factory.mktemp("conda") / "root", "linked")


@pytest.fixture(scope="module")
def built(world, stand_in, tmp_path_factory) -> Build:
    """A build with --use-conda by a submitter who has Snakemake and nothing else that the project
    needs, and has set all that could disturb its jobs."""
    folder = tmp_path_factory.mktemp("built")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    conda.link_packages(venv, ["snakemake"])
    build = Build(folder, world, SETTINGS, repository(folder / "repository"))
    build.python = str(venv / "bin/python")
    build.environ = stand_in.environment(**submitter(folder / "submitter", venv))
    build.run(CONDA, *TARGETS)
    return build


def test_jobs_see_their_own_environment_and_nothing_of_the_submitters(built):
    prefix = built.folder / ".snakemake/conda"
    seen = check_isolated(prefix, package=built.repo)
    assert seen == SEEN


def test_snakemake_asked_nothing_else_of_conda(built, stand_in):
    """Its requests are those that the stand-in was written for; others end the run."""
    made = [call for call in stand_in.calls() if call.startswith("env create")]
    assert sum(str(built.folder) in call for call in made) == 2


def test_going_on_without_conda_plans_nothing(built):
    again = Build(built.folder, None, SETTINGS, built.repo)
    assert again.planned(*TARGETS) == {}
    assert again.planned(*TARGETS, *BY_ENVIRONMENT) == JOBS
    assert again.planned(*TARGETS, "--workflow-profile", "none") == JOBS


def test_an_edited_environment_plans_nothing(built):
    file = built.repo / "envs/video.yaml"
    text = file.read_text()
    file.write_text(text + "# another line\n")
    try:
        assert built.planned(CONDA, *TARGETS) == {}
        assert built.planned(CONDA, *TARGETS, *BY_ENVIRONMENT) == {"index": 1, "occluders": 1}
    finally:
        file.write_text(text)


@pytest.mark.slow
def test_going_on_with_conda_plans_nothing(world, stand_in, tmp_path):
    build = Build(tmp_path, world, SETTINGS)
    build.run(TARGETS[0])
    build.environ = stand_in.environment()
    assert build.planned(CONDA, TARGETS[0]) == {}
    assert build.planned(CONDA, TARGETS[0], *BY_ENVIRONMENT) == {"acquire_coco": 1, "occluders": 1}


NODE = (
    *("--mode", "remote", "--executor", "local", "--cores", "1", "--force", "--nolock"),
    *("--rerun-triggers", "mtime", "input", "params", "--ignore-incomplete", "--no-hooks"),
    *("--software-deployment-method", "conda", "--target-jobs", "occluders:"),
)
"""How an executor of a cluster starts Snakemake on a node."""


@pytest.mark.slow
def test_a_job_on_a_node_sees_the_same(built, stand_in):
    """Snakemake on the node is the submitter's, and activates the environment for the job only."""
    before = len(notes(built.folder / ".snakemake/conda"))
    built.run(*NODE, "--conda-base-path", str(stand_in.root))
    after = notes(built.folder / ".snakemake/conda")
    assert len(after) > before
    assert check_isolated(built.folder / ".snakemake/conda", package=built.repo) == SEEN


@pytest.mark.slow
def test_all_environments_can_be_made_beforehand(world, stand_in, tmp_path):
    """Before there is a video, also those of jobs that a checkpoint decides on."""
    build = Build(tmp_path, world, SETTINGS)
    build.environ = stand_in.environment()
    build.run(
        CONDA, "--conda-create-envs-only", "dataset", "--conda-prefix", str(tmp_path / "envs")
    )
    made = {environment_of(str(p.with_suffix(""))) for p in tmp_path.glob("envs/*.yaml")}
    assert made == {"network", "video", "people"}
    assert not (tmp_path / "build").exists()


def installed_elsewhere(folder: Path) -> Path:
    """The interpreter of an environment with the project's wheel and what it needs."""
    wheels, venv = folder / "wheels", folder / "venv"
    source = repository(folder / "source")
    for name in ("demo", "recipes"):
        shutil.copytree(REPO / name, source / name)
    for name in ("setup.py", "pyproject.toml", "config.yaml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, source)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([sys.executable, "-m", "pip", *build, str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    conda.link_packages(venv, ["pip", "snakemake", *SUBMITTER])
    python = venv / "bin/python"
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    return python


SUBMITTER = ("av", "msgspec", "numpy", "opencv-python-headless", "pyarrow", "pyyaml", "tqdm")
"""What the command line and the rules of an installed project import."""


@pytest.mark.slow
def test_an_installed_package_brings_nothing_but_itself(world, stand_in, tmp_path):
    """Its folder has all packages of the submitter; jobs get a link to the package alone."""
    python = installed_elsewhere(tmp_path)
    own = tmp_path / "copy"
    subprocess.run([python, "-m", "occludenet_build", "init", own], check=True, cwd=tmp_path)
    build = Build(tmp_path, world, SETTINGS, own)
    build.python = str(python)
    build.environ = stand_in.environment(**submitter(tmp_path / "submitter", tmp_path / "venv"))
    build.run(CONDA, *TARGETS)
    package = tmp_path / ".snakemake/python_path"
    assert check_isolated(tmp_path / ".snakemake/conda", package) == SEEN
    (link,) = package.iterdir()
    assert link.resolve().is_relative_to(tmp_path / "venv")
