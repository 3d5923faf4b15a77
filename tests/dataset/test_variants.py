"""The derived sets hold what they say, pixel by pixel, on clips of known colours."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.build import ABSENT, FRAMES, HEIGHT, SCALES, WIDTH, actor, square
from support.render import write_png
from support.variants import ACTOR, ALL, OCCLUDER, SCENES, TESTED, VariantsBuild

from occludenet_build.config import load_part
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.dataset.variants import CLIPS, items
from occludenet_build.dataset.variants.footage import Footage, Reel
from occludenet_build.dataset.variants.scenes import Moving, stripes
from occludenet_build.media.video.source import open_video
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.recognition.clip_table import read_clips

NEAR = 14
"""Largest difference of colours that are the same but for coding and chroma."""
SETS = {
    *("background", "human", "ring", "ring-flat"),
    *("swap-random-1", "swap-close-1", "swap-far-1"),
    *("scuba-stripes", "scuba-plates", "scufo-stripes", "scufo-plates"),
    *(f"D-{round(100 * scale)}-greyed" for scale in SCALES),
}


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> VariantsBuild:
    made = VariantsBuild(tmp_path_factory.mktemp("variants")).write()
    made.run()
    return made


def eroded(mask: np.ndarray, by: int = 3) -> np.ndarray:
    """The pixels of a mask that are clear of its edge, where chroma mixes."""
    return cv2.erode(mask.astype(np.uint8), np.ones((2 * by + 1,) * 2), borderValue=0).astype(bool)


def grey(picture: np.ndarray) -> np.ndarray:
    """The luma, int64 (H, W): chroma of narrow stripes is lost in coding."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(int)


def check(picture: np.ndarray, where: np.ndarray, colour) -> None:
    assert where.any()
    found = picture[where].astype(int)
    assert np.abs(found - np.asarray(colour, int)).max() <= NEAR, (found.mean(axis=0), colour)


def test_every_clip_of_the_split_is_in_every_set(build):
    rows = build.rows()
    assert set(rows) == {f"{name}/{clip}" for name in SETS for clip in TESTED}
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {row["frames"] for row in rows.values()} == {FRAMES}


@pytest.mark.parametrize("name", sorted(SETS))
def test_clips_have_the_times_of_their_source(build, name):
    for clip in TESTED:
        with open_video(build.source(clip)) as source:
            wanted = [f.pts * source.time_base for f in source]
        with open_video(build.root / build.rows()[f"{name}/{clip}"]["file"]) as source:
            assert [f.pts * source.time_base for f in source] == wanted
            assert not source.audio


@pytest.mark.parametrize("clip", TESTED)
def test_human_only_shows_the_actor_on_the_mean_colour(build, clip):
    for number, picture in enumerate(build.frames(f"human/{clip}")):
        if number in ABSENT:
            check(picture, np.ones((HEIGHT, WIDTH), bool), build.mean)
        else:
            check(picture, eroded(actor(number)), ACTOR)
            check(picture, eroded(~actor(number)), build.mean)


@pytest.mark.parametrize("clip", TESTED)
def test_background_only_has_no_actor(build, clip):
    for picture in build.frames(f"background/{clip}"):
        check(picture, np.ones((HEIGHT, WIDTH), bool), SCENES[clip])


@pytest.mark.parametrize("name", ["swap-random-1", "swap-close-1", "swap-far-1", "scuba-plates"])
def test_swaps_show_the_actor_before_the_other_clip(build, name):
    for clip in TESTED:
        row = build.rows()[f"{name}/{clip}"]
        assert row["background"] != clip and row["background_label"] != row["label"]
        for number, picture in enumerate(build.frames(f"{name}/{clip}")):
            check(picture, eroded(~actor(number)), SCENES[row["background"]])
            if number not in ABSENT:
                check(picture, eroded(actor(number)), ACTOR)


def test_close_and_far_backgrounds_are(build):
    behind = {n: build.rows()[f"swap-{n}-1/beer-2"]["background"] for n in ("close", "far")}
    assert behind == {"close": "water-3", "far": "odd-2"}
    pairs = tables.read_rows(build.root / "variants/pairs.parquet")
    by = {(row["set"], row["clip"]): row for row in pairs}
    assert by["swap-close-1", "beer-2"]["distance"] < by["swap-far-1", "beer-2"]["distance"]
    lines = (build.root / "variants/pairs.csv").read_text().splitlines()
    assert len(lines) == 1 + len(pairs) and lines[0].startswith("set,clip,label,background,")


@pytest.mark.parametrize("clip", TESTED)
def test_scuba_has_still_stripes_and_scufo_one_frame(build, clip):
    striped = grey(stripes((WIDTH, HEIGHT), 0, clip))
    moving, still = (build.frames(f"{kind}-stripes/{clip}") for kind in ("scuba", "scufo"))
    for number, picture in enumerate(moving):
        around = eroded(~actor(number))
        assert np.abs(grey(picture) - striped)[around].mean() < 4
    chosen = sorted(set(range(FRAMES)) - ABSENT)[(FRAMES - len(ABSENT)) // 2]
    for picture in still:
        assert np.abs(picture.astype(int) - moving[chosen]).mean() < 3
        check(picture, eroded(actor(chosen)), ACTOR)


@pytest.mark.parametrize("clip", TESTED)
def test_the_ring_shows_what_is_around_the_actor_and_nothing_of_them(build, clip):
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    shown, flat = (build.frames(f"{name}/{clip}") for name in ("ring", "ring-flat"))
    for number in sorted(set(range(FRAMES)) - ABSENT):
        mask = actor(number)
        ring = cv2.dilate(mask.astype(np.uint8), disc).astype(bool) & ~mask
        inner = eroded(ring, 2)
        check(shown[number], eroded(mask, 2), build.mean)
        check(shown[number], eroded(~mask & ~ring, 2), build.mean)
        check(shown[number], inner, SCENES[clip])
        check(flat[number], inner, (0, 0, 0))
        check(flat[number], eroded(mask, 2), build.mean)


def test_the_greyed_clip_is_the_occluded_one_without_its_occluder(build):
    for number, picture in enumerate(build.frames("D-75-greyed/beer-2")):
        hidden = np.zeros((HEIGHT, WIDTH), bool)
        if number not in ABSENT:
            x, y, side = square(number, 0.75)
            hidden[y : y + side, x : x + side] = True
            check(picture, eroded(hidden, 1), build.mean)
            check(picture, eroded(actor(number) & ~hidden, 2), ACTOR)
        check(picture, eroded(~actor(number) & ~hidden), SCENES["beer-2"])
    assert np.abs(np.subtract(OCCLUDER, build.mean)).min() > 2 * NEAR, "the test can fail"


def test_evaluate_and_other_programs_read_the_lists(build):
    path = build.root / "variants/clips.parquet"
    assert tables.read_table(path).schema.names == CLIPS.names
    clips = read_clips(path, "test")
    assert {clip.set for clip in clips} == SETS and len(clips) == len(SETS) * len(TESTED)
    assert all((build.root / clip.file).is_file() and not clip.erased_hash for clip in clips)
    for name in SETS:
        lines = (build.root / f"variants/{name}.csv").read_text().splitlines()
        assert lines[0] == "file,label" and len(lines) == 1 + len(TESTED)
        assert all((build.root / "variants" / line.split(",")[0]).is_file() for line in lines[1:2])


def test_only_what_changed_is_made_again(tmp_path):
    build = VariantsBuild(tmp_path, {"sets": ["human", "ring"]}).write()
    build.run()
    before = build.times()
    build.run()
    assert build.times() == before
    build.run(ring=6)
    after = build.times()
    changed = {name for name in before if before[name] != after[name]}
    assert {name.split("/")[1] for name in changed} == {"ring", "ring-flat"}
    own = build.root / "variants/mine.csv"
    own.write_text("file,label\nhuman/drinking/x.mp4,drinking\n")
    build.run(sets=["human"])
    assert {name.split("/")[1] for name in build.times()} == {"human"}
    assert not (build.root / "variants/ring.csv").exists() and own.exists()


def test_a_picture_that_leads_nowhere_is_a_row(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    rows = (
        VariantsBuild(tmp_path, {"sets": ["scuba"], "clips": 1}).write().run(pictures=str(folder))
    )
    reasons = {row["set"]: row["reason"] for row in rows.values()}
    assert reasons == {
        "scuba-stripes": None, "scuba-plates": "no_partner", "scuba-pictures": "missing"
    }  # fmt: skip
    (row,) = (row for row in rows.values() if row["set"] == "scuba-pictures")
    assert row["status"] == "failed" and str(folder / "gone.png") in row["detail"]


def test_a_clip_without_masks_is_a_row(tmp_path, monkeypatch):
    """Without ground truth the occluder would stay in greyed; without masks human is all grey."""
    build = VariantsBuild(tmp_path, {"sets": ["human", "greyed"], "clips": 1}).write()
    empty = lambda self, row: replace(items.footage_of(row, self._rles), masks={})  # noqa: E731
    monkeypatch.setattr(items.ShardItems, "_footage", empty)
    monkeypatch.setattr(items, "occluder_masks", lambda *_: {})
    rows = build.run().values()
    assert {row["set"]: row["reason"] for row in rows} == {
        "human": "no_mask", **{f"D-{round(100 * s)}-greyed": "no_occluded_frame" for s in SCALES}
    }  # fmt: skip
    assert {row["status"] for row in rows} == {"skipped"} and not build.times()


@pytest.mark.parametrize(
    ("fps", "count", "shown"),
    [
        (8, 10, range(10)),
        (16, 20, range(0, 20, 2)),
        (4, 4, [0, 1, 1, 2, 2, 3, 3, 0, 0, 1]),
        (8, 1, [0] * 10),
    ],
)
def test_a_background_moves_at_its_own_speed(tmp_path, fps, count, shown):
    """`shown`: the frames behind the ten frames of a clip of 8 frames per second."""
    size = HEIGHT, WIDTH, 3
    write_video(tmp_path / "front.mp4", [np.zeros(size, np.uint8)] * 10, 8)
    behind = [np.full(size, 20 + 10 * number, np.uint8) for number in range(count)]
    write_video(tmp_path / "behind.mp4", behind, fps)
    footage = Footage("behind", tmp_path / "behind.mp4", "", count, {})
    with open_video(tmp_path / "front.mp4") as source:
        reel = Reel(source, "libx264")
        scene = Moving(reel, footage, Erasure("median", 1))
        found = []
        while (number := reel.next_frame()) is not None:
            planes = scene.planes(number)
            found.append(float(planes[0].mean()))
    wanted = [16 + (20 + 10 * number) * 219 / 255 for number in shown]
    assert np.abs(np.subtract(found, wanted)).max() < 3


@pytest.mark.slow
def test_a_bad_clip_is_a_row_with_a_reason(tmp_path):
    build = VariantsBuild(tmp_path, {"sets": ["human", "swap"], "pairs": ["random"]}).write()
    build.run()
    build.source("odd-2").write_bytes(b"no video")
    build.run(mean_colour=[1, 2, 3])
    rows = build.rows()
    assert rows["human/odd-2"]["reason"] in ("source_changed", "not_a_video")
    assert rows["human/beer-2"]["status"] == "ok"
    kept = {clip.clip for clip in read_clips(build.root / "variants/clips.parquet", "test")}
    assert {"beer-2", "water-3"} <= kept
    assert not list(build.root.rglob(".*.part*"))


@pytest.mark.slow
def test_pictures_of_the_user_and_a_sample(tmp_path):
    folder = tmp_path / "pictures"
    write_png(folder / "red.png", np.full((30, 90, 3), (200, 30, 30), np.uint8))
    build = VariantsBuild(tmp_path, {"sets": ["scuba"], "clips": 2}).write()
    rows = build.run(pictures=str(folder))
    named = [row for name, row in rows.items() if name.startswith("scuba-pictures/")]
    assert [row["background"] for row in named] == ["red.png"] * 2
    for row in named:
        for number, picture in enumerate(build.frames(row["clip"])):
            check(picture, eroded(~actor(number)), (200, 30, 30))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"variants\.pictures: wanted image files"):
        build.run(pictures=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sets": ["hat"]}, "variants.sets"),
        ({"sets": ["human", "human"]}, "wanted different values"),
        ({"mean_colour": [1, 2]}, "wanted three numbers R, G, B"),
        ({"seeds": [1, 1]}, "variants.seeds"),
    ],
)
def test_wrong_settings_are_one_line(settings, message):
    with pytest.raises(UserError, match=message) as caught:
        load_part({"variants": {"sets": ALL} | settings})
    assert "\n" not in str(caught.value)
