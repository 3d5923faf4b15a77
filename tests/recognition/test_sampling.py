"""Sampling of frames and crops, and reading of the chosen frames of a file."""

from fractions import Fraction

import numpy as np
import pytest

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.sample import sample_frames
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition.augment import (
    crop_clip,
    crop_positions,
    draw_view,
    frame_segments,
    views,
)


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (1, 8), (7, 8), (8, 8), (9, 8), (300, 8)])
def test_segments_cover_the_clip_in_order(count, parts):
    pieces = frame_segments(count, parts)
    assert len(pieces) == parts and pieces[0][0] == 0
    assert all(0 <= low < high <= count for low, high in pieces)
    assert pieces == sorted(pieces)
    if count >= parts:
        assert [n for low, high in pieces for n in range(low, high)] == list(range(count))


def test_draw_depends_on_seed_file_and_epoch_alone():
    first = draw_view(3, "a.mp4", 2, 48, 8, flip=True)
    assert draw_view(3, "a.mp4", 2, 48, 8, flip=True) == first
    others = [(4, "a.mp4", 2), (3, "b.mp4", 2), (3, "a.mp4", 3)]
    assert all(draw_view(*other, 48, 8, flip=True) != first for other in others)


def test_draw_takes_one_frame_of_each_segment_and_flips_half():
    draws = [draw_view(0, f"{n}.mp4", 0, 48, 8, flip=True) for n in range(400)]
    for one in draws:
        pieces = zip(one.frames, frame_segments(48, 8), strict=True)
        assert all(low <= number < high for number, (low, high) in pieces)
        assert 0 <= one.top < 1 and 0 <= one.left < 1
    assert 150 < sum(one.flip for one in draws) < 250
    assert not any(draw_view(0, f"{n}.mp4", 0, 48, 8, flip=False).flip for n in range(50))


@pytest.mark.parametrize(
    ("count", "frames", "number"), [(24, 8, 4), (5, 8, 3), (300, 16, 10), (1, 4, 2)]
)
def test_views_are_even_and_inside(count, frames, number):
    seen = views(count, frames, number)
    assert len(seen) == number
    for one in seen:
        assert len(one) == frames and list(one) == sorted(one)
        assert one[0] >= 0 and one[-1] < count


def test_views_take_one_frame_of_each_segment():
    for one in views(24, 8, 4):
        pieces = zip(one, frame_segments(24, 8), strict=True)
        assert all(low <= number < high for number, (low, high) in pieces)


def test_crops_lie_along_the_longer_side():
    assert crop_positions(1, 10, 20) == [(0.5, 0.5)]
    assert crop_positions(3, 10, 20) == [(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)]
    assert crop_positions(3, 20, 10) == [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)]


def test_cropped_window_and_flip():
    pictures = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    assert np.array_equal(crop_clip(pictures, 4, 0.0, 1.0, False), pictures[:, :, 2:])
    assert np.array_equal(crop_clip(pictures, 4, 0.0, 0.0, True), pictures[:, :, 3::-1])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    grey = (np.full((36, 64, 3), 20 + 9 * number, np.uint8) for number in range(20))
    write_video(path, grey, Fraction(25))
    return path


def test_sample_has_the_frames_that_reading_counts(film):
    every = dict(rgb_frames(film))
    got = sample_frames(film, [7, 3, 3, 19])
    assert all(np.array_equal(a, every[n]) for a, n in zip(got, [7, 3, 3, 19], strict=True))
    assert len(sample_frames(film)) == 20


@pytest.mark.parametrize(("short", "shape"), [(18, (18, 32)), (72, (72, 128)), (36, (36, 64))])
def test_sample_scales_the_short_side(film, short, shape):
    assert sample_frames(film, [4], short).shape == (1, *shape, 3)


def test_sample_says_what_is_wrong(film, tmp_path):
    with pytest.raises(ItemError, match="truncated"):
        sample_frames(film, [20])
    with pytest.raises(ItemError, match="missing"):
        sample_frames(tmp_path / "no.mp4", [0])
