"""A working directory with a small mini-world, in which tests run Snakemake."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from conftest import REPO

SETTINGS = {
    "acquire": {
        "videos": "world/videos",
        "coco_images": "world/coco/images",
        "coco_instances": "world/coco/instances.json",
    },
    "index": {"shards": 2},
    "detect": {"backend": "motion"},
    "occluders": {"min_pixels": 6000, "split": {"train": 0.4, "val": 0.3, "test": 0.3}},
    "select": {"shards": 3},
    "composite": {"scales": [0.25, 0.75], "preset": "ultrafast"},
    "actor_masks": {"backend": "grabcut"},
    "train": {"backbone": "tiny3d", "scales": [0.75], "epochs": 1},
    "failures": {"commit_clips": 1},  # tests wait for the first finished clip
}


class Build:
    """A working directory with a copy of the mini-world."""

    def __init__(self, folder: Path, world: Path | None, settings: dict, repo: Path = REPO) -> None:
        self.folder, self.settings, self.repo = folder, copy.deepcopy(settings), repo
        self.environ, self.python = environment(), sys.executable
        if world is not None:
            shutil.copytree(world, folder / "world")

    def where(self, settings: dict) -> Build:
        """The same folder with other settings."""
        return Build(self.folder, None, settings, self.repo)

    def copied(self, folder: Path) -> Build:
        """A copy of the folder and of what Snakemake knows of it, for tests that change it."""
        for name in ("world", "build", ".snakemake"):
            shutil.copytree(self.folder / name, folder / name)
        return Build(folder, None, self.settings, self.repo)

    def merged(self, change: dict) -> dict:
        """The settings with changes, stage -> values."""
        return self.settings | {
            stage: self.settings.get(stage, {}) | values for stage, values in change.items()
        }

    def command(self, *targets: str, cores: int = 2) -> list[str]:
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.settings, sort_keys=False))
        # run as a module of the Python that runs the tests
        return [
            self.python,
            "-m",
            "snakemake",
            "-s",
            str(self.repo / "Snakefile"),
            "--cores",
        ] + [
            str(cores),
            "--directory",
            str(self.folder),
            *targets,
            "--configfile",
            "mine.yaml",
        ]

    def run(self, *targets: str, cores: int = 2, ok: bool = True) -> str:
        command = self.command(*targets, cores=cores)
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, check=False, env=self.environ
        )
        assert (done.returncode == 0) == ok, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def planned(self, *targets: str) -> dict[str, int]:
        """Rule -> number of jobs that a run would start now."""
        return self.counted(self.run(*targets, "-n"), targets)

    @staticmethod
    def counted(text: str, targets: tuple[str, ...]) -> dict[str, int]:
        """Rule -> number of jobs, from what a dry run prints."""
        stats = re.search(r"^job +count\n-+ +-+\n(.*?)\ntotal", text, re.M | re.S)
        if stats is None:
            assert "Nothing to be done" in text, text[-2000:]
            return {}
        rows = (line.split() for line in stats[1].splitlines())
        return {name: int(count) for name, count in rows if name not in ("all", *targets)}

    def clips(self) -> dict[str, int]:
        """Finished videos -> time stamp, ns."""
        build = self.folder / "build"
        found = build.glob("OccludeNet-D*/**/*.mp4")
        files = (p for p in found if p.is_file() and not p.name.startswith("."))
        return {str(p.relative_to(build)): p.stat().st_mtime_ns for p in files}

    def unfinished(self) -> list[Path]:
        return list((self.folder / "build").rglob(".*.part*"))


def repository(folder: Path) -> Path:
    """A copy of the project in which tests change code."""
    for name in ("occludenet_build", "workflow", "profiles", "envs"):
        shutil.copytree(REPO / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "constraints.txt"):
        shutil.copy(REPO / name, folder)
    return folder


def environment() -> dict[str, str]:
    """The environment of a user who has not activated the one with Snakemake."""
    own = str(Path(sys.executable).parent)
    path = [folder for folder in os.environ["PATH"].split(":") if folder != own]
    return os.environ | {"PATH": ":".join(path)}
