"""The stage actor_masks: its rows, GrabCut against drawn truth, the models' coordinates."""

import json
import logging
import shutil
import subprocess
import sys
from argparse import Namespace
from fractions import Fraction

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from occludenet_build import config
from occludenet_build.config.failures import OutageShares
from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.people import actor_masks
from occludenet_build.people.actor_masks.command import key_of
from occludenet_build.people.actor_masks.command import run as run_stage
from occludenet_build.people.maskers import group_masks, median_background
from occludenet_build.people.maskers.grabcut import GrabCut
from occludenet_build.people.maskers.interface import BoxedClip

WIDTH, HEIGHT, FRAMES = 144, 112, 20
GRABCUT = config.ActorMasks(backend="grabcut", grabcut_side=96)


def world(frames=FRAMES, shift=0):
    """(pictures, true masks): a coloured figure before a wall; `shift` moves the camera."""
    random = np.random.default_rng(3)
    wall = random.integers(40, 140, (14, 40, 3), np.uint8)
    wall = cv2.resize(wall, (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    pictures, truth = [], []
    for number in range(frames):
        picture = wall[:, number * shift : number * shift + WIDTH].copy()
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        x = 30 + 3 * number
        cv2.ellipse(mask, (x, 58), (9, 22), 0, 0, 360, 1, -1)
        cv2.circle(mask, (x, 30), 7, 1, -1)
        for side in (-1, 1):
            cv2.line(mask, (x, 74), (x + side * (6 + number % 5), 100), 1, 6)
        picture[mask > 0] = (220, 60, 40)
        pictures.append(picture)
        truth.append(mask.astype(bool))
    return pictures, truth


def boxes_of(truth):
    return {n: np.float32(masks.box_of(mask)) for n, mask in enumerate(truth)}


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture
def clip(tmp_path):
    pictures, truth = world()
    path = tmp_path / "walk.mp4"
    write_video(path, pictures, Fraction(12))
    return BoxedClip(path, boxes_of(truth), FRAMES), truth


@pytest.mark.parametrize("shift", [0, 5], ids=["fixed", "moving"])
def test_grabcut_finds_the_figure(tmp_path, shift):
    pictures, truth = world(shift=shift)
    path = tmp_path / "walk.mp4"
    write_video(path, pictures, Fraction(12))
    clip = BoxedClip(path, boxes_of(truth), FRAMES)
    assert (median_background.estimate_background(clip) is not None) == (shift == 0)
    found = dict(GrabCut(GRABCUT).masks(clip))
    assert list(found) == list(range(FRAMES))
    assert np.mean([iou(found[n], truth[n]) for n in found]) > 0.75
    for number, mask in found.items():
        box, around = clip.boxes[number], np.float32(masks.box_of(mask))
        margin = 0.13 * (box[2:] - box[:2]) + 1
        assert (around[:2] >= box[:2] - margin).all() and (around[2:] <= box[2:] + margin).all()


def test_grabcut_gives_the_same_masks_again(clip):
    first, second = (dict(GrabCut(GRABCUT).masks(clip[0])) for _ in range(2))
    assert all(np.array_equal(first[n], second[n]) for n in first) and len(first) == len(second)


@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 12, 12),
        (-50, -50, -10, -10),
        (50, 50, 50, 90),
        (60, 60, 40, 40),
        (0, 0, WIDTH, HEIGHT),
        (-30, -30, 300, 300),
        (120, 90, 400, 300),
    ],
)
def test_grabcut_accepts_any_box(tmp_path, box):
    flat = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 6
    write_video(tmp_path / "flat.mp4", flat, Fraction(12))
    boxes = dict.fromkeys(range(6), np.float32(box))
    for _, mask in GrabCut(GRABCUT).masks(BoxedClip(tmp_path / "flat.mp4", boxes, 6)):
        assert mask.shape == (HEIGHT, WIDTH) and mask.any()


def test_an_actor_who_stands_still_is_no_background(tmp_path):
    pictures, truth = world(1)
    write_video(tmp_path / "stays.mp4", pictures * 20, Fraction(12))
    clip = BoxedClip(tmp_path / "stays.mp4", dict.fromkeys(range(20), boxes_of(truth)[0]), 20)
    found = median_background.estimate_background(clip)
    assert found is not None and not found.known[truth[0]].any()
    assert iou(dict(GrabCut(GRABCUT).masks(clip))[10], truth[0]) > 0.7


def test_the_background_is_aligned_with_the_window():
    ramp = np.repeat(np.mgrid[0:56, 0:72][1][..., None] * 3, 3, axis=2).astype(np.uint8)
    still = median_background.Background(ramp, np.ones((56, 72), bool))
    rgb, known = still.window((20, 10, 100, 90), (112, 144), (40, 40))
    centres = 20 + (np.arange(40) + 0.5) * 2  # picture pixels, from its left edge
    expected = (centres / 2 - 0.5) * 3
    assert known.all() and np.abs(rgb[5, :, 0] - expected).max() <= 1


TOLERANT = config.Failures(outage_share=OutageShares(actor_masks=0.5))


class Shard:
    """A shard of clips with boxes as select and detect would write them."""

    def __init__(self, root):
        self.root, self.rows, self.details = root, [], []
        self.out = root / "actor_masks" / "000.parquet"

    def clip(self, name, path, boxes, shape=(HEIGHT, WIDTH), frames=FRAMES, **other):
        self.rows.append(
            {
                "clip": name,
                "status": "ok",
                "path": str(path),
                "sha256": sha256_file(path) if path.exists() else "gone",
                "detect_shard": "001",
                "boxes_hash": str(len(boxes)),
                "frames": frames,
                "height": shape[0],
                "width": shape[1],
            }
            | other
        )
        self.details.append(
            [
                dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True))
                | {
                    "clip": name,
                    "frame": n,
                    "actor": actor,
                    "filled": n % 2 == 1,
                    "shot": 1,
                    "track": 7 if actor else 8,
                }
                for n, box in boxes.items()
                for actor in (True, False)
            ]
        )

    def run(self, settings=GRABCUT):
        tables.write_table(pa.Table.from_pylist(self.rows), self.root / "clips.parquet")
        detail = self.root / "store" / "001" / "detail.parquet"
        detail.parent.mkdir(parents=True, exist_ok=True)
        parts = [pa.Table.from_pylist(rows) for rows in self.details if rows]
        with pq.ParquetWriter(detail, parts[0].schema) as writer:
            for part in parts:
                writer.write_table(part)
        args = Namespace(
            clips=self.root / "clips.parquet",
            boxes=self.root / "store",
            out=self.out,
            weights=None,
            threads=1,
        )
        run_stage(args, config.Config(actor_masks=settings, failures=TOLERANT))
        assert tables.read_table(self.out).schema.equals(actor_masks.ROWS)
        return {row["clip"]: row for row in tables.read_rows(self.out)}

    def masks(self, name):
        groups = tables.ClipGroups(self.out.parent / "store" / "000" / "detail.parquet")
        return groups.read(name).to_pylist()


def test_the_rows_of_a_shard(tmp_path, clip, caplog):
    caplog.set_level(logging.INFO)
    (good, truth), shard = clip, Shard(tmp_path / "build")
    some = {n: good.boxes[n] for n in range(4, 12)}
    shard.clip("walk", good.path, some)
    shard.clip("nobody", good.path, {})
    shard.clip("tiny", good.path, {3: (5, 5, 6, 6)})
    shard.clip("gone", tmp_path / "gone.mp4", some)
    shard.clip("other", good.path, some, sha256="x")
    shard.clip("size", good.path, some, shape=(10, 10))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(good.path.read_bytes()[:800])
    shard.clip("broken", broken, some)
    rows = shard.run()
    assert {name: (row["status"], row["reason"]) for name, row in rows.items()} == {
        "walk": ("ok", None),
        "nobody": ("skipped", "no_actor"),
        "tiny": ("skipped", "no_mask"),
        "gone": ("failed", "missing"),
        "other": ("failed", "source_changed"),
        "size": ("failed", "corrupt"),
        "broken": ("failed", "truncated"),
    }
    walk, found = rows["walk"], shard.masks("walk")
    assert [row["frame"] for row in found] == list(some)
    assert (walk["masked_frames"], walk["height"], walk["width"]) == (8, HEIGHT, WIDTH)
    assert (walk["backend"], walk["weights_sha256"], walk["seconds"]) == ("grabcut", None, None)
    assert (walk["jumps"], walk["leaking_frames"], walk["thin_frames"]) == (0, 0, 0)
    assert walk["doubts"] is None and {row["doubt"] for row in found} == {None}
    for row in found:
        mask = masks.decode(row["rle"], HEIGHT, WIDTH)
        assert row["area"] == mask.sum() and iou(mask, truth[row["frame"]]) > 0.6
    again = shard.run()
    assert again == rows and "7 clips, 5 finished before, 2 to do" in caplog.text
    shard.out.unlink()
    shutil.rmtree(shard.out.parent / "store")
    command = [sys.executable, "-m", "occludenet_build", "actor_masks", "--threads", "2"]
    command += ["--clips", shard.root / "clips.parquet", "--boxes", shard.root / "store"]
    settings = {"actor_masks": {"backend": "grabcut", "grabcut_side": 96}}
    settings["failures"] = {"outage_share": {"actor_masks": 0.5}}
    command += ["--out", shard.out, "--settings", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = {row["clip"]: row for row in tables.read_rows(shard.out)}
    assert again == rows, "worker processes change nothing"


@pytest.mark.parametrize(
    ("backend", "change", "matters"),
    [
        ("grabcut", {"grabcut_side": 50}, True),
        ("grabcut", {"batch": 3, "device": "cpu", "image_size": 320, "sam_model": "vit_h"}, False),
        ("sam", {"sam_model": "vit_l"}, True),
        ("sam", {"sam_multimask": "best"}, True),
        ("sam", {"every": 4}, True),
        ("sam", {"batch": 3, "device": "cpu", "grabcut_side": 50, "sam2_model": "tiny"}, False),
        ("mobile-sam", {"sam_multimask": "best"}, True),
        ("mobile-sam", {"sam_model": "vit_l"}, False),
        ("sam2", {"sam2_model": "tiny"}, True),
        ("yolo-seg", {"image_size": 320}, True),
        ("yolo-seg", {"batch": 3}, False),
    ],
)
def test_what_the_key_covers(backend, change, matters):
    row = {"sha256": "a", "boxes_hash": "b"}
    before = key_of(row, config.ActorMasks(backend=backend), "w")
    after = key_of(row, config.ActorMasks(**({"backend": backend} | change)), "w")
    assert (before != after) == matters
    for other in ({"sha256": "c"}, {"boxes_hash": "c"}):
        assert key_of(row | other, config.ActorMasks(backend=backend), "w") != before
    assert key_of(row, config.ActorMasks(backend=backend), "v") != before


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "wanted a weights file"),
        (b"", "does not load"),
        (b"PK no zip", "does not load"),
        ({"a": 1}, "holds something else"),
        ({"a": (1,)}, "has no image encoder"),
        ({"image_encoder.pos_embed": (1, 64, 64, 1280)}, "is vit_h; set actor_masks.sam_model"),
        ({"image_encoder.pos_embed": (1, 64, 64, 768)}, "does not fit vit_b"),
    ],
)
def test_wrong_sam_checkpoints_end_in_one_line(tmp_path, content, wanted):
    torch = pytest.importorskip("torch")
    pytest.importorskip("segment_anything")
    from occludenet_build.people.maskers.sam import Sam

    path = tmp_path / "sam.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        shapes = {k: torch.zeros(v) if isinstance(v, tuple) else v for k, v in content.items()}
        torch.save(shapes, path)
    with pytest.raises(UserError, match="sam: ") as error:
        Sam(config.ActorMasks(weights=str(path), device="cpu"))
    assert wanted in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_sam_is_prompted_with_the_box_of_each_frame(tmp_path, clip, monkeypatch):
    torch = pytest.importorskip("torch")
    registry = pytest.importorskip("segment_anything").sam_model_registry
    from occludenet_build.people.maskers.sam import Sam

    torch.manual_seed(0)
    torch.save(registry["vit_b"]().state_dict(), tmp_path / "sam.pth")
    settings = config.ActorMasks(weights=str(tmp_path / "sam.pth"), device="cpu", batch=2)
    sam = Sam(settings, threads=2)
    sam._batch = 2  # as on a GPU
    encoder, prompter = sam._model.image_encoder, sam._model.prompt_encoder
    seen, batches = [], []
    spied = _spy(prompter.forward, lambda **k: seen.append(k["boxes"].numpy()))
    monkeypatch.setattr(prompter, "forward", spied)
    one = BoxedClip(clip[0].path, {0: clip[0].boxes[0]}, FRAMES)
    assert len(list(sam.masks(one))) <= 1, "the whole path, with the real encoder"

    def stand_in(pictures):  # the encoder takes some ten seconds a frame on a CPU
        batches.append(tuple(pictures.shape))
        return torch.randn(len(pictures), 256, 64, 64)

    monkeypatch.setattr(encoder, "forward", stand_in)
    seen.clear()
    some = {n: clip[0].boxes[n] for n in (2, 5, 9)}
    found = dict(sam.masks(BoxedClip(clip[0].path, some, FRAMES)))
    assert batches == [(2, 3, 1024, 1024), (1, 3, 1024, 1024)]
    scale = 1024 / WIDTH  # the longer side becomes 1024
    np.testing.assert_allclose(np.concatenate(seen), np.stack([*some.values()]) * scale, rtol=0.01)
    assert set(found) <= set(some)
    assert all(mask.shape == (HEIGHT, WIDTH) and mask.dtype == bool for mask in found.values())


def _spy(function, note):
    def spied(*args, **kwargs):
        note(*args, **kwargs)
        return function(*args, **kwargs)

    return spied


def test_yolo_seg_on_a_real_clip(real_data):
    from occludenet_build.people.maskers.yolo_seg import YoloSeg

    weights = real_data / "weights" / "yolov8n-seg_dequant.pt"
    masker = YoloSeg(config.ActorMasks(weights=str(weights), device="cpu", image_size=320, batch=2))
    # upright 640x480 from a file that is stored lying; the box is a detector's
    box = np.float32([198, 80, 445, 480])
    clip = BoxedClip(real_data / "videos" / "asl_walk_rot90.mp4", {0: box, 1: box}, 89)
    found = dict(masker.masks(clip))
    assert list(found) == [0, 1]
    for mask in found.values():
        assert mask.shape == (480, 640) and mask.dtype == bool
        around = np.float32(masks.box_of(mask))
        assert np.abs(around - box).max() < 30
        assert 0.4 < mask.sum() / (247 * 400) < 0.9
    nobody = np.float32([0, 0, 60, 60])
    assert not dict(masker.masks(BoxedClip(clip.path, {0: nobody}, 89)))


def test_missing_weights_are_one_line(tmp_path):
    command = [sys.executable, "-m", "occludenet_build", "actor_masks", "--clips", "none.parquet"]
    command += ["--boxes", tmp_path, "--out", tmp_path / "000.parquet"]
    settings = json.dumps({"actor_masks": {"backend": "yolo-seg"}})
    done = subprocess.run([*command, "--settings", settings], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "yolo-seg: wanted a weights file, got none" in done.stderr


def person(frame, box, track, actor=False):
    return dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True)) | {
        "frame": frame, "shot": 0, "track": track, "actor": actor, "filled": False,
    }  # fmt: skip


def people(rows):
    return ClipBoxes.of(pa.Table.from_pylist(rows) if rows else None)


@pytest.mark.parametrize(
    ("actor", "others", "who"),
    [
        ((0, 0, 30, 40), [(0, 0, 10, 40), (12, 5, 30, 35)], {(0, 0), (0, 1)}),
        ((0, 0, 30, 40), [(0, 0, 10, 40), (12, 5, 30, 35), (50, 0, 60, 40)], {(0, 0), (0, 1)}),
        # two people in front of a single actor
        ((0, 0, 30, 40), [(5, 5, 10, 20), (12, 5, 20, 35)], set()),
        ((0, 0, 30, 40), [(0, 0, 30, 40)], set()),
        ((0, 0, 30, 40), [], set()),
    ],
)
def test_a_group_is_recognised_by_its_box(actor, others, who):
    boxes = {n: np.float32(actor) for n in range(5)}
    rows = [person(n, box, track) for n in range(5) for track, box in enumerate(others)]
    found = group_masks.group_members(boxes, people(rows))
    assert set(found) == who
    assert all(sorted(of) == list(range(5)) for of in found.values())


def test_every_member_of_a_group_is_masked(tmp_path):
    class Inside:
        """Masks the middle of the box, as a model finds one person in it."""

        def masks(self, clip):
            for number, box in sorted(clip.boxes.items()):
                x1, y1, x2, y2 = (int(v) for v in box)
                mask = np.zeros((40, 60), bool)
                mask[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] = True
                yield number, mask

    hull, left, right = (0, 0, 50, 40), (0, 0, 15, 40), (30, 5, 50, 35)
    clip = BoxedClip(tmp_path / "a.mp4", {n: np.float32(hull) for n in range(3)}, 3)
    rows = [person(n, left, 0) for n in range(3)] + [person(n, right, 1) for n in (0, 2)]
    clip.boxes[1][:] = left  # the other is lost there
    shown = dict(
        group_masks.masks_of_actor(
            Inside(), clip, group_masks.group_members(clip.boxes, people(rows))
        )
    )
    assert list(shown) == [0, 1, 2]
    for number in shown:
        wanted = np.zeros((40, 60), bool)
        wanted[2:38, 2:13] = True
        if number != 1:
            wanted[7:33, 32:48] = True
        assert np.array_equal(shown[number], wanted), number
    alone = dict(group_masks.masks_of_actor(Inside(), clip, {}))
    assert alone[0][20, 20] and not shown[0][20, 20]
