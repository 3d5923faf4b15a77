"""occluders: gates, near-duplicates, soft edges, refinement, the user's own pictures."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from PIL import Image
from support.coco import WANTED, World, box, square

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.media.imaging.sheets import LINE
from occludenet_build.occlusion.occluders import cutout
from occludenet_build.occlusion.occluders.cutout import blur_of
from occludenet_build.occlusion.occluders.edge_refinement import (
    cutout_rgba,
    refine_mask,
    release_crop,
)
from occludenet_build.sources.coco.selection import SKIPPED, shape_of, wanted_images

SIZE = (300, 240)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def texture(seed=0, size=SIZE, coarse=10):
    """Spots with hard edges, whose blur can be measured."""
    width, height = size
    cells = np.random.default_rng(seed).integers(
        20, 235, (height // coarse + 1, width // coarse + 1, 3)
    )
    cells = np.kron(cells, np.ones((coarse, coarse, 1)))
    return cells[:height, :width].astype(np.uint8)


def runs(mask):
    """Uncompressed run lengths, which may have holes."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    return {"size": list(mask.shape), "counts": counts}


def ring(hole):
    mask = np.zeros(SIZE[::-1], bool)
    mask[50:150, 50:150] = True
    mask[60 : 60 + hole, 60 : 60 + hole] = False
    return runs(mask)


SHAPES = [
    ("whole", square(50, 50, 100), None),
    ("a hole of a half", ring(71), "has_holes"),
    ("a hole of a tenth", ring(32), None),
    ("two halves", [*square(20, 20, 80), *square(150, 20, 80)], "fragmented"),
    ("a speck beside it", [*square(20, 20, 80), *square(150, 20, 20)], None),
    ("a stripe of 1:10", box(20, 20, 200, 20), "too_thin"),
    ("a stripe of 1:6", box(20, 20, 180, 30), None),
    ("cut by the border", box(0, 0, 100, 100), "touches_border"),
    ("cut by the right border", box(260, 20, 40, 200), "touches_border"),
    ("touching it in a corner of its own", [[0, 100, 80, 40, 160, 100, 80, 160]], None),
]


@pytest.mark.parametrize(
    ("segmentation", "reason"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES]
)
def test_gates_on_the_mask(world, segmentation, reason):
    world.image(1, SIZE, pixels=texture())
    world.image(2, SIZE, pixels=texture(2))
    world.instance(1, segmentation)
    world.instance(2, square(50, 50, 90), category=18)
    row = world.rows(gates={})[1]
    assert row["reason"] == reason
    assert row["status"] == ("skipped" if reason else "ok")
    assert not reason or "the gate" in row["detail"]
    free = world.rows()[1]
    assert free["status"] == "ok" and free["reason"] is None
    for measure in ("border", "holes", "largest_part", "thickness"):
        assert free[measure] == row[measure] is not None


def test_the_measures_of_known_shapes():
    mask = np.zeros((200, 200), bool)
    cv2.circle(disc := mask.view(np.uint8), (100, 100), 50, 1, -1)
    found = shape_of(disc.view(bool))
    assert found.thickness == pytest.approx(2 / np.pi**0.5, rel=0.03)
    assert (found.border, found.holes, found.largest_part) == (0, 0, 1)
    stripe = np.zeros((200, 400), bool)
    stripe[80:100, 0:160] = True
    assert shape_of(stripe).thickness == pytest.approx((1 / 8) ** 0.5, rel=0.07)
    assert shape_of(stripe).border == pytest.approx(20 / 360, abs=0.02)


@pytest.mark.parametrize("spread", [1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("contrast", [1.0, 0.4])
def test_blur_is_the_spread_of_the_edges_whatever_the_contrast(spread, contrast):
    sharp = texture(3, (600, 500), coarse=40).astype(np.float32) * contrast + 30
    mask = np.zeros(sharp.shape[:2], bool)
    mask[30:470, 30:570] = True
    blurred = cv2.GaussianBlur(sharp, (0, 0), spread).astype(np.uint8)
    found = blur_of(blurred, mask) * np.count_nonzero(mask) ** 0.5
    assert found == pytest.approx(spread, rel=0.25)
    assert blur_of(sharp.astype(np.uint8), mask) < 0.002
    assert blur_of(np.full_like(blurred, 90), mask) is None, "nothing to judge by"


def test_blurred_objects_are_refused_and_blurred_backgrounds_are_not(world):
    sharp = texture(4)
    soft = cv2.GaussianBlur(sharp, (0, 0), 5)
    behind = soft.copy()
    behind[50:170, 50:190] = sharp[50:170, 50:190]
    for number, pixels in enumerate((sharp, soft, behind), 1):
        world.image(number, SIZE, pixels=pixels)
        world.instance(number, box(52, 52, 130, 110))
    rows = world.rows(gates={"near_duplicate": 0.0})
    assert [rows[n]["reason"] for n in (1, 2, 3)] == [None, "blurred", None]
    assert rows[2]["file"] is None and not list(world.out.parent.glob("png/*/*_2.png"))


def test_no_photo_is_opened_for_nothing(world, monkeypatch):
    opened = []
    read = cutout.read_photo
    monkeypatch.setattr(cutout, "read_photo", lambda f, p: opened.append(p.image) or read(f, p))
    world.image(1, SIZE, pixels=texture(1))
    for number in (2, 3, 4, 5, 6):
        world.image(number, SIZE, save=False)
    world.instance(1, square(50, 50, 90))
    world.instance(2, square(50, 50, 5))
    world.instance(3, square(50, 50, 90), crowd=1)
    world.instance(4, box(0, 0, 100, 100))
    world.instance(5, square(50, 50, 90), category=1)
    rows = world.rows(gates={})
    assert opened == [1]
    assert {n: row["reason"] for n, row in rows.items()} == {
        1: None, 2: "too_small", 3: "crowd", 4: "touches_border"
    }  # fmt: skip


def test_wanted_images_are_those_that_the_stage_opens(world, monkeypatch):
    opened = []
    read = cutout.read_photo
    monkeypatch.setattr(cutout, "read_photo", lambda f, p: opened.append(p.image) or read(f, p))
    random = np.random.default_rng(0)
    for number in range(1, 31):
        world.image(number, SIZE, pixels=texture(number))
        for _ in range(2):
            x, y, wide, high = random.integers((0, 0, 4, 4), (150, 120, 120, 100))
            segmentation = box(*map(int, (x, y, wide, high)))
            world.instance(number, segmentation, category=int(random.choice([1, 18, 27])))
    wanted = WANTED | {"min_pixels": 2000, "gates": {}}
    world.rows(**wanted)
    settings = config.load_part({"occluders": wanted}).occluders
    found = wanted_images(world.file, settings)
    assert [image.image for image in found] == opened and 3 < len(found) < 25
    first = found[0]
    assert first.file_name == f"{first.image:012d}.png" and first.licence == "Attribution License"
    assert first.coco_url == f"http://coco/{first.image}"
    assert first.flickr_url == f"http://flickr/{first.image}"
    assert set(first.instances) <= {"dog", "backpack"}


def test_near_duplicates_keep_the_largest(world):
    photo = texture(7)
    world.image(1, SIZE, pixels=photo)
    copy = np.clip(photo * 0.95 + 6, 0, 255).astype(np.uint8)
    world.image(2, SIZE, name="2.jpg", pixels=copy, quality=80)
    other = photo[..., [2, 0, 1]]
    world.image(3, SIZE, pixels=other)
    world.image(4, SIZE, pixels=texture(8))
    world.instance(1, box(60, 60, 140, 110))
    world.instance(1, box(61, 60, 138, 109), category=18)
    for number in (2, 3, 4):
        world.instance(number, box(60, 60, 139, 110))
    rows = world.rows(gates={})
    assert {n: row["reason"] for n, row in rows.items()} == {
        1: None, 2: "near_duplicate", 3: "near_duplicate", 4: None, 5: None
    }  # fmt: skip
    name = rows[1]["occluder"]
    assert rows[2]["detail"].startswith(f"as {name}: 0.") and rows[2]["split"] is None
    there = {path.name for path in world.out.parent.glob("png/*/*.png")}
    assert there == {row["occluder"] for row in rows.values() if row["occluder"]}
    assert world.rows(gates={}) == rows
    kept = world.rows(gates={"near_duplicate": 0.0})
    assert all(row["status"] == "ok" for row in kept.values())
    reasons = world.summary()["categories"]["backpack"]["reasons"]
    assert reasons == {}


def test_a_soft_edge_keeps_the_mask_and_takes_no_background():
    rgb = np.zeros((120, 160, 3), np.uint8)
    rgb[..., 0] = 255  # red behind
    mask = np.zeros((120, 160), bool)
    mask[20:90, 30:120] = True
    mask[60:64, 120:150] = True  # a handle, thinner than the edge is wide
    rgb[mask] = (0, 40, 200)
    rgb[19:21, 30:120] = (150, 20, 80)  # what a lens mixes along the outline
    for feather in (2.0, 3.0, 6.0):
        cut = cutout_rgba(rgb, mask, release_crop(mask, None), feather)
        margin = int(np.ceil(feather / 2))
        tight = mask[20:90, 30:150]
        assert cut.shape[:2] == (tight.shape[0] + 2 * margin, tight.shape[1] + 2 * margin)
        alpha = cut[..., 3]
        np.testing.assert_array_equal(alpha >= 128, np.pad(tight, margin))
        assert not cut[alpha == 0].any()
        assert ((alpha > 0) & (alpha < 255)).any()
        assert cut[alpha > 0][:, 0].max() == 0, "red has come in"
    hard = cutout_rgba(rgb, mask, release_crop(mask, None))
    assert set(np.unique(hard[..., 3])) == {0, 255}


def test_the_soft_edge_of_the_room_keeps_names(world):
    world.image(1, SIZE, pixels=texture(1))
    world.instance(1, square(50, 50, 90))
    hard, soft = world.rows()[1], world.rows(feather=4.0)[1]
    assert soft["occluder"] == hard["occluder"] and soft["sha256"] != hard["sha256"]
    assert (soft["width"], hard["width"]) == (94, 90)


def test_grabcut_finds_the_outline_that_the_polygon_missed():
    random = np.random.default_rng(0)
    truth = cv2.circle(np.zeros((240, 320), np.uint8), (160, 120), 80, 1, -1).astype(bool)
    rgb = np.where(truth[..., None], (40, 60, 190), (190, 180, 60)) + random.integers(
        -15, 15, (240, 320, 3)
    )
    rgb = rgb.astype(np.uint8)
    rough = np.roll(truth, (2, 2), (0, 1))
    found, overlap = refine_mask(rgb, rough, "grabcut")

    def iou(mask):
        return (mask & truth).sum() / (mask | truth).sum()

    assert iou(rough) < 0.96 < 0.99 < iou(found)
    assert overlap == pytest.approx((found & rough).sum() / (found | rough).sum())
    np.testing.assert_array_equal(refine_mask(rgb, rough, "grabcut")[0], found)
    same, none = refine_mask(rgb, rough, "none")
    assert same is rough and none is None


def test_refined_cut_outs_keep_the_polygon_s_name(world):
    pixels = np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)
    pixels[60:150, 60:160] = texture(3, (100, 90)) // 2
    world.image(1, SIZE, pixels=pixels)
    world.instance(1, box(58, 58, 104, 94))
    plain, better = world.rows()[1], world.rows(refine="grabcut")[1]
    assert plain["refined"] is None and 0.8 < better["refined"] < 1
    assert better["occluder"] == plain["occluder"] and better["pixels"] == plain["pixels"]
    assert (better["width"], better["height"]) < (plain["width"], plain["height"])


@pytest.mark.parametrize(
    ("stated", "crop"),
    [
        ([20.9, 10.7, 39.6, 29.5], (20, 10, 60, 40)),  # the last column and row are lost
        ([20.0, 10.0, 41.0, 31.0], (20, 10, 61, 41)),
        ([19.6, 9.4, 41.4, 31.6], (19, 9, 61, 41)),
        ([0, 0, 5, 5], (20, 10, 61, 41)),
        ([20, 10, 41], (20, 10, 61, 41)),
        (["20", "10", "41", "31"], (20, 10, 61, 41)),
        (None, (20, 10, 61, 41)),
    ],
    ids=str,
)
def test_the_release_s_crop(world, stated, crop):
    """The crop for a polygon that covers columns 20 to 60 and rows 10 to 40."""
    world.image(1, (90, 60), pixels=texture(1, (90, 60)))
    world.instance(1, box(20, 10, 41, 31), bbox=stated)
    row = world.rows()[1]
    x1, y1, x2, y2 = crop
    assert (row["width"], row["height"]) == (x2 - x1, y2 - y1)
    inside = np.zeros((60, 90), bool)
    inside[10:41, 20:61] = True
    percent = 100 * inside[y1:y2, x1:x2].mean()
    assert row["occluder"] == f"{1:012d}_{41 * 31:07d}_{percent:.2f}.png"
    assert row["pixel_ratio"] == pytest.approx(percent)


class Folder:
    """A folder with the user's own pictures."""

    def __init__(self, root):
        self.root = root / "own"

    def put(self, name, pixels=None, alpha=None, mode="RGBA", side=60, form="PNG"):
        rgba = np.zeros((side, side, 4), np.uint8)
        rgba[..., :3] = texture(sum(name.encode()), (side, side)) if pixels is None else pixels
        rgba[..., 3] = 255 * np.eye(side, k=side, dtype=np.uint8)
        rgba[5:-5, 8:-8, 3] = 255
        if alpha is not None:
            rgba[..., 3] = alpha
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgba).convert(mode).save(path, form)
        return rgba


@pytest.fixture
def own(tmp_path):
    return Folder(tmp_path)


def test_own_pictures_join_the_bank(world, own):
    world.image(1, SIZE, pixels=texture(1))
    world.instance(1, square(50, 50, 90))
    rgba = own.put("umbrella/my red, große.png")
    own.put("dog/rex.PNG")
    soft = np.zeros((60, 60), np.uint8)
    soft[10:50, 10:50] = np.linspace(0, 255, 40)[None].astype(np.uint8)
    own.put("dog/soft.png", alpha=soft)
    own.put("dog/.hidden.png")
    rows = world.rows(own=str(own.root), gates={})
    assert {k: r["reason"] for k, r in rows.items()} == dict.fromkeys(
        [1, "dog/rex.PNG", "dog/soft.png", "umbrella/my red, große.png"]
    )
    mine = rows["umbrella/my red, große.png"]
    assert mine["origin"] == "own" and rows[1]["origin"] == "coco"
    assert mine["occluder"].startswith("own_my_red_gro_e_") and mine["category"] == "umbrella"
    assert mine["coco_image"] is None and mine["split"] in ("train", "val", "test")
    np.testing.assert_array_equal(world.cut_out(mine), rgba[5:-5, 8:-8])
    kept = world.cut_out(rows["dog/soft.png"])
    assert len(np.unique(kept[..., 3])) > 20, "its soft edge stays"
    found = world.summary()
    assert found["categories"]["umbrella"]["kept"] == 1
    assert set(found["sheets"]) == {"dog", "backpack", "umbrella"}
    assert world.rows(own=str(own.root), gates={}) == rows


def test_own_pictures_of_odd_names_and_links_are_rows(world, own):
    world.image(1)
    world.instance(1, square(3, 3, 20))
    own.put("dog/rex.png")
    (own.root / "dog" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    (own.root / "dog/gone.png").symlink_to("/nowhere/x.png")
    (own.root / "dog/loop.png").symlink_to("loop.png")
    (own.root / "cat").symlink_to("dog", target_is_directory=True)
    rows = world.rows(own=str(own.root), gates={})
    assert {name: row["reason"] for name, row in rows.items() if name != 1} == {
        "dog/rex.png": None,
        "dog/caf\\xe9.png": "not_utf8",
        "dog/gone.png": "image_missing",
        "dog/loop.png": "image_missing",
    }


def test_own_pictures_that_are_no_cut_outs(world, own):
    world.image(1, SIZE, pixels=texture(1))
    world.instance(1, square(50, 50, 90))
    own.put("dog/opaque.png", alpha=255)
    own.put("dog/grey.png", mode="RGB")
    own.put("dog/empty.png", alpha=0)
    own.put("dog/tiny.png", side=20)
    own.put("dog/photo.jpg", mode="RGB", form="JPEG")
    own.put("dog/renamed.png", mode="RGB", form="JPEG")
    own.put("loose.png")
    own.put("dog/deeper/far.png")
    own.put("dog/twin_a.png", pixels=texture(5, (60, 60)))
    own.put("dog/twin_b.png", pixels=texture(5, (60, 60)))
    (own.root / "dog" / "cut.png").write_bytes((own.root / "dog" / "twin_a.png").read_bytes()[:200])
    rows = world.rows(own=str(own.root), gates={}, min_pixels=300)
    assert {k: r["reason"] for k, r in rows.items() if k != 1} == {
        "dog/opaque.png": "no_alpha",
        "dog/grey.png": "no_alpha",
        "dog/empty.png": "bad_mask",
        "dog/tiny.png": "too_small",
        "dog/photo.jpg": "image_unreadable",
        "dog/renamed.png": "image_unreadable",
        "dog/cut.png": "image_unreadable",
        "dog/deeper/far.png": "image_unreadable",
        "loose.png": "image_unreadable",
        "dog/twin_a.png": None,
        "dog/twin_b.png": "near_duplicate",
    }
    assert all(k in r["detail"] for k, r in rows.items() if r["status"] == "failed")
    assert rows["dog/tiny.png"]["status"] == "skipped"


def test_own_pictures_that_are_taken_away_leave_the_bank(world, own):
    world.image(1, SIZE, pixels=texture(1))
    world.instance(1, square(50, 50, 90))
    own.put("umbrella/one.png")
    file = world.out.parent / world.rows(own=str(own.root))["umbrella/one.png"]["file"]
    sheet = world.out.parent / "sheets" / "umbrella.jpg"
    assert file.exists() and sheet.exists()
    world.rows()
    assert not file.exists() and not sheet.exists()
    with pytest.raises(UserError, match="holds the bank itself"):
        raise UserError(world.run(own=str(world.out.parent.parent)))


def test_contact_sheets_show_what_was_kept(world):
    for number in range(1, 4):
        world.image(number, SIZE, pixels=texture(number))
        world.instance(number, square(50, 50, 90))
    world.rows()
    sheet = world.out.parent / world.summary()["sheets"]["backpack"]
    shown = cv2.imread(str(sheet))
    assert shown.shape[1] == 3 * shown.shape[0] * 132 // (132 + LINE)
    assert set(world.summary()["sheets"]) == {"backpack"}
    before = sheet.stat().st_mtime_ns
    world.rows()
    assert sheet.stat().st_mtime_ns == before


def test_the_log_tells_what_was_refused_beside_the_release(world, caplog):
    caplog.set_level("INFO")
    world.image(1, SIZE, pixels=texture(1))
    world.instance(1, square(50, 50, 90))
    world.instance(1, box(0, 0, 100, 100))
    world.rows(gates={})
    assert "backpack: 1 of 2 kept" in caplog.text and "; the release has 153" in caplog.text
    assert "backpack: not kept: 1 touches_border" in caplog.text


def test_every_reason_is_in_the_closed_list(world):
    assert set(SKIPPED) <= set(REASONS)
    world.image(1, SIZE, pixels=texture(1))
    world.instance(1, square(50, 50, 90))
    world.rows(gates={})
    for field in tables.read_table(world.out).schema:
        assert field.metadata[b"meaning"], field.name
