"""Augmentation of training clips: mirror, colours, expansion, crop. All pictures share every draw.

As in MOC-Detector, which has it from ACT (Kalogeiton et al., "Action Tubelet Detector", ICCV 2017)
and that from SSD (Liu et al., ECCV 2016, section 2.2). `draw` takes its numbers from a
`random.Random` in the published order, so that a seed gives the published augmentation; it is ours
to seed it with the clip and the epoch (the published loaders give every worker the same seed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from random import Random

import cv2
import numpy as np

from occludenet_build.action_detection.clip import MEAN, ClipTube

CHANCE = 0.5
"""Of each of: mirror, brightness, contrast, saturation, hue, expansion."""
BRIGHTNESS, HUE = 32.0, 18.0
"""Largest change: of values in 0..255, and in degrees."""
FACTORS = (0.5, 1.5)
"""Of contrast and saturation."""
LARGEST_EXPANSION = 4.0
SCALES, ASPECTS, TRIALS = (0.3, 1.0), (0.5, 2.0), 50
"""Of the crops: geometric mean of their sides as shares of the picture's, and quotient of these
shares; trials per sampler."""
OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Least overlap of a crop with its best tube, one sampler each."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Colours:
    """Changes of colour; None: not this one."""

    brightness: float | None = None
    """Added to all values, which are in 0..255."""
    contrast: float | None = None
    """Factor of all values."""
    saturation: float | None = None
    """Factor."""
    hue: float | None = None
    """Added, in degrees."""
    contrast_second: bool = False
    """Contrast follows brightness; otherwise it is the last."""

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """float32 (H, W, 3), BGR in 0..255 -> float32 (H, W, 3); values are not clamped."""
        if self.brightness is not None:
            picture = picture + np.float32(self.brightness)
        if self.contrast_second:
            picture = self._contrast(picture)
        if self.saturation is not None:
            picture = _in_hsv(picture, 1, factor=self.saturation)
        if self.hue is not None:
            picture = _in_hsv(picture, 0, added=self.hue)
        return picture if self.contrast_second else self._contrast(picture)

    def _contrast(self, picture: np.ndarray) -> np.ndarray:
        return picture if self.contrast is None else picture * np.float32(self.contrast)


def _in_hsv(
    picture: np.ndarray, channel: int, factor: float = 1.0, added: float = 0.0
) -> np.ndarray:
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)  # float32: hue in degrees, saturation 0..1
    hsv[..., channel] = hsv[..., channel] * np.float32(factor) + np.float32(added)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


@dataclass(frozen=True)
class Augmentation:
    """The draws for one clip, applied in the order of the fields; the default changes nothing."""

    mirror: bool = False
    colours: Colours | None = None
    expand: float | None = None
    """Sides of the canvas divided by the picture's; the picture is its bottom right corner."""
    crop: Box | None = None
    """x1, y1, x2, y2 in pixels of the expanded picture; truncated, the last ones inclusive."""

    def pictures(self, pictures: Sequence[np.ndarray], flow: bool = False) -> list[np.ndarray]:
        """Pictures float32 (H, W, 3), BGR in 0..255 -> pictures of another size, float32.

        `flow`: the third channel is motion to the right, which a mirror inverts.
        """
        return [self._picture(one, flow) for one in pictures]

    def masks(self, masks: np.ndarray) -> np.ndarray:
        """Masks bool (K, H, W) that go with the pictures -> bool of the new size."""
        masks = masks[..., ::-1] if self.mirror else masks
        if self.expand is not None:
            height, width = self._canvas(masks.shape[1:])
            canvas = np.zeros((len(masks), height, width), bool)
            canvas[:, height - masks.shape[1] :, width - masks.shape[2] :] = masks
            masks = canvas
        if self.crop is not None:
            x1, y1, x2, y2 = map(int, self.crop)
            masks = masks[:, y1 : y2 + 1, x1 : x2 + 1]
        return np.ascontiguousarray(masks)

    def tubes(self, tubes: Sequence[ClipTube], size: tuple[int, int]) -> list[ClipTube]:
        """Tubes, boxes float32 (K, 4), of a picture of `size` (height, width) -> those in the crop.

        After a crop, a tube stays if the centres of all its boxes are inside; boxes are clipped.
        """
        moved = self._before_crop(tubes, size)
        if self.crop is None:
            return moved
        kept = (_cropped(one.boxes, self.crop) for one in moved)
        pairs = zip(moved, kept, strict=True)
        return [ClipTube(one.label, boxes) for one, boxes in pairs if boxes is not None]

    def _picture(self, picture: np.ndarray, flow: bool) -> np.ndarray:
        if self.mirror:
            picture = np.ascontiguousarray(picture[:, ::-1])
            if flow:
                picture[..., 2] = 255 - picture[..., 2]
        if self.colours is not None:
            picture = self.colours(picture)
        if self.expand is not None:
            height, width = self._canvas(picture.shape[:2])
            canvas = np.full((height, width, 3), np.array(MEAN, np.float32) * 255, np.float32)
            canvas[height - picture.shape[0] :, width - picture.shape[1] :] = picture
            picture = canvas
        if self.crop is not None:
            x1, y1, x2, y2 = map(int, self.crop)
            picture = picture[y1 : y2 + 1, x1 : x2 + 1]
        return picture

    def _canvas(self, size: Sequence[int]) -> tuple[int, int]:
        """Height and width before the crop, of a picture of `size`."""
        factor = 1 if self.expand is None else self.expand
        return int(size[0] * factor), int(size[1] * factor)

    def _before_crop(self, tubes: Sequence[ClipTube], size: tuple[int, int]) -> list[ClipTube]:
        height, width = self._canvas(size)
        offset = np.array([width - size[1], height - size[0]] * 2, np.float32)
        found = []
        for label, boxes in tubes:
            if self.mirror:
                left, right = size[1] - boxes[:, 2], size[1] - boxes[:, 0]
                boxes = np.stack([left, boxes[:, 1], right, boxes[:, 3]], axis=1)
            found.append(ClipTube(label, boxes + offset))
        return found


def draw(random: Random, tubes: Sequence[ClipTube], size: tuple[int, int]) -> Augmentation:
    """The augmentation of a clip with pictures of `size` (height, width).

    `tubes`: boxes float32 (K, 4) in these pictures, which the crop depends on.
    """
    mirror = random.getrandbits(1) == 1
    colours = _drawn_colours(random)
    expand = random.uniform(1, LARGEST_EXPANSION) if random.random() < CHANCE else None
    whole = Augmentation(mirror, colours, expand)
    boxes = [one.boxes for one in whole._before_crop(tubes, size)]
    crop = random.choice(crops(random, boxes, whole._canvas(size)))
    x1, y1, x2, y2 = crop.tolist()
    return Augmentation(mirror, colours, expand, (x1, y1, x2, y2))


def _drawn_colours(random: Random) -> Colours:
    contrast_second = random.random() > CHANCE
    ranges = {
        "brightness": (-BRIGHTNESS, BRIGHTNESS),
        "contrast": FACTORS,
        "saturation": FACTORS,
        "hue": (-HUE, HUE),
    }
    order = ["brightness", "saturation", "hue"]
    order.insert(1 if contrast_second else 3, "contrast")
    drawn = {
        name: random.uniform(*ranges[name]) if random.random() < CHANCE else None for name in order
    }
    return Colours(**drawn, contrast_second=contrast_second)


def crops(random: Random, tubes: Sequence[np.ndarray], size: tuple[int, int]) -> list[np.ndarray]:
    """The crops that the samplers offer, boxes float32 (4,) in pixels; the first is the picture.

    `tubes`: boxes (K, 4) of each; `size`: height and width of the picture. A sampler offers a crop
    whose overlap (mean over the K frames, of pixels x1..x2 inclusive) with its best tube is large
    enough. The last, as published, wants a crop equal to every tube, and so offers none.
    """
    found = [next(_trials(random, size, (1, 1), (1, 1)))]
    for least in OVERLAPS:
        for crop in _some(_trials(random, size, SCALES, ASPECTS), tubes):
            if max(_mean_overlap(tube, crop) for tube in tubes) >= least:
                found.append(crop)
                break
    for crop in _some(_trials(random, size, SCALES, ASPECTS), tubes):
        if min(_mean_overlap(tube, crop) for tube in tubes) >= 1:
            found.append(crop)
            break
    return found


def _trials(
    random: Random, size: tuple[int, int], scales: tuple[float, float], aspects: tuple[float, float]
) -> Iterator[np.ndarray]:
    """Crops within the picture without end; draws that are larger than it are left out."""
    height, width = size
    while True:
        scale, aspect = random.uniform(*scales), random.uniform(*aspects)
        w, h = scale * np.sqrt(aspect), scale / np.sqrt(aspect)
        if w <= 1 and h <= 1:
            x, y = random.uniform(0, 1 - w), random.uniform(0, 1 - h)
            sides = [x * width, y * height, (x + w) * width, (y + h) * height]
            yield np.array(sides, np.float32)


def _some(trials: Iterator[np.ndarray], tubes: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The trials of a sampler; without tubes, it draws one and offers none."""
    if not tubes:
        next(trials)
        return
    for _, crop in zip(repeat(None, TRIALS), trials, strict=False):
        yield crop


def _mean_overlap(boxes: np.ndarray, crop: np.ndarray) -> float:
    """Mean intersection over union of boxes (K, 4) and one box, of pixels x1..x2 inclusive."""
    low = np.maximum(boxes[:, :2], crop[:2])
    high = np.minimum(boxes[:, 2:] + 1, crop[2:] + 1)
    inside = np.maximum(0, high - low).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    return float(np.mean(inside / (areas + (crop[2:] - crop[:2] + 1).prod() - inside)))


def _cropped(boxes: np.ndarray, crop: Box) -> np.ndarray | None:
    """Boxes (K, 4) within the crop; None if a centre is outside."""
    x1, y1, x2, y2 = map(int, crop)
    boxes = boxes - np.array([x1, y1, x1, y1], np.float32)
    inner = np.array([x2 - x1, y2 - y1], np.float32)
    centres = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    if (centres < 0).any() or (centres > inner).any():
        return None
    return np.hstack([np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, 2:], inner)])
