"""Frames as in the CNN study: its own index lists, and what holds of all of them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occludenet_build.recognition import ibm_sampling
from occludenet_build.recognition.augment import draw_view
from occludenet_build.recognition.ibm_sampling import (
    flow_pictures,
    flow_positions,
    frames_in_random_test,
    frames_in_training,
)


def chosen(case):
    """The frames of a case as their lists have them, from 1: those of all clips in one list."""
    count = case["num_frames"]
    if case["modality"] == "flow":
        count = flow_positions(count)
    how = count, case["groups"], case["fpg"], case["dense"]
    random = np.random.RandomState(case["seed"])
    if case["mode"] == "train":
        views = [frames_in_training(*how, random)]
    elif case["random_sampling"]:
        views = frames_in_random_test(*how, case["clips"], random)
    else:
        views = ibm_sampling.frames_in_test(*how, case["clips"])
    return [frame + 1 for view in views for frame in view]


@pytest.mark.parametrize("parity_cases", ["ibm_sampling/cases.json"])
def test_all_index_lists_of_the_study(parity, parity_cases):
    cases = json.loads((parity / parity_cases).read_text())["cases"]
    assert len(cases) == 35
    for case in cases:
        found = chosen(case)
        assert found == case["indices_1based"], case
        if case["modality"] == "flow":
            pictures = flow_pictures(tuple(n - 1 for n in found), case["num_frames"])
            assert [n + 1 for n in pictures] == case["loaded_1based"]


# of these lists, without the fixture
@pytest.mark.parametrize(("count", "groups", "per_group", "dense", "seed", "wanted"), [
    (300, 8, 1, False, 100, [0, 37, 74, 111, 148, 185, 222, 259]),
    (5, 8, 1, False, 105, [0, 0, 0, 0, 1, 4, 4, 4]),
    (17, 8, 2, False, 106, [*range(16)]),
    (7, 8, 4, True, 113, [0, 4, 1, 5, 2, 6, 3, 0]),
    (300, 32, 2, True, 108, [*range(99, 163, 2)]),
])  # fmt: skip
def test_training_samples(count, groups, per_group, dense, seed, wanted):
    random = np.random.RandomState(seed)
    assert list(frames_in_training(count, groups, per_group, dense, random)) == wanted


counts = st.integers(1, 400)
shapes = st.tuples(counts, st.integers(1, 40), st.integers(1, 5), st.booleans())


@given(shapes, st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_every_frame_is_in_the_clip(shape, seed, clips):
    count, groups, per_group, dense = shape
    random = np.random.RandomState(seed)
    drawn = [frames_in_training(*shape, random), *frames_in_random_test(*shape, clips, random)]
    views = ibm_sampling.frames_in_test(*shape, clips)
    assert len(drawn) == 1 + clips and len(views) == clips
    for view in drawn:
        assert len(view) == (groups if dense else groups * per_group)
        assert dense or list(view) == sorted(view)
    for view in views:
        assert len(view) == groups
    assert all(0 <= frame < count for view in [*drawn, *views] for frame in view)


@given(shapes, st.integers(0, 2**32 - 1))
def test_the_groups_of_a_uniform_sample_have_the_same_offsets(shape, seed):
    count, groups, per_group, _ = shape
    view = frames_in_training(count, groups, per_group, False, np.random.RandomState(seed))
    length = count // groups
    if length >= per_group:
        parts = np.reshape(view, (groups, per_group)) - length * np.arange(groups)[:, None]
        assert (parts == parts[0]).all() and len(set(parts[0])) == per_group
        assert parts.min() >= 0 and parts.max() < length


@given(st.integers(2, 100), st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_flow_is_read_within_the_clip(count, groups, seed):
    random = np.random.RandomState(seed)
    frames = frames_in_training(flow_positions(count), groups, 1, False, random)
    pictures = flow_pictures(frames, count)
    assert len(pictures) == 5 * groups
    assert min(pictures) >= 0 and max(pictures) <= count - 2


def test_training_draws_their_way_where_it_is_asked_to():
    """Each clip and epoch has its own draw; a uniform one has one distance between all frames."""
    uniform = [draw_view(1, f"{n}.mp4", 0, 300, 8, True, 0, "ibm").frames for n in range(300)]
    assert {frame - at * 37 for view in uniform for at, frame in enumerate(view)} == set(range(37))
    assert all(len(set(np.diff(view))) == 1 for view in uniform)
    dense = [draw_view(1, f"{n}.mp4", 0, 70, 32, True, 2, "ibm").frames for n in range(300)]
    assert {view[0] for view in dense} == set(range(6)), "70 - 32 x 2 itself is never drawn"
    short = draw_view(1, "a.mp4", 0, 7, 8, True, 4, "ibm").frames
    assert short == (0, 4, 1, 5, 2, 6, 3, 0)
    same = draw_view(1, "a.mp4", 5, 300, 8, True, 0, "ibm")
    assert same == draw_view(1, "a.mp4", 5, 300, 8, True, 0, "ibm")
    assert same.frames != draw_view(2, "a.mp4", 5, 300, 8, True, 0, "ibm").frames
    own = draw_view(1, "a.mp4", 5, 300, 8, True, 0)
    assert own == draw_view(1, "a.mp4", 5, 300, 8, True, 0, "own")
    assert own.frames != same.frames
