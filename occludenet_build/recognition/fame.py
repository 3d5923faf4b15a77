"""FAME: the moving foreground of a clip on the background of another one.

S. Ding et al.: Motion-aware Contrastive Video Representation Learning via Foreground-background
Merging, CVPR 2022 (arXiv 2109.15130). One mask for a clip, without a detector:

- motion: the mean absolute difference of consecutive frames, blurred
- seeds: the half of the pixels that moves most is the first guess of the foreground, the tenth
  that moves least of the background
- colours: how probable each colour of the mean frame is among either, P(colour | foreground) and
  P(colour | background), in 10 x 10 x 10 cells of HSV with the hue as a point on a circle
- the share P(.|F) / (P(.|F) + P(.|B)), blurred; its largest `fame_keep` of the pixels (the paper's
  beta, 0.5) are the foreground, the others are taken from the other clip, frame by frame

Figures as in the authors' code (blur over a tenth of the side, sigma a third of that). Their use is
contrastive pretraining; as an augmentation of supervised training that keeps the label it is one of
StillMix's comparators, and so it is here. What differs: the other clip is never the clip itself
(theirs comes from a permutation, which may leave a clip in its place).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from occludenet_build.config import Mix
from occludenet_build.recognition.still import another_of_each, coins

_MOVING, _STILL = 0.5, 0.1
"""Shares of the pixels that are seeds of the foreground and of the background."""
_CELLS = 10
"""Per axis of the colours."""


def on_other_backgrounds(
    clips: Tensor, settings: Mix, random: np.random.Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """What pastes the foreground of pictures of these clips, uint8 (N, T, H, W, 3), on others.

    The counterfactual of a clip has the clip's own mask. A clip alone in its batch stays as it is.
    """
    chosen = coins(len(clips), settings, random)
    others = another_of_each(len(clips), random)
    masks = torch.ones(len(clips), *clips.shape[2:4], dtype=torch.bool)
    for number in np.flatnonzero(chosen):
        masks[number] = torch.from_numpy(foreground(clips[number], settings.fame_keep))
    masks = masks.to(clips.device)
    backgrounds = torch.as_tensor(others, device=clips.device)

    def change(pictures: Tensor, which: Tensor) -> Tensor:
        kept = masks[which][:, None, :, :, None]
        return torch.where(kept, pictures, clips[backgrounds[which]])

    return change


def foreground(clip: Tensor, keep: float) -> np.ndarray:
    """uint8 (T, H, W, 3) -> bool (H, W), `keep` of the pixels True; the same ones on any device."""
    whole = clip.to(torch.int32)  # sums of whole numbers have no order
    changes = (whole[1:] - whole[:-1]).abs().sum(dim=(0, 3))
    motion = _blurred(changes.cpu().numpy().astype(np.float32))
    cells = _colour_cells(whole.sum(dim=0).cpu().numpy().astype(np.float32) / (255 * len(clip)))
    order = np.argsort(motion, axis=None, kind="stable")
    still = order[: max(1, int(_STILL * order.size))]
    moving = order[order.size - max(1, int(_MOVING * order.size)) :]
    of_foreground = np.bincount(cells[moving], minlength=_CELLS**3) / len(moving)
    # One more in each cell: a colour that neither has is no foreground.
    of_background = np.bincount(cells[still], minlength=_CELLS**3) + 1.0
    of_background /= of_background.sum()
    likely = (of_foreground / (of_foreground + of_background))[cells]
    likely = _blurred(likely.reshape(motion.shape).astype(np.float32))
    mask = np.zeros(likely.size, bool)
    mask[np.argsort(-likely, axis=None, kind="stable")[: max(1, round(keep * likely.size))]] = True
    return mask.reshape(likely.shape)


def _blurred(values: np.ndarray) -> np.ndarray:
    """float32 (H, W), over a tenth of the shorter side."""
    side = int(0.1 * min(values.shape)) // 2 * 2 + 1
    return cv2.GaussianBlur(values, (side, side), side / 3)


def _colour_cells(picture: np.ndarray) -> np.ndarray:
    """float32 (H, W, 3) RGB in 0..1 -> (H * W,) int64, the number of each pixel's colour cell."""
    hue, saturation, value = np.moveaxis(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), -1, 0)
    angle = np.deg2rad(hue)
    axes = (saturation * np.cos(angle) + 1) / 2, (saturation * np.sin(angle) + 1) / 2, value
    x, y, z = (np.rint(axis * (_CELLS - 1)).astype(np.int64).ravel() for axis in axes)
    return x + _CELLS * (y + _CELLS * z)
