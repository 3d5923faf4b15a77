"""Crops of the test, and those of the CNN study in training: places, sizes, one draw for a pair."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from occludenet_build.config.training import Augment, Train
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.augment import ViewDraw, augment_clips, crop_masks
from occludenet_build.recognition.crops import (
    TRAINING_PLACES,
    crop_places,
    crop_sides,
    jittered_crop,
    multi_scale_crop,
)

MULTI_SCALE = Augment(flip=False, crop="multi_scale")
JITTER = Augment(flip=False, crop="jitter", jitter=(40, 50))


def pixels(crops, height, width, size, places):
    """(top, left, mirrored) in pixels, as crop_clip rounds them."""
    found = crop_places(crops, height, width, size, places)
    return [(round(t * (height - size)), round(x * (width - size)), f) for t, x, f in found]


@pytest.mark.parametrize(("crops", "height", "width", "places", "wanted"), [
    (1, 256, 340, "even", [(16, 58)]),
    (1, 256, 341, "quarters", [(16, 58)]),  # 58.5, to the even number as torchvision does
    (3, 256, 455, "even", [(16, 0), (16, 116), (16, 231)]),
    (3, 256, 455, "quarters", [(16, 0), (16, 114), (16, 228)]),
    (3, 455, 256, "quarters", [(0, 16), (114, 16), (228, 16)]),
    (3, 256, 256, "quarters", [(16, 0), (16, 16), (16, 32)]),
    (5, 256, 455, "even", [(0, 0), (0, 231), (32, 0), (32, 231), (16, 116)]),
    (5, 256, 455, "quarters", [(0, 0), (0, 228), (32, 0), (32, 228), (16, 114)]),
])  # fmt: skip
def test_test_crops_lie_where_they_should(crops, height, width, places, wanted):
    assert pixels(crops, height, width, 224, places) == [(*one, False) for one in wanted]


def test_ten_crops_are_five_and_their_mirror_images():
    ten, five = (pixels(n, 256, 341, 224, "quarters") for n in (10, 5))
    assert ten[::2] == five and ten[1::2] == [(top, left, True) for top, left, _ in five]


@given(
    st.sampled_from((1, 3, 5, 10)),
    st.sampled_from(("even", "quarters")),
    st.integers(32, 80),
    st.integers(32, 80),
)
def test_every_test_crop_is_in_the_picture(crops, places, height, width):
    found = pixels(crops, height, width, 32, places)
    assert len(found) == crops
    for top, left, _ in found:
        assert 0 <= top <= height - 32 and 0 <= left <= width - 32


def test_sides_of_multi_scale_crops():
    pairs = [(256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224), (192, 192)]
    assert crop_sides(256, 340, 224) == [*pairs, (192, 168), (168, 192), (168, 168)]
    assert set(sum(crop_sides(255, 300, 224), ())) == {255, 224, 191, 168}, "223 is nearly 224"
    assert set(sum(crop_sides(252, 300, 224), ())) == {252, 220, 189, 166}, "220 is not"
    assert len(TRAINING_PLACES) == len(set(TRAINING_PLACES)) == 13


def ramp(height=60, width=90):
    """A picture whose colours are its row and column numbers, so that a crop shows its place."""
    picture = np.zeros((1, height, width, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(height)[:, None], np.arange(width)
    return picture


def test_multi_scale_crops_have_all_sizes_and_places():
    """Read from the ramp: ends of a crop of side 52 or 60 that was resized to 52."""
    seen, stack = set(), torch.from_numpy(ramp()).permute(0, 3, 1, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        crops = [multi_scale_crop(stack, 52)[0].numpy() for _ in range(1000)]
    for crop in crops:
        rows, columns = crop[0, :, 0].astype(int), crop[1, 0].astype(int)
        assert crop.shape == (3, 52, 52) and (np.diff(rows) >= 0).all()
        seen.add((*rows[[0, -1]], *columns[[0, -1]]))
    every = {
        (rows * ((60 - tall) // 4), tall, columns * ((90 - wide) // 4), wide)
        for tall, wide in crop_sides(60, 90, 52)
        for rows, columns in TRAINING_PLACES
    }
    plain = {
        (top, top + 51, left, left + 51) for top, tall, left, wide in every if tall == wide == 52
    }
    assert len(plain) == 13 and plain <= seen
    assert len(seen) > 0.9 * len(every)
    assert all(0 <= a < b < 60 and 0 <= c < d < 90 for a, b, c, d in seen)


def test_resizing_is_that_of_pil():
    """Theirs is PIL's bilinear filter; the same but for rounding."""
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    stack = torch.from_numpy(picture).permute(2, 0, 1)[None]
    torch.manual_seed(3)
    sides = crop_sides(60, 90, 52)
    tall, wide = sides[int(torch.randint(10, ()))]
    rows, columns = TRAINING_PLACES[int(torch.randint(13, ()))]
    assert (tall, wide) != (52, 52)
    top, left = rows * ((60 - tall) // 4), columns * ((90 - wide) // 4)
    box = left, top, left + wide, top + tall
    theirs = np.asarray(Image.fromarray(picture).crop(box).resize((52, 52), Image.BILINEAR))
    torch.manual_seed(3)
    ours = multi_scale_crop(stack, 52)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_the_short_side_is_drawn_between_both_ends():
    shares = []
    for seed in range(150):
        (crop,) = augment_clips([ramp()], ViewDraw((0,)), 32, JITTER, seed)
        assert crop.shape == (1, 32, 32, 3)
        rows = crop[0, :, 0, 0].astype(int)
        shares.append((rows[-1] - rows[0]) / 31)  # rows of the ramp per row of the crop
    wanted = [60 / short for short in range(40, 51)]
    assert abs(min(shares) - wanted[-1]) < 0.05 and abs(max(shares) - wanted[0]) < 0.05
    assert abs(np.mean(shares) - np.mean(wanted)) < 0.02
    same = jittered_crop(torch.zeros(1, 3, 32, 40), 32, (32, 32))
    assert same.shape == (1, 3, 32, 32)


@pytest.mark.parametrize("settings", [MULTI_SCALE, JITTER], ids=["multi_scale", "jitter"])
@pytest.mark.parametrize("flip", [False, True])
def test_both_clips_and_the_mask_keep_one_draw(settings, flip):
    whole = np.full((2, 60, 90, 3), 200, np.uint8)
    erased, hole = whole.copy(), np.zeros((2, 60, 90), bool)
    hole[:, 20:40, 30:55] = True
    erased[hole] = 0
    one = ViewDraw((0, 1), flip=flip)
    sizes = set()
    for seed in range(20):
        clip, other = augment_clips([whole, erased], one, 32, settings, seed)
        mask = crop_masks(hole, one, 32, settings, seed)
        dark = other[..., 0] < 100
        assert (clip == 200).all() and (dark ^ mask).mean() < 0.002
        assert np.array_equal(clip, augment_clips([whole], one, 32, settings, seed)[0])
        sizes.add(int(mask.sum()))
    assert len(sizes) > 5


def test_a_mirrored_crop_is_the_crop_mirrored():
    for settings in (MULTI_SCALE, JITTER):
        plain, mirrored = (
            augment_clips([ramp()], ViewDraw((0,), flip=flip), 32, settings, 3)[0]
            for flip in (False, True)
        )
        assert np.array_equal(plain[:, :, ::-1], mirrored)


def test_crops_that_cannot_be():
    with pytest.raises(UserError, match=r"augment.area: wanted null .* train.augment.crop jitter"):
        replace(JITTER, area=(0.1, 1.0))
    with pytest.raises(UserError, match=r"augment.jitter: wanted at least 112, .* got 40"):
        Train(size=112, short_side=128, augment=JITTER)
