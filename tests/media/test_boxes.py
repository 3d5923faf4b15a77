"""Bounding boxes: overlap, clipping, interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from occludenet_build.media.imaging import boxes as geometry

coordinate = st.floats(-2000, 4000, width=32)
any_boxes = st.integers(0, 5).flatmap(
    lambda n: arrays(np.float32, (n, 4), elements=coordinate).map(
        lambda b: np.concatenate(
            [np.minimum(b[:, :2], b[:, 2:]), np.maximum(b[:, :2], b[:, 2:])], axis=1
        )
    )
)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0),  # half-open: touching boxes share nothing
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
        ((0, 0, 2, 2), (9, 9, 10, 10), 0.0),
    ],
)
def test_iou(first, second, wanted):
    got = geometry.iou(np.float32([first]), np.float32([second]))
    assert got.shape == (1, 1)
    assert got[0, 0] == pytest.approx(wanted)


@given(any_boxes, any_boxes)
def test_iou_is_symmetric_and_a_share(first, second):
    got = geometry.iou(first, second)
    assert got.shape == (len(first), len(second))
    assert np.array_equal(got, geometry.iou(second, first).T)
    assert (got >= 0).all() and (got <= 1).all()


@given(any_boxes)
def test_a_box_over_itself_is_1_or_empty(boxes):
    own = np.diag(geometry.iou(boxes, boxes))
    assert np.array_equal(own, (geometry.area(boxes.astype(np.float64)) > 0).astype(float))


@given(any_boxes, st.integers(1, 300), st.integers(1, 300))
def test_clipped_lies_in_the_picture_and_is_clipped_once(boxes, width, height):
    inside = geometry.clipped(boxes, width, height)
    assert (inside >= 0).all()
    assert (inside[:, 0::2] <= width).all() and (inside[:, 1::2] <= height).all()
    assert np.array_equal(inside, geometry.clipped(inside, width, height))


@given(
    arrays(np.float32, 4, elements=coordinate),
    arrays(np.float32, 4, elements=coordinate),
    st.integers(0, 40),
)
def test_between_stays_within_its_neighbours(first, last, count):
    filled = geometry.interpolated(first, last, count)
    assert filled.shape == (count, 4) and filled.dtype == np.float32
    slack = 1e-3
    assert (filled >= np.minimum(first, last) - slack).all()
    assert (filled <= np.maximum(first, last) + slack).all()


def test_grown_keeps_the_centre():
    boxes = np.float32([[10, 20, 30, 60]])
    wide = geometry.expanded(boxes, 0.5)
    assert wide.tolist() == [[0, 0, 40, 80]]
    assert np.array_equal(geometry.centre(wide), geometry.centre(boxes))
