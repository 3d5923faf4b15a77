"""Frames of the test views, as the programs that published the backbones choose them.

A sampler maps (frames of the clip, frames of a view, stride, views) to the frame numbers of each
view. Programs differ in where views start, how they round, and in what they do with short clips;
on 100 frames two of them share hardly a frame. With stride 0 the frames of a view spread over the
whole clip. Each sampler was compared with the indices of its program (tests/recognition).

>>> frames_of_views("mmaction2", 80, 8, 8, 3)
[(0, 8, 16, 24, 32, 40, 48, 56), (12, 20, 28, 36, 44, 52, 60, 68), (23, 31, 39, 47, 55, 63, 71, 79)]
>>> frames_of_views("slowfast", 80, 8, 8, 3)[1]
(5, 14, 23, 32, 41, 50, 59, 68)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from occludenet_build.core.errors import UserError
from occludenet_build.recognition import ibm_sampling
from occludenet_build.recognition.augment import latest_start, strided_frames, views
from occludenet_build.recognition.ibm_sampling import View, frame_numbers


def _mmaction2_fps(count: int, frames: int, stride: int, number: int) -> list[View]:
    """mmaction2's SampleFrames with target_fps, at that frame rate: the last frame of a view is
    frames * stride - 1 after its first, the distances between them are not whole."""
    last = max(count - frames * stride, 0)
    starts = [view * (last // (number - 1)) for view in range(number)] if number > 1 else []
    steps = np.linspace(0, frames * stride - 1, frames)
    return [frame_numbers((start + steps) % count) for start in starts or [last // 2]]


def _uniformerv2(count: int, frames: int, stride: int, number: int) -> list[View]:
    """UniFormerV2, VideoMamba: sparse; the views lie at equal distances within a segment."""
    segment = (count - 1) / frames
    starts = np.round(segment * np.arange(frames)).astype(int)
    offsets = [int(segment / (number + 1) * (view + 1)) for view in range(number)]
    return [frame_numbers(starts + offset) for offset in offsets]


def _slowfast(count: int, frames: int, stride: int, number: int) -> list[View]:
    """SlowFast without DATA.USE_OFFSET_SAMPLING: the last view ends before the clip's end."""
    room = max(count - frames * stride, 0)
    return [_spread(count, frames, stride, room * view / number) for view in range(number)]


def _slowfast_offset(count: int, frames: int, stride: int, number: int) -> list[View]:
    """SlowFast with DATA.USE_OFFSET_SAMPLING: a single view is in the middle."""
    room = max(count - frames * stride, 0)
    starts = [view * (room // (number - 1)) for view in range(number)] if number > 1 else []
    return [_spread(count, frames, stride, start) for start in starts or [room // 2]]


def _spread(count: int, frames: int, stride: int, start: float) -> View:
    # torch's float32: numpy's float64 gives other frames where a sum is near a whole number
    seen = torch.linspace(start, start + frames * stride - 1, frames)
    return tuple(seen.clamp(0, count - 1).long().tolist())


def _ibm(count: int, frames: int, stride: int, number: int) -> list[View]:
    """IBM's action-recognition-pytorch: dense with a stride, else uniform."""
    return ibm_sampling.frames_in_test(count, frames, max(stride, 1), stride > 0, number)


def _floored(count: int, frames: int, stride: int, number: int) -> list[View]:
    """IntegralAction: evenly spaced starts, rounded down."""
    last = latest_start(count, frames, stride)
    starts = [last * view // (number - 1) for view in range(number)] if number > 1 else [0]
    return [strided_frames(count, frames, stride, start) for start in starts]


def _torchvision(count: int, frames: int, stride: int, number: int) -> list[View]:
    """torchvision's UniformClipSampler over the clip at 1 / stride of its frame rate."""
    last = max(-(-count // stride) - frames, 0)
    starts = torch.linspace(0, last, number).floor().long().tolist()
    return [strided_frames(count, frames, stride, stride * start) for start in starts]


@dataclass(frozen=True)
class Sampler:
    """A way to choose the frames of the test views."""

    views: Callable[[int, int, int, int], list[View]]
    """(frames of the clip, frames of a view, stride, views) -> frame numbers of each view."""
    spread: bool
    """Whether it can spread the frames over the whole clip (stride 0)."""
    strided: bool
    """Whether it can keep a distance between frames."""


SAMPLERS: dict[str, Sampler] = {
    # its own SampleFrames with a stride; with stride 0 this project's
    "mmaction2": Sampler(lambda c, f, s, n: views(c, f, n, s), spread=True, strided=True),
    "mmaction2_fps": Sampler(_mmaction2_fps, spread=False, strided=True),
    "uniformerv2": Sampler(_uniformerv2, spread=True, strided=False),
    "slowfast": Sampler(_slowfast, spread=False, strided=True),
    "slowfast_offset": Sampler(_slowfast_offset, spread=False, strided=True),
    "ibm": Sampler(_ibm, spread=True, strided=True),
    "integralaction": Sampler(_floored, spread=False, strided=True),
    "torchvision": Sampler(_torchvision, spread=False, strided=True),
}
"""By evaluate.sampling."""


def frames_of_views(name: str, count: int, frames: int, stride: int, number: int) -> list[View]:
    """Frame numbers of `number` test views of a clip of `count` frames.

    A view has `frames` frames, `stride` apart (0: spread over the clip), all within 0 to count - 1.
    `name`: a name of SAMPLERS that takes this stride (`check_sampling`).
    """
    return SAMPLERS[name].views(count, frames, stride, number)


def check_sampling(name: str, stride: int) -> None:
    """Raises UserError where a network with this stride cannot be sampled in this way."""
    sampler = SAMPLERS[name]
    if sampler.strided if stride else sampler.spread:
        return
    wanted = [other for other, one in SAMPLERS.items() if (one.strided if stride else one.spread)]
    how = f"{stride} frames apart" if stride else "spread over the whole clip"
    raise UserError(
        f"evaluate.sampling: wanted one of {', '.join(wanted)} for a network whose frames are "
        f"{how}, got {name}; change it"
    )
