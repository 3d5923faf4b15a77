"""Augmentation: one draw for a pair, which depends on the seed only."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from occludenet_build.config.training import Augment
from occludenet_build.recognition.augment import ViewDraw, augment_clips, crop_clip

NONE = Augment(flip=False)
KINDS = {
    "crop": replace(NONE, area=(0.08, 1.0)),
    "randaugment": replace(NONE, randaugment=4),
    "erase": replace(NONE, erase=1.0),
    "everything": replace(NONE, area=(0.08, 1.0), randaugment=4, erase=0.5),
}
ONE = ViewDraw((0, 1, 2), 0.3, 0.8, True)


def clip(seed=0, frames=3, height=40, width=56):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (frames, height, width, 3), np.uint8)


@pytest.mark.parametrize("settings", KINDS.values(), ids=list(KINDS))
def test_both_clips_of_a_pair_are_changed_alike(settings):
    for seed in range(12):
        one, other = augment_clips([clip(), clip()], ONE, 32, settings, seed)
        assert one.shape == (3, 32, 32, 3) and one.dtype == np.uint8 and one.flags.c_contiguous
        assert np.array_equal(one, other)
        assert np.array_equal(one, augment_clips([clip()], ONE, 32, settings, seed)[0])


def test_a_pair_differs_only_where_the_actor_was():
    """Geometry moves the hole along with the picture; noise lies over both."""
    whole = np.full((3, 40, 56, 3), 200, np.uint8)
    erased = whole.copy()
    erased[:, 10:20, 30:40] = 0
    settings = replace(NONE, area=(0.3, 1.0), erase=1.0)
    seen = 0
    for seed in range(20):
        one, other = augment_clips([whole, erased], ONE, 32, settings, seed)
        hole = (one != other).any(axis=(0, 3))
        noise = (one != 200).any(axis=(0, 3))
        assert not (hole & noise).any()
        rows, columns = np.nonzero(hole)
        if len(rows):
            seen += 1
            box = hole[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert (
                box | noise[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            ).all()
    assert seen > 10


@pytest.mark.parametrize("settings", KINDS.values(), ids=list(KINDS))
def test_the_seed_alone_decides(settings):
    first = [augment_clips([clip()], ONE, 32, settings, seed)[0] for seed in range(8)]
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.random.get_rng_state()
    again = [augment_clips([clip()], ONE, 32, settings, seed)[0] for seed in reversed(range(8))]
    assert torch.equal(torch.random.get_rng_state(), before), "torch's own numbers were used up"
    assert all(np.array_equal(a, b) for a, b in zip(first, reversed(again), strict=True))
    assert len({picture.tobytes() for picture in first}) > 4


@pytest.mark.parametrize("flip", [False, True])
def test_nothing_switched_on_is_the_plain_crop(flip):
    one = ViewDraw((0, 1, 2), 0.3, 0.8, flip)
    (got,) = augment_clips([clip()], one, 32, NONE, 7)
    assert np.array_equal(got, crop_clip(clip(), 32, 0.3, 0.8, flip))


def test_a_drawn_crop_keeps_to_area_and_aspect():
    """A picture whose colours are row and column numbers, so that a crop shows its position."""
    height, width = 120, 160
    ramp = np.zeros((1, height, width, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(height)[:, None], np.arange(width)
    settings = replace(NONE, area=(0.2, 0.5), aspect=(0.8, 1.25))
    shares = []
    for seed in range(60):
        (seen,) = augment_clips([ramp], ViewDraw((0,)), 40, settings, seed)
        rows, columns = (int(np.ptp(seen[..., c])) + 1 for c in (0, 1))
        shares.append(rows * columns / (height * width))
        assert 0.75 < columns / rows < 1.33
    assert 0.17 < min(shares) < 0.25 and 0.42 < max(shares) < 0.55


def test_a_mirrored_crop_is_the_crop_mirrored():
    settings = replace(NONE, area=(0.3, 0.9))
    plain, mirrored = (
        augment_clips([clip()], ViewDraw((0,), flip=flip), 32, settings, 3)[0]
        for flip in (False, True)
    )
    assert np.array_equal(plain[:, :, ::-1], mirrored)


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.25, 15, 35), (1.0, 100, 100)])
def test_a_share_of_the_clips_is_erased(share, low, high):
    grey = np.full((2, 32, 32, 3), 90, np.uint8)
    settings = replace(NONE, erase=share)
    changed = []
    for seed in range(100):
        (seen,) = augment_clips([grey], ViewDraw((0, 1)), 32, settings, seed)
        places = (seen != 90).any(axis=3)
        changed.append(places.any())
        assert np.array_equal(places[0], places[1]) or places.mean() > 0.01
        assert places[0].mean() < 0.4
    assert low <= sum(changed) <= high


def test_randaugment_does_half_of_its_operations_by_their_strength():
    calm = clip(height=32, width=32)
    changed = {
        (number, strength): np.mean(
            [
                np.abs(
                    augment_clips(
                        [calm],
                        ViewDraw((0,)),
                        32,
                        replace(
                            NONE,
                            randaugment=number,
                            randaugment_magnitude=strength,
                            randaugment_sd=0.0,
                        ),
                        seed,
                    )[0].astype(int)
                    - calm
                ).mean()
                for seed in range(60)
            ]
        )
        for number, strength in [(1, 2), (1, 9), (4, 9)]
    }
    assert changed[1, 2] < changed[1, 9] < changed[4, 9]
    one = replace(NONE, randaugment=1, randaugment_magnitude=9)
    same = sum(
        np.array_equal(augment_clips([calm], ViewDraw((0,)), 32, one, s)[0], calm)
        for s in range(200)
    )
    assert 90 <= same <= 145  # a coin, and identity among 14
