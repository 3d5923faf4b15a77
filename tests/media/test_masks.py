"""Run-length encodings of masks: lossless, and counts agree with the pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from occludenet_build.media.imaging import masks

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=17)
MASKS = arrays(bool, SHAPES)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))


@settings(deadline=None)
@given(MASKS)
def test_a_mask_survives_the_code(mask):
    counts = masks.encode(mask)
    assert isinstance(counts, bytes)
    back = masks.decode(counts, *mask.shape)
    assert back.dtype == bool and back.flags.c_contiguous
    np.testing.assert_array_equal(back, mask)
    assert masks.area(counts, *mask.shape) == mask.sum()


@settings(deadline=None)
@given(PAIRS)
def test_intersection_is_counted_without_decoding(pair):
    a, b = pair
    shared = masks.intersection(masks.encode(a), masks.encode(b), *a.shape)
    assert shared == (a & b).sum()


@settings(deadline=None, max_examples=300)
@given(PAIRS)
def test_differences_are_those_of_the_pixels(pair):
    """Byte for byte: annotate writes them."""
    a, b = pair
    assert masks.complement(masks.encode(a)) == masks.encode(~a)
    assert masks.difference(masks.encode(a), masks.encode(b), *a.shape) == masks.encode(a & ~b)


def test_differences_of_masks_with_long_runs():
    """Runs of more than five bits, and of more than ten."""
    random = np.random.default_rng(0)
    for _ in range(300):
        picture = np.zeros((2, 70, 90), bool)
        for mask in picture:
            (y1, y2), (x1, x2) = (sorted(random.integers(0, side, 2)) for side in (71, 91))
            mask[y1:y2, x1:x2] = True
        a, b = picture ^ random.integers(0, 2, (2, 1, 1)).astype(bool)
        found = masks.difference(masks.encode(a), masks.encode(b), *a.shape)
        assert found == masks.encode(a & ~b)


@settings(deadline=None)
@given(MASKS)
def test_the_code_is_coco_s(mask):
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert masks.encode(mask) == expected["counts"]


@settings(deadline=None)
@given(MASKS)
def test_the_tight_box(mask):
    box = masks.box_of(mask)
    if box is None:
        assert not mask.any()
        return
    x1, y1, x2, y2 = box
    assert mask[y1:y2, x1:x2].sum() == mask.sum()
    assert all(side.any() for side in (mask[y1], mask[y2 - 1], mask[:, x1], mask[:, x2 - 1]))


def test_views_that_are_not_contiguous():
    mask = np.random.default_rng(0).random((40, 30)) < 0.5
    for view in (mask.T, mask[::2, ::-1], np.asfortranarray(mask)):
        np.testing.assert_array_equal(masks.decode(masks.encode(view), *view.shape), view)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2), np.uint8), np.zeros(4, bool)])
def test_anything_but_a_mask_is_refused(wrong):
    with pytest.raises(ValueError, match="wanted a mask"):
        masks.encode(wrong)
