"""Augmentation of clips: pictures, boxes and masks go together; the draws."""

from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.action_detection import augment, clip
from occludenet_build.action_detection.augment import Augmentation, Colours
from occludenet_build.action_detection.clip import ClipTube

SIZE = (90, 120)


def scene(boxes):
    """Pictures that are white in the boxes (K, 4) and black elsewhere, and the boxes' masks."""
    masks = np.zeros((len(boxes), *SIZE), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return [mask[..., None].repeat(3, 2).astype(np.float32) * 255 for mask in masks], masks


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), x=st.integers(0, 60), y=st.integers(0, 40))
def test_pictures_masks_and_boxes_go_together(seed, x, y):
    boxes = np.array([[x, y, x + 30, y + 40], [x + 4, y + 2, x + 34, y + 42]])
    pictures, masks = scene(boxes)
    tubes = [ClipTube(2, boxes.astype(np.float32))]
    change = augment.draw(Random(seed), tubes, SIZE)
    change = Augmentation(change.mirror, None, change.expand, change.crop)
    seen, changed = change.pictures(pictures), change.masks(masks)
    # The fill of an expanded picture is grey: at most half as bright as the box.
    assert all(
        np.array_equal(one[..., 0] > 200, mask) for one, mask in zip(seen, changed, strict=True)
    )
    for label, found in change.tubes(tubes, SIZE):
        assert label == 2
        for mask, box in zip(changed, found, strict=True):
            rows, columns = np.nonzero(mask)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.abs(box - edges).max() <= 1  # a crop's last pixels are inclusive


def test_the_same_seed_is_the_same_augmentation_and_others_differ():
    tubes = [ClipTube(0, np.array([[20, 20, 60, 80]] * 3, np.float32))]
    drawn = [augment.draw(Random(seed), tubes, SIZE) for seed in range(30)]
    assert drawn[0] == augment.draw(Random(0), tubes, SIZE)
    assert len({one.crop for one in drawn}) > 15
    for used in (
        [one.mirror for one in drawn],
        [one.expand is not None for one in drawn],
        [one.colours.brightness is not None for one in drawn],
    ):
        assert 0.2 < np.mean(used) < 0.8


def test_the_published_order_of_the_draws():
    """Mirror, order, brightness, contrast, saturation, hue, expansion, crops, choice."""
    random, box = Random(5), np.array([[20, 20, 60, 80]] * 2, np.float32)
    change = augment.draw(Random(5), [ClipTube(0, box)], SIZE)
    assert change.mirror == (random.getrandbits(1) == 1)
    second = random.random() > 0.5
    order = ["brightness", "contrast", "saturation", "hue"]
    order = order if second else ["brightness", "saturation", "hue", "contrast"]
    ranges = {"brightness": (-32, 32), "hue": (-18, 18)}
    for name in order:
        taken = random.random() < 0.5
        drawn = random.uniform(*ranges.get(name, (0.5, 1.5))) if taken else None
        assert getattr(change.colours, name) == drawn
    assert change.colours.contrast_second == second
    assert change.expand == (random.uniform(1, 4) if random.random() < 0.5 else None)
    size = tuple(int(side * (change.expand or 1)) for side in SIZE)
    x1, x2 = (120 - 60, 120 - 20) if change.mirror else (20, 60)
    moved = np.array([[x1, 20, x2, 80]] * 2) + [size[1] - 120, size[0] - 90] * 2
    found = augment.crops(random, [moved.astype(np.float32)], size)
    assert change.crop == tuple(random.choice(found).tolist())


def test_a_clip_without_tubes_keeps_the_whole_picture():
    change = augment.draw(Random(1), [], SIZE)
    height, width = (int(side * (change.expand or 1)) for side in SIZE)
    assert change.crop == (0, 0, width, height)
    assert change.pictures([np.zeros((*SIZE, 3), np.float32)])[0].shape == (height, width, 3)


def test_a_tube_whose_centre_leaves_the_crop_is_left_out():
    boxes = np.array([[10, 10, 30, 40], [30, 10, 50, 40]], np.float32)
    inside, outside = (Augmentation(crop=(5, 5, right, 60)) for right in (45.9, 41.9))
    ((_, found),) = inside.tubes([ClipTube(0, boxes)], SIZE)
    assert found.tolist() == [[5, 5, 25, 35], [25, 5, 40, 35]]
    assert len(outside.tubes([ClipTube(0, boxes + [2, 0, 2, 0])], SIZE)) == 0


def test_colours():
    picture = np.full((2, 2, 3), [40, 80, 160], np.float32)
    assert np.array_equal(Colours()(picture), picture)
    assert np.allclose(
        Colours(brightness=10, contrast=0.5, contrast_second=True)(picture), (picture + 10) / 2
    )
    grey = Colours(saturation=0.0)(picture)
    assert np.allclose(grey, 160, atol=0.01)  # the value, in all channels
    turned = cv2.cvtColor(Colours(hue=15)(picture), cv2.COLOR_BGR2HSV)
    before = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    assert np.allclose(turned - before, [15, 0, 0], atol=0.01)
    # Contrast last sees what the hue did; pixels are not clamped, and the given ones not changed.
    assert Colours(brightness=30, contrast=2.0)(picture).max() == 380 and picture.max() == 160


def test_mirrored_flow_runs_the_other_way():
    flow = np.zeros((2, 3, 3), np.float32)
    flow[:, 0] = [10, 20, 200]
    (seen,) = Augmentation(mirror=True).pictures([flow], flow=True)
    assert seen[0, 2].tolist() == [10, 20, 55] and seen[0, 0].tolist() == [0, 0, 255]


def test_pictures_become_bgr_and_masks_keep_their_places():
    rgb = np.zeros((1, 4, 4, 3), np.uint8)
    rgb[..., 0] = 255
    assert clip.bgr(rgb)[0][0, 0].tolist() == [0, 0, 255]
    mask = np.zeros((1, 100, 200), bool)
    mask[0, 25:50, 100:150] = True
    small = clip.resized_masks(mask, 8)
    assert np.argwhere(small[0]).tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]


@pytest.mark.parametrize("inputs", [1, 3])
def test_inputs_are_windows_of_pictures(inputs):
    pictures = [np.full((8, 8, 3), value, np.float32) for value in range(5)]
    seen = clip.network_input(pictures, inputs, 32)
    assert seen.shape == (6 - inputs, 3 * inputs, 32, 32)
    plain = seen[:, ::3] * clip.STD[0] + clip.MEAN[0]
    for first, one in enumerate(plain):
        assert np.allclose(one[:, 0, 0] * 255, range(first, first + inputs), atol=1e-3)
