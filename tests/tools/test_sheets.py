"""Contact sheets of a small build, of a build with detect only, and of missing files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPO
from support.build import CLIPS, SmallBuild

from occludenet_build.core.errors import UserError
from occludenet_build.media.imaging.thumbnails import (
    COLOURS,
    Drawing,
    Mark,
    draw_thumbnail,
    evenly_spaced_frames,
    frames_at,
)
from occludenet_build.tools import sheets

TRAIN, TEST = CLIPS[0], CLIPS[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sheets")
    SmallBuild(folder, videos=True, clips=CLIPS[:2]).write()
    return folder


def clip(root: Path, name: str) -> sheets.SheetClip:
    (found,) = sheets.clips_of(root, [name])
    return found


def names(root: Path, name: str) -> list[str]:
    one = clip(root, name)
    return [row[0] for row in sheets._rows(one, evenly_spaced_frames(one.frames, 4), one.boxes())]


def test_what_the_build_has_is_a_row(root):
    scales = ["25%", "50%", "75%"]
    assert names(root, TRAIN.name) == ["boxes", "mask", *scales, "counterf. 50%"]
    assert names(root, TEST.name) == ["boxes", "mask", *scales]


def test_detect_alone_will_do(root, tmp_path):
    for stage in ("index", "detect"):
        shutil.copytree(root / stage, tmp_path / stage)
    assert names(tmp_path, TRAIN.name) == ["boxes"]
    picture = sheets.sheet(clip(tmp_path, TRAIN.name), 4, 600)
    assert picture.dtype == np.uint8 and picture.ndim == 3


def test_the_actor_is_drawn_where_detected(root):
    one = clip(root, TRAIN.name)
    here = sheets._box_drawings(one.boxes())
    # frames 0 and 1 have nobody, 5 is filled in
    assert sorted(here) == list(range(2, 10))
    assert here[5].marks[0].colour == COLOURS["filled"]
    assert here[6].marks == (Mark((24, 8, 40, 40), COLOURS["detected"], "actor 0", True),)
    pictures = frames_at(one.source, [6])
    drawn = draw_thumbnail(pictures[6], 48, here[6])
    assert (
        tuple(drawn[8, 30]) == COLOURS["detected"] and tuple(drawn[30, 24]) == COLOURS["detected"]
    )


def test_a_bystander_is_thin_and_below():
    rows = [
        {
            "frame": 3,
            "track": 4,
            "actor": actor,
            "filled": False,
            "x1": 1,
            "y1": 2,
            "x2": 9,
            "y2": 9,
        }
        for actor in (True, False)
    ]
    bystander, actor = sheets._box_drawings(rows)[3].marks
    assert (bystander.strong, actor.strong, bystander.text) == (False, True, "4")


def test_a_file_that_is_gone_is_a_row_that_says_so(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    one = clip(tmp_path / "copy", TRAIN.name)
    whole = sheets.sheet(one, 4, 600)
    (tmp_path / "copy" / one.occluded[0.5]).unlink()
    (tmp_path / "copy" / one.occluded[0.75]).write_bytes(b"no video")
    less = sheets.sheet(one, 4, 600)
    assert less.shape[0] < whole.shape[0]


def test_a_clip_that_is_not_there_is_one_line(root):
    with pytest.raises(UserError, match="got nowhere") as error:
        sheets.clips_of(root, ["nowhere", TRAIN.name])
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="--build"):
        sheets.clips_of(root / "none", [])


def test_a_frame_without_anything_stays_as_it_is():
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    assert np.array_equal(draw_thumbnail(picture, 20), draw_thumbnail(picture, 20, Drawing()))


def run(*words: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "occludenet_build", "sheets", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_command_line(root, tmp_path):
    done = run("--build", root, "--clip", TRAIN.name, "--out", tmp_path, "--frames", "3")
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.iterdir()
    assert path.name == f"{TRAIN.name}.jpg"
    assert cv2.imread(str(path)).shape[1] > 300
    wrong = run("--build", root, "--clip", "nobody", "--out", tmp_path)
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
