"""Scores of predicted whole masks against an export in TABE's layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.drawn_masks import DrawnBuild, Scene, export

from occludenet_build.cli import main
from occludenet_build.dataset.export import tabe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools
WALK = Scene("walk", hidden=(5,))


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("build")
    build = DrawnBuild(root, [WALK, Scene("free", occluder=None)])
    return export(tabe, build, tmp_path_factory.mktemp("out"), pixels=False).folder / "D-50/test"


def score(truth: Path, predictions: Path) -> dict:
    out = predictions / "scores.json"
    words = ["--truth", truth, "--predictions", predictions, "--out", out]
    main(["amodal", *map(str, words)])
    return json.loads(out.read_text())


def copied(truth: Path, target: Path, masks: str, place: str = "") -> Path:
    for video in truth.iterdir():
        shutil.copytree(video / masks, target / video.name / place)
    return target


@pytest.mark.parametrize("place", ["", "masks", "final_outputs/0/masks"])
def test_the_truth_scores_one(truth: Path, tmp_path: Path, place: str) -> None:
    found = score(truth, copied(truth, tmp_path, "gt_masks", place))
    assert found["scores"] == {"J": 1.0, "J_occluded": 1.0, "J_fully": 1.0, "J_hidden": 1.0}
    assert found["videos"]["free"] == {
        "J": 1.0, "J_occluded": None, "J_fully": None, "J_hidden": None
    }  # fmt: skip


def test_the_visible_masks_score_nothing_where_the_actor_is_hidden(
    truth: Path, tmp_path: Path
) -> None:
    walk = score(truth, copied(truth, tmp_path, "visible_masks"))["videos"]["walk"]
    shown = [n for n in range(WALK.frames) if n not in WALK.absent]
    shares = [WALK.visible(n).sum() / WALK.whole(n).sum() for n in shown]
    assert walk["J"] == walk["J_occluded"] == pytest.approx(np.mean(shares))
    assert (walk["J_fully"], walk["J_hidden"]) == (0.0, 0.0)


def test_runs_are_averaged_and_false_alarms_count(truth: Path, tmp_path: Path) -> None:
    copied(truth, tmp_path, "gt_masks", "final_outputs/0/masks")
    copied(truth, tmp_path, "gt_masks", "final_outputs/1/masks")
    full = np.full((WALK.height, WALK.width), 255, np.uint8)
    Image.fromarray(full).save(tmp_path / "walk/final_outputs/1/masks/00000.png")  # nobody there
    walk = score(truth, tmp_path)["videos"]["walk"]
    assert walk["J"] == pytest.approx((1 + 8 / 9) / 2)
    assert walk["J_hidden"] == 1


def test_what_does_not_fit_is_said_in_one_line(truth: Path, tmp_path: Path, capsys) -> None:
    folder = copied(truth, tmp_path / "few", "gt_masks")
    small = copied(truth, tmp_path / "small", "gt_masks")
    (folder / "walk/00003.png").unlink()
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(small / "walk/00003.png")
    cases = {"wanted 10 masks": folder, "got no PNG": tmp_path / "none"}
    cases["wanted masks of 64x48 pixels in"] = small
    for said, predictions in cases.items():
        predictions.mkdir(exist_ok=True)
        with pytest.raises(SystemExit):
            score(truth, predictions)
        assert said in (text := capsys.readouterr().err) and "Traceback" not in text
    with pytest.raises(SystemExit):
        score(tmp_path / "none", folder)
    assert "wanted folders <video>/gt_masks" in capsys.readouterr().err
