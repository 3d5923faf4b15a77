"""The instances file: its content, and a one-line error for any other file."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.coco import World, square

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.sources.coco.instances import read_photos


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.image(1)
    world.instance(1, square(3, 3, 10))
    return world


FORMS = {
    "a part is missing": (lambda d: d.pop("annotations"), "missing required field `annotations`"),
    "a part is no list": (lambda d: d.update(images={}), "Expected `array`, got `object`"),
    "a key is missing": (lambda d: d["images"].append({}), "missing required field `id`"),
    "text for a number": (
        lambda d: d["annotations"][0].update(image_id="one"),
        "Expected `int`, got `str` - at `$.annotations[0].image_id`",
    ),
    "a fraction for an id": (lambda d: d["annotations"][0].update(id=1.5), "annotations[0].id"),
    "no category name": (lambda d: d["categories"].append({"id": 3}), "field `name`"),
}


@pytest.mark.parametrize(("change", "said"), FORMS.values(), ids=FORMS)
def test_a_malformed_file_ends_in_one_line(world, change, said):
    change(world.data)
    line = world.run()
    assert said in line and str(world.file) in line and "\n" not in line
    assert not world.out.exists()


BYTES = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "cut off in the last byte": lambda content: content[:-1],
    "a page of a server": lambda content: b"<html>\n404 Not Found\n</html>",
    "null": lambda content: b"null",
    "a list": lambda content: b"[" + content + b"]",
    "broken text": lambda content: content.replace(b'"dog"', b'"d\xff\xfeg"'),
    "nested without end": lambda content: content.replace(b'"annotations": [', b"[" * 100_000, 1),
    "nested in a polygon": lambda content: content.replace(
        b'"segmentation": [', b'"segmentation": [' + b"[" * 200_000, 1
    ),
}


@pytest.mark.parametrize("change", BYTES.values(), ids=BYTES)
def test_what_is_not_json_ends_in_one_line(world, change):
    world.file.write_bytes(change(json.dumps(world.data).encode()))
    with pytest.raises(UserError, match="wanted COCO instances") as caught:
        read_photos(world.file, ("dog",))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_any_damage_ends_in_one_line_or_in_rows(world):
    """A thousand random cuts and byte changes give photos or a UserError, nothing else."""
    content = json.dumps(world.data).encode()
    draw = random.Random(0)
    for _ in range(1000):
        damaged = bytearray(
            content[: draw.randrange(len(content))] if draw.random() < 0.3 else content
        )
        for _ in range(draw.randrange(1, 4)):
            if damaged:
                damaged[draw.randrange(len(damaged))] = draw.choice(b'{}[],:"0-.en\xff\\ ')
        world.file.write_bytes(bytes(damaged))
        try:
            read_photos(world.file, ("dog", "backpack"))
        except UserError as error:
            assert "\n" not in str(error)


def test_deep_nesting_in_a_segmentation_is_a_row(world):
    deep = json.loads("[" * 500 + "]" * 500)
    world.instance(1, deep)
    assert world.rows()[2]["reason"] == "bad_mask"


def test_what_a_file_may_leave_out(world):
    world.data["licenses"] = None
    entry = {"id": 2, "license": "x", "flickr_url": None}
    world.data["images"].append(entry)
    world.data["annotations"] += [
        {"id": 8, "image_id": 2, "category_id": 18, "iscrowd": None},
        {"id": 9, "image_id": 2, "category_id": 1, "iscrowd": True},
    ]
    world.file.write_text(json.dumps(world.data))
    one, two = read_photos(world.file, ("dog", "backpack"))
    assert (one.image, one.licence, one.coco_url) == (1, None, "http://coco/1")
    assert (two.file_name, two.width, two.licence, two.flickr_url) == (None,) * 4
    assert [i.annotation for i in two.instances] == [8]
    assert two.instances[0].box_xywh() is None
    assert world.rows()[8]["reason"] == "bad_mask"


def test_two_categories_of_one_name_are_one(world):
    world.data["categories"] = [*world.data["categories"], {"id": 99, "name": "dog"}]
    for category in (18, 99):
        world.instance(1, square(5, 5, 20), category=category)
    world.file.write_text(json.dumps(world.data))
    (photo,) = read_photos(world.file, ("dog",))
    assert [i.annotation for i in photo.instances] == [2, 3]


def rows_beside_a_good_one(world, change) -> dict:
    """The rows of a world with a second, sound instance, after a change of the first."""
    world.image(2)
    world.instance(2, square(3, 3, 12))
    change(world.data)
    rows = world.rows()
    assert rows[2]["status"] == "ok"
    return rows


ONE_ROW = {
    "NaN in a polygon": ({"segmentation": [[float("nan")] * 6]}, "bad_mask", "far outside"),
    "infinity in run lengths": (
        {"segmentation": {"size": [40, 60], "counts": [float("inf")]}}, "bad_mask", "run lengths"
    ),
    "a box of 1e308": ({"bbox": [1e308, 0, 1e308, 5]}, "bad_mask", "1e+308, 0, 1e+308, 5"),
    "a box of -1e308": ({"bbox": [3, 3, -1e308, 5]}, "bad_mask", "far outside"),
    "an image that is not there": ({"image_id": 77}, "image_missing", "lacks image 77"),
    "NaN in a box": ({"bbox": [float("nan"), 0, 1, 1]}, None, ""),
    "text in a box": ({"bbox": ["1", "x"]}, None, ""),
    "ids as text": ({"image_id": "1", "category_id": "27"}, None, ""),
    "ids as fractions": ({"image_id": 1.0}, None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("values", "reason", "said"), ONE_ROW.values(), ids=ONE_ROW)
def test_hostile_numbers_of_one_annotation_are_its_row(world, values, reason, said):
    row = rows_beside_a_good_one(world, lambda d: d["annotations"][0].update(values))[1]
    assert row["reason"] == reason and said in (row["detail"] or "")


@pytest.mark.parametrize("part", ["annotations", "images"])
@pytest.mark.parametrize("number", [2**63, 10**40, -(10**30)])
def test_ids_beyond_64_bits_are_rows(world, part, number):
    def change(data):
        data[part][0]["id"] = number
        if part == "images":
            data["annotations"][0]["image_id"] = number

    rows = rows_beside_a_good_one(world, change)
    (row,) = (row for key, row in rows.items() if key != 2)
    assert row["reason"] == ("bad_mask" if part == "annotations" else "image_missing")
    assert "beyond 64 bits" in row["detail"]


def test_one_id_for_two_photos_is_a_row_and_one_photo_twice_is_one(world):
    other = world.data["images"][0] | {"file_name": "other.png"}
    row = rows_beside_a_good_one(world, lambda d: d["images"].append(other))[1]
    assert (row["reason"], row["detail"]) == ("image_missing", "the file has 2 images 1")
    world.data["images"][-1] = world.data["images"][0]
    assert world.rows()[1]["status"] == "ok"


def test_annotations_of_an_unknown_category_are_said(world, caplog):
    rows = rows_beside_a_good_one(
        world, lambda d: d["annotations"].append(d["annotations"][0] | {"id": 5, "category_id": 78})
    )
    assert set(rows) == {1, 2}
    assert "annotation 5, is of category 78" in caplog.text


WINDOWS = ["images\\x.png", "C:\\photos\\x.png", "\\\\server\\share\\x.png", "/home/me/x.png",
           "http://host/x.png", "..\\x.png"]  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_names_from_other_machines_are_found_by_their_last_part(world, name):
    world.image(3, name="x.png")
    world.data["images"][-1]["file_name"] = name
    world.instance(3, square(3, 3, 11))
    assert world.rows()[2]["status"] == "ok"


def test_a_missing_photo_is_named_with_what_was_tried(world):
    world.image(3, name="x.png", save=False)
    world.data["images"][-1]["file_name"] = "D:\\a\\x.png"
    world.instance(3, square(3, 3, 11))
    row = world.rows()[2]
    assert row["reason"] == "image_missing"
    assert "D:" in row["detail"] and "'train2017/x.png'" in row["detail"]


def test_without_a_cut_out_the_first_reason_is_said_and_all_rows_are_there(world):
    (world.images / f"{1:012d}.png").unlink()
    line = world.run()
    assert f"{1:012d}.png: image_missing" in line and "\n" not in line
    assert [row["reason"] for row in tables.read_rows(world.out)] == ["image_missing"]
    refused = world.out.parent / "refused.csv"
    assert str(refused) in line and "image_missing" in refused.read_text()
    world.image(2)
    world.instance(2, square(3, 3, 12))
    assert world.run() == 0 and not refused.exists()


DEEP = {
    "16 bit": (np.uint16, 65535, 65535),
    "12 bit in 16": (np.uint16, 4095, 4095),
    "8 bit in 16": (np.uint16, 255, 255),
    "32-bit integers": (np.int32, 65535, 65535),
    "floats to 1": (np.float32, 1, 1),
    "floats to 255": (np.float32, 255, 255),
}


@pytest.mark.parametrize(("kind", "white", "most"), DEEP.values(), ids=DEEP)
def test_deep_photos_are_scaled_to_8_bit(world, kind, white, most):
    grey = np.random.default_rng(0).integers(1, 255, (40, 60))
    grey[0, 0] = 255
    name = "deep.png" if kind == np.uint16 else "deep.tif"
    world.image(3, name=name, save=False)
    Image.fromarray((grey / 255 * white).astype(kind)).save(world.images / name)
    world.instance(3, square(3, 3, 20))
    cutout = world.cut_out(world.rows()[2])[..., :3].astype(int)
    assert np.abs(cutout - grey[3:23, 3:23, None]).max() <= 1


@pytest.mark.parametrize("level", [np.nan, np.inf, -1.0, 1e9])
def test_levels_without_a_scale_are_rows(world, level):
    grey = np.full((40, 60), 0.5, np.float32)
    grey[0, 0] = level
    world.image(3, name="f.tif", save=False)
    Image.fromarray(grey).save(world.images / "f.tif")
    world.instance(3, square(3, 3, 20))
    row = world.rows()[2]
    assert row["reason"] == "image_unreadable" and "levels from" in row["detail"]


MEMORY = """
import re, sys
from pathlib import Path
from occludenet_build.config import load_part
from occludenet_build.occlusion.occluders.cutout import PhotoJob, cut_photo
from occludenet_build.sources.coco.instances import read_photos
def peak():  # ru_maxrss would count the process that started this one
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
root = Path(sys.argv[1])
(photo,) = read_photos(root / "instances.json", ("dog", "backpack"))
settings = load_part({"occluders": {"min_pixels": 50, "gates": {"apply": False}}}).occluders
before = peak()
rows = cut_photo(PhotoJob(photo, root / "images", root / "out", settings, "train"))
assert {row["status"] for row in rows} == {"ok"}, rows
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_photo_of_16_million_pixels_takes_little_memory(tmp_path):
    world = World(tmp_path)
    world.image(1, size=(4096, 4096), save=False)
    Image.new("RGB", (4096, 4096), (90, 90, 90)).save(world.images / f"{1:012d}.png")
    for number in range(6):
        world.instance(1, square(3 + 300 * number, 3, 200))
    world.file.write_text(json.dumps(world.data))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 300  # MB; the pixels alone are 50
