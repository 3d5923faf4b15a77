"""The mini-world against what is known of it: it was drawn here."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from demo.world import coco
from demo.world.__main__ import main
from demo.world.actions import ACTIONS, Manner
from demo.world.build import build
from demo.world.clips import render
from demo.world.plan import TIED, Settings, crossed, plan
from demo.world.scenery import BACKGROUNDS
from demo.world.segments import polygons, run_lengths
from occludenet_build.config.recognition import ListedSet
from occludenet_build.core.errors import UserError
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition.listed_sets import read_listed_set

TINY = Settings(train=1, val=0, test=0, seconds=1.0, images=2, truth=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    assert build(folder, TINY, workers=1)
    return folder


def decoded(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.to_ndarray(format="rgb24") for f in frames], [f.pts * f.time_base for f in frames]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest()
        for p in files
        if p.suffix != ".npz"
    }


def noise(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    small = random.integers(60, 200, (count, 6, 8, 3), dtype=np.uint8)
    return [cv2.resize(frame, (width, height)) for frame in small]


# the writer of videos


@pytest.mark.parametrize(
    ("suffix", "codec", "slack"),
    [
        (".mp4", "libx264", 0),
        (".mkv", "libx264", Fraction(1, 1500)),
        (".webm", "libvpx-vp9", Fraction(1, 1500)),
        (".avi", "mpeg4", 0),
    ],
)
def test_containers_keep_frames_and_times(tmp_path, suffix, codec, slack):
    tone = np.sin(np.arange(16_000) / 9).astype(np.float32) * 0.5
    path = tmp_path / f"clip{suffix}"
    assert write_video(path, iter(noise(12)), Fraction(12), audio=tone, codec=codec) == 12
    frames, times = decoded(path)
    assert len(frames) == 12
    assert all(abs(t - Fraction(i, 12)) <= slack for i, t in enumerate(times))
    assert np.abs(np.float32(frames[5]) - noise(12)[5]).mean() < 10
    with av.open(str(path)) as container:
        sound = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
    assert np.abs(sound).max() > 0.2
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_variable_frame_rate_is_exact_in_mp4(tmp_path):
    pts = [7, 20, 21, 60, 100, 101, 140, 300]
    write_video(tmp_path / "v.mp4", noise(8), 25, pts=pts, time_base=Fraction(1, 600))
    assert decoded(tmp_path / "v.mp4")[1] == [Fraction(p, 600) for p in pts]


def test_same_frames_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", noise(8), Fraction(30000, 1001))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert decoded(tmp_path / "a.mp4")[1][3] == Fraction(3 * 1001, 30000)


@pytest.mark.parametrize(
    ("frames", "changes", "says"),
    [
        ([], {}, "at least one frame"),
        (noise(2, 47), {}, "even"),
        (noise(3), {"pts": [0, 2, 2]}, "increase"),
        (noise(3), {"pts": [0, 2]}, "more frames"),
        (noise(1), {"pts": [0, 2]}, "1 frames"),
    ],
)
def test_bad_frames_leave_nothing_behind(tmp_path, frames, changes, says):
    with pytest.raises(ValueError, match=says):
        write_video(tmp_path / "v.mp4", frames, 12, **changes)
    assert not list(tmp_path.iterdir())


# the plan


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_backgrounds_go_with_the_action(split):
    settings = Settings(train=20, val=20, test=20, shortcut=0.9)
    clips = [clip for clip in plan(settings) if clip.split == split]
    for label in ACTIONS:
        kinds = Counter(clip.background for clip in clips if clip.label == label)
        assert kinds[TIED[label]] == 18
    assert len({clip.background for clip in clips}) == len(BACKGROUNDS)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_the_set_crossed_has_every_test_figure_before_other_backgrounds(count):
    settings = Settings(test=8, crossed=count)
    figures, clips = [c for c in plan(settings) if c.split == "test"], crossed(settings)
    before = {clip.name: [c.background for c in clips if c.name == clip.name] for clip in figures}
    for figure in figures:
        assert len(set(before[figure.name])) == count
        assert TIED[figure.label] not in before[figure.name]
    pairs = Counter((clip.label, clip.background) for clip in clips)
    assert set(pairs.values()) <= {2 * count}, "each other background as often"
    assert len({clip.path for clip in clips}) == len(clips) == 40 * count
    assert all(clip.path.parts[0] == "crossed" for clip in clips)


def test_more_clips_leave_the_first_ones_alone():
    few, many = set(plan(Settings(train=3))), set(plan(Settings(train=9)))
    assert few < many
    assert len({clip.name for clip in many}) == len(many)
    assert not few & set(plan(Settings(train=3, seed=1)))


# the figure


def test_actions_differ_and_repeat():
    manner = Manner()
    for action in ACTIONS.values():
        start, end = action(0.2, manner), action(1.2, manner)
        assert start.near_leg == pytest.approx(end.near_leg)
    assert len({repr(action(0.4, manner)) for action in ACTIONS.values()}) == len(ACTIONS)


def test_actor_is_whole_large_and_found_by_subtraction():
    settings = Settings(train=0, val=0, test=1)
    for clip in plan(settings):
        frames, masks = render(settings, clip)
        hidden = masks.mean(axis=0) >= 0.5
        assert hidden.mean() < 0.01, "a median over time must show the empty scene"
        still = np.abs(frames - np.median(frames, axis=0)).max(axis=-1) > 28
        heights = masks.any(axis=2).sum(axis=1) / settings.height
        assert heights.min() > 0.35 and heights.max() < 0.9
        found = (still & masks).sum(axis=(1, 2)) / masks.sum(axis=(1, 2))
        assert (found > 0.4).mean() > 0.95


def test_clip_has_exact_frames_sound_and_truth(world):
    rows = list(csv.DictReader((world / "clips.csv").open()))
    assert len(rows) == len(ACTIONS)
    for clip, row in zip(plan(TINY), rows, strict=True):
        assert (row["video"], row["background"]) == (clip.name, clip.background)
        frames, times = decoded(world / clip.path)
        assert times == [Fraction(i, TINY.fps) for i in range(TINY.frames)]
        assert frames[0].shape == (TINY.height, TINY.width, 3)
        truth = np.load(world / clip.truth_path)
        assert np.array_equal(truth["masks"], render(TINY, clip)[1])
        x1, y1, x2, y2 = truth["boxes"][3].astype(int)
        assert truth["masks"][3, y1:y2, x1:x2].sum() == truth["masks"][3].sum()
        with av.open(str(world / clip.path)) as container:
            assert container.streams.audio[0].codec_context.name == "aac"
            sound = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
        assert np.abs(sound).max() > 0.1


def test_a_list_names_the_clips_of_the_set_crossed(tmp_path):
    settings = Settings(train=0, val=0, test=1, seconds=0.5, images=0, crossed=1)
    build(tmp_path, settings, workers=1)
    group, skipped = read_listed_set(ListedSet("crossed", str(tmp_path / "crossed.csv")))
    made = crossed(settings)
    assert [(c.file, c.label) for c in group.clips] == [(str(c.path), c.label) for c in made]
    assert not skipped
    figures = {clip.name: clip for clip in plan(settings)}
    for clip, read in zip(made, group.clips, strict=True):
        assert read.clip == clip.name, "the figure is the source"
        masks = [render(settings, one)[1] for one in (clip, figures[clip.name])]
        assert np.array_equal(*masks), "it moves alike before every background"
    listed = {str(path.relative_to(tmp_path)) for path in (tmp_path / "crossed").rglob("*.mp4")}
    assert listed == {str(clip.path) for clip in made}


# the mini-COCO


def filled(polygon_list: list[list[float]], height: int, width: int) -> np.ndarray:
    return rle.decode(rle.merge(rle.frPyObjects(polygon_list, height, width))) > 0


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def test_polygons_keep_holes_and_parts():
    mask = np.zeros((80, 100), bool)
    mask[10:60, 10:50] = True
    mask[20:40, 20:40] = False
    mask[30:70, 60:90] = True
    found = polygons(mask)
    assert len(found) == 3
    assert overlap(filled(found, 80, 100), mask) > 0.99


def test_run_lengths_are_cocos():
    for mask in (np.eye(7, 5) > 0, np.ones((4, 3), bool), np.zeros((4, 3), bool)):
        runs = run_lengths(mask)
        assert np.array_equal(rle.decode(rle.frPyObjects(runs, *mask.shape)) > 0, mask)


@pytest.mark.parametrize("number", [3, 5])
@pytest.mark.parametrize("kind", ["handbag", "suitcase"])
def test_annotations_are_exact(kind, number):
    settings = Settings(images=6)
    picture = next(p for p in coco.pictures(settings) if (p.kind, p.number) == (kind, number))
    scene = coco.draw(settings, picture)
    for mask, crowd in zip(scene.masks, scene.crowds, strict=True):
        if not crowd and mask.sum() > 500:
            assert overlap(filled(polygons(mask), coco.HEIGHT, coco.WIDTH), mask) > 0.97
    assert any(scene.crowds) == (number == 5)
    main_mask = scene.masks[-1]
    assert 7_000 < main_mask.sum() < 25_000


def test_instances_are_in_cocos_format(world):
    made = json.loads((world / "coco" / "instances.json").read_text())
    assert {c["name"]: c["id"] for c in made["categories"]} == {
        "person": 1,
        "dog": 18,
        "backpack": 27,
        "handbag": 31,
        "suitcase": 33,
    }
    images = {image["id"]: image for image in made["images"]}
    licences = {licence["id"] for licence in made["licenses"]}
    assert len(images) == 8 and {image["license"] for image in images.values()} <= licences
    assert len({row["id"] for row in made["annotations"]}) == len(made["annotations"])
    for row in made["annotations"]:
        image = images[row["image_id"]]
        picture = cv2.imread(str(world / "coco" / "images" / image["file_name"]))
        assert picture.shape[:2] == (image["height"], image["width"])
        x, y, w, h = row["bbox"]
        assert 0 <= x < x + w <= image["width"] and 0 <= y < y + h <= image["height"]
        assert 0 < row["area"] <= w * h
    assert any(row["area"] < 3_000 for row in made["annotations"])


# the whole


def test_workers_change_nothing_and_a_second_call_does_nothing(world, tmp_path):
    assert build(tmp_path, TINY, workers=2)
    first = digests(tmp_path)
    assert first == digests(world)
    stamp = (tmp_path / "miniworld.json").stat().st_mtime_ns
    assert not build(tmp_path, TINY, workers=1)
    assert (tmp_path / "miniworld.json").stat().st_mtime_ns == stamp


def test_other_settings_replace_the_world_and_foreign_files_stay(tmp_path):
    small = Settings(train=0, val=0, test=0, images=1)
    none = ["--train", "0", "--val", "0", "--test", "0", "--images", "1", "--workers", "1"]
    assert main(["--out", str(tmp_path), *none]) == 0
    assert not build(tmp_path, small)
    assert build(tmp_path, Settings(train=0, val=0, test=0, images=1, seed=5), workers=1)
    assert len(list((tmp_path / "coco" / "images").iterdir())) == 4
    foreign = tmp_path / "foreign"
    (foreign / "videos").mkdir(parents=True)
    with pytest.raises(UserError, match="did not make"):
        build(foreign, small)
    assert (foreign / "videos").exists()


@pytest.mark.parametrize(
    "bad", [["--size", "97x64"], ["--size", "large"], ["--shortcut", "1.5"], ["--train", "x"]]
)
def test_bad_arguments_are_one_line(tmp_path, bad, capsys):
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), *bad])
    assert "wanted" in capsys.readouterr().err
