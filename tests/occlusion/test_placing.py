"""Placement: smoothed boxes, motion paths, time windows, several occluders."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.config.occlusion import Composite, Window
from occludenet_build.core import seeds
from occludenet_build.occlusion import geometry
from occludenet_build.occlusion.motion import CROSSING, MIDDLE, MOTIONS, MotionContext, motion_boxes
from occludenet_build.occlusion.placement import multi_occluder_offset, time_window_factor

FPS = 30.0


def one_track(boxes):
    return dict.fromkeys(boxes, 0)


def rows(boxes) -> np.ndarray:
    return np.array([boxes[frame] for frame in sorted(boxes)]).reshape(-1, 4)


def shaken(count, seed=0, sd=2.0, first=0, at=(100, 50, 180, 250)):
    """A static box with the jitter of a detector."""
    noise = np.random.default_rng(seed).normal(0, sd, (count, 4))
    return {first + n: tuple((np.array(at) + noise[n]).tolist()) for n in range(count)}


@given(
    start=st.tuples(*[st.floats(-500, 2000)] * 2),
    velocity=st.tuples(*[st.floats(-10, 10)] * 2),
    sizes=st.tuples(*[st.floats(40, 600)] * 4),
    count=st.integers(1, 60),
    seconds=st.floats(0, 3),
)
def test_steady_motion_and_growth_stay_as_they_are(start, velocity, sizes, count, seconds):
    boxes = {}
    for n in range(count):
        x, y = (start[k] + velocity[k] * n for k in (0, 1))
        w, h = (sizes[k] + (sizes[k + 2] - sizes[k]) * n / count for k in (0, 1))
        boxes[n + 7] = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    found = geometry.smooth_boxes(boxes, one_track(boxes), FPS, seconds)
    assert list(found) == list(boxes)
    np.testing.assert_allclose(rows(found), rows(boxes), atol=1e-6)


@pytest.mark.parametrize(("fps", "seconds"), [(30, 0.3), (25, 0.2), (50, 1.0)])
def test_jitter_falls_by_the_factor_of_the_kernel(fps, seconds):
    boxes = shaken(20_000)
    found = rows(geometry.smooth_boxes(boxes, one_track(boxes), fps, seconds))
    factor = found[50:-50].std(axis=0) / rows(boxes).std(axis=0)
    np.testing.assert_allclose(factor, math.sqrt(1.5 / (fps * seconds)), rtol=0.06)


@given(count=st.integers(1, 40), seed=st.integers(0, 99), seconds=st.floats(0, 2))
def test_the_ends_of_a_run_and_backward_time(count, seed, seconds):
    boxes = shaken(count, seed)
    found = rows(geometry.smooth_boxes(boxes, one_track(boxes), FPS, seconds))
    assert (found[[0, -1]] == rows(boxes)[[0, -1]]).all()
    backward = {count - 1 - n: box for n, box in boxes.items()}
    again = rows(geometry.smooth_boxes(backward, one_track(boxes), FPS, seconds))
    np.testing.assert_allclose(again[::-1], found, atol=1e-9)
    assert (found >= rows(boxes).min(axis=0) - 1e-9).all()
    assert (found <= rows(boxes).max(axis=0) + 1e-9).all()


AFAR = (400, 50, 480, 250)
LARGER = (40, 0, 300, 500)


@pytest.mark.parametrize(
    ("tracks", "first", "at"),
    [
        ((0, 1), 12, (100, 50, 180, 250)),
        (((0, 7), (1, 7)), 12, (100, 50, 180, 250)),
        ((3, 1), 12, AFAR),
        ((0, 0), 13, (100, 50, 180, 250)),
        ((0, 0), 12, AFAR),
        ((0, 0), 12, LARGER),
    ],
    ids=[
        "a cut",
        "a given track over a cut",
        "a cut and elsewhere",
        "a gap",
        "a given track leaps",
        "and comes nearer",
    ],
)
def test_nothing_is_averaged_across(tracks, first, at):
    before, after = shaken(12), shaken(15, 1, first=first, at=at)
    numbers = dict.fromkeys(before, tracks[0]) | dict.fromkeys(after, tracks[1])
    found = geometry.smooth_boxes(before | after, numbers, FPS, 0.3)
    alone = [geometry.smooth_boxes(part, one_track(part), FPS, 0.3) for part in (before, after)]
    assert found == alone[0] | alone[1]
    assert found != before | after


def test_within_a_run_neighbours_count():
    """The counterpart of the test above: the same boxes in one track are averaged."""
    boxes = shaken(12) | shaken(15, 1, first=12)
    found = geometry.smooth_boxes(boxes, one_track(boxes), FPS, 0.3)
    assert found[11] != boxes[11] and found[12] != boxes[12]


@pytest.mark.parametrize(("fps", "seconds"), [(30, 0), (1, 0.3), (6, 0.3), (30, 1 / 15)])
def test_a_window_of_two_frames_changes_no_value(fps, seconds):
    boxes = shaken(20)
    backward = dict(reversed(boxes.items()))
    found = geometry.smooth_boxes(backward, one_track(boxes), fps, seconds)
    assert found == boxes and list(found) == sorted(boxes)


def test_a_box_that_stands_still_stays_to_the_bit_and_none_stay_none():
    boxes = dict.fromkeys(range(50), (0.1, 0.7, 33.3, 81.9))
    assert geometry.smooth_boxes(boxes, one_track(boxes), 29.97, 0.5) == boxes
    assert geometry.smooth_boxes({}, {}, FPS, 0.3) == {}


def test_a_single_wrong_box_fades_in_and_out():
    boxes = dict.fromkeys(range(21), (0.0, 0.0, 80.0, 200.0)) | {10: (0.0, 0.0, 80.0, 100.0)}
    found = rows(geometry.smooth_boxes(boxes, one_track(boxes), FPS, 0.3))[:, 3]
    weights = (1 + np.cos(2 * np.pi * np.arange(-4, 5) / 9)) / 9
    np.testing.assert_allclose(200 - found[6:15], 100 * weights, atol=1e-9)
    assert (found[:6] == 200).all() and (found[15:] == 200).all()


def scene(clip="a", size=(340, 256), frames=100):
    return MotionContext(size, frames, partial(seeds.uniform, 0, clip))


def centres(motion, where: MotionContext) -> np.ndarray:
    boxes = rows(motion_boxes(motion, where))
    return (boxes[:, :2] + boxes[:, 2:]) / 2


CLIPS = [f"clip {n}" for n in range(40)]


def test_the_motions_of_the_settings_are_those_there_are():
    choices = next(f for f in dataclasses.fields(Composite) if f.name == "motion").metadata
    assert choices["choices"] == ("track", *MOTIONS)


draws = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1 - 2**-53]).map(lambda value: lambda purpose: value),
    st.integers(0, 2**32).map(lambda seed: partial(seeds.uniform, seed)),
)


@settings(max_examples=200)
@given(
    motion=st.sampled_from(sorted(MOTIONS)),
    size=st.tuples(st.integers(16, 4000), st.integers(16, 4000)),
    frames=st.integers(1, 70),
    draw=draws,
)
def test_boxes_are_as_large_as_the_picture_and_occluders_mostly_inside(motion, size, frames, draw):
    found = motion_boxes(motion, MotionContext(size, frames, draw))
    assert list(found) == list(range(frames))
    boxes = rows(found)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], [size] * frames)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 / size
    low, high = (np.clip(centre + side * 0.375, 0, 1) for side in (-1, 1))
    assert (((high - low) / 0.75).prod(axis=1) > 0.5).all()


@pytest.mark.parametrize("motion", sorted(MOTIONS))
def test_a_path_is_a_function_of_what_is_drawn(motion):
    assert motion_boxes(motion, scene()) == motion_boxes(motion, scene())
    path = MOTIONS[motion](scene())
    assert [path(n) for n in (7, 3, 7)] == [MOTIONS[motion](scene())(n) for n in (7, 3, 7)]
    starts = {tuple(centres(motion, scene(clip))[30]) for clip in CLIPS}
    assert len(starts) == len(CLIPS)


def test_static_stands_and_random_does_not():
    assert len(np.unique(centres("static", scene()), axis=0)) == 1
    drawn = centres("random", scene(frames=2000)) / (340, 256)
    assert len(np.unique(drawn, axis=0)) == 2000
    np.testing.assert_allclose(drawn.min(axis=0), 0.5 - MIDDLE / 2, atol=0.01)
    np.testing.assert_allclose(drawn.max(axis=0), 0.5 + MIDDLE / 2, atol=0.01)
    # Nothing carries over from one frame to the next.
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.1


@pytest.mark.parametrize(("width", "height"), [(340, 256), (256, 340), (1000, 40)])
@pytest.mark.parametrize("draw", [None, 0.0, 0.5], ids=["drawn", "all 0", "all in the middle"])
def test_linear_goes_straight_and_far_enough(width, height, draw):
    for clip in CLIPS:
        where = scene(clip, (width, height))
        if draw is not None:
            where = dataclasses.replace(where, draw=lambda purpose: draw)
        way = centres("linear", where)
        np.testing.assert_allclose(np.diff(way, 2, axis=0), 0, atol=1e-9)
        assert math.dist(way[0], way[-1]) >= math.hypot(width, height) / 4


@pytest.mark.parametrize("size", [(340, 256), (256, 340)])
def test_circular_turns_once_round_the_middle(size):
    turns = set()
    for clip in CLIPS:
        way = centres("circular", scene(clip, size)) - np.array(size) / 2
        np.testing.assert_allclose(way[0], way[-1], atol=1e-9)
        radius = np.linalg.norm(way, axis=1)
        assert np.ptp(radius) < 1e-9 and 0.15 * 256 <= radius[0] <= 0.35 * 256
        turns.add(round(float(np.diff(np.unwrap(np.arctan2(way[:, 1], way[:, 0]))).sum()), 6))
    assert turns == {round(2 * math.pi, 6), round(-2 * math.pi, 6)}


def test_sine_crosses_and_swings_twice():
    directions = set()
    for clip in CLIPS:
        way = centres("sine", scene(clip)) / (340, 256)
        steps = np.diff(way[:, 0])
        np.testing.assert_allclose(steps, steps[0])
        assert abs(way[-1, 0] - way[0, 0]) == pytest.approx(CROSSING)
        assert way[0, 0] + way[-1, 0] == pytest.approx(1)
        directions.add(steps[0] > 0)
        assert 0.19 <= np.ptp(way[:, 1]) <= 0.5
        spectrum = np.abs(np.fft.rfft(way[:-1, 1] - 0.5))
        assert spectrum.argmax() == 2 and spectrum[2] ** 2 > 0.999 * (spectrum**2).sum()
    assert directions == {True, False}


@pytest.mark.parametrize(
    ("window", "wanted"),
    [
        ((0.0, 1.0, 0.0), [1] * 10),
        ((0.2, 0.5, 0.0), [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]),
        ((0.25, 0.41, 0.0), [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]),
        ((0.0, 1.0, 0.2), [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 0.5]),
        ((0.0, 1.0, 0.25), [0.4, 0.8, 1, 1, 1, 1, 1, 1, 0.8, 0.4]),
        ((0.0, 1.0, 0.1), [1] * 10),
        ((0.0, 1.0, 1.0), [0.2, 0.4, 0.6, 0.8, 1, 1, 0.8, 0.6, 0.4, 0.2]),
        ((0.1, 0.6, 0.9), [0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0, 0, 0, 0]),
        ((0.91, 0.99, 0.0), [0] * 10),
    ],
)
def test_windows(window, wanted):
    found = [time_window_factor(n, 10, Window(*window)) for n in range(10)]
    assert found == pytest.approx(wanted)
    assert (
        time_window_factor(-1, 10, Window(*window))
        == time_window_factor(10, 10, Window(*window))
        == 0
    )


@pytest.mark.parametrize("start", range(100))
def test_a_start_in_hundredths_is_that_frame_of_a_hundred(start):
    """0.07 x 100 is 7.000000000000001."""
    found = [time_window_factor(n, 100, Window(start / 100)) for n in range(100)]
    assert found == [0] * start + [1] * (100 - start)


@settings(max_examples=200)
@given(
    edges=st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True).map(sorted),
    ramp=st.floats(0, 1),
    frames=st.integers(1, 300),
)
def test_a_window_is_symmetric_grows_and_is_never_nothing(edges, ramp, frames):
    window = Window(edges[0] / 100, edges[1] / 100, ramp)
    found = [time_window_factor(n, frames, window) for n in range(frames)]
    inside = [window.start <= n / frames < window.end for n in range(frames)]
    assert [value > 0 for value in found] == inside
    shown = [value for value in found if value]
    assert shown == shown[::-1]
    half = shown[: (len(shown) + 1) // 2]
    assert half == sorted(half) and max(shown, default=1) == 1
    # The whole ramp and nothing else, in equal steps.
    rising = [b - a for a, b in pairwise([0.0, *half]) if b < 1]
    assert rising == pytest.approx([half[0]] * len(rising)) if half else True
    assert sum(value < 1 for value in half) <= ramp * frames


def test_further_occluders_fall_into_different_parts_of_the_box():
    for clip in CLIPS:
        draw = partial(seeds.uniform, 0, clip)
        places = [multi_occluder_offset(number, draw) for number in range(1, 7)]
        assert places == [multi_occluder_offset(number, draw) for number in range(1, 7)]
        away = [math.hypot(*place) for place in places]
        assert min(away) >= 0.25 and max(away) <= 0.45 and len(set(away)) == 6
        assert all(math.dist(a, b) > 0.4 for a, b in pairwise(places))
        assert min(math.dist(a, b) for n, a in enumerate(places) for b in places[:n]) > 0.13
        assert len({(x > 0, y > 0) for x, y in places}) == 4  # every quarter


def test_further_occluders_differ_from_clip_to_clip():
    firsts = np.array([multi_occluder_offset(1, partial(seeds.uniform, 0, clip)) for clip in CLIPS])
    assert len(np.unique(firsts, axis=0)) == len(CLIPS)
    assert (np.abs(firsts.mean(axis=0)) < 0.15).all()
    assert np.ptp(np.linalg.norm(firsts, axis=1)) > 0.15
