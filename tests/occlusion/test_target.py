"""Rendered occluders: scale mode `target`, several occluders, motions, time windows."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import moving_square
from hypothesis import given, settings
from hypothesis import strategies as st
from support.render import (
    CLEAN,
    OCCLUDED,
    Made,
    files_in,
    job_of,
    opaque,
    picture_packets,
    planes,
    write_png,
)

from occludenet_build.config.occlusion import Composite, Window
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.motion import MOTIONS
from occludenet_build.occlusion.patches import (
    ROUNDING,
    Patch,
    PlacedPatch,
    PlanePatch,
    merge_patches,
)
from occludenet_build.occlusion.placement import DISTANCE
from occludenet_build.occlusion.render import render

FRAMES, WIDTH, HEIGHT = 40, 96, 64
SETTINGS = Composite(scales=(0.2, 0.5), preset="ultrafast", smooth_seconds=0.0)
TARGET = replace(SETTINGS, scale_mode="target", target_tolerance=0.03)
TARGETS = {"scales": (0.2, 0.5), "outputs": (CLEAN,)}


def walking(frames=FRAMES, size=(WIDTH, HEIGHT)):
    """A box that grows while it moves right, and partly leaves the picture."""
    x, y = size[0] / 96, size[1] / 64
    return {
        n: ActorBox(((30 + n) * x, (14 - n / 8) * y, (54 + 1.4 * n) * x, (52 + n / 8) * y))
        for n in range(frames)
    }


def ellipse_in(box, size):
    """The actor: the ellipse in their box, cropped to the picture; bool (H, W)."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    x1, y1, x2, y2 = box
    x, y = (2 * columns + 1 - x1 - x2) / (x2 - x1), (2 * rows + 1 - y1 - y2) / (y2 - y1)
    return x**2 + y**2 < 1


def box_pixels(box, size):
    found = np.zeros(size[::-1], bool)
    x1, y1, x2, y2 = (max(0, round(side)) for side in box)
    found[y1:y2, x1:x2] = True
    return found


def shares(truth, scale, actors, size):
    """Hidden share of the actor in each frame, from the recorded masks."""
    found = {}
    for row in truth.table().to_pylist():
        if row["scale"] == pytest.approx(scale) and row["frame"] in actors:
            actor, rle = actors[row["frame"]], row["occluder_rle"]
            hidden = masks.decode(rle, *size[::-1]) if rle else np.zeros_like(actor)
            found[row["frame"]] = (hidden & actor).sum() / actor.sum()
    return found


def disc(path):
    rgba = opaque(60, 48, (250, 250, 250))
    rgba[:, :, 3] = 255 * ellipse_in((0, 0, 48, 60), (48, 60))
    return write_png(path, rgba)


WAYS = [
    ("plain", {}, {}),
    ("sideways", {"rotation": 90}, {}),
    ("wide pixels", {"aspect": 2}, {}),
    ("a window", {}, {"window": Window(start=0.2, end=0.8, ramp=0.2)}),
    ("smoothed", {}, {"smooth_seconds": 0.4}),
    ("two occluders", {}, {}),
    ("a path through the picture", {}, {"motion": "circular"}),
]


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize(("way", "made", "chosen"), WAYS, ids=[w[0] for w in WAYS])
def test_the_mean_share_hidden_is_the_one_that_was_asked_for(
    tmp_path, way, made, chosen, with_masks
):
    source = Made(**made).write(tmp_path / "a.mp4", moving_square(FRAMES))
    size = (HEIGHT, WIDTH) if made.get("rotation") else (WIDTH, HEIGHT)
    boxes = walking(size=size)
    draw = ellipse_in if with_masks else box_pixels
    actors = {n: draw(actor.box, size) for n, actor in boxes.items()}
    rles = {n: masks.encode(actor) for n, actor in actors.items()} if with_masks else {}
    cutouts = (disc(tmp_path / "cut.png"),) * (2 if way == "two occluders" else 1)
    facts = {"cutouts": cutouts, "masks": rles} | TARGETS
    job = job_of(source, tmp_path / "build", FRAMES, boxes, **facts)
    done = render(job, replace(TARGET, **chosen))
    for target in (0.2, 0.5):
        found = shares(done.truth, target, actors, size)
        if "window" in chosen:
            found = {n: share for n, share in found.items() if 8 <= n < 32}
        measured = np.mean(list(found.values()))
        assert abs(measured - target) <= TARGET.target_tolerance
        assert measured == pytest.approx(done.shares[target], abs=1e-9)
    assert 0.02 < done.factors[0.2] < done.factors[0.5] < 4
    if not with_masks:
        rows = [r for r in done.truth.table().to_pylist() if r["scale"] == 0.5]
        assert [r["box_hidden"] for r in rows] == pytest.approx(
            list(shares(done.truth, 0.5, actors, size).values()), abs=1e-6
        )


def test_only_frames_with_a_mask_count(make_clip, tmp_path):
    """The actor's mask is much smaller than their box, and so is the occluder."""
    boxes = walking()
    actors = {n: ellipse_in((40, 20, 60, 44), (WIDTH, HEIGHT)) for n in range(5, 15)}
    rles = {n: masks.encode(actor) for n, actor in actors.items()}
    clip, cutouts = make_clip("a.mp4", FRAMES), (disc(tmp_path / "cut.png"),)
    job = job_of(clip, tmp_path / "build", FRAMES, boxes, masks=rles, cutouts=cutouts, **TARGETS)
    done = render(job, TARGET)
    for target in (0.2, 0.5):
        found = shares(done.truth, target, actors, (WIDTH, HEIGHT))
        assert len(found) == 10 and abs(np.mean(list(found.values())) - target) <= 0.03


def frame_of(thickness):
    rgba = opaque(60, 60)
    rgba[thickness:-thickness, thickness:-thickness, 3] = 0
    return rgba


MISSED = [
    ("a frame with nothing in it", frame_of(2), walking(), {}, "target_missed"),
    ("alpha 0", opaque() * np.uint8([1, 1, 1, 0]), walking(), {}, "target_missed"),
    ("nobody", opaque(), {}, {}, "no_occluded_frame"),
    ("nobody in the picture", opaque(), {3: ActorBox((500, 9, 540, 60))}, {}, "no_occluded_frame"),
    (
        "nobody in the window",
        opaque(),
        {n: box for n, box in walking().items() if n < 10},
        {"window": Window(start=0.5)},
        "no_occluded_frame",
    ),
]


@pytest.mark.parametrize(("way", "rgba", "boxes", "chosen", "reason"), MISSED, ids=[
    m[0] for m in MISSED
])  # fmt: skip
def test_a_share_that_nothing_reaches_is_told_and_leaves_no_file(
    make_clip, tmp_path, way, rgba, boxes, chosen, reason
):
    cutouts = (write_png(tmp_path / "cut.png", rgba),)
    facts = {"cutouts": cutouts, "scales": (0.5,), "outputs": (OCCLUDED[1], CLEAN)}
    job = job_of(make_clip("a.mp4", FRAMES), tmp_path / "build", FRAMES, boxes, **facts)
    with pytest.raises(ItemError) as caught:
        render(job, replace(TARGET, scales=(0.5,), **chosen))
    assert caught.value.reason == reason
    if reason == "target_missed":
        assert "wanted 0.5 hidden" in caught.value.detail
    assert files_in(job.root) == []


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("made", [{}, {"pix_fmt": "yuv444p10le"}, {"rotation": 270}])
def test_several_occluders_are_one_mask(tmp_path, count, made):
    """Opaque rectangles: the recorded mask is the union of the recorded rectangles."""
    size = (HEIGHT, WIDTH) if made.get("rotation") else (WIDTH, HEIGHT)
    colours = [(220, 40, 40), (30, 200, 40), (40, 60, 220)]
    cutouts = [
        write_png(tmp_path / f"{n}.png", opaque(40 + 9 * n, 50 - 9 * n, colours[n]))
        for n in range(count)
    ]
    source = Made(**made).write(tmp_path / "a.mp4", moving_square(12))
    box = (0.2 * size[0], 0.15 * size[1], 0.8 * size[0], 0.9 * size[1])
    boxes = dict.fromkeys(range(12), ActorBox(box))
    job = job_of(source, tmp_path / "build", 12, boxes, cutouts=tuple(cutouts))
    done = render(job, replace(SETTINGS, scales=(0.25, 0.75), crf=2.0))
    shown = dict(rgb_frames(job.root / OCCLUDED[1].file))
    for row in done.truth.table().to_pylist():
        rects = np.array([row[side] for side in "xywh"] + row["more_rects"]).reshape(-1, 4)
        assert len(rects) == count
        union = np.zeros(size[::-1], bool)
        for x, y, w, h in rects:
            union[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
        np.testing.assert_array_equal(masks.decode(row["occluder_rle"], *size[::-1]), union)
        assert row["box_hidden"] == pytest.approx(
            (union & box_pixels(box, size)).sum() / box_pixels(box, size).sum()
        )
        offsets = rects[1:, :2] + rects[1:, 2:] / 2 - rects[0, :2] - rects[0, 2:] / 2
        away = np.hypot(*(offsets / [box[2] - box[0], box[3] - box[1]]).T)
        assert (away > DISTANCE[0] - 0.05).all() and (away < DISTANCE[1] + 0.05).all()
        if row["scale"] == 0.75:  # the last one lies on top
            x, y, w, h = rects[-1]
            middle = shown[row["frame"]][y + h // 2, x + w // 2]
            assert middle == pytest.approx(colours[count - 1], abs=12)


LAYOUTS = [Layout(8, 1, 1, False, "bt601"), Layout(8, 1, 0, True, "bt709", False)]
LAYOUTS.append(Layout(10, 0, 0, False, "bt2020"))


def random_patch(rng, layout, x, y, w, h):
    """The patch of a cut-out at a position: chroma samples above the luma that it touches."""
    parts = []
    for sub_x, sub_y in ((0, 0), *[(layout.sub_x, layout.sub_y)] * 2):
        rows = (y + h - 1 >> sub_y) - (y >> sub_y) + 1
        columns = (x + w - 1 >> sub_x) - (x >> sub_x) + 1
        alpha = rng.choice([0.0, 0.3, 1.0], (rows, columns)).astype(np.float32)
        colour = rng.integers(0, 200, (rows, columns)).astype(np.float32)
        parts.append(PlanePatch(colour * alpha + ROUNDING, 1 - alpha))
    return PlacedPatch(Patch(tuple(parts), parts[0].keep < 0.5), x, y)


def laid_on(plane, part, x, y):
    """The reference: a patch on a float plane that extends 64 samples beyond the origin."""
    height, width = part.keep.shape
    at = plane[y + 64 : y + 64 + height, x + 64 : x + 64 + width]
    at[:] = at * part.keep.astype(float) + (part.add - ROUNDING)


RECTS = st.tuples(
    st.integers(-30, 60), st.integers(-30, 60), st.integers(1, 30), st.integers(1, 30)
)


@settings(max_examples=80, deadline=None)
@given(st.lists(RECTS, min_size=2, max_size=4), st.sampled_from(LAYOUTS), st.integers(0, 1_000_000))
def test_layers_are_as_if_pasted_one_after_the_other(rects, layout, seed):
    rng = np.random.default_rng(seed)
    placed = [random_patch(rng, layout, *rect) for rect in rects]
    whole = merge_patches(placed, layout)
    shifts = ((0, 0), *[(layout.sub_x, layout.sub_y)] * 2)
    for n, (sub_x, sub_y) in enumerate(shifts):
        ground = rng.integers(0, 1 << layout.depth, (192, 192)).astype(float)
        one_by_one, at_once = ground.copy(), ground.copy()
        for patch, x, y in placed:
            laid_on(one_by_one, patch.planes[n], x >> sub_x, y >> sub_y)
        laid_on(at_once, whole.patch.planes[n], whole.x >> sub_x, whole.y >> sub_y)
        np.testing.assert_allclose(at_once, one_by_one, atol=2e-3)
    drawn, union = np.zeros((192, 192), bool), np.zeros((192, 192), bool)
    for patch, x, y in placed:
        drawn[y + 64 :, x + 64 :][: patch.mask.shape[0], : patch.mask.shape[1]] |= patch.mask
    mask = whole.patch.mask
    union[whole.y + 64 :, whole.x + 64 :][: mask.shape[0], : mask.shape[1]] = mask
    np.testing.assert_array_equal(union, drawn)


@pytest.mark.parametrize("motion", list(MOTIONS))
def test_a_motion_is_recorded_as_it_is_shown(make_clip, tmp_path, motion):
    actor = (12.0, 8.0, 84.0, 60.0)
    boxes = {n: ActorBox(actor) for n in range(5, 20)}
    cutouts = (disc(tmp_path / "cut.png"),)
    clip, ways = make_clip("a.mp4", 24), {}
    for seed in (0, 0, 1):
        root = tmp_path / f"build {seed}"
        facts = {"cutouts": cutouts, "scales": (0.5,), "seed": seed}
        facts["outputs"] = (OCCLUDED[1]._replace(scale=0.5), CLEAN)
        job = job_of(clip, root, 24, boxes, **facts)
        chosen = replace(SETTINGS, scales=(0.5,), motion=motion, crf=4.0)
        truth = render(job, chosen).truth.table().to_pylist()
        ways.setdefault(seed, []).append([tuple(row[side] for side in "xywh") for row in truth])
        shown, clean = (planes(root / out.file) for out in job.outputs)
        for number, row in enumerate(truth):
            assert row["frame"] == number
            mask = masks.decode(row["occluder_rle"], HEIGHT, WIDTH)
            differs = np.abs(shown[number][:HEIGHT].astype(int) - clean[number][:HEIGHT]) > 12
            near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
            assert not (differs & ~near).any() and differs[mask].mean() > 0.9
            box = box_pixels(actor, (WIDTH, HEIGHT)) & (number in boxes)
            assert row["occluded"] == bool((mask & box).any())
            assert row["box_hidden"] == pytest.approx((mask & box).sum() / (72 * 52))
            assert (row["degree"] is None) == (number not in boxes)
    assert ways[0][0] == ways[0][1] != ways[1][0]
    places = set(ways[0][0])
    assert len(places) == 1 if motion == "static" else len(places) > 20


@pytest.mark.parametrize("ramp", [0.0, 0.2])
def test_outside_of_the_window_nothing_is_there_and_packets_are_shared(make_clip, tmp_path, ramp):
    boxes = {n: ActorBox((20.0, 10.0, 70.0, 54.0)) for n in range(100)}
    clip = make_clip("a.mp4", 100)
    job = job_of(clip, tmp_path / "build", 100, boxes)
    window = Window(start=0.3, end=0.7, ramp=ramp)
    rows = render(job, replace(SETTINGS, scales=(0.25, 0.75), window=window)).truth.table()
    rows = [row for row in rows.to_pylist() if row["scale"] == 0.75]
    assert [row["frame"] for row in rows if row["occluded"]] == list(range(30, 70))
    outside = [row for row in rows if not row["occluded"]]
    assert {(r["x"], r["occluder_rle"], r["box_hidden"]) for r in outside} == {(None, None, 0.0)}
    widths = [row["w"] for row in rows[30:70]]
    assert (widths[0] < widths[4] < widths[19]) == (ramp > 0) and len(set(widths[19:21])) == 1
    decoded = [planes(job.root / out.file) for out in job.outputs]
    packets = [picture_packets(job.root / out.file) for out in job.outputs]
    for number in range(100):
        same = all(np.array_equal(decoded[-1][number], own[number]) for own in decoded)
        assert same == (not 30 <= number < 70), number
    shared = set.intersection(*({p.data for p in own} for own in packets))
    assert len(shared) == 60
