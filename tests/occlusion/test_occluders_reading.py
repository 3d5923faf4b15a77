"""The instances file: its content, and a one-line error for any other file."""

from __future__ import annotations

import json
import random

import pytest
from support.coco import World, square

from occludenet_build.core.errors import UserError
from occludenet_build.sources.coco.instances import read_photos


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.image(1)
    world.instance(1, square(3, 3, 10))
    return world


def nan(data):
    data["annotations"][0]["segmentation"][0][0] = float("nan")


FORMS = {
    "a part is missing": (lambda d: d.pop("annotations"), "missing required field `annotations`"),
    "a part is no list": (lambda d: d.update(images={}), "Expected `array`, got `object`"),
    "a key is missing": (lambda d: d["images"].append({}), "missing required field `id`"),
    "text for a number": (
        lambda d: d["annotations"][0].update(image_id="1"),
        "Expected `int`, got `str` - at `$.annotations[0].image_id`",
    ),
    "a size as text": (lambda d: d["images"][0].update(width="60"), "at `$.images[0].width`"),
    "a fraction for an id": (lambda d: d["annotations"][0].update(id=1.5), "annotations[0].id"),
    "no category name": (lambda d: d["categories"].append({"id": 3}), "field `name`"),
    "NaN": (nan, "NaN"),
    "an image that is not there": (
        lambda d: d["annotations"][0].update(image_id=77),
        "annotation 1 is of image 77, which it lacks",
    ),
    "a category that is not there": (
        lambda d: d["annotations"].append(d["annotations"][0] | {"id": 5, "category_id": 78}),
        "annotation 5 is of category 78, which it lacks",
    ),
    "an image twice": (
        lambda d: d["images"].append(d["images"][0]),
        "image 1 occurs twice",
    ),
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
