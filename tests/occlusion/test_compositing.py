"""Rendering compared with float references and with the pixels of the written files."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display, open_video, rgb_frames
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.counterfactual_fills import FILLS
from occludenet_build.occlusion.geometry import ActorBox, Rect, occluder_rect
from occludenet_build.occlusion.ground_truth import OccluderMask, hidden_share, placed_rle
from occludenet_build.occlusion.jobs import ClipJob, ClipOutput
from occludenet_build.occlusion.patches import ClipCutout, read_occluder
from occludenet_build.occlusion.render import render

BOX = (100.0, 50.0, 180.0, 250.0)  # 80 x 200


@pytest.mark.parametrize(
    ("mode", "cut", "scale", "size"),
    [
        ("fit", (100, 100), 0.5, (40, 40)),
        ("fit", (100, 400), 0.5, (25, 100)),
        ("fit", (400, 100), 0.25, (20, 5)),
        ("stretch", (400, 100), 0.5, (40, 100)),
        ("area", (100, 100), 0.5, (63, 63)),
    ],
)
def test_sizes_and_centre(mode, cut, scale, size):
    rect = occluder_rect(cut, BOX, scale, mode)
    assert (rect.w, rect.h) == size
    assert abs(rect.x + rect.w / 2 - 140) <= 0.5
    assert abs(rect.y + rect.h / 2 - 150) <= 0.5


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 9, 8, 9), (8, 5, 5, 9)])
def test_a_box_without_area_has_no_place(box):
    assert occluder_rect((10, 10), box, 0.5, "fit") is None


@given(
    cut=st.tuples(st.floats(1, 2000), st.floats(1, 2000)),
    corner=st.tuples(st.floats(-500, 4000), st.floats(-500, 4000)),
    side=st.tuples(st.floats(4, 4000), st.floats(4, 4000)),
    scale=st.floats(0.05, 1),
)
def test_fit_stays_inside_the_scaled_box(cut, corner, side, scale):
    box = (*corner, corner[0] + side[0], corner[1] + side[1])
    rect = occluder_rect(cut, box, scale, "fit")
    assert rect.w <= max(1, scale * side[0] + 0.5)
    assert rect.h <= max(1, scale * side[1] + 0.5)


def occluder(height=40, width=60, alpha=None):
    """A coloured gradient with a round alpha."""
    rows, columns = np.mgrid[0:height, 0:width]
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[:, :, 0] = 255 * columns / width
    rgba[:, :, 1] = 255 * rows / height
    rgba[:, :, 2] = 90
    inside = ((rows - height / 2) / (height / 2)) ** 2 + ((columns - width / 2) / (width / 2)) ** 2
    rgba[:, :, 3] = 255 * (inside < 1) if alpha is None else alpha
    return rgba


def test_native_size_blends_as_the_float_reference():
    """Without resampling, every luma sample is within 1 level of float arithmetic."""
    layout = Layout(8, 1, 1, False, "bt601")
    rgba = occluder()
    rgba[:, :, 3] = np.linspace(0, 255, 60, dtype=np.uint8)
    plane = np.random.default_rng(0).integers(16, 235, (80, 100)).astype(np.uint8)
    cut = ClipCutout(rgba, layout, Display(100, 80))
    patch = cut.patch(11, 7, 60, 40)
    alpha = rgba[:, :, 3] / 255
    luma = 16 + (rgba[:, :, :3] @ np.array([65.481, 128.553, 24.966])) / 255
    target = plane[7:47, 11:71].astype(float)
    expected = target * (1 - alpha) + luma * alpha
    got = np.floor(target * patch.planes[0].keep + patch.planes[0].add)
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("odd_x", [0, 1])
@pytest.mark.parametrize("odd_y", [0, 1])
@pytest.mark.parametrize("left_sited", [True, False])
def test_chroma_lies_under_its_luma_at_any_offset(odd_x, odd_y, left_sited):
    """The chroma patch compared with direct filtering of the whole plane at full size."""
    layout = Layout(8, 1, 1, not left_sited, "bt709", left_sited)
    rgba = occluder(21, 33)
    x, y = 10 + odd_x, 6 + odd_y
    patch = ClipCutout(rgba, layout, Display(80, 60)).patch(x, y, 33, 21)
    full = np.zeros((60, 80))
    full[y : y + 21, x : x + 33] = rgba[:, :, 3] / 255
    rows = (full[0::2] + full[1::2]) / 2
    if left_sited:
        before = np.pad(rows, ((0, 0), (1, 0)))[:, 0:-1:2]
        expected = rows[:, 0::2] / 2 + (before + rows[:, 1::2]) / 4
    else:
        expected = (rows[:, 0::2] + rows[:, 1::2]) / 2
    got = np.zeros_like(expected)
    keep = patch.planes[1].keep
    got[y // 2 : y // 2 + keep.shape[0], x // 2 : x // 2 + keep.shape[1]] = 1 - keep
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_grey_stays_grey_and_black_stays_black():
    for layout in (Layout(8, 1, 1, False, "bt709"), Layout(10, 0, 0, True, "bt601")):
        black = layout.from_rgb(np.zeros((1, 1, 3), np.uint8))[0, 0]
        np.testing.assert_allclose(black, layout.black, atol=1e-3)
        grey = layout.from_rgb(np.full((1, 1, 3), 120, np.uint8))[0, 0]
        np.testing.assert_allclose(grey[1:], layout.grey, atol=0.01)


@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    at=st.tuples(st.integers(-50, 50), st.integers(-50, 50)),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    seed=st.integers(0, 1000),
    density=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
)
def test_a_placed_rle_is_that_of_the_drawn_picture(size, at, shape, seed, density):
    mask = np.random.default_rng(seed).random(shape) < density
    width, height = size
    picture = np.zeros((height, width), bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            x, y = at[0] + column, at[1] + row
            if 0 <= x < width and 0 <= y < height:
                picture[y, x] = mask[row, column]
    found = placed_rle(OccluderMask(mask), *at, size)
    assert (found is None) == (not picture.any())
    if found is not None:
        np.testing.assert_array_equal(masks.decode(found, height, width), picture)
        assert found == masks.encode(picture)


@pytest.mark.parametrize(
    ("at", "box", "share"),
    [
        ((10, 10), (10, 10, 20, 20), 1.0),
        ((10, 10), (0, 0, 20, 20), 0.25),
        ((15, 10), (10, 10, 20, 20), 0.5),
        ((50, 50), (10, 10, 20, 20), 0.0),
        ((-5, -5), (-5, -5, 5, 5), 1.0),  # only the part inside the picture counts
        ((10, 10), (200, 200, 300, 300), 0.0),
    ],
)
def test_share_of_the_box(at, box, share):
    mask = OccluderMask(np.ones((10, 10), bool))
    assert hidden_share(mask, Rect(*at, 10, 10), box, (100, 80)) == pytest.approx(share)


@pytest.fixture
def job(make_clip, tmp_path):
    """A clip of 24 frames with a box in frames 4 to 19, and its cut-out."""
    cutout = tmp_path / "cut.png"
    cv2.imwrite(str(cutout), cv2.cvtColor(occluder(), cv2.COLOR_RGBA2BGRA))

    def make(name="clip.mp4", boxes=range(4, 20), frames=24, **options) -> ClipJob:
        box = {n: (10.0 + n, 10.0, 50.0 + n, 58.0) for n in boxes}
        return ClipJob(
            clip="clip",
            source=make_clip(name, frames, **options),
            frames=frames,
            fps=25.0,
            boxes={n: ActorBox(b, filled=n == 5) for n, b in box.items()},
            cutouts=(cutout,),
            root=tmp_path / "build",
            scales=(0.25, 0.75),
            outputs=(*OCCLUDED, ClipOutput("c/a.mp4", None)),
        )

    return make


OCCLUDED = (ClipOutput("d/25%/a.mp4", 0.25), ClipOutput("d/75%/a.mp4", 0.75))
ERASED = tuple(ClipOutput(f"e/{out.file}", out.scale, erased=True) for out in OCCLUDED)
SETTINGS = Composite(scales=(0.25, 0.75), crf=4.0, preset="ultrafast", smooth_seconds=0.0)


def planes_of(path):
    with open_video(path) as source:
        return [frame.to_ndarray() for frame in source]


SHAPES = [
    ("plain.mp4", {"sound": True}),
    ("odd.mkv", {"size": (95, 63), "pix_fmt": "yuv444p"}),
    ("deep.mp4", {"pix_fmt": "yuv420p10le"}),
    ("webm.webm", {"codec": "libvpx-vp9", "fps": Fraction(30000, 1001)}),
]


@pytest.mark.parametrize(("name", "options"), SHAPES, ids=[n for n, _ in SHAPES])
def test_what_differs_from_the_clean_twin_lies_inside_the_recorded_mask(job, name, options):
    clip = job(name, **options)
    truth = render(clip, SETTINGS).truth.table().to_pylist()
    clean = dict(rgb_frames(clip.root / "c/a.mp4"))
    assert len(truth) == 2 * 24
    for target, scale, _ in OCCLUDED:
        occluded = dict(rgb_frames(clip.root / target))
        rows = {r["frame"]: r for r in truth if abs(r["scale"] - scale) < 1e-6}
        for number, picture in occluded.items():
            height, width = picture.shape[:2]
            differs = np.abs(picture.astype(int) - clean[number]).max(axis=2) > 40
            row = rows[number]
            assert row["occluded"] == (4 <= number < 20)
            assert row["filled"] == (number == 5)
            if not row["occluded"]:
                assert not differs.any()
                continue
            mask = masks.decode(row["occluder_rle"], height, width)
            near = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7))).astype(bool)
            assert not (differs & ~near).any()
            assert (differs & mask).sum() > 0.5 * mask.sum()
            assert abs(row["x"] + row["w"] / 2 - (30 + number)) <= 0.5


def test_degree_grows_with_scale(job):
    clip = job()
    rows = render(clip, SETTINGS).truth.table().to_pylist()
    small, large = (
        [r["box_hidden"] for r in rows if r["scale"] == s and r["occluded"]] for s in (0.25, 0.75)
    )
    assert all(a < b for a, b in zip(small, large, strict=True))


def test_the_same_job_gives_the_same_bytes(job, tmp_path):
    clip = job(sound=True)
    render(clip, SETTINGS)
    first = [(clip.root / out.file).read_bytes() for out in clip.outputs]
    render(clip, SETTINGS)
    assert [(clip.root / out.file).read_bytes() for out in clip.outputs] == first


def square_masks():
    """The masks of the square that moving_square draws."""
    actor = {}
    for number in range(24):
        mask = np.zeros((64, 96), bool)
        mask[24:40, 4 + number : 20 + number] = True
        actor[number] = masks.encode(mask)
    return actor


@pytest.mark.parametrize("fill", list(FILLS))
def test_the_actor_is_gone_and_the_occluder_stays(job, fill):
    actor = square_masks()
    outputs = (*OCCLUDED, *ERASED)
    clip = replace(job(), outputs=outputs, masks=actor, erasure=Erasure(fill, 1))
    whole = render(clip, SETTINGS)
    before = dict(rgb_frames(clip.root / OCCLUDED[1].file))
    drawn = {row["frame"]: row for row in whole.truth.table().to_pylist() if row["scale"] == 0.75}
    for number, picture in rgb_frames(clip.root / ERASED[1].file):
        mask = masks.decode(actor[number], 64, 96)
        rle = drawn[number]["occluder_rle"]
        hidden = masks.decode(rle, 64, 96) if rle else np.zeros_like(mask)
        core = cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool) & ~hidden
        core &= ~cv2.dilate(hidden.astype(np.uint8), np.ones((5, 5))).astype(bool)
        orange = (picture[:, :, 0] > 180) & (picture[:, :, 2] < 110)
        assert not (orange & core).any(), (fill, number)
        if fill == "zero" and core.any():
            assert picture[core].max() < 40
        kept = cv2.erode(hidden.astype(np.uint8), np.ones((5, 5))).astype(bool)
        change = np.abs(picture.astype(int) - before[number])
        assert not kept.any() or change[kept].mean() < 12


def test_the_median_brings_back_the_ground(job):
    """The square moves, so the median of the other frames is the background behind it."""
    outputs, erasure = (ClipOutput("c/a.mp4", None, erased=True),), Erasure("median", 1)
    clip = replace(job(boxes=()), outputs=outputs, scales=(), masks=square_masks(), erasure=erasure)
    render(clip, SETTINGS)
    rows, columns = np.mgrid[0:64, 0:96]
    ground = 60 + 20 * np.sin(columns / 5) + 20 * np.cos(rows / 7)
    for _, picture in rgb_frames(clip.root / "c/a.mp4"):
        assert np.abs(picture[:, :, 1] - ground).mean() < 4


def test_an_occluder_may_leave_the_picture_or_cover_it(job):
    clip = job(boxes=())
    boxes = [(-40, -20, 40, 60), (500, 500, 600, 600), (-500, -500, 600, 600)]
    clip = replace(clip, boxes={n: ActorBox(box) for n, box in enumerate(boxes)})
    truth = render(clip, SETTINGS).truth
    assert truth.occluded_frames()[0.75] == 2  # the box wholly outside shows nothing


def test_a_source_that_changed_is_refused_and_leaves_nothing(job):
    clip = job()
    clip = replace(clip, frames=99)
    with pytest.raises(ItemError, match="source_changed"):
        render(clip, SETTINGS)
    assert not [p for p in clip.root.rglob("*") if p.is_file()]


def test_odd_pngs(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((4, 5, 3), 7, np.uint8))
    assert read_occluder(path)[:, :, 3].min() == 255
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="8-bit RGB or RGBA PNG"):
        read_occluder(path)
