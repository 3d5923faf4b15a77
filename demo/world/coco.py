"""The COCO of the mini-world: images of the four occluder types, and an instances file.

Most images have one large object. Some also have objects that the gates must reject (too small, a
crowd), or cases for the reader (a person, an object split in two by a post).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from demo.world.actions import ACTIONS, Manner
from demo.world.figure import Figure
from demo.world.occluder_art import OCCLUDERS
from demo.world.plan import Settings
from demo.world.scenery import BACKGROUNDS, background
from demo.world.segments import box_xywh, polygons, run_lengths
from demo.world.wardrobe import draw_look
from occludenet_build.core.files import replacing, write_json
from occludenet_build.core.seeds import rng, uniform_integer

WIDTH, HEIGHT = 320, 240

CATEGORIES = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "animal", "id": 18, "name": "dog"},
    {"supercategory": "accessory", "id": 27, "name": "backpack"},
    {"supercategory": "accessory", "id": 31, "name": "handbag"},
    {"supercategory": "accessory", "id": 33, "name": "suitcase"},
]
"""Categories with the ids of COCO."""

LICENSES = [
    {"id": number, "name": name, "url": f"http://creativecommons.org/licenses/{short}/2.0/"}
    for number, name, short in [
        (1, "Attribution-NonCommercial-ShareAlike License", "by-nc-sa"),
        (2, "Attribution-NonCommercial License", "by-nc"),
        (4, "Attribution License", "by"),
        (5, "Attribution-ShareAlike License", "by-sa"),
    ]
]
_ID_OF = {category["name"]: category["id"] for category in CATEGORIES}


@dataclass(frozen=True)
class CocoPicture:
    """An image to draw; `number` counts the images of its occluder type, from 0."""

    image_id: int
    kind: str
    number: int

    @property
    def file_name(self) -> str:
        """File name in the form of COCO."""
        return f"{self.image_id:012d}.jpg"


def pictures(settings: Settings) -> list[CocoPicture]:
    """The images of the mini-world, with unique ids."""
    used: set[int] = set()
    found = []
    for kind in OCCLUDERS:
        for number in range(settings.images):
            image_id = 1 + uniform_integer(settings.seed, "coco", kind, str(number)) % 581_000
            while image_id in used:
                image_id += 1
            used.add(image_id)
            found.append(CocoPicture(image_id, kind, number))
    return found


@dataclass
class CocoScene:
    """An image under construction; later objects hide earlier ones."""

    image: np.ndarray
    """float32 (H, W, 3), 0 to 255, RGB."""
    masks: list[np.ndarray] = field(default_factory=list)
    """bool (H, W) per object: its visible part."""
    names: list[str] = field(default_factory=list)
    crowds: list[bool] = field(default_factory=list)

    def put(self, rgba: np.ndarray, name: str | None, crowd: bool = False) -> None:
        """Add premultiplied RGBA, uint8 (H, W, 4); without a name it only hides other objects."""
        self.image *= 1 - rgba[..., 3:] / np.float32(255)
        self.image += rgba[..., :3]
        cover = rgba[..., 3] > 127
        self.masks = [mask & ~cover for mask in self.masks]
        if name is not None:
            self.masks.append(cover)
            self.names.append(name)
            self.crowds.append(crowd)


def draw(settings: Settings, picture: CocoPicture) -> CocoScene:
    """Draw an image. The main object is last, except for a post."""
    random = rng(settings.seed, "coco", "picture", picture.kind, str(picture.number))
    kind = str(random.choice(list(BACKGROUNDS)))
    scene = CocoScene(background(kind, random, HEIGHT, WIDTH).astype(np.float32))
    side = float(random.choice([0.27, 0.73]))
    for when, extra in EXTRAS:
        if when(picture.number):
            extra(scene, random, 1 - side)
    area = random.uniform(9_000, 23_000)
    card = OCCLUDERS[picture.kind](random).rgba()
    scene.put(
        _placed_object(card, random, area, side + random.uniform(0, 0.12) * (0.5 - side)),
        picture.kind,
    )
    if picture.number % 7 == 3:
        _add_post(scene, random)
    return scene


def _add_person(scene: CocoScene, random: np.random.Generator, side: float) -> None:
    figure = Figure(draw_look(random), random.uniform(0.6, 0.75) * HEIGHT)
    action = ACTIONS[str(random.choice(list(ACTIONS)))]
    pose = action(random.uniform(0, 1), Manner())
    scene.put(figure.draw(pose, (HEIGHT, WIDTH), side * WIDTH, 0.9 * HEIGHT, 1), "person")


def _add_small(scene: CocoScene, random: np.random.Generator, side: float) -> None:
    name = str(random.choice(list(OCCLUDERS)))
    area = random.uniform(900, 2_500)
    scene.put(_placed_object(OCCLUDERS[name](random).rgba(), random, area, side), name)


def _add_crowd(scene: CocoScene, random: np.random.Generator, side: float) -> None:
    """Add six overlapping objects of one category, annotated as a crowd."""
    name = str(random.choice(list(OCCLUDERS)))
    card = OCCLUDERS[name](random).rgba()
    heap = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    for _ in range(6):
        one = _placed_object(
            card, random, random.uniform(3_000, 5_000), side + random.uniform(-0.2, 0.2)
        )
        np.multiply(heap, 1 - one[..., 3:] / np.float32(255), out=heap)
        heap += one
    scene.put(heap.astype(np.uint8), name, crowd=True)


def _add_post(scene: CocoScene, random: np.random.Generator) -> None:
    """Add a post in front of the last object, through its middle."""
    x, _, width, _ = box_xywh(scene.masks[-1])
    centre, half = x + width * random.uniform(0.4, 0.6), random.uniform(4, 7)
    post = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    columns = slice(round(centre - half), round(centre + half))
    span = post[:, columns].shape[1]
    post[:, columns, :3] = (70 + 90 * np.sin(np.linspace(0.4, 2.9, span)))[None, :, None]
    post[:, columns, 3] = 255
    scene.put(post, None)


DrawExtra = Callable[[CocoScene, np.random.Generator, float], None]
EXTRAS: list[tuple[Callable[[int], bool], DrawExtra]] = [
    (lambda number: number % 7 == 5, _add_crowd),
    (lambda number: number % 3 == 0, _add_person),
    (lambda number: number % 4 == 1, _add_small),
]
"""(condition on the number of the image, function that adds a further object)."""


def _placed_object(
    card: np.ndarray, random: np.random.Generator, area: float, x: float
) -> np.ndarray:
    """Rotate a card slightly, scale it to `area` px and place it on the ground near `x`.

    `card`: uint8 (S, S, 4), RGBA, not premultiplied. `x` is relative to the width. Returns
    premultiplied RGBA, uint8 (HEIGHT, WIDTH, 4).
    """
    side = card.shape[0]
    flat: np.ndarray = card.astype(np.float32)
    flat[..., :3] *= flat[..., 3:] / 255
    if random.random() < 0.5:
        flat = np.ascontiguousarray(flat[:, ::-1])
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-9, 9), 0.92)
    flat = cv2.warpAffine(flat, turn, (side, side), flags=cv2.INTER_LINEAR)
    left, top, wide, tall = cv2.boundingRect((flat[..., 3] > 8).astype(np.uint8))
    pixels = np.count_nonzero(flat[..., 3] > 127)
    scale = min((area / pixels) ** 0.5, 0.9 * HEIGHT / tall, 0.9 * WIDTH / wide)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    small = cv2.resize(
        flat[top : top + tall, left : left + wide], size, interpolation=cv2.INTER_AREA
    )
    column = int(np.clip(round(x * WIDTH - size[0] / 2), 2, WIDTH - 2 - size[0]))
    row = min(round(HEIGHT * random.uniform(0.86, 0.97)), HEIGHT - 2) - size[1]
    placed = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    placed[max(row, 0) : row + size[1], column : column + size[0]] = np.round(small[max(-row, 0) :])
    return placed


def write_picture(folder: Path, settings: Settings, picture: CocoPicture) -> list[dict]:
    """Write the JPEG file and return its annotations, without ids."""
    scene = draw(settings, picture)
    image = np.clip(np.round(scene.image), 0, 255).astype(np.uint8)
    with replacing(folder / "images" / picture.file_name) as temporary:
        cv2.imwrite(str(temporary), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    rows = zip(scene.masks, scene.names, scene.crowds, strict=True)
    return [_annotation(picture, *row) for row in rows if row[0].sum() > 50]


def _annotation(picture: CocoPicture, mask: np.ndarray, name: str, crowd: bool) -> dict:
    return {
        "segmentation": run_lengths(mask) if crowd else polygons(mask),
        "area": float(mask.sum()),
        "iscrowd": int(crowd),
        "image_id": picture.image_id,
        "bbox": box_xywh(mask),
        "category_id": _ID_OF[name],
    }


def write_instances(folder: Path, drawn: list[tuple[CocoPicture, list[dict]]]) -> None:
    """Write the instances file; ids of annotations count from 1, in the order of the images."""
    annotations = [row for _, rows in drawn for row in rows]
    write_json(
        folder / "instances.json",
        {
            "info": {"description": "Drawn occluders of the mini-world", "version": "1.0"},
            "licenses": LICENSES,
            "images": [_image(picture) for picture, _ in drawn],
            "annotations": [row | {"id": at} for at, row in enumerate(annotations, start=1)],
            "categories": CATEGORIES,
        },
    )


def _image(picture: CocoPicture) -> dict:
    """Entry of an image. The addresses use the reserved domain `.invalid`."""
    return {
        "license": LICENSES[picture.image_id % len(LICENSES)]["id"],
        "file_name": picture.file_name,
        "coco_url": f"http://images.miniworld.invalid/{picture.file_name}",
        "flickr_url": f"http://flickr.miniworld.invalid/{picture.image_id}.jpg",
        "height": HEIGHT,
        "width": WIDTH,
        "date_captured": "2026-01-01 00:00:00",
        "id": picture.image_id,
    }
