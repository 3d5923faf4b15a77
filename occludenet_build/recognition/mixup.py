"""Mixing of the clips of a batch by StillMix, FAME or mixup, and the resulting targets.

Mixing takes place between the loader and the network, on batches of uint8 pictures. Partners are
clips of the same batch; where processes share a batch, each mixes its own part.

Both clips of a pair are changed in the same way. Mixup mixes a pair with a pair. A clip without a
counterfactual is its own counterfactual, since nothing of it is erased, so as a partner it is mixed
into both clips of the pair. A clip without a counterfactual does not get one from its partner: its
causal term stays dropped.

StillMix (H. Li, Y. Liu, H. Zhang, B. Li: Mitigating and Evaluating Static Bias of Action
Representations in the Background and the Foreground, ICCV 2023, arXiv 2211.12883) blends one still
picture of another clip into every frame of a clip. A still shows the static cues of an action but
no motion; since the label of the clip stays, a network that relies on static cues is penalised.
Parameters as in the authors' code: one share per batch from Beta(200, 200), so near one half; each
clip is mixed with the probability `mix.probability`; the label stays. The stills
come from a bank of frames which a 2D reference network classifies with most confidence
(stillmix_bank.py). Without a bank, `train.mix.stills: random`, the still is a random frame of
another clip of the batch: the authors' own variant, `StillMixRandomBlending` in their code.

FAME (S. Ding et al.: Motion-aware Contrastive Video Representation Learning via
Foreground-background Merging, CVPR 2022, arXiv 2109.15130) puts the moving foreground of a clip on
the background of another clip. A clip has one mask, computed without a detector:

- motion: the mean absolute difference of consecutive frames, blurred
- seeds: the half of the pixels with most motion are seeds of the foreground, the tenth with least
  motion are seeds of the background
- colours: P(colour | foreground) and P(colour | background) of the mean frame's colours among the
  seeds, in 10 x 10 x 10 cells of HSV with the hue as a point on a circle
- the share P(.|F) / (P(.|F) + P(.|B)), blurred; the `fame_keep` of the pixels with the largest
  share (the paper's beta, 0.5) are the foreground, the others come from the other clip, frame by
  frame

Parameters as in the authors' code (blur over a tenth of the side, sigma a third of that). The
authors use FAME for contrastive pretraining; here it is an augmentation of supervised training that
keeps the label, as in the StillMix paper's comparison. One difference: the other clip is never the
clip itself (the authors' permutation may leave a clip in its place).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occludenet_build.config.training import Augment, Mix

_MOVING, _STILL = 0.5, 0.1
"""Shares of the pixels that are seeds of the foreground and of the background."""
_CELLS = 10
"""Per axis of the colours."""

Change = Callable[[Tensor, Tensor], Tensor]
"""(pictures uint8 (K, T, H, W, 3), their clips in the batch int64 (K,)) -> changed pictures."""


class MixedBatch(NamedTuple):
    """A batch after mixing."""

    clips: Tensor
    """uint8 (N, T, H, W, 3)."""
    counterfactuals: Tensor | None
    """uint8 (M, T, H, W, 3), of the same clips as before."""
    targets: Tensor | None
    """float32 (N, classes), each row sums to 1; None: the labels are the targets."""


def mix_batch(
    clips: Tensor,
    counterfactuals: Tensor | None,
    present: Tensor,
    labels: Tensor,
    *,
    kind: str,
    settings: Mix,
    augment: Augment,
    classes: int,
    random: np.random.Generator,
    bank: Tensor | None = None,
) -> MixedBatch:
    """Mix a batch; with kind none and without mixup and label smoothing it stays unchanged.

    `clips` uint8 (N, T, H, W, 3), N may be 0; `counterfactuals` uint8 (M, T, H, W, 3) of the clips
    that are `present`, bool (N,); `labels` int64 (N,); `kind`: none, or a name of KINDS; `random`:
    the generator of all draws; `bank` uint8 (B, H, W, 3): stills for the kind stillmix, or None.
    """
    if not len(clips):
        return MixedBatch(clips, counterfactuals, None)
    pair = clips, counterfactuals
    if kind != "none":
        pair = _changed(KINDS[kind](clips, settings, random, bank), *pair, present)
    if augment.mixup == 0:
        smooth = smoothed_targets(labels, classes, augment.label_smoothing)
        return MixedBatch(*pair, smooth if augment.label_smoothing else None)
    share = float(random.beta(augment.mixup, augment.mixup))
    partners = torch.as_tensor(random.permutation(len(clips)), device=clips.device)
    targets = smoothed_targets(labels, classes, augment.label_smoothing)
    targets = share * targets + (1 - share) * targets[partners.to(labels.device)]
    return MixedBatch(*_with_partners(*pair, present, partners, share), targets)


def smoothed_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Targets float32 (N, classes) of labels int64 (N,): `smoothing` is spread over all classes.

    >>> smoothed_targets(torch.tensor([1]), 4, 0.2)
    tensor([[0.0500, 0.8500, 0.0500, 0.0500]])
    """
    return F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes


def _changed(
    change: Change, clips: Tensor, counterfactuals: Tensor | None, present: Tensor
) -> tuple[Tensor, Tensor | None]:
    every = torch.arange(len(clips), device=clips.device)
    seen = change(clips, every)
    if counterfactuals is None:
        return seen, None
    return seen, change(counterfactuals, every[present.to(clips.device)])


def _with_partners(
    clips: Tensor, counterfactuals: Tensor | None, present: Tensor, partners: Tensor, share: float
) -> tuple[Tensor, Tensor | None]:
    seen = blend(clips, clips[partners], share)
    if counterfactuals is None:
        return seen, None
    present = present.to(clips.device)
    erased = clips.clone()
    erased[present] = counterfactuals
    return seen, blend(counterfactuals, erased[partners[present]], share)


def stillmix(
    clips: Tensor, settings: Mix, random: np.random.Generator, bank: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Draw stills for these clips, uint8 (N, T, H, W, 3), and return the function that mixes them.

    `bank` uint8 (B, H, W, 3), or None for frames of other clips of the batch; then a clip that is
    alone in its batch stays unchanged.
    """
    number, frames = clips.shape[:2]
    share = float(random.beta(settings.still_beta, settings.still_beta))
    if bank is not None:
        coined = random.random(number) < settings.probability
        stills = bank[torch.as_tensor(random.integers(0, len(bank), number))].to(clips.device)
    else:
        coined = draw_mixed_clips(number, settings, random)
        others = torch.as_tensor(another_of_each(number, random), device=clips.device)
        moments = torch.as_tensor(random.integers(0, frames, number), device=clips.device)
        stills = clips[others, moments]
    chosen, stills = torch.as_tensor(coined, device=clips.device), stills[:, None]

    def change(pictures: Tensor, which: Tensor) -> Tensor:
        mixed = chosen[which]
        seen = pictures.clone()
        seen[mixed] = blend(pictures[mixed], stills[which[mixed]], share)
        return seen

    return change


def draw_mixed_clips(number: int, settings: Mix, random: np.random.Generator) -> np.ndarray:
    """bool (N,), N = number: which clips are mixed; none where the batch has only one clip."""
    return (random.random(number) < settings.probability) & (number > 1)


def another_of_each(number: int, random: np.random.Generator) -> np.ndarray:
    """int64 (N,), N = number: for each clip another one, drawn uniformly; itself if it is alone."""
    steps = random.integers(1, max(number, 2), number)
    return (np.arange(number) + steps) % number


def blend(pictures: Tensor, others: Tensor, share: float) -> Tensor:
    """share * pictures + (1 - share) * others, rounded; all uint8 (N, T, H, W, 3)."""
    return (share * pictures.float() + (1 - share) * others.float()).round().to(torch.uint8)


def fame(
    clips: Tensor, settings: Mix, random: np.random.Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """Draw backgrounds for these clips, uint8 (N, T, H, W, 3); return the function that mixes them.

    A counterfactual has the mask of its clip. A clip that is alone in its batch stays unchanged.
    """
    chosen = draw_mixed_clips(len(clips), settings, random)
    others = another_of_each(len(clips), random)
    masks = torch.ones(len(clips), *clips.shape[2:4], dtype=torch.bool)
    for number in np.flatnonzero(chosen):
        masks[number] = torch.from_numpy(foreground_mask(clips[number], settings.fame_keep))
    masks = masks.to(clips.device)
    backgrounds = torch.as_tensor(others, device=clips.device)

    def change(pictures: Tensor, which: Tensor) -> Tensor:
        kept = masks[which][:, None, :, :, None]
        return torch.where(kept, pictures, clips[backgrounds[which]])

    return change


def foreground_mask(clip: Tensor, keep: float) -> np.ndarray:
    """FAME's mask, bool (H, W), of a clip uint8 (T, H, W, 3): the share `keep` of pixels is True.

    The result is the same on every device.
    """
    whole = clip.to(torch.int32)  # integer sums do not depend on the order
    changes = (whole[1:] - whole[:-1]).abs().sum(dim=(0, 3))
    motion = _blurred(changes.cpu().numpy().astype(np.float32))
    cells = _colour_cells(whole.sum(dim=0).cpu().numpy().astype(np.float32) / (255 * len(clip)))
    order = np.argsort(motion, axis=None, kind="stable")
    still = order[: max(1, int(_STILL * order.size))]
    moving = order[order.size - max(1, int(_MOVING * order.size)) :]
    of_foreground = np.bincount(cells[moving], minlength=_CELLS**3) / len(moving)
    # One more in each cell: a colour that neither has is not foreground.
    of_background = np.bincount(cells[still], minlength=_CELLS**3) + 1.0
    of_background /= of_background.sum()
    likely = (of_foreground / (of_foreground + of_background))[cells]
    likely = _blurred(likely.reshape(motion.shape).astype(np.float32))
    mask = np.zeros(likely.size, bool)
    mask[np.argsort(-likely, axis=None, kind="stable")[: max(1, round(keep * likely.size))]] = True
    return mask.reshape(likely.shape)


def _blurred(values: np.ndarray) -> np.ndarray:
    """float32 (H, W), blurred over a tenth of the shorter side."""
    side = int(0.1 * min(values.shape)) // 2 * 2 + 1
    return cv2.GaussianBlur(values, (side, side), side / 3)


def _colour_cells(picture: np.ndarray) -> np.ndarray:
    """float32 (H, W, 3) RGB in 0..1 -> (H * W,) int64, the number of each pixel's colour cell."""
    hue, saturation, value = np.moveaxis(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), -1, 0)
    angle = np.deg2rad(hue)
    axes = (saturation * np.cos(angle) + 1) / 2, (saturation * np.sin(angle) + 1) / 2, value
    x, y, z = (np.rint(axis * (_CELLS - 1)).astype(np.int64).ravel() for axis in axes)
    return x + _CELLS * (y + _CELLS * z)


KINDS: dict[str, Callable[[Tensor, Mix, np.random.Generator, Tensor | None], Change]] = {
    "stillmix": stillmix,
    "fame": lambda clips, settings, random, _: fame(clips, settings, random),
}
"""Mixing function by the arm's name: (clips, settings, random, StillMix's bank) -> Change."""
