"""What mixes the clips of a batch: StillMix, FAME, mixup; and the targets that follow.

After the loader and before the network, on batches of uint8 pictures. Partners come from the batch
that is given: where processes share one out, each mixes its own part.

Both clips of a pair are changed alike. Mixup mixes a pair with a pair; a clip without a
counterfactual stands for it itself, as nothing of it is erased, so where such a clip is the partner
it enters both clips of the pair. A clip that has no counterfactual gets none by its partner: its
causal term stays dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occludenet_build.config import Augment, Mix
from occludenet_build.recognition.fame import on_other_backgrounds
from occludenet_build.recognition.still import blended, with_stills

Change = Callable[[Tensor, Tensor], Tensor]
"""(pictures uint8 (K, T, H, W, 3), (K,) of which clips of the batch they are) -> changed ones."""

KINDS: dict[str, Callable[[Tensor, Mix, np.random.Generator, Tensor | None], Change]] = {
    "stillmix": with_stills,
    "fame": lambda clips, settings, random, _: on_other_backgrounds(clips, settings, random),
}
"""By the arm's name; the labels stay as they are. The last is StillMix's bank."""


class Mixed(NamedTuple):
    clips: Tensor
    """uint8 (N, T, H, W, 3)."""
    counterfactuals: Tensor | None
    """uint8 (M, T, H, W, 3), of the same clips as before."""
    targets: Tensor | None
    """float32 (N, classes), each row sums to 1; None: the labels are the targets."""


def mixed(
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
) -> Mixed:
    """A batch as the network sees it; of the kind `none`, without mixup and smoothing, as it came.

    clips: uint8 (N, T, H, W, 3), N may be 0; counterfactuals: uint8 (M, T, H, W, 3) of the clips
    that are `present`, (N,) bool; labels: (N,) int64; kind: none, or a name of KINDS; random: a
    generator of the step's own, on which all that is drawn hangs; bank: uint8 (B, H, W, 3), the
    stills of the kind stillmix, if it has such.
    """
    if not len(clips):
        return Mixed(clips, counterfactuals, None)
    pair = clips, counterfactuals
    if kind != "none":
        pair = _changed(KINDS[kind](clips, settings, random, bank), *pair, present)
    if augment.mixup == 0:
        smooth = smoothed(labels, classes, augment.label_smoothing)
        return Mixed(*pair, smooth if augment.label_smoothing else None)
    share = float(random.beta(augment.mixup, augment.mixup))
    partners = torch.as_tensor(random.permutation(len(clips)), device=clips.device)
    targets = smoothed(labels, classes, augment.label_smoothing)
    targets = share * targets + (1 - share) * targets[partners.to(labels.device)]
    return Mixed(*_with_partners(*pair, present, partners, share), targets)


def smoothed(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """(N,) -> float32 (N, classes): `smoothing` spread over all classes, the rest on the label's.

    >>> smoothed(torch.tensor([1]), 4, 0.2)
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
    seen = blended(clips, clips[partners], share)
    if counterfactuals is None:
        return seen, None
    present = present.to(clips.device)
    erased = clips.clone()
    erased[present] = counterfactuals
    return seen, blended(counterfactuals, erased[partners[present]], share)
