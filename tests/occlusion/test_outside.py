"""Counterfactuals of another program: what fits, what was changed, and what annotate gets."""

from __future__ import annotations

import argparse
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.composite_stage import FRAMES, HEIGHT, WIDTH, CompositeStage

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.outside import command
from occludenet_build.occlusion.outside.compare import Changes, compare_clip

CLIPS = ("fits", "short", "small", "slow", "shadow", "absent", "painted")


def rewritten(path: Path, change=lambda picture: picture, stop=None, fps=25) -> None:
    frames = [change(picture) for _, picture in rgb_frames(path)]
    write_video(path, frames[:stop], fps)


def with_shadow(picture: np.ndarray) -> np.ndarray:
    """A tenth of the picture, at its left edge, is made much darker."""
    picture = picture.copy()
    picture[:, : WIDTH // 10] = picture[:, : WIDTH // 10] // 4
    return picture


def without_occluder(picture: np.ndarray) -> np.ndarray:
    """Dark everywhere, so also where the occluder lies."""
    return np.full_like(picture, 30)


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> CompositeStage:
    folder = tmp_path_factory.mktemp("outside")
    made = CompositeStage(folder, folder / "build", clips=CLIPS).write()
    made.run(scales=[0.5], clean_twin=False)
    shutil.copytree(made.root / "OccludeNet-D-counterfactual", folder / "removed")
    own = {clip: folder / f"removed/train/50%/walking/0.50_{clip}.mp4" for clip in CLIPS}
    rewritten(own["short"], stop=-3)
    rewritten(own["small"], lambda picture: picture[:-4])
    rewritten(own["slow"], fps=Fraction(20))
    rewritten(own["shadow"], with_shadow)
    own["absent"].unlink()
    rewritten(own["painted"], without_occluder)
    # the names of the whole tree, and another container, are accepted too
    other = folder / "removed/OccludeNet-D-counterfactual/train/50%/walking/0.50_fits.mkv"
    other.parent.mkdir(parents=True)
    own["fits"].rename(other)
    return made


def run(stage: CompositeStage, out: Path, **settings: Any) -> tuple[dict, dict]:
    """The rows of MEASURES and of CLIPS, by source clip."""
    words = ["--composite", stage.out, "--erased", stage.erased, "--root", stage.root]
    words += ["--masks", stage.folder / "masks/000.parquet", "--out", out / "000.parquet"]
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    values = {"outside": {"folder": str(stage.folder / "removed")} | settings}
    command.run(parser.parse_args([str(w) for w in words]), config.load_part(values))
    measured = tables.read_rows(out / "frames/000.parquet")
    return (
        {row["source"]: row for row in measured},
        {row["clip"]: row for row in tables.read_rows(out / "000.parquet")},
    )


@pytest.fixture(scope="module")
def found(stage, tmp_path_factory) -> tuple[dict, dict]:
    return run(stage, tmp_path_factory.mktemp("compared"))


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        ("fits", None),
        ("short", "other_frames"),
        ("small", "other_size"),
        ("slow", None),
        ("shadow", None),
        ("absent", "not_outside"),
        ("painted", "changes_occluder"),
    ],
)
def test_a_clip_that_does_not_fit_is_a_row_with_a_reason(found, clip, reason):
    measured, clips = found
    assert measured[clip]["reason"] == clips[clip]["reason"] == reason
    assert (measured[clip]["status"] == "ok") == (reason is None) == bool(clips[clip]["files"])


def test_what_was_changed_outside_the_mask_is_measured(found):
    measured, _ = found
    fits, shadow, slow = (measured[clip] for clip in ("fits", "shadow", "slow"))
    assert fits["frames"] == fits["masked_frames"] == FRAMES
    assert fits["inside"] > 30 and fits["outside"] < 4 and fits["changed"] < 0.01
    assert fits["same_times"] and not slow["same_times"]
    # the share of the shadow among the pixels outside the dilated mask
    free = HEIGHT * WIDTH - (20 + 16) * (44 + 16)
    assert shadow["changed"] == pytest.approx(HEIGHT * (WIDTH // 10) / free, rel=0.25)
    assert shadow["distance"] > 8 and shadow["reach"] >= shadow["distance"]
    assert shadow["ours_changed"] < 0.01 and shadow["ours_inside"] > 30


def test_annotate_gets_the_files_of_the_other_program(found):
    measured, clips = found
    row = clips["fits"]
    assert row["files"] == [measured["fits"]["path"]] and row["files"][0].endswith(".mkv")
    assert row["file_hashes"] == [sha256_file(Path(row["files"][0]))]
    assert row["key"] != clips["shadow"]["key"] and row["scales"] == [0.5]


def test_clips_that_change_too_much_can_be_refused(stage, tmp_path):
    measured, clips = run(stage, tmp_path, max_changed=0.02)
    assert clips["shadow"]["reason"] == measured["shadow"]["reason"] == "changes_background"
    assert clips["fits"]["status"] == "ok" and not clips["shadow"]["files"]


def test_the_occluder_must_stay(stage, found, tmp_path):
    """A remover that paints the occluder out with the actor gives no pair of the occluded clip."""
    measured, _ = found
    assert measured["fits"]["occluder_changed"] < 0.05 and measured["fits"]["inside"] > 30
    assert measured["painted"]["occluder_changed"] > 0.5
    assert measured["painted"]["ours_occluder_changed"] < 0.05
    assert "of the occluder's pixels over the actor" in measured["painted"]["detail"]
    again, clips = run(stage, tmp_path, max_occluder_changed=1)
    assert again["painted"]["reason"] is None and clips["painted"]["files"]


def test_the_occluder_is_no_part_of_the_hole():
    mask, occluder = np.zeros((2, 40, 60), bool)
    mask[:, :30] = True
    occluder[10:30, 10:50] = True
    difference = np.where(occluder, 90, 0).astype(np.uint8)
    changes = Changes(threshold=20)
    changes.add(0, difference, mask, occluder)
    columns = changes.columns()
    assert columns["inside"] == 0 and columns["occluder_changed"] == 1
    assert columns["changed"] == pytest.approx(400 / 1200), "beside the actor it counts as before"


def test_only_what_is_new_is_compared_again(stage, tmp_path, monkeypatch):
    compared = []

    def counting(job):
        compared.append(job.known["clip"])
        return compare_clip(job)

    monkeypatch.setattr(command, "compare_clip", counting)
    first, _ = run(stage, tmp_path)
    assert len(compared) == len(CLIPS)
    compared.clear()
    limited, _ = run(stage, tmp_path, max_changed=0.02)
    assert not compared and limited["shadow"]["reason"] == "changes_background"
    assert run(stage, tmp_path) == run(stage, tmp_path) and not compared
    own = stage.folder / "removed/train/50%/walking/0.50_slow.mp4"
    moved = tmp_path / "moved"
    shutil.copytree(stage.folder / "removed", moved)
    rewritten(moved / own.relative_to(stage.folder / "removed"), with_shadow)
    there, _ = run(stage, tmp_path, folder=str(moved))
    assert compared == ["0.50_slow"] and there["slow"]["changed"] > first["slow"]["changed"]
    assert there["fits"]["path"].startswith(str(moved))
    compared.clear()
    run(stage, tmp_path, folder=str(moved), threshold=30)
    assert len(compared) == len(CLIPS)


def test_distances_of_changed_pixels_are_those_from_the_mask():
    mask = np.zeros((20, 60), bool)
    mask[:, :10] = True
    difference = np.zeros((20, 60), np.uint8)
    difference[:, 40:50] = 50  # 31 to 40 pixels from the mask
    changes = Changes(threshold=20)
    changes.add(0, difference, mask, np.zeros_like(mask))
    columns = changes.columns()
    assert columns["changed"] == pytest.approx(0.2) and columns["outside"] == pytest.approx(10)
    assert columns["distance"] == pytest.approx(35.5, abs=1) and columns["reach"] >= 38
    assert Changes(20).columns()["changed"] is None


def test_a_folder_that_is_none_is_one_line(stage, tmp_path):
    with pytest.raises(UserError, match=r"outside\.folder: wanted a folder"):
        run(stage, tmp_path, folder=None)
