"""Frames of clips as the CNN study, action-recognition-pytorch, chooses them.

From its behaviour (IBM/action-recognition-pytorch at 67cc96f, Apache-2.0) and the indices that it
gives, which tests/recognition compare. Here numbers count from 0, theirs from 1.

A sample has `groups` groups of `per_group` frames. Uniform: the groups are equal segments of the
clip, and the frames of a sample are groups x per_group. Dense: a sample has `groups` frames,
`per_group` apart, and what is longer than the clip goes on at its start.

They draw from numpy's global generator; here the caller gives the generator, a RandomState, whose
streams numpy does not change.
"""

from __future__ import annotations

import numpy as np

View = tuple[int, ...]

FLOW_PICTURES = 5
"""Successive flow pictures per index, each x and y: 10 channels."""


def frames_in_training(
    count: int, groups: int, per_group: int, dense: bool, random: np.random.RandomState
) -> View:
    """The frames of a training sample of a clip of `count` frames.

    Uniform: offsets are drawn once and used in all groups; the last count mod groups frames are
    never seen. Where a group has fewer frames than are drawn, frames of the whole clip are drawn,
    with replacement.
    """
    if dense:
        room = count - groups * per_group
        # the last possible start is left out, as with them
        start = int(random.randint(0, room, 1)[0]) if room > 0 else 0
        return _dense(count, groups, per_group, start)
    length = count // groups
    if length < per_group:
        return _drawn(count, groups * per_group, random)
    offsets = random.choice(length, per_group, replace=False)
    return frame_numbers(np.sort(np.add.outer(length * np.arange(groups), offsets), axis=None))


def frames_in_test(count: int, groups: int, per_group: int, dense: bool, clips: int) -> list[View]:
    """The frames of each of `clips` test samples.

    Uniform: one frame per group, whatever `per_group` is; the samples lie a frame apart around the
    middle of the groups. Clips of at most `groups` frames are drawn from, with the number of the
    sample as the seed. Dense: evenly spaced starts, rounded down; a single one is 0.
    """
    if dense:
        starts = np.linspace(0, max(0, count - groups * per_group), clips).astype(int)
        return [_dense(count, groups, per_group, int(start)) for start in starts]
    return [_uniform(count, groups, clip, clips) for clip in range(clips)]


def frames_in_random_test(
    count: int,
    groups: int,
    per_group: int,
    dense: bool,
    clips: int,
    random: np.random.RandomState,
) -> list[View]:
    """The frames of each of `clips` test samples with their option --random_sampling.

    As in training, one sample after the other; of a clip that is too short for its groups the
    number of the sample is the seed.
    """
    if dense or count // groups >= per_group:
        return [frames_in_training(count, groups, per_group, dense, random) for _ in range(clips)]
    return [_drawn(count, groups * per_group, np.random.RandomState(clip)) for clip in range(clips)]


def flow_positions(count: int) -> int:
    """Number of positions at which flow can be read, of a clip of `count` listed frames.

    One frame is taken off, since flow lies between frames, and then the pictures that follow an
    index. The functions above take this number as `count`.

    >>> flow_positions(60), flow_positions(6), flow_positions(3)
    (55, 1, 1)
    """
    return max(1, count - FLOW_PICTURES)


def flow_pictures(frames: View, count: int) -> View:
    """The flow pictures of a sample: FLOW_PICTURES from each of its `frames` on.

    `count`: listed frames of the clip, at least 2; its last flow picture, count - 2, is repeated.
    Only their loader knows flow: each of their networks takes pictures of three channels.

    >>> flow_pictures((0, 4), 8)
    (0, 1, 2, 3, 4, 4, 5, 6, 6, 6)
    """
    last = count - 2
    return tuple(min(frame + step, last) for frame in frames for step in range(FLOW_PICTURES))


def _dense(count: int, frames: int, stride: int, start: int) -> View:
    return frame_numbers((start + stride * np.arange(frames)) % count)


def _drawn(count: int, frames: int, random: np.random.RandomState) -> View:
    return frame_numbers(np.sort(random.choice(count, frames, replace=True)))


def _uniform(count: int, groups: int, clip: int, clips: int) -> View:
    if count <= groups:
        return _drawn(count, groups, np.random.RandomState(clip))
    length = count / groups
    first = -(clips // 2) + (clips % 2 == 0)
    offset = min(max(first + clip, -length / 2), length / 2 - 1e-4)
    return frame_numbers(length / 2 + offset + length * np.arange(groups))


def frame_numbers(positions: np.ndarray) -> View:
    """Positions in a clip, float or int (frames,), rounded towards 0."""
    return tuple(positions.astype(int).tolist())
