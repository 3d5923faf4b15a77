"""Frames that may show the actor unerased: which are counted, and the clips that they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from support.composite_stage import FRAMES, CompositeStage

from occludenet_build.core.build import ClipBoxes
from occludenet_build.occlusion.counterfactual import Unerased, count_unerased

HERE, NEAR, THERE = (10, 10, 50, 90), (14, 10, 54, 90), (200, 10, 240, 90)


def boxes(*people: tuple[range, tuple, bool]) -> ClipBoxes:
    """The boxes of tracks 0, 1, ...: frames, box, whether it is the actor's."""
    rows = [
        (frame, box, track, acting)
        for track, (frames, box, acting) in enumerate(people)
        for frame in frames
    ]
    rows.sort(key=lambda row: (row[0], row[2]))
    return ClipBoxes(
        np.array([r[0] for r in rows], np.int32),
        np.array([r[1] for r in rows], np.float32).reshape(-1, 4),
        np.array([r[2] for r in rows], np.int32),
        np.zeros(len(rows), np.int32),
        np.array([r[3] for r in rows], bool),
        np.zeros(len(rows), bool),
    )


ACTOR = (range(100), HERE, True)
COUNTED = {
    "a mask in every frame": ([ACTOR], range(100), (0, 100)),
    "the masker found nothing in ten": ([ACTOR], range(90), (10, 100)),
    "nobody after the actor": ([(range(50), HERE, True)], range(50), (0, 50)),
    "the actor goes on under another number": (
        [(range(70), HERE, True), (range(70, 100), NEAR, False)],
        range(70),
        (30, 100),
    ),
    "its second track overlaps the first": (
        [(range(70), HERE, True), (range(60, 100), NEAR, False)],
        range(70),
        (30, 100),
    ),
    "somebody is alone before the actor": (
        [(range(30, 100), HERE, True), (range(20), THERE, False)],
        range(30, 100),
        (20, 90),
    ),
    "a bystander stays when the actor leaves": (
        [(range(70), HERE, True), (range(100), THERE, False)],
        range(70),
        (0, 70),
    ),
    "masks and no box": ([], range(10), (0, 10)),
    "nobody": ([], range(0), (0, 0)),
}


@pytest.mark.parametrize("case", COUNTED)
def test_what_is_counted(case):
    people, masked, wanted = COUNTED[case]
    assert count_unerased(boxes(*people), masked) == Unerased(*wanted)


def test_the_share():
    assert Unerased(30, 100).share == 0.3
    assert Unerased(0, 0).share == 0.0


def erased_files(stage: CompositeStage) -> dict[str, int]:
    return {f: t for f, t in stage.videos().items() if "counterfactual" in f}


@pytest.fixture
def stage(tmp_path) -> CompositeStage:
    """Two clips: `one` has a mask in every frame, `two` in 24 of 30."""
    made = CompositeStage(tmp_path / "in", tmp_path / "build", ("one", "two"))
    made = made.write()
    made.mask("a", masked={"two": range(24)})
    return made


def test_a_clip_beyond_the_share_has_no_counterfactual(stage):
    stage.run()
    rows = stage.rows(stage.erased)
    assert (rows["one"]["status"], rows["one"]["unerased_frames"]) == ("ok", 0)
    refused = rows["two"]
    assert (refused["status"], refused["reason"]) == ("skipped", "not_erased")
    assert refused["unerased_frames"] == 6 and not refused["files"]
    assert "6 of 30 frames with a person have no mask of the actor (20 %)" in refused["detail"]
    assert {"one" in file for file in erased_files(stage)} == {True}
    assert {row["status"] for row in stage.rows().values()} == {"ok"}
    assert len(stage.videos()) == 2 * 3 + 2


def test_the_setting_makes_only_the_refused_clips_again(stage):
    stage.run()
    before, table = stage.videos(), stage.erased.read_bytes()
    stage.run()
    assert (stage.videos(), stage.erased.read_bytes()) == (before, table)
    stage.run(counterfactual={"max_unerased": 0.2})
    after = stage.videos()
    assert {file: after[file] for file in before} == before
    assert {file.split("_")[-1] for file in after.keys() - before.keys()} == {"two.mp4"}
    row = stage.rows(stage.erased)["two"]
    assert (row["status"], row["erased_frames"], row["unerased_frames"]) == ("ok", 24, 6)
    stage.run()
    assert stage.videos() == before
    assert stage.rows(stage.erased)["two"]["reason"] == "not_erased"


def test_masks_that_come_later_bring_the_counterfactual(stage):
    stage.run()
    before = stage.videos()
    stage.mask("a")
    stage.run()
    assert {file.split("_")[-1] for file in stage.videos().keys() - before.keys()} == {"two.mp4"}
    assert stage.rows(stage.erased)["two"]["unerased_frames"] == 0


def test_without_files_it_is_refused_too(stage):
    stage.run(counterfactual={"files": False})
    rows = stage.rows(stage.erased)
    assert {clip: row["reason"] for clip, row in rows.items()} == {"one": None, "two": "not_erased"}
    assert rows["one"]["erased_frames"] == FRAMES
