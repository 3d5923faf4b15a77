"""Counterfactuals: the fills, and the actor erased when an occluded clip is read."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import write_groups
from support.render import CLEAN, Made, job_of, textured, with_gap

from occludenet_build.config import load_part
from occludenet_build.config.occlusion import Composite, Counterfactual
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.dataset.annotate import FRAMES
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display, rgb_frames
from occludenet_build.occlusion.counterfactual import (
    Eraser,
    Erasure,
    dilate_mask,
    majority_on_planes,
    on_planes,
)
from occludenet_build.occlusion.counterfactual_fills import FILLS
from occludenet_build.occlusion.jobs import ClipOutput
from occludenet_build.occlusion.render import render
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.frame_masks import FrameMasks

LAYOUTS = {
    "420": Layout(8, 1, 1, False, "bt601"),
    "444": Layout(8, 0, 0, False, "bt709"),
    "10 bits": Layout(10, 1, 1, False, "bt709"),
}
WIDTH, HEIGHT = 97, 65
WITHOUT_PLATE = sorted(set(FILLS) - {"median"})


def planes_of(layout, seed=0):
    random = np.random.default_rng(seed)
    shapes = [(HEIGHT, WIDTH)] + [
        ((HEIGHT + layout.sub_y) >> layout.sub_y, (WIDTH + layout.sub_x) >> layout.sub_x)
    ] * 2
    low, high = 40 << layout.depth - 8, 200 << layout.depth - 8
    return [random.integers(low, high, shape).astype(layout.dtype) for shape in shapes]


def actor(x=40, y=30, reach=14):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.circle(mask, (x, y), reach, 1, -1).astype(bool)


def erased(fill, layout, shown, number=3, seed=7, clip="a", **facts):
    rles = {number: masks.encode(facts.pop("mask", actor()))}
    planes = [plane.copy() for plane in shown]
    erasure = Erasure(fill, facts.pop("dilate", 2), seed, clip)
    Eraser(erasure, rles, layout, Display(WIDTH, HEIGHT), **facts).erase(number, planes)
    return planes


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("fill", WITHOUT_PLATE)
def test_a_fill_changes_the_hole_and_nothing_else(fill, layout):
    before = planes_of(layout)
    after = erased(fill, layout, before)
    holes = on_planes(dilate_mask(actor(), 2), layout)
    for old, new, hole in zip(before, after, holes, strict=True):
        assert np.array_equal(old[~hole], new[~hole])
        assert (old[hole] != new[hole]).mean() > 0.7 and new.max() < 1 << layout.depth


@pytest.mark.parametrize("fill", WITHOUT_PLATE)
def test_what_the_actor_looks_like_enters_no_fill(fill):
    """Another actor in the same hole gives the same picture: nothing of the actor leaks."""
    layout = LAYOUTS["420"]
    one = planes_of(layout)
    other = [plane.copy() for plane in one]
    grown = on_planes(dilate_mask(actor(), 2), layout)
    for plane, hole in zip(other, grown, strict=True):
        plane[hole] = 255 - plane[hole]
    pairs = zip(erased(fill, layout, one), erased(fill, layout, other), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "mask",
    [np.ones((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool), actor(0, 0), actor(96, 64)],
    ids=["everything", "nothing", "corner", "other corner"],
)
@pytest.mark.parametrize("fill", WITHOUT_PLATE)
def test_any_mask(fill, mask):
    layout = LAYOUTS["420"]
    after = erased(fill, layout, planes_of(layout), mask=mask)
    assert mask.all() <= (after[0] == layout.black[0]).all()


def test_noise_hangs_on_seed_clip_and_frame_alone():
    layout = LAYOUTS["420"]
    before = planes_of(layout)
    first = erased("noise", layout, before)
    again = erased("noise", layout, before)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in ({"seed": 8}, {"clip": "b"}, {"number": 4}):
        assert not np.array_equal(first[0], erased("noise", layout, before, **other)[0])


def test_noise_is_like_its_surroundings():
    layout = LAYOUTS["420"]
    rows = np.mgrid[0:HEIGHT, 0:WIDTH][0]
    random = np.random.default_rng(1)
    before = planes_of(layout)
    before[0][:] = np.clip(100 + random.normal(0, 12, rows.shape), 0, 255)
    before[0][:, 80:] = 255  # far away: not its surroundings
    hole = actor()
    grain = erased("noise", layout, before, dilate=0)[0][hole].astype(float)
    assert abs(grain.mean() - 100) < 2 and abs(grain.std() - 12) < 2


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 30), st.integers(0, 20), st.sampled_from(WITHOUT_PLATE))
def test_the_occluder_stays_where_it_lies_before_the_actor(shift, reach, fill):
    layout = LAYOUTS["420"]
    before = planes_of(layout)
    occluder = actor(30 + shift, 25, reach)
    after = erased(fill, layout, before, before={3: masks.encode(occluder)})
    kept = majority_on_planes(occluder, layout)
    grown = on_planes(dilate_mask(actor(), 2), layout)
    for old, new, stays, hole in zip(before, after, kept, grown, strict=True):
        assert np.array_equal(old[stays | ~hole], new[stays | ~hole])
    if fill == "zero":
        assert (after[0][grown[0] & ~kept[0]] == layout.black[0]).all()


def test_chroma_belongs_to_what_covers_half_of_it():
    mask = np.zeros((4, 5), bool)
    mask[0, 0] = mask[0:2, 2] = mask[2:4, 2:4] = mask[0, 4] = True
    luma, u, _ = majority_on_planes(mask, LAYOUTS["420"])
    assert np.array_equal(luma, mask)
    assert u.tolist() == [[False, True, False], [False, True, False]]
    assert on_planes(mask, LAYOUTS["420"])[1].tolist() == [
        [True, True, True],
        [False, True, False],
    ]


def test_the_median_wants_files():
    with pytest.raises(UserError, match=r"counterfactual\.files: wanted true for the fill median"):
        load_part({"counterfactual": {"fill": "median", "files": False}})


OCCLUDED, ERASED = ClipOutput("d/75%/a.mp4", 0.75), ClipOutput("e/75%/a.mp4", 0.75, erased=True)
SETTINGS = Composite(scales=(0.75,), crf=4.0, preset="ultrafast", smooth_seconds=0.0)
SHAPES = {
    "plain": Made(),
    "rotated": Made(rotation=90),
    "full chroma, full range": Made(pix_fmt="yuv444p", full_range=True),
    "10 bits": Made(pix_fmt="yuv420p10le"),
}


def world(tmp_path, made, fill, size=(128, 96), count=16):
    """A rendered clip, its counterfactual, and the eraser that train uses."""
    width, height = size
    source = made.write(tmp_path / "in" / "a.mp4", textured(count, width, height))
    seen = (height, width) if made.rotation % 180 else (width, height)
    rles = {}
    for number in range(0, count, 2):
        mask = np.zeros(seen[::-1], np.uint8)
        centre = (seen[0] // 2 + number, seen[1] // 2)
        rles[number] = masks.encode(cv2.circle(mask, centre, 25, 1, -1).astype(bool))
    job = job_of(source, tmp_path / "build", count, with_gap(count, seen), scales=(0.75,))
    erasure = Erasure(fill, 2, 5, "a")
    outputs = (OCCLUDED, CLEAN, ERASED)
    done = render(replace(job, outputs=outputs, masks=rles, erasure=erasure), SETTINGS)
    rows = [
        {name: row[name] for name in row if name in FRAMES.names}
        | {"set": "D-75", "actor_rle": rles.get(row["frame"])}
        for row in done.truth.table().to_pylist()
    ]
    folder = tmp_path / "build" / "annotate" / "frames"
    write_groups(folder / "000.parquet", [tables.from_rows(rows, FRAMES)], FRAMES)
    facts = dict.fromkeys(("file_hash", "counterfactual", "area_ratio", "duration_ratio"))
    names = {"clip": "a", "set": "D-75", "scale": 0.75, "split": "train", "label": "x"}
    clip = ClipRow(**names, **facts, file=OCCLUDED.file, counterfactual_hash="load:k", frames=count)
    settings = Counterfactual(fill=fill, dilate=2, files=False)
    erasing = Erasing(FrameMasks.over(folder, [clip.clip]), settings, 5)
    return job.root, clip, erasing, rows, rles


@pytest.mark.parametrize("made", SHAPES.values(), ids=SHAPES)
def test_erasing_at_load_time_gives_the_pixels_of_the_file(tmp_path, made):
    root, clip, erasing, rows, rles = world(tmp_path, made, "zero")
    wanted = list(range(16))
    plain, loaded = FrameReader(root, 96, keep=False).both(clip.file, wanted, erasing.of(clip), "")
    assert np.array_equal(plain, np.stack([p for _, p in rgb_frames(root / clip.file)]))
    filed = dict(rgb_frames(root / ERASED.file))
    shape = filed[0].shape[:2]
    assert rows and set(rles) and any(row["occluder_rle"] for row in rows)
    for row in rows:
        picture, there = loaded[row["frame"]], filed[row["frame"]]
        difference = np.abs(picture.astype(int) - there).mean(axis=2)
        occluder = np.zeros(shape, bool)
        if row["occluder_rle"]:
            occluder = masks.decode(row["occluder_rle"], *shape)
        rle = rles.get(row["frame"])
        hole = dilate_mask(masks.decode(rle, *shape), 2) if rle else np.zeros(shape, bool)
        inner = cv2.erode((hole & ~occluder).astype(np.uint8), np.ones((5, 5))).astype(bool)
        assert not inner.any() or difference[inner].mean() < 3, row["frame"]
        assert difference.mean() < 4
        if rle is None:
            assert np.array_equal(picture, plain[row["frame"]])


def test_a_clean_twin_is_erased_whole(tmp_path):
    """Source clips: the whole actor is erased, as there is no occluder."""
    root, clip, erasing, rows, rles = world(tmp_path, Made(), "zero")
    assert any(row["occluder_rle"] for row in rows if row["frame"] in rles)
    clip = replace(
        clip, set="clean", scale=0.0, file=CLEAN.file, counterfactual_hash="load:clean:k"
    )
    reader = FrameReader(root, 96, keep=False)
    plain, erased = reader.both(clip.file, range(16), erasing.of(clip), "")
    for number in range(16):
        if number not in rles:
            assert np.array_equal(plain[number], erased[number])
            continue
        hole = masks.decode(rles[number], *plain.shape[1:3])
        assert erased[number][hole].max() < 20 < np.median(plain[number][hole])
        beside = ~dilate_mask(hole, 6)
        assert np.array_equal(plain[number][beside], erased[number][beside])


def test_frames_in_memory_are_erased_alike(tmp_path):
    root, clip, erasing, *_ = world(tmp_path, Made(), "noise")
    kept, read = FrameReader(root, 64, keep=True), FrameReader(root, 64, keep=False)
    for numbers in ((3, 0, 8), (8, 8, 2)):
        pairs = zip(
            kept.both(clip.file, numbers, erasing.of(clip), ""),
            read.both(clip.file, numbers, erasing.of(clip), ""),
            strict=True,
        )
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_masks_that_are_not_there_are_said(tmp_path):
    root, clip, *_ = world(tmp_path, Made(), "zero")
    with pytest.raises(UserError, match="got none of b and 0 more; run annotate again"):
        FrameMasks.over(root / "annotate/frames", [clip.clip, "b"])


def test_without_files_the_stage_writes_rows_and_no_counterfactuals(tmp_path):
    import argparse

    from support.composite_stage import FRAMES as COUNT
    from support.composite_stage import CompositeStage

    from occludenet_build.dataset.annotate.merge import _at_load_time
    from occludenet_build.occlusion.composite import add_arguments
    from occludenet_build.occlusion.composite import run as run_stage

    stage = CompositeStage(tmp_path / "in", tmp_path / "build", ("one", "two"), unmasked=("two",))
    stage.write()
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument("--settings")
    args = parser.parse_args(stage.words())
    made = {"scales": [0.25, 0.75], "preset": "ultrafast"}
    for fill in ("zero", "mean"):
        chosen = {"composite": made, "counterfactual": {"files": False, "fill": fill}}
        run_stage(args, load_part(chosen))
        rows = stage.rows(stage.erased)
        assert rows["one"]["files"] == [] and rows["one"]["erased_frames"] == COUNT
        assert (rows["one"]["status"], rows["two"]["reason"]) == ("ok", "no_mask")
        assert not stage.videos("-counterfactual") and len(stage.videos()) == 2 * 3
        assert _at_load_time(rows["one"]) == f"load:{rows['one']['key']}"
        clip = {"file_hash": "h", "counterfactual": None}
        clip = ClipRow(**dict.fromkeys(ClipRow.__dataclass_fields__) | clip)
        with_load = replace(clip, counterfactual_hash=_at_load_time(rows["one"]))
        assert with_load.erased_at_load and with_load.erased_hash and not clip.erased_hash
    assert _at_load_time(None) is None
