"""StillMix's mixing step: one still picture of another clip laid over every frame of a clip.

H. Li, Y. Liu, H. Zhang, B. Li: Mitigating and Evaluating Static Bias of Action Representations in
the Background and the Foreground, ICCV 2023 (arXiv 2211.12883). A still picture carries whatever a
single frame tells about an action and nothing of its motion; where it is mixed in under another
clip's label, a network that goes by single frames is wrong. Figures as in the authors' code: shares
from Beta(200, 200), so near one half, one for a batch; a coin for each clip; the label stays.

The stills come from a bank of frames which a 2D reference network classifies with most confidence
(reference.py). Without a bank, `train.mix.stills: random`, the still is a random frame of another
clip of the batch: the authors' own variant, `StillMixRandomBlending` in their code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from occludenet_build.config import Mix


def with_stills(
    clips: Tensor, settings: Mix, random: np.random.Generator, bank: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """What mixes the stills that were drawn into pictures of these clips, (N, T, H, W, 3).

    bank: uint8 (B, H, W, 3), or None for frames of the batch, of which a clip alone has none of
    another and stays as it is.
    """
    number, frames = clips.shape[:2]
    share = float(random.beta(settings.still_beta, settings.still_beta))
    if bank is not None:
        coined = random.random(number) < settings.probability
        stills = bank[torch.as_tensor(random.integers(0, len(bank), number))].to(clips.device)
    else:
        coined = coins(number, settings, random)
        others = torch.as_tensor(another_of_each(number, random), device=clips.device)
        moments = torch.as_tensor(random.integers(0, frames, number), device=clips.device)
        stills = clips[others, moments]
    chosen, stills = torch.as_tensor(coined, device=clips.device), stills[:, None]

    def change(pictures: Tensor, which: Tensor) -> Tensor:
        mixed = chosen[which]
        seen = pictures.clone()
        seen[mixed] = blended(pictures[mixed], stills[which[mixed]], share)
        return seen

    return change


def coins(number: int, settings: Mix, random: np.random.Generator) -> np.ndarray:
    """(number,) bool: which clips are mixed. None where there is no other clip to mix with."""
    return (random.random(number) < settings.probability) & (number > 1)


def another_of_each(number: int, random: np.random.Generator) -> np.ndarray:
    """(number,) positions: for each clip one of the others, all alike probable; itself if alone."""
    steps = random.integers(1, max(number, 2), number)
    return (np.arange(number) + steps) % number


def blended(pictures: Tensor, others: Tensor, share: float) -> Tensor:
    """uint8: `share` of the pictures and the rest of the others, rounded to whole numbers."""
    return (share * pictures.float() + (1 - share) * others.float()).round().to(torch.uint8)
