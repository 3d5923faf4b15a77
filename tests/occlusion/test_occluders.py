"""occluders: the bank from a drawn COCO, and from the real one."""

import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from support.coco import CATEGORIES, WANTED, World, square

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.occlusion.occluders.command import check_disjoint


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_cut_out_is_tight_and_straight(world):
    pixels = world.image(7)
    triangle = [[10, 5, 30, 5, 30, 25]]
    world.instance(7, triangle)
    world.instance(7, square(40, 10, 12), category=18)
    rows = world.rows()
    mask = rle.decode(rle.merge(rle.frPyObjects(triangle, 40, 60))).astype(bool)
    row = rows[1]
    assert (row["status"], row["reason"]) == ("ok", None)
    assert row["pixels"] == mask.sum()
    rgba = cv2.imread(str(world.out.parent / row["file"]), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    ys, xs = np.nonzero(mask)
    tight = (slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1))
    np.testing.assert_array_equal(rgba[..., 3], mask[tight] * 255)
    np.testing.assert_array_equal(rgba[..., :3], pixels[tight] * mask[tight][..., None])
    assert (row["height"], row["width"]) == rgba.shape[:2]
    percent = 100 * mask.sum() / mask[tight].size
    assert row["pixel_ratio"] == pytest.approx(percent)
    assert row["occluder"] == f"{7:012d}_{mask.sum():07d}_{percent:.2f}.png"
    assert row["file"] == f"png/backpack/{row['occluder']}"
    assert rows[2]["occluder"] == f"0000144_dog_{7:012d}_100.00.png"
    assert row["licence"] == "Attribution License" and row["licence_url"] == "http://a.b/by/2.0/"
    assert row["origin_url"] == "http://flickr/7"
    assert row["split"] == rows[2]["split"], "one photo, one split"


@pytest.mark.parametrize(
    ("segmentation", "crowd", "reason"),
    [
        (square(1, 1, 5), 0, "too_small"),
        (square(1, 1, 20), 1, "crowd"),
        ([[1, 1, 20, 20]], 0, "bad_mask"),
        ([[1, 1, 20, 1, 20]], 0, "bad_mask"),
        ([], 0, "bad_mask"),
        (None, 0, "bad_mask"),
        ([[1, 1, 1e12, 1, 20, 20]], 0, "bad_mask"),
        ([[1, 1, None, 1, 20, 20]], 0, "bad_mask"),
        ([["1", "1", "20", "1", "20", "20"]], 0, "bad_mask"),
        ([[{}]], 0, "bad_mask"),
        ("text", 0, "bad_mask"),
        (7, 0, "bad_mask"),
        ([["a", 1, 2, 1, 20, 20]], 0, "bad_mask"),
        ({"size": [40, 60], "counts": [10, 20]}, 0, "bad_mask"),
        ({"size": [40, 60], "counts": [-10, 2410]}, 0, "bad_mask"),
        ({"size": [4, 6], "counts": [4, 20]}, 0, "bad_mask"),
        ({"size": [40, 60], "counts": "garbage~~~~"}, 0, "bad_mask"),
        ({"counts": [0, 2400]}, 0, "bad_mask"),
        ({"size": [40, 60], "counts": [0, 2400]}, 0, None),
        ([*square(1, 1, 6), *square(20, 20, 6)], 0, None),
    ],
)
def test_every_instance_has_a_row_with_a_reason(world, segmentation, crowd, reason):
    world.image(1)
    world.instance(1, segmentation, crowd=crowd)
    world.instance(1, square(20, 10, 20), category=18)
    row = world.rows()[1]
    assert row["reason"] == reason
    assert (row["status"] == "ok") == (reason is None)
    assert (row["file"] is None) == (reason is not None)


def test_images_that_are_missing_lying_or_broken(world):
    world.image(1)
    world.image(2, save=False)
    world.image(3, stated=(61, 40))
    world.image(4, name="4.png", save=False)
    (world.images / "4.png").write_bytes((world.images / f"{1:012d}.png").read_bytes()[:300])
    world.image(5, name="../instances.json", save=False)
    world.image(6, name="/etc/passwd", save=False)
    for number in range(1, 7):
        world.instance(number, square(3, 3, 10))
    rows = world.rows()
    assert {n: row["reason"] for n, row in rows.items()} == {
        1: None,
        2: "image_missing",
        3: "image_unreadable",
        4: "image_unreadable",
        5: "image_missing",
        6: "image_missing",
    }
    assert "leaves the folder" in rows[5]["detail"]


def test_images_in_the_subfolders_of_coco(world):
    (world.images / "val2017").mkdir()
    for number, name, place in [
        (1, "val2017/1.png", "1.png"),
        (2, "2.png", "val2017/2.png"),
        (3, "val2017/3.png", "val2017/3.png"),
    ]:
        world.image(number, name=place)
        world.data["images"][-1]["file_name"] = name
        world.instance(number, square(3, 3, 10))
    assert {row["status"] for row in world.rows().values()} == {"ok"}


@pytest.mark.parametrize(
    "how", [{"mode": "L"}, {"mode": "CMYK"}, {"mode": "RGB", "exif": True}], ids=str
)
def test_stored_pixels_of_odd_jpegs(world, how):
    if how.pop("exif", False):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown turned by 90 degrees
        how["exif"] = exif
    pixels = world.image(1, name="1.jpg", quality=95, **how)
    world.instance(1, square(4, 4, 30))
    row = world.rows()[1]
    assert (row["status"], row["width"], row["height"]) == ("ok", 30, 30)
    cut = cv2.imread(str(world.out.parent / row["file"]))[..., ::-1].astype(float)
    truth = pixels[4:34, 4:34].mean(axis=2, keepdims=True)
    assert np.corrcoef(cut.mean(axis=2).ravel(), truth.ravel())[0, 1] > 0.6


def test_equal_names_do_not_overwrite_each_other(world):
    pixels = world.image(9)
    for x in (0, 20, 40):
        world.instance(9, square(x, 0, 10))
    rows = world.rows()
    stem = f"{9:012d}_0000100_100.00"
    names = [rows[n]["occluder"] for n in (1, 2, 3)]
    assert names == [f"{stem}.png", f"{stem}_2.png", f"{stem}_3.png"]
    for x, number in zip((0, 20, 40), (1, 2, 3), strict=True):
        cut = cv2.imread(str(world.out.parent / rows[number]["file"]))[..., ::-1]
        np.testing.assert_array_equal(cut, pixels[:10, x : x + 10])


def test_splits_are_disjoint_by_photo_and_hang_on_nothing_else(world):
    for number in range(40):
        world.image(number)
        world.instance(number, square(0, 0, 10))
        world.instance(number, square(20, 0, 12), category=18)
    first = world.rows()
    by_photo = {}
    for row in first.values():
        by_photo.setdefault(row["coco_image"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_photo.values())
    assert {row["split"] for row in first.values()} == {"train", "val", "test"}
    world.data["annotations"] = world.data["annotations"][::-1][:30]
    for number, row in world.rows(categories=["dog"]).items():
        assert row == first[number]


def test_a_photo_in_two_splits_stops_the_stage():
    rows = [
        {"status": "ok", "occluder": name, "coco_image": 1, "split": split}
        for name, split in (("a.png", "train"), ("b.png", "test"))
    ]
    with pytest.raises(RuntimeError, match="photo 1 is in the splits train and test"):
        check_disjoint(rows)


def test_a_second_run_writes_nothing_and_stale_files_go(world):
    world.image(1)
    world.instance(1, square(0, 0, 10))
    world.instance(1, square(20, 0, 20))
    rows = world.rows()
    files = [world.out.parent / row["file"] for row in rows.values()] + [world.out]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files]
    mine = world.out.parent / "png" / "backpack" / "my own picture.png"
    mine.write_bytes(b"")
    assert world.rows() == rows
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files] == before
    files[1].write_bytes(b"damaged")
    world.rows()
    assert files[1].stat().st_size > 20
    world.rows(min_pixels=200)
    assert not files[0].exists() and files[1].exists() and mine.exists()


def test_an_empty_category_is_said_with_what_lower_thresholds_give(world, caplog):
    world.image(1, size=(300, 300))
    for side in (3, 12, 40, 80):
        world.instance(1, square(2, 2, side))
    world.instance(1, square(100, 100, 200), category=18)
    world.rows(min_pixels=30_000)
    line = (
        "backpack: 0 of 4 instances have 30000 px or more; "
        "5000 px would give 1, 1000 px would give 2, 100 px would give 3"
    )
    assert line in caplog.text
    summary = world.summary()
    assert line in summary["lines"]
    backpack, dog = summary["categories"]["backpack"], summary["categories"]["dog"]
    assert (backpack["instances"], backpack["kept"], backpack["largest"]) == (4, 0, 6400)
    assert backpack["at_least"][:2] == [[30_000, 0], [5_000, 1]]
    assert (backpack["release"], dog["release"]) == (153, 1629)
    assert sum(dog["splits"].values()) == 1
    assert any(line.startswith("dog: 1 kept, none of them in ") for line in summary["lines"])


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda w: w.instance(1, square(0, 0, 3)), "not one cut-out. dog: no instance"),
        (lambda w: w.data.update(categories=CATEGORIES[:2]), "it has dog, person"),
    ],
)
def test_mistakes_end_in_one_line(world, change, wanted):
    world.image(1)
    change(world)
    said = world.run()
    assert wanted in said and "\n" not in said


def test_the_command_line_with_worker_processes(world, tmp_path):
    for number in (1, 2, 3):
        world.image(number)
        world.instance(number, square(0, 0, 10))
    rows = world.rows()
    command = [sys.executable, "-m", "occludenet_build", "occluders"]
    command += ["--images", world.images, "--instances", world.file, "--threads", "2"]
    settings = {"occluders": WANTED | {"gates": {"apply": False}}}
    out = tmp_path / "other" / "occluders.parquet"
    command += ["--out", out, "--settings", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stderr
    assert out.read_bytes() == world.out.read_bytes()
    assert {row["coco_annotation"]: row for row in tables.read_rows(out)} == rows


def test_the_door_of_acquire(world, tmp_path):
    from occludenet_build.core.files import sha256_file
    from occludenet_build.occlusion.occluders.command import _acquired

    world.file.write_text("{}")
    door = tmp_path / "coco.json"
    noted = {"images": str(world.images), "instances": str(world.file), "wanted": 2}
    door.write_text(json.dumps(noted | {"instances_sha256": sha256_file(world.file)}))
    assert _acquired(door) == (world.images, world.file)
    world.file.write_text("{ }")
    with pytest.raises(UserError, match="has changed since acquire"):
        _acquired(door)


def test_real_coco(real_data, tmp_path):
    world = World(tmp_path)
    world.images = real_data / "coco" / "images"
    world.data = json.loads((real_data / "coco" / "instances.json").read_text())
    world.file = tmp_path / "copy.json"
    categories = ["backpack", "handbag", "suitcase", "dog"]
    rows = world.rows(categories=categories, min_pixels=5_000).values()
    kept = [row for row in rows if row["status"] == "ok"]
    assert len(kept) == 21
    for row in kept:
        dog = row["category"] == "dog"
        form = r"\d{7}_dog_\d{12}_\d+\.\d\d\.png" if dog else r"\d{12}_\d{7}_\d+\.\d\d\.png"
        assert re.fullmatch(form, row["occluder"]) and row["licence"] and row["origin_url"]
        cut = cv2.imread(str(world.out.parent / row["file"]), cv2.IMREAD_UNCHANGED)
        alpha = cut[..., 3] == 255
        # the release's crop may lose a line of the mask at the right and at the bottom
        assert 0 <= row["pixels"] - alpha.sum() <= sum(alpha.shape) and not cut[~alpha].any()
        assert f"{100 * alpha.mean():.2f}" in row["occluder"]


def test_names_are_the_release_s(real_data, tmp_path):
    """Photo 524291: the only cut-out of the release's val split whose photo is in the test data."""
    world = World(tmp_path)
    world.images = real_data / "coco" / "images"
    world.data = json.loads((real_data / "coco" / "instances.json").read_text())
    world.file = tmp_path / "copy.json"
    rows = world.rows(categories=["dog"], min_pixels=30_000, gates={}).values()
    kept = {row["occluder"]: row for row in rows if row["status"] == "ok"}
    assert len(kept) == 4
    row = kept["0067892_dog_000000524291_71.25.png"]
    assert f"{row['pixel_ratio']:05.2f}" == "71.25"
