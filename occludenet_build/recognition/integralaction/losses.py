"""The losses: cross entropy of the mean-over-frames logits, and the pull of the gate.

In the mode rgb_pose a binary cross entropy between the gate and 1, weighted with 1.5 (the paper
also has 5.0), pulls the gate towards the poses: without it the aggregator would lean on whatever
fits the training set, which is the background (section 3.4 of the paper).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

GATE_WEIGHT = 1.5
LEAST_LOG = -100.0
"""Least logarithm of a gate, as in torch's binary cross entropy: a gate of 0 costs 100."""


@dataclass(frozen=True)
class GateTerms:
    """Losses of each of N clips, float32 (N,)."""

    each: Tensor
    """What is minimised: ce + gate_weight * gate."""
    ce: Tensor
    """Cross entropy of the clip."""
    gate: Tensor
    """Cross entropy of its gate against 1, the mean over frames and channels; 0 without a gate."""


def loss_terms(
    logits: Tensor, labels: Tensor, gate: Tensor | None = None, gate_weight: float = GATE_WEIGHT
) -> GateTerms:
    """The losses of logits float32 (N, K), labels int64 (N,) and the gate float32 (N, T, C).

    Without a gate (rgb_only, pose_only) the loss is the cross entropy. The mean of `each` over the
    batch is the published loss.
    """
    ce = F.cross_entropy(logits.float(), labels, reduction="none")
    if gate is None:
        return GateTerms(ce, ce, ce.new_zeros(len(ce)))
    pull = -gate.float().log().clamp(min=LEAST_LOG).mean(dim=(1, 2))
    return GateTerms(ce + gate_weight * pull, ce, pull)
