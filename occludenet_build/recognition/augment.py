"""Sampling of frames and crops, and augmentation: mirroring, RandAugment, erasing.

Views are random in training and evenly spaced in evaluation.

Both clips of a pair are augmented together, as one stack of frames, so each random value is drawn
once for both. The result depends on the seed only: torch's generator, which the library draws from,
is seeded for the call and restored after it.

RandAugment is torchvision's, with the parameters of UniFormerV2's recipe, which is
rand-m7-n4-mstd0.5-inc1 in timm's notation: n times an operation is drawn and applied with
probability 1/2, with a strength from a normal distribution around m of 10 with deviation mstd.
Signs and the ranges of rotation, shear, shift, solarize and the four enhancements are timm's
"increasing" ones. Differences to timm:

- 14 operations: identity in place of invert and solarize-add
- posterize keeps 8 to 4 bits (as in the RandAugment paper), not 4 to 0
- rotation, shear and shift interpolate bilinearly, not bicubically
- it follows the crop (as for single images in timm), while in SlowFast it precedes it

Autocontrast, equalize and contrast depend on the picture, so the two clips of a pair get the same
operation but not the same tone curve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from occludenet_build.config.training import Augment
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.crops import jittered_crop, multi_scale_crop
from occludenet_build.recognition.ibm_sampling import frames_in_training


@dataclass(frozen=True)
class ViewDraw:
    """The view of a clip and of its counterfactual.

    `frames`: frame numbers; `top`, `left` in [0, 1]: position of the crop, as a share of the range
    that it can move in; `flip`: whether the view is mirrored.
    """

    frames: tuple[int, ...]
    top: float = 0.5
    left: float = 0.5
    flip: bool = False


def draw_view(
    seed: int,
    file: str,
    epoch: int,
    count: int,
    frames: int,
    flip: bool,
    stride: int = 0,
    sampling: str = "own",
) -> ViewDraw:
    """Draw the training view of a clip of `count` frames; it depends on the arguments only.

    With `stride` 0 one frame of each of `frames` equal segments is drawn; else the first frame is
    drawn, and the others follow it `stride` apart. `sampling`: train.sampling; ibm: the frames are
    drawn as in recognition.ibm_sampling, with `stride` as the frames per group of dense samples.
    """
    random = rng(seed, file, "draw", str(epoch))
    if sampling == "ibm":
        legacy = np.random.RandomState(int(random.integers(0, 2**32)))
        chosen = frames_in_training(count, frames, max(stride, 1), stride > 0, legacy)
    elif stride:
        start = int(random.integers(0, latest_start(count, frames, stride) + 1))
        chosen = strided_frames(count, frames, stride, start)
    else:
        chosen = tuple(
            int(random.integers(low, high)) for low, high in frame_segments(count, frames)
        )
    top, left, coin = (float(value) for value in random.random(3))
    return ViewDraw(chosen, top, left, flip and coin < 0.5)


def frame_segments(count: int, parts: int) -> list[tuple[int, int]]:
    """`parts` equal half-open segments of 0..count; where frames are too few, they repeat.

    >>> frame_segments(8, 3)
    [(0, 2), (2, 5), (5, 8)]
    >>> frame_segments(2, 3)
    [(0, 1), (0, 1), (1, 2)]
    """
    edges = [part * count // parts for part in range(parts + 1)]
    return [(low, max(high, low + 1)) for low, high in pairwise(edges)]


def latest_start(count: int, frames: int, stride: int) -> int:
    """The last frame at which `frames` frames, `stride` apart, can start in a clip of `count`."""
    return max(count - ((frames - 1) * stride + 1), 0)


def strided_frames(count: int, frames: int, stride: int, start: int) -> tuple[int, ...]:
    """Frame numbers `stride` apart from `start` on; a clip that is too short is repeated.

    >>> strided_frames(20, 4, 2, 5), strided_frames(5, 4, 2, 0)
    ((5, 7, 9, 11), (0, 2, 4, 1))
    """
    return tuple((start + number * stride) % count for number in range(frames))


def views(count: int, frames: int, number: int, stride: int = 0) -> list[tuple[int, ...]]:
    """Frame numbers of `number` evenly spaced views of a clip of `count` frames.

    With `stride` 0 each view has another offset within the segments; else the starts are spaced
    evenly from the first possible to the last (a single view is in the middle), as in mmaction2.

    >>> views(8, 4, 1)
    [(1, 3, 5, 7)]
    >>> views(8, 4, 2)
    [(0, 2, 4, 6), (1, 3, 5, 7)]
    >>> views(16, 4, 2, stride=2)
    [(0, 2, 4, 6), (9, 11, 13, 15)]
    """
    if stride:
        last = latest_start(count, frames, stride)
        starts = [round(last * view / (number - 1)) for view in range(number)] if number > 1 else []
        return [strided_frames(count, frames, stride, start) for start in starts or [last // 2]]
    # (segment + (view + 1/2) / number) * count / frames, in integers
    return [
        tuple(
            ((2 * number * segment + 2 * view + 1) * count) // (2 * number * frames)
            for segment in range(frames)
        )
        for view in range(number)
    ]


def crop_clip(pictures: np.ndarray, size: int, top: float, left: float, flip: bool) -> np.ndarray:
    """(T, H, W, C) -> (T, size, size, C), any dtype, contiguous. H and W are at least `size`."""
    height, width = pictures.shape[1:3]
    y, x = round(top * (height - size)), round(left * (width - size))
    window = pictures[:, y : y + size, x : x + size]
    return np.ascontiguousarray(window[:, :, ::-1] if flip else window)


_GREY, _SPREAD = 0.45 * 255, 0.225 * 255
"""Mean and standard deviation of pictures, for areas that a shift uncovers and for noise."""
_STEPS = 1000
"""Number of strengths from 0 to the largest."""
_LARGEST = 10.0
"""Largest magnitude of RandAugment in timm's notation."""
_ERASED, _ERASED_SHAPE = (0.02, 1 / 3), (0.3, 3.3)
"""Share of the picture and shape (height / width) of an erased rectangle, as in timm."""


def augment_clips(
    clips: Sequence[np.ndarray], one: ViewDraw, size: int, settings: Augment, seed: int
) -> list[np.ndarray]:
    """Augment the clips of a pair in the same way: uint8 (T, H, W, 3) -> (T, size, size, 3).

    `one` decides on mirroring and, where nothing of a crop is drawn but its place, on that place;
    everything else is a function of `seed`, 0 <= seed < 2**63.
    """
    drawn = _draws_crop(settings)
    if not drawn:
        clips = [crop_clip(clip, size, one.top, one.left, one.flip) for clip in clips]
        if settings.randaugment == 0 and settings.erase == 0:
            return list(clips)
    with _torch_seeded(seed):
        stack = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2)
        if drawn:
            stack = _drawn_crop(stack, size, settings)
            stack = stack.flip(-1) if one.flip else stack
        stack = _randaugment(stack, settings)
        stack = _with_noise(stack, len(clips), settings)
    return np.split(stack.permute(0, 2, 3, 1).contiguous().numpy(), len(clips))


def crop_masks(
    masks: np.ndarray, one: ViewDraw, size: int, settings: Augment, seed: int
) -> np.ndarray:
    """Masks in the crop that `augment_clips` takes with the same arguments, mirrored as there.

    bool (T, H, W) -> bool (T, size, size). RandAugment, which may move pictures a little, and
    erasing leave the masks as they are.
    """
    if not _draws_crop(settings):
        return crop_clip(masks[..., None], size, one.top, one.left, one.flip)[..., 0]
    with _torch_seeded(seed):
        stack = torch.from_numpy(masks[:, None].astype(np.float32))
        stack = _drawn_crop(stack, size, settings)
    cropped = stack[:, 0].numpy() >= 0.5
    return cropped[:, :, ::-1] if one.flip else cropped


@contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _draws_crop(settings: Augment) -> bool:
    """Whether the crop has a drawn size, so that it is resized."""
    return settings.area is not None or settings.crop != "plain"


def _drawn_crop(stack: Tensor, size: int, settings: Augment) -> Tensor:
    if settings.crop == "multi_scale":
        return multi_scale_crop(stack, size)
    if settings.crop == "jitter":
        return jittered_crop(stack, size, settings.jitter)
    assert settings.area is not None
    area, aspect = settings.area, settings.aspect
    return v2.RandomResizedCrop(size, (min(area), max(area)), (min(aspect), max(aspect)))(stack)


def _randaugment(stack: Tensor, settings: Augment) -> Tensor:
    for _ in range(settings.randaugment):
        coin = float(torch.rand(()))
        noise = settings.randaugment_sd * float(torch.randn(()))
        strength = settings.randaugment_magnitude + noise
        step = round(_STEPS * min(max(strength / _LARGEST, 0), 1))
        operation = v2.RandAugment(
            1, step, _STEPS + 1, interpolation=v2.InterpolationMode.BILINEAR, fill=[_GREY] * 3
        )
        stack = operation(stack) if coin < 0.5 else stack
    return stack


def _with_noise(stack: Tensor, clips: int, settings: Augment) -> Tensor:
    """Replace a rectangle by noise: the same place in all frames, the same noise in both clips."""
    if float(torch.rand(())) >= settings.erase:
        return stack
    erasing = v2.RandomErasing(1.0, _ERASED, _ERASED_SHAPE, value=0)
    rectangle = erasing.make_params([stack])
    if rectangle["v"] is None:  # the library found no rectangle that fits
        return stack
    frames = len(stack) // clips
    noise = torch.randn(frames, 3, rectangle["h"], rectangle["w"]) * _SPREAD + _GREY
    rectangle["v"] = noise.clamp(0, 255).to(torch.uint8).repeat(clips, 1, 1, 1)
    return v2.functional.erase(stack, **rectangle)
