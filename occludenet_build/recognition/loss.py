"""CAR's loss on logits: L = CE(label, P) + alpha KL(P || Y), P = softmax(p), Y = softmax(p - c).

p are the logits of the clip, c those of its counterfactual, the same clip with the actor erased.
Eq. 4 of the paper prints the first term as -sum P log(label), which is infinite for every one-hot
label; its table for alpha = 0 equals plain training, so the first term is the ordinary cross
entropy. Eq. 4's second term is KL(P || Y) as printed (`kl_p_y`); `ce_y` is -log Y[label], the
reading of the authors' figure. Gradients run through P and through c unless it is detached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Terms(NamedTuple):
    """What a batch costs: `loss` = mean(`ce` + alpha * `causal`)."""

    loss: Tensor
    """Scalar."""
    ce: Tensor
    """(N,) cross entropy of each clip, natural logarithm."""
    causal: Tensor
    """(N,) causal term of each clip before alpha; 0 where it is dropped."""
    dropped: Tensor
    """(N,) bool: the clip has no usable counterfactual. All False where alpha is 0."""


def car_loss(
    clip_logits: Tensor,
    labels: Tensor,
    counterfactual_logits: Tensor | None = None,
    present: Tensor | None = None,
    *,
    alpha: float = 1.0,
    causal_term: str = "kl_p_y",
    detach_counterfactual: bool = False,
) -> Terms:
    """The loss of a batch, in float32 outside autocast (float64 stays).

    clip_logits (N, K); labels (N,) int64; present (N,) bool, None for all: whose actor was
    erased; counterfactual_logits (M, K), M = present.sum(), in the same order, None for M = 0.
    A clip whose actor mask is empty is its own counterfactual: Y would be uniform and the term
    would punish confidence, so such a clip keeps its cross entropy only and is counted.
    """
    with torch.autocast(clip_logits.device.type, enabled=False):
        p = _exact(clip_logits)
        ce = F.cross_entropy(p, labels, reduction="none")
        nothing = torch.zeros_like(ce)
        if alpha == 0:
            return Terms(ce.mean(), ce, nothing, torch.zeros_like(labels, dtype=torch.bool))
        if counterfactual_logits is None or not len(counterfactual_logits):
            return Terms(ce.mean(), ce, nothing, torch.ones_like(labels, dtype=torch.bool))
        if present is None:
            present = torch.ones_like(labels, dtype=torch.bool)
        c = _exact(counterfactual_logits)
        c = c.detach() if detach_counterfactual else c
        term = CAUSAL_TERMS[causal_term](p[present], c, labels[present])
        causal = nothing.masked_scatter(present, term)
        return Terms((ce + alpha * causal).mean(), ce, causal, ~present)


def _exact(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _kl_p_y(p: Tensor, c: Tensor, labels: Tensor) -> Tensor:
    # Both as logarithms: P * log(P / Y) is nan or inf for logits of some hundreds.
    log_p, log_y = F.log_softmax(p, dim=1), F.log_softmax(p - c, dim=1)
    return F.kl_div(log_y, log_p, reduction="none", log_target=True).sum(dim=1)


def _ce_y(p: Tensor, c: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(p - c, labels, reduction="none")


CAUSAL_TERMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "kl_p_y": _kl_p_y,
    "ce_y": _ce_y,
}
"""(p, c, labels) -> (N,), by the name in the settings."""
