"""How training pictures are changed: crop, mirror, RandAugment, erasing; one draw for a pair.

Both clips of a pair go through each step together, as one stack of frames, so whatever is drawn is
drawn once for both. What is drawn depends on the seed alone: torch's generator, which the library
draws from, is set for the call and put back after it.

RandAugment is torchvision's, in the manner of UniFormerV2's recipe, which timm's notation calls
rand-m7-n4-mstd0.5-inc1: n times an operation is drawn and done with probability 1/2, its strength
normal around m of 10 with deviation mstd. Signs, ranges of rotation, shear, shift, solarize and of
the four enhancements are timm's "increasing" ones. What differs from timm's:

- 14 operations: identity in place of invert and solarize-add
- posterize keeps 8 to 4 bits (as in the RandAugment paper), not 4 to 0
- bilinear, not bicubic, where the picture is turned, sheared or shifted
- it comes after the crop (as with single images in timm), not before it (as in SlowFast)

Autocontrast, equalize and contrast go by what is in a picture, so there the two clips of a pair get
the same operation, but not the same table of tones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from occludenet_build.config import Augment
from occludenet_build.recognition.sampling import Draw, cropped

_GREY, _SPREAD = 0.45 * 255, 0.225 * 255
"""Mean and standard deviation of pictures: what a shift lays bare, and the noise of an erasure."""
_STEPS = 1000
"""Strengths from 0 to the largest."""
_LARGEST = 10.0
_ERASED, _ERASED_SHAPE = (0.02, 1 / 3), (0.3, 3.3)
"""Share of the picture and shape (height / width) of an erased rectangle, as in timm."""


def augmented(
    clips: Sequence[np.ndarray], one: Draw, size: int, settings: Augment, seed: int
) -> list[np.ndarray]:
    """The clips of a pair, uint8 (T, H, W, 3) of one shape -> (T, size, size, 3), all in one way.

    `one` has the place of the crop, where its area is not drawn, and the coin for the mirror;
    everything else is a function of `seed`, 0 <= seed < 2**63.
    """
    if settings.area is None:
        clips = [cropped(clip, size, one.top, one.left, one.flip) for clip in clips]
        if settings.randaugment == 0 and settings.erase == 0:
            return list(clips)
    with _torch_seeded(seed):
        stack = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2)
        if settings.area is not None:
            stack = _resized_crop(stack, size, settings)
            stack = stack.flip(-1) if one.flip else stack
        stack = _randaugment(stack, settings)
        stack = _with_noise(stack, len(clips), settings)
    return np.split(stack.permute(0, 2, 3, 1).contiguous().numpy(), len(clips))


@contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _resized_crop(stack: Tensor, size: int, settings: Augment) -> Tensor:
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
    """A rectangle as noise, in all frames the same place, in both clips the same noise."""
    if float(torch.rand(())) >= settings.erase:
        return stack
    erasing = v2.RandomErasing(1.0, _ERASED, _ERASED_SHAPE, value=0)
    place = erasing.make_params([stack])
    if place["v"] is None:  # the library found no rectangle that fits
        return stack
    frames = len(stack) // clips
    noise = torch.randn(frames, 3, place["h"], place["w"]) * _SPREAD + _GREY
    place["v"] = noise.clamp(0, 255).to(torch.uint8).repeat(clips, 1, 1, 1)
    return v2.functional.erase(stack, **place)
