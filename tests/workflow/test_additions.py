"""What an addition costs: a toy detector and a toy stage, in a copy of the repository.

The recipes are those of CONTRIBUTING.md. Both additions really run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO, moving_square
from support.workflow import SETTINGS, Build, repository

from occludenet_build.core import tables, versions
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.synth import write_video
from occludenet_build.people.detect import BOXES
from occludenet_build.people.detectors.interface import FrameDetections
from occludenet_build.people.detectors.motion import Motion
from occludenet_build.sources.index import INDEX
from occludenet_build.stages import STAGES

DETECTOR = f'''"""A detector of bright regions."""

import numpy as np

from {FrameDetections.__module__} import FrameDetections


class Bright:
    def __init__(self, settings):
        self.settings = settings

    def find(self, clip, frames):
        for number, picture in frames:
            y, x = np.nonzero(picture[..., 0] > 180)
            box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
            yield FrameDetections(number, box, np.full(1, self.settings.score + 0.5, np.float32))
'''
DETECTOR_ROW = """
    Backend(
        "bright",
        "bright:Bright",
        "bright regions",
        network=False,
        matters=("score",),
    ),
"""

SETTINGS_CLASS = '''"""Settings of the stage counted."""

from dataclasses import dataclass

from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class CountedVideos:
    times: int = setting(1, low=1)
    """How often each video counts."""
'''
STAGE_ROW = """
    Stage(
        "counted_videos",
        "{wing}",
        "Count the videos",
        in_all=False,
        settings="counted",
    ),
"""
COMMAND = '''"""The command line of counted_videos."""

from pathlib import Path

from occludenet_build.config.counted import CountedVideos
from occludenet_build.core import tables
from occludenet_build.core.files import write_text


def add_arguments(parser):
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)


def run(args, config):
    times = config.section(CountedVideos).times
    write_text(args.out, f"{times * len(tables.read_rows(args.videos))}\\n")
'''
RULE = """
rule counted_videos:
    input:
        rules.acquire_videos.output,
    output:
        f"{{BUILD}}/counted_videos/count.txt",
    params:
        settings={settings}("counted_videos"),
        version=results_version("counted_videos"),
    shell:
        "python -m occludenet_build counted_videos --videos {{input}} --out {{output}}"
        " --settings {{params.settings:q}}"
"""


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def changed(repo: Path, before: dict[str, bytes]) -> tuple[set[str], set[str]]:
    """(files that had to change, files that are new)."""
    now = contents(repo)
    edited = {name for name, text in before.items() if now[name] != text}
    return edited, set(now) - set(before)


def inserted(path: Path, before: str, text: str) -> None:
    whole = path.read_text()
    assert whole.count(before) == 1, (path, before)
    path.write_text(whole.replace(before, text.lstrip("\n") + before))


def occludenet(repo: Path, *words: str) -> str:
    command = [sys.executable, "-m", "occludenet_build", *words]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def repo(tmp_path) -> Path:
    return repository(tmp_path / "repo")


def in_copy(repo: Path, module: str) -> Path:
    return repo / versions.source_file(module).relative_to(REPO)


def test_a_detector_is_a_file_and_a_row(repo, tmp_path):
    before = contents(repo)
    in_copy(repo, Motion.__module__).with_name("bright.py").write_text(DETECTOR)
    table = repo / "occludenet_build/config/backends.py"
    inserted(table, ")\n\n_MASKERS = (", DETECTOR_ROW)
    edited, new = changed(repo, before)
    assert edited == {"occludenet_build/config/backends.py"} and len(new) == 1

    assert "bright: bright regions" in occludenet(repo, "manual")
    video, listed = tmp_path / "clip.mp4", tmp_path / "videos.parquet"
    write_video(video, moving_square(12), 8)
    row = {"clip": "clip", "path": str(video), "sha256": sha256_file(video), "frames": 12}
    row |= {"width": 96, "height": 64, "fps": 8.0, "status": "ok"}
    tables.write_table(tables.from_rows([row], INDEX), listed)
    out = tmp_path / "detect" / "000.parquet"
    settings = '{"detect": {"backend": "bright", "min_track_seconds": 0.1}}'
    occludenet(repo, "detect", "--videos", str(listed), "--out", str(out), "--settings", settings)
    (found,) = tables.read_rows(out)
    assert (found["status"], found["backend"], found["actor_frames"]) == ("ok", "bright", 12)
    boxes = tables.read_rows(tmp_path / "detect/store/000/detail.parquet")
    assert set(BOXES.names) == set(boxes[0]) and 14 <= boxes[0]["x2"] - boxes[0]["x1"] <= 20


def test_a_stage_is_a_package_rules_settings_a_row_and_a_line(repo, world, tmp_path):
    before, like = contents(repo), STAGES["validate"]
    package = in_copy(repo, like.module).parent.parent / "counted_videos"
    package.mkdir()
    (package / "__init__.py").write_text('"""counted_videos: how many videos there are."""\n')
    (package / "command.py").write_text(COMMAND)
    (repo / "occludenet_build/config/counted.py").write_text(SETTINGS_CLASS)
    helper = re.search(
        r'settings=(\w+)\("validate"\)', (repo / "workflow/validate.smk").read_text()
    )
    (repo / "workflow/counted_videos.smk").write_text(RULE.format(settings=helper[1]))
    inserted(repo / "occludenet_build/stages.py", ")\n\nSTAGES", STAGE_ROW.format(wing=like.wing))
    inserted(repo / "Snakefile", "\n\nrule all:", 'include: "workflow/counted_videos.smk"\n')
    edited, new = changed(repo, before)
    assert edited == {"occludenet_build/stages.py", "Snakefile"} and len(new) == 4

    assert "Count the videos" in occludenet(repo, "--help")
    assert "counted_videos:\n  # How often each video counts." in occludenet(repo, "manual")
    settings = SETTINGS | {"counted_videos": {"times": 3}}
    build = Build(tmp_path / "work", world, settings, repo)
    build.run("counted_videos")
    videos = len(tables.read_rows(build.folder / "build/acquire/videos.parquet"))
    counted = build.folder / "build/counted_videos/count.txt"
    assert counted.read_text() == f"{3 * videos}\n"
    assert build.planned("counted_videos") == {}
    other = build.where(SETTINGS | {"counted_videos": {"times": 0}})
    assert "counted_videos.times" in other.run("counted_videos", "-n", ok=False)
