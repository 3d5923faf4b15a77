"""The losses of MOC and STADO.

MOC, section 3: a focal loss of the heat map (CornerNet's, Law and Deng, ECCV 2018, equation 1), L1
of movements and sizes. STADO adds one of its attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from occludenet_build.action_detection.targets import Targets

WEIGHTS = {"hm": 1.0, "mov": 1.0, "wh": 0.1, "mgan": 0.5}
"""Factor of each loss in the sum."""
LEAST = 1e-4
"""Probabilities are clamped to this and 1 minus it."""
ALPHA, BETA = 2, 4
"""Exponents of the focal loss."""


class Losses(NamedTuple):
    """Scalars; each but `total` without its weight."""

    total: Tensor
    hm: Tensor
    mov: Tensor
    wh: Tensor
    mgan: Tensor | None
    """None without attention."""


def detection_losses(
    outputs: Mapping[str, Tensor],
    targets: Targets,
    *,
    released: bool = False,
    weights: Mapping[str, float] = WEIGHTS,
) -> Losses:
    """The losses of a batch, each a scalar float32 (float64 for outputs of float64).

    `outputs`: those of `network.ActionDetector`, `targets` of the same N clips; both have `mgan` or
    neither has. hm and mov, wh are divided by the number of centres and objects in the batch, as
    published, so that a loss is not the mean of the clips'. `released`: the loss of the attention
    is the one of STADO's code; `weights`: factor of each loss in the sum. Raises ValueError where
    only one of both has `mgan`.
    """
    if ("mgan" in outputs) != (targets.mgan is not None):
        raise ValueError("wanted attention in outputs and targets, or in neither")
    with torch.autocast(outputs["hm"].device.type, enabled=False):
        wide = {k: v if v.dtype == torch.float64 else v.float() for k, v in outputs.items()}
        key_cells = targets.index[..., None].expand_as(targets.mov)
        parts = {
            "hm": focal(wide["hm"], targets.hm),
            "mov": _l1(wide["mov"], targets.mov, key_cells, targets.mask),
            "wh": _l1(wide["wh"], targets.wh, targets.index_all, targets.mask),
        }
        if targets.mgan is not None:
            attention = released_attention_loss if released else attention_loss
            parts["mgan"] = attention(wide["mgan"], targets.mgan)
        total = torch.stack([weights[name] * loss for name, loss in parts.items()]).sum()
    return Losses(total, parts["hm"], parts["mov"], parts["wh"], parts.get("mgan"))


def focal(logits: Tensor, heat: Tensor) -> Tensor:
    """The loss of the heat map: logits and heat float32 (N, C, h, w) -> scalar.

    Divided by the number of cells where `heat` is 1; without one, the undivided sum.
    """
    p = logits.sigmoid().clamp(LEAST, 1 - LEAST)
    centre = heat == 1
    hit = p.log() * (1 - p) ** ALPHA
    miss = (1 - p).log() * p**ALPHA * (1 - heat) ** BETA
    return -torch.where(centre, hit, miss).sum() / centre.sum().clamp(min=1)


def attention_loss(attention: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy, mean over all: attention float32 0..1 and target bool (N, K, h, w)."""
    return F.binary_cross_entropy(attention, target.to(attention.dtype))


def released_attention_loss(attention: Tensor, target: Tensor) -> Tensor:
    """What STADO's code minimises: attention float32 0..1 and target bool (N, K, h, w) -> scalar.

    A cross entropy of two classes with p and 1 - p as their logits, in which 1 is the second
    class: it is lowest, 0.31, for p = 0 where attention is wanted and p = 1 elsewhere.
    """
    logits = torch.stack([attention, 1 - attention], dim=1)
    return F.cross_entropy(logits, target.long())


def _l1(outputs: Tensor, wanted: Tensor, cells: Tensor, objects: Tensor) -> Tensor:
    """Mean difference at the cells of the objects.

    outputs (N, 2K, h, w); wanted float32, cells int64 (N, n, 2K); objects bool (N, n).
    """
    given = outputs.flatten(2).transpose(1, 2).gather(1, cells)
    chosen = objects[..., None].to(given.dtype)
    difference = (given * chosen - wanted * chosen).abs().sum()
    return difference / (chosen.sum() * given.shape[2] + 1e-4)
