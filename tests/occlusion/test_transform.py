"""The transform: composite's pixels, masks and shares, in any worker and any order."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPO
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import write_groups
from support.render import OCCLUDED, SCALES, Made, job_of, opaque, textured, with_gap, write_png

from occludenet_build import Bank, BuildBoxes, Occlude, occlude
from occludenet_build.config.occlusion import Composite, Window
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.planes import layout_of, plane_arrays
from occludenet_build.media.video.source import Display, open_video, rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.occluders import SCHEMA as OCCLUDERS
from occludenet_build.occlusion.patches import ClipCutout, read_occluder
from occludenet_build.occlusion.render import render
from occludenet_build.occlusion.select import CLIPS as SELECT
from occludenet_build.occlusion.transform.actor import ClipActor
from occludenet_build.occlusion.transform.function import ClipPasting
from occludenet_build.people.detect import BOXES
from occludenet_build.people.detect import ROWS as DETECT
from occludenet_build.sources.index import INDEX

WIDTH, HEIGHT, FRAMES = 96, 64, 12
BOXES_OF_CLIP = np.array([[20 + n, 8, 60 + n, 56] for n in range(FRAMES)], np.float32)


def gradient(height: int = 50, width: int = 40) -> np.ndarray:
    """A cut-out with colours that change over it and a soft, round alpha: uint8 (H, W, 4)."""
    rows, columns = np.mgrid[0:height, 0:width]
    rgba = np.full((height, width, 4), 90, np.uint8)
    rgba[:, :, 0], rgba[:, :, 1] = 255 * columns / width, 255 * rows / height
    away = ((rows - height / 2) / (height / 2)) ** 2 + ((columns - width / 2) / (width / 2)) ** 2
    rgba[:, :, 3] = np.clip(500 * (1 - away), 0, 255)
    return rgba


def pictures(seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    """uint8 (T, H, W, 3)"""
    shape = (frames, HEIGHT, WIDTH, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


# The same pixels as composite


VARIANTS = [
    pytest.param("yuv420p", {}, 1, id="420"),
    pytest.param("yuv444p", {}, 1, id="444"),
    pytest.param("yuv420p", {"motion": "circular"}, 1, id="a path"),
    pytest.param("yuv420p", {"scale_mode": "area", "window": Window(0.2, 0.9, 0.3)}, 3, id="three"),
    pytest.param("yuv420p", {"scale_mode": "target", "target_tolerance": 0.2}, 1, id="target"),
]


def planes_of(path: Path) -> list[tuple]:
    """Layout and planes of every frame."""
    with open_video(path) as source:
        return [
            (layout_of(f), [plane.copy() for plane in plane_arrays(f, layout_of(f))])
            for f in source
        ]


@pytest.mark.parametrize(("pixels", "chosen", "occluders"), VARIANTS)
def test_in_the_same_planes_it_is_composite_sample_by_sample(tmp_path, pixels, chosen, occluders):
    """Composite's files are lossless here (crf 0), so that they hold what was encoded."""
    size = (94, 62)
    source = Made(pix_fmt=pixels).write(tmp_path / "a.mp4", textured(FRAMES, *size))
    paths = tuple(write_png(tmp_path / f"{n}.png", gradient(50 + n, 40)) for n in range(occluders))
    boxes = with_gap(FRAMES, size)
    job = job_of(source, tmp_path / "build", FRAMES, boxes, cutouts=paths, seed=7)
    fast = {"crf": 0.0, "preset": "ultrafast", **chosen}
    truth = render(job, Composite(scales=SCALES, **fast)).truth.table().to_pylist()
    rgba, clean = [read_occluder(path) for path in paths], planes_of(source)
    rgb, actor = np.stack([p for _, p in rgb_frames(source)]), ClipActor(boxes, FRAMES, 25.0)
    for output, scale in zip(OCCLUDED, SCALES, strict=False):
        layout, display = clean[0][0], Display(*size)
        cutouts = [ClipCutout(one, layout, display) for one in rgba]
        own = Composite(scales=(scale,), **fast)
        pasting = ClipPasting(actor, size, cutouts, layout, own, "a", 7)
        made = occlude(rgb, actor, rgba, scale, own.motion, 7, clip="a", **shared(chosen))
        rows = [row for row in truth if row["scale"] == pytest.approx(scale)]
        for number, (_, wanted) in enumerate(planes_of(job.root / output.file)):
            planes = [plane.copy() for plane in clean[number][1]]
            mask, row = np.zeros(size[::-1], bool), rows[number]
            hidden = pasting.paste(number, planes, mask)
            for plane, other in zip(planes, wanted, strict=True):
                np.testing.assert_array_equal(plane, other)
            drawn = np.zeros_like(mask)
            if row["occluder_rle"]:
                drawn = masks.decode(row["occluder_rle"], *size[::-1])
            for found in (mask, made.masks[number]):
                np.testing.assert_array_equal(found, drawn)
            assert np.float32(hidden) == np.float32(row["box_hidden"]) == made.hidden[number]
        assert made.masks.any()


def shared(chosen: dict) -> dict:
    """Settings of composite as `occlude` takes them."""
    others = {name: value for name, value in chosen.items() if name != "motion"}
    if "window" in others:
        others["window"] = vars(others["window"])
    return others


@pytest.mark.parametrize(
    ("pixels", "limit"),
    [
        pytest.param("yuv444p", 3, id="444: any colour"),
        pytest.param("yuv420p", 3, id="420: brightness"),
    ],
)
def test_rgb_frames_differ_from_composite_by_rounding_and_halved_chroma(tmp_path, pixels, limit):
    """docs/transform.md states these limits."""
    source = Made(pix_fmt=pixels).write(tmp_path / "a.mp4", textured(FRAMES, WIDTH, HEIGHT))
    boxes, cut = with_gap(FRAMES, (WIDTH, HEIGHT)), write_png(tmp_path / "c.png", gradient())
    job = job_of(source, tmp_path / "build", FRAMES, boxes, cutouts=(cut,))
    render(job, Composite(scales=SCALES, crf=0.0, preset="ultrafast"))
    rgb = np.stack([p for _, p in rgb_frames(source)])
    made = occlude(rgb, ClipActor(boxes, FRAMES, 25.0), gradient(), SCALES[1])
    composite = np.stack([p for _, p in rgb_frames(job.root / OCCLUDED[1].file)])
    apart = made.frames.astype(float) - composite
    if pixels == "yuv420p":
        pasted = (made.frames != rgb).any(axis=3).astype(np.uint8)
        near = np.stack([cv2.dilate(changed, np.ones((5, 5))) for changed in pasted])
        assert not apart[near == 0].any()
        apart = apart @ [0.299, 0.587, 0.114]
    assert 0 < np.abs(apart).max() <= limit


# What it promises


boxes_or_none = st.one_of(
    st.none(),
    st.tuples(st.floats(-50, 90), st.floats(-50, 60), st.floats(1, 80), st.floats(1, 80)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
)


@settings(max_examples=40, deadline=None)
@given(
    boxes=st.lists(boxes_or_none, min_size=4, max_size=4),
    scale=st.floats(0.05, 2),
    mode=st.sampled_from(["fit", "stretch", "area"]),
    motion=st.sampled_from(["track", "static", "linear", "circular", "sine", "random"]),
    opacity=st.sampled_from([0, 100, 128, 255]),
    seed=st.integers(0, 99),
)
def test_what_changes_is_the_mask(boxes, scale, mode, motion, opacity, seed):
    """A bright occluder on black frames: alpha of one half or more is the mask, and is seen."""
    rgba = np.full((20, 30, 4), 255, np.uint8)
    rgba[:, :, 3] = opacity
    black = np.zeros((4, HEIGHT, WIDTH, 3), np.uint8)
    made = occlude(black, boxes, rgba, scale, motion, seed, scale_mode=mode)
    assert not black.any()
    seen = made.frames.max(axis=3)
    np.testing.assert_array_equal(made.masks, seen >= 128)
    assert set(np.unique(seen)) <= {0, opacity}
    again = occlude(black, boxes, rgba, scale, motion, seed, scale_mode=mode)
    np.testing.assert_array_equal(again.frames, made.frames)
    for mask, box, hidden in zip(made.masks, boxes, made.hidden, strict=True):
        if motion == "track" and box is None:
            assert not mask.any()
        assert hidden == pytest.approx(share_of(mask, box))


def share_of(mask: np.ndarray, box) -> float:
    if box is None:
        return 0.0
    x1, y1, x2, y2 = (max(0, round(value)) for value in box)
    inside = mask[y1:y2, x1:x2]
    return float(inside.mean()) if inside.size else 0.0


def test_a_part_of_a_clip_is_that_part_of_the_whole():
    frames, chosen = pictures(), [9, 2, 2, 5]
    options = {"motion": "sine", "seed": 4, "clip": "a", "window": {"start": 0.1, "end": 0.9}}
    whole = occlude(frames, BOXES_OF_CLIP, gradient(), 0.4, **options)
    part = occlude(frames[chosen], BOXES_OF_CLIP, gradient(), 0.4, at=chosen, **options)
    for made, all_of_it in zip(part, whole, strict=True):
        np.testing.assert_array_equal(made, all_of_it[chosen])


def test_every_kind_of_frames_gets_the_same_pixels_back_in_its_own_kind():
    torch, tv = pytest.importorskip("torch"), pytest.importorskip("torchvision.tv_tensors")
    frames = pictures()
    wanted = occlude(frames, BOXES_OF_CLIP, gradient())
    first = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))
    canvas = {"format": "CXCYWH", "canvas_size": (HEIGHT, WIDTH)}
    middle = np.hstack([(BOXES_OF_CLIP[:, :2] + BOXES_OF_CLIP[:, 2:]) / 2, [[40, 48]] * FRAMES])
    kinds = [
        (first, np.ndarray, BOXES_OF_CLIP),
        ([f.copy() for f in frames], list, BOXES_OF_CLIP.tolist()),
        (torch.from_numpy(frames.copy()), torch.Tensor, torch.from_numpy(BOXES_OF_CLIP)),
        (tv.Video(torch.from_numpy(first.copy())), tv.Video, tv.BoundingBoxes(middle, **canvas)),
        # channels that are last in memory, as some decoders give them
        (tv.Video(torch.from_numpy(frames.copy()).permute(0, 3, 1, 2)), tv.Video, BOXES_OF_CLIP),
    ]
    for given_frames, kind, boxes in kinds:
        made = occlude(given_frames, boxes, gradient())
        assert type(made.frames) is kind
        pixels = np.asarray(made.frames)
        last = pixels if pixels.shape[3] == 3 else pixels.transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(last, wanted.frames)
        np.testing.assert_array_equal(np.asarray(made.masks), wanted.masks)
        np.testing.assert_array_equal(np.asarray(made.hidden), wanted.hidden)
        assert isinstance(made.masks, tv.Mask) == (kind is tv.Video)
        before = np.asarray(given_frames)
        assert before.sum(dtype=np.int64) == frames.sum(dtype=np.int64)  # not written to
        changed = occlude(given_frames, boxes, gradient(), inplace=True).frames
        np.testing.assert_array_equal(np.asarray(given_frames), np.asarray(changed))


MISTAKES = [
    ({"frames": pictures().astype(np.float32) / 255}, "wanted RGB frames.*float32.*before the con"),
    ({"frames": pictures()[..., :1]}, r"got uint8 \(12, 64, 96, 1\)"),
    ({"frames": pictures()[0]}, r"got uint8 \(64, 96, 3\)"),
    ({"frames": []}, "an empty list"),
    ({"frames": "clip.mp4"}, "got a str"),
    ({"boxes": BOXES_OF_CLIP[:5]}, r"for each of 12 frames, got 5.*at=\["),
    ({"boxes": BOXES_OF_CLIP[:, :3]}, r"\(T, 4\).*got \(12, 3\)"),
    ({"boxes": [[1, 2], [3]] * 6}, "got list"),
    ({"boxes": 9999 * BOXES_OF_CLIP}, "sides up to"),
    ({"frames": np.broadcast_to(pictures()[:1], (12, 64, 96, 3)), "inplace": True}, "read-only"),
    ({"at": [0.5, *range(11)]}, "whole numbers, got"),
    ({"at": [0, 1]}, "12 numbers of frames from 0 to 11, got 2"),
    ({"at": range(1, 13)}, "from 0 to 11"),
    ({"occluder": gradient()[..., :3]}, r"RGBA pixels, uint8 \(H, W, 4\), got uint8 \(50, 40, 3\)"),
    ({"occluder": []}, "empty list"),
    ({"scale": 0}, "scales: wanted a value between 0.01 and 4, got 0"),
    ({"motion": "fly"}, "motion: wanted one of track, .*'fly'"),
    ({"scale_mode": "huge"}, "scale_mode: wanted one of fit"),
    ({"crf": 3}, "wanted settings scale_mode.*got crf"),
]


@pytest.mark.parametrize(("wrong", "message"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_is_one_line(wrong, message):
    right = {"frames": pictures(), "boxes": BOXES_OF_CLIP, "occluder": gradient()}
    with pytest.raises(UserError, match=message) as caught:
        occlude(**(right | wrong))
    assert "\n" not in str(caught.value)


def test_a_share_that_cannot_be_reached_is_an_item_error():
    nobody = np.full((FRAMES, 4), np.nan)
    with pytest.raises(ItemError, match="no_occluded_frame"):
        occlude(pictures(), nobody, gradient(), 0.3, scale_mode="target")


def test_boxes_of_another_picture_are_refused():
    tv = pytest.importorskip("torchvision.tv_tensors")
    boxes = tv.BoundingBoxes(BOXES_OF_CLIP, format="XYXY", canvas_size=(128, 192))
    with pytest.raises(UserError, match="of 96x64, got boxes of 192x128; occlude before"):
        occlude(pictures(), boxes, gradient())


def test_frames_of_another_size_than_in_the_build_are_refused(build):
    small = pictures()[:, ::2, ::2]
    with pytest.raises(UserError, match="of 48x32, got boxes of 96x64; occlude before you resize"):
        occlude(small, BuildBoxes.open(build)["walks"], gradient())


# With a build


@pytest.fixture
def build(tmp_path) -> Path:
    """What the transform reads of a build: clips of which one has boxes, occluders of a split each,
    and the one video."""
    root, rows = tmp_path / "build", []
    for number, split in enumerate(("train", "train", "test")):
        file = root / f"occluders/png/dog/{number}.png"
        write_png(file, opaque(30 + number, 40, (9 * number,) * 3))
        row = {"occluder": f"{number}.png", "category": "dog", "status": "ok", "split": split}
        rows.append(row | {"file": f"png/dog/{number}.png", "sha256": sha256_file(file)})
    rows.append({"occluder": None, "category": "dog", "status": "skipped"})
    states = {"walks": "ok", "empty": "skipped", "broken": "failed"}
    detected = [
        {"clip": clip, "status": state, "reason": f"r-{state}", "frames": FRAMES}
        for clip, state in states.items()
    ]
    video = tmp_path / "walks.mp4"
    write_video(video, textured(FRAMES, WIDTH, HEIGHT), 25)
    indexed = [{"clip": clip, "fps": 25.0, "width": WIDTH, "height": HEIGHT} for clip in states]
    chosen = [{"clip": "walks", "status": "ok", "path": str(video), "split": "train"}]
    for name, found, schema in (
        ("occluders/occluders.parquet", rows, OCCLUDERS),
        ("detect/000.parquet", detected, DETECT),
        ("index/videos.parquet", indexed, INDEX),
        ("select/clips.parquet", chosen, SELECT),
    ):
        tables.write_table(tables.from_rows(found, schema), root / name)
    same = {"clip": "walks", "track": 1, "filled": False}
    boxes = [
        dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
        | {"frame": n, "shot": int(n > 5), "actor": n != 3, **same}
        for n, box in enumerate(BOXES_OF_CLIP.tolist())
    ]
    store = root / "detect/store/000/detail.parquet"
    write_groups(store, [tables.from_rows(boxes, BOXES)], BOXES)
    return root


def test_a_bank_has_the_occluders_of_its_split_only(build):
    train, test = Bank.open(build), Bank.open(build, split="test")
    assert (train.names, test.names) == (["0.png", "1.png"], ["2.png"])
    assert set(train.draw(3, "walks", 5)) == {"0.png", "1.png"}
    assert train["1.png"].shape == (31, 40, 4)
    with pytest.raises(UserError, match=r"wanted an occluder of .*split train, got '2.png'"):
        train["2.png"]
    with pytest.raises(UserError, match="got none"):
        Bank.open(build, categories=["cat"])
    with pytest.raises(UserError, match="wanted a split, train, val, test, got 'training'"):
        Bank.open(build, split="training")
    with pytest.raises(UserError, match=r"wanted occluders/occluders.parquet.*run occluders"):
        Bank.open(build / "detect")
    (build / "occluders/png/dog/1.png").write_bytes(b"another")
    with pytest.raises(UserError, match="run occluders again"):
        train["1.png"]


def test_the_boxes_of_a_build(build):
    boxes = BuildBoxes.open(build)
    actor = boxes["walks"]
    assert (actor.frames, actor.fps, actor.boxes[7].shot) == (FRAMES, 25.0, 1)
    wanted = BOXES_OF_CLIP.copy()
    wanted[3] = np.nan
    np.testing.assert_array_equal(actor.array, wanted)
    assert not boxes["empty"].boxes and boxes["empty"].frames == FRAMES
    assert pickle.loads(pickle.dumps(boxes))["walks"] == actor
    for clip, message in {"other": "got 'other'; names are those", "broken": "r-failed"}.items():
        with pytest.raises(UserError, match=message):
            boxes[clip]
    with pytest.raises(UserError, match="run detect, or give your own"):
        BuildBoxes.open(build / "occluders")


def test_a_new_shot_is_not_smoothed_across():
    """As composite: the boxes of a build say where a shot ends."""
    boxes = {n: ActorBox((20.0 + 9 * n, 8, 60 + 9 * n, 56), shot=int(n > 1)) for n in range(4)}
    cut = ClipActor(boxes, 4, 25.0)
    same = ClipActor({n: box._replace(shot=0) for n, box in boxes.items()}, 4, 25.0)
    options = {"occluder": opaque(), "smooth_seconds": 1.0}
    frames = pictures(frames=4)
    apart = occlude(frames, cut, **options).masks != occlude(frames, same, **options).masks
    assert not apart[[0, 3]].any()  # the ends of a run keep their boxes
    plain = occlude(frames, cut, opaque(), smooth_seconds=0.0)
    np.testing.assert_array_equal(plain.masks, occlude(frames, cut, **options).masks)


# In a data loader


OWN = {f"o{n}": opaque(20 + n, 30, (40 * n, 100, 200)) for n in range(6)}


def test_what_is_drawn_depends_on_seed_clip_and_epoch_alone():
    one = Occlude(Bank.of(OWN), motion=["track", "static"], seed=3, p=0.7, occluders=2)
    clips = [f"clip {n}" for n in range(300)]
    drawn = {clip: one.draw(clip, 5) for clip in clips}
    np.random.seed(1)
    other = pickle.loads(pickle.dumps(one))
    assert {clip: other.draw(clip, 5) for clip in reversed(clips)} == drawn
    other.set_epoch(5)
    assert other.draw(clips[0]) == drawn[clips[0]] != other.draw(clips[0], 6)
    occluded = [d for d in drawn.values() if d.occluders]
    assert 0.6 < len(occluded) / len(clips) < 0.8
    assert {d.scale for d in occluded} == {0.25, 0.5, 0.75}
    assert {d.motion for d in occluded} == {"track", "static"}
    assert {name for d in occluded for name in d.occluders} == set(OWN)
    assert all(len(set(d.occluders)) == 2 for d in occluded)
    changed = Occlude(Bank.of(OWN), motion=["track", "static"], seed=4, p=0.7, occluders=2)
    assert sum(changed.draw(clip, 5) != drawn[clip] for clip in clips) > 290


def test_a_sample_keeps_its_other_entries():
    made = Occlude(Bank.of(OWN), scale=0.5)
    sample = {"video": pictures(), "boxes": BOXES_OF_CLIP, "clip": "a", "label": 3, "epoch": 2}
    after = made(sample)
    by_hand = made(sample["video"], BOXES_OF_CLIP, clip="a", epoch=2)
    assert set(after) == {*sample, "masks", "hidden"} and after["label"] == 3
    for name, value in zip(("video", "masks", "hidden"), by_hand, strict=True):
        np.testing.assert_array_equal(after[name], value)
    never = Occlude(Bank.of(OWN), p=0)(sample)
    assert never["video"] is sample["video"]
    assert not never["masks"].any() and never["hidden"].shape == (FRAMES,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda o: o(pictures(), BOXES_OF_CLIP), "wanted the clip's name"),
        (lambda o: o(pictures(), clip="a"), "wanted the actor's boxes of a, got none"),
        (lambda o: o({"frames": pictures(), "clip": "a"}), "entry `video`, got one with frames, c"),
        (lambda o: Occlude(o.bank, scale=[]), "empty list"),
        (lambda o: Occlude(o.bank, scale=[0.5, 9]), "between 0.01 and 4, got 9"),
        (lambda o: Occlude(o.bank, p=2), "from 0 to 1, got 2"),
        (lambda o: Occlude(o.bank, occluders=0), "1 or more"),
        (lambda o: Bank.of({}), "got none"),
        (lambda o: Bank.of({"x": gradient().astype(float)}), "occluder x: wanted RGBA pixels"),
    ],
)
def test_a_mistake_in_a_data_set_is_one_line(call, message):
    with pytest.raises(UserError, match=message):
        call(Occlude(Bank.of(OWN)))


class Clips:
    """A data set of Videos, occluded."""

    def __init__(self, transform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 6

    def __getitem__(self, number: int) -> dict:
        from torchvision import tv_tensors

        video = tv_tensors.Video(pictures(number).transpose(0, 3, 1, 2).copy())
        return self.transform({"video": video, "clip": "walks", "epoch": number})


def test_workers_give_what_the_main_process_gives(build):
    """In a Compose with torchvision's own, with boxes and occluders of a build."""
    torch = pytest.importorskip("torch")
    v2 = pytest.importorskip("torchvision.transforms.v2")
    occluding = Occlude(Bank.open(build), boxes=BuildBoxes.open(build))
    clips = Clips(v2.Compose([occluding, v2.Resize((32, 48)), v2.RandomHorizontalFlip(1.0)]))
    here = [clips[n] for n in range(6)]  # opens the store before the workers are forked
    loader = torch.utils.data.DataLoader(
        clips, batch_size=2, num_workers=2, multiprocessing_context="fork"
    )
    there = list(loader)
    assert len({tuple(sample["hidden"].tolist()) for sample in here}) > 2
    for number, sample in enumerate(here):
        for name in ("video", "masks", "hidden"):
            assert torch.equal(sample[name], there[number // 2][name][number % 2]), name
    assert here[0]["masks"].shape == (FRAMES, 32, 48) and here[0]["masks"].any()


@pytest.mark.slow
def test_spawned_workers_give_the_same(build):
    torch = pytest.importorskip("torch")
    clips = Clips(Occlude(Bank.open(build), boxes=BuildBoxes.open(build)))
    loader = torch.utils.data.DataLoader(
        clips, batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    for number, sample in enumerate(loader):
        assert torch.equal(sample["video"], clips[number]["video"])


def test_numpy_frames_need_no_pytorch_and_the_package_loads_nothing():
    program = """
import sys
import occludenet_build
loaded = {"numpy", "cv2", "av", "pyarrow", "torch"} & set(sys.modules)
assert not loaded, loaded
sys.modules["torch"] = sys.modules["torchvision"] = None  # as if they were not installed
import numpy as np
from occludenet_build import Bank, BuildBoxes, Occlude, occlude
frames, rgba = np.zeros((3, 40, 60, 3), np.uint8), np.full((9, 9, 4), 255, np.uint8)
boxes = [None, (10, 5, 30, 35), (float("nan"),) * 4]
made = Occlude(Bank.of({"a": rgba}), scale=0.5)(frames, boxes, clip="c")
assert made.masks.any(axis=(1, 2)).tolist() == [False, True, False]
assert occlude(frames, boxes, rgba).hidden[1] > 0.1
assert "Occlude" in dir(occludenet_build)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


PAGE = {"PyTorch": "torchvision", "mmaction2": "mmaction", "Hugging Face datasets": "datasets"}
"""Heading in docs/transform.md -> what its program needs, which may be absent."""


@pytest.mark.parametrize("heading", PAGE)
def test_the_programs_of_the_page_run(build, heading, monkeypatch, tmp_path):
    pytest.importorskip(PAGE[heading])
    page = (REPO / "docs/transform.md").read_text()
    program = re.search(rf"^## {heading}$.*?```python\n(.*?)```", page, re.M | re.S)[1]
    (tmp_path / "train.txt").write_text(f"{tmp_path}/walks.mp4,0\n")
    monkeypatch.chdir(tmp_path)
    if heading.startswith("Hugging"):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    example = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", example)
    exec(compile(program, heading, "exec"), vars(example))
    if heading == "PyTorch":
        shares, masks = example.hidden.flatten(), example.masks.numpy()
    elif heading == "mmaction2":
        made = example.videos[0]
        assert made["inputs"].shape == (1, 3, 8, 112, 112)
        shares, masks = made["data_samples"].hidden, None
    else:
        (row,) = example.clips
        shares, masks = row["hidden"], np.array(row["masks"])
        assert np.shape(row["video"]) == (2, HEIGHT, WIDTH, 3)
    assert max(shares) > 0 and (masks is None or masks.any())
