"""CAR: the forward pass of a pair of clips and the loss on their logits.

L = CE(label, P) + alpha KL(P || Y), P = softmax(p), Y = softmax(p - c).

p are the logits of the clip, c those of its counterfactual, the same clip with the actor erased.
Eq. 4 of the paper prints the first term as -sum P log(label), which is infinite for every one-hot
label. The paper's table for alpha = 0 equals plain training, so the first term is the ordinary
cross entropy. The second term of Eq. 4 is KL(P || Y) as printed (`kl_p_y`); `ce_y` is -log
Y[label], as the authors' figure suggests. `uniform` is KL(U || softmax(c)), U uniform: human mask
confusion (Choi et al.: Why Can't I Dance in the Mall?, NeurIPS 2019, arXiv 1912.05534), which asks
of a clip without its actor that it says nothing. Gradients flow through p and c unless
they are detached. With soft targets (mixup, label smoothing) both cross entropies use them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class LossTerms(NamedTuple):
    """The loss terms of the clips of a batch."""

    each: Tensor
    """float32 (N,), `ce` + alpha * `causal`; training minimises the mean over a step's clips."""
    ce: Tensor
    """float32 (N,), cross entropy, natural logarithm."""
    causal: Tensor
    """float32 (N,), causal term before the factor alpha; 0 where it is dropped."""
    dropped: Tensor
    """bool (N,), whether the clip has no usable counterfactual. All False where alpha is 0."""

    @property
    def loss(self) -> Tensor:
        """float32 scalar, the mean of `each`."""
        return self.each.mean()


def car_loss(
    clip_logits: Tensor,
    targets: Tensor,
    counterfactual_logits: Tensor | None = None,
    present: Tensor | None = None,
    *,
    alpha: float = 1.0,
    causal_term: str = "kl_p_y",
    detach_prediction: bool = False,
    detach_counterfactual: bool = False,
    empty_masks: str = "drop",
) -> LossTerms:
    """The loss of a batch, in float32 outside autocast (float64 stays).

    `clip_logits` (N, K); `targets`: labels int64 (N,), or soft targets float (N, K) whose rows sum
    to 1; `present` bool (N,): whether the clip has a counterfactual, None: all have;
    `counterfactual_logits` (M, K), M = present.sum(), in the same order, None for M = 0.
    A clip in which nothing is erased is its own counterfactual: Y is uniform, and the causal term
    penalises confidence. `empty_masks` drop: such a clip has no causal term and is counted as
    dropped; keep: it has that term.
    """
    with torch.autocast(clip_logits.device.type, enabled=False):
        p = _exact(clip_logits)
        targets = targets.to(p.dtype) if targets.is_floating_point() else targets
        ce = F.cross_entropy(p, targets, reduction="none")
        zeros, none = torch.zeros_like(ce), torch.zeros_like(ce, dtype=torch.bool)
        if alpha == 0:
            return LossTerms(ce, ce, zeros, none)
        if counterfactual_logits is None:
            counterfactual_logits, present = p[:0], none
        present = ~none if present is None else present
        c = _exact(counterfactual_logits)
        p = p.detach() if detach_prediction else p
        c = c.detach() if detach_counterfactual else c
        if empty_masks == "keep":
            its_own = p.detach() if detach_counterfactual else p
            c = its_own.masked_scatter(present[:, None], c)
            causal = CAUSAL_TERMS[causal_term](p, c, targets)
            return LossTerms(ce + alpha * causal, ce, causal, none)
        term = CAUSAL_TERMS[causal_term](p[present], c, targets[present])
        causal = zeros.masked_scatter(present, term)
        return LossTerms(ce + alpha * causal, ce, causal, ~present)


def _exact(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _kl_p_y(p: Tensor, c: Tensor, targets: Tensor) -> Tensor:
    # Both as logarithms: P * log(P / Y) is nan or inf for logits of several hundred.
    log_p, log_y = F.log_softmax(p, dim=1), F.log_softmax(p - c, dim=1)
    return F.kl_div(log_y, log_p, reduction="none", log_target=True).sum(dim=1)


def _ce_y(p: Tensor, c: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(p - c, targets, reduction="none")


def _uniform(p: Tensor, c: Tensor, targets: Tensor) -> Tensor:
    # KL(U || C) with C = softmax(c): the mean of log(1 / K) - log C
    return -F.log_softmax(c, dim=1).mean(dim=1) - math.log(c.shape[1])


CAUSAL_TERMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "kl_p_y": _kl_p_y,
    "ce_y": _ce_y,
    "uniform": _uniform,
}
"""By train.causal_term: (p (N, K), c (N, K), targets) -> float32 (N,)."""


_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast_for(precision: str, device: str) -> torch.autocast:
    """The autocast context for train.precision; weights stay float32."""
    dtype = _DTYPES.get(precision, torch.bfloat16)
    return torch.autocast(device.split(":")[0], dtype, enabled=precision in _DTYPES)


def paired_logits(
    model: nn.Module,
    clips: Tensor,
    counterfactuals: Tensor | None,
    present: Tensor | None = None,
    *,
    forward: str,
    noise: str = "same",
) -> tuple[Tensor, Tensor | None]:
    """Logits p (N, K) and c (M, K) of clips and counterfactuals; c is None without counterfactuals.

    `clips`, `counterfactuals`: normalised, float32 (N, 3, T, H, W) and (M, 3, T, H, W); `present`
    bool (N,): the clips that the counterfactuals belong to, None: M = N; `forward`:
    train.counterfactual_forward; `noise`: train.counterfactual_noise.

    With noise `same` a network with dropout or stochastic depth sees the counterfactuals in a
    second pass, from the state of the random generators that the first began with, each in the row
    of its clip, so that both get the same masks. Rows without a counterfactual repeat those of
    others there, and their logits are dropped: batch norm sees erased clips only. A network with
    batch norm and forward `shared` sees one batch, whose rows have masks of their own.
    """
    if counterfactuals is None:
        return model(clips), None
    norms = any(isinstance(module, _BatchNorm) for module in model.modules())
    mixed = forward == "shared" and norms
    if noise == "same" and model.training and not mixed and has_noise(model):
        return _with_same_noise(model, clips, counterfactuals, present)
    if forward == "shared" or (forward == "auto" and not norms):
        p, c = model(torch.cat([clips, counterfactuals])).split([len(clips), len(counterfactuals)])
        return p, c
    p = model(clips)
    with _statistics_kept(model):
        return p, model(counterfactuals)


def _with_same_noise(
    model: nn.Module, clips: Tensor, counterfactuals: Tensor, present: Tensor | None
) -> tuple[Tensor, Tensor]:
    number, there = len(clips), len(counterfactuals)
    rows = torch.arange(number, device=clips.device)
    if present is not None and 0 < there < number:
        absent = ~present
        rows[present], rows[absent] = rows[:there].clone(), rows[: number - there] % there
    before = _random_state(clips)
    p = model(clips)
    _set_random_state(before, clips)
    with _statistics_kept(model):
        c = model(counterfactuals[rows] if 0 < there < number else counterfactuals)
    return p, c[present] if 0 < there < number else c


def has_noise(model: nn.Module) -> bool:
    """Whether a network draws random numbers in training: dropout or stochastic depth.

    Counted are modules whose class says that it drops something, by the attribute p, and all
    modules by attributes that are called dropout or drop path, for attention that drops without a
    module of its own. Of networks of transformers those stand in the configuration.
    """
    return any(_drops(module) for module in model.modules())


_DROPPING = ("dropout", "stochasticdepth", "droppath")


def _drops(module: nn.Module) -> bool:
    of_class = type(module).__name__.lower().startswith(_DROPPING)
    config = getattr(module, "config", None)
    values = vars(module) | (vars(config) if hasattr(config, "model_type") else {})
    return any(
        isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
        for name, value in values.items()
        if "drop" in name.lower() or (of_class and name == "p")
    )


def _random_state(like: Tensor) -> tuple[Tensor, Tensor | None]:
    on_cuda = torch.cuda.get_rng_state(like.device) if like.is_cuda else None
    return torch.get_rng_state(), on_cuda


def _set_random_state(state: tuple[Tensor, Tensor | None], like: Tensor) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], like.device)


class PairedForward(nn.Module):
    """`paired_logits` of a network as one module, for torch's DistributedDataParallel.

    DDP waits for every process in each forward and backward pass of the module that it wraps. With
    one call per batch all processes do the same number of passes, whether or not they have a
    counterfactual. A process without a clip in its part calls the module with None and runs the
    backward pass of the returned 0.
    """

    def __init__(self, model: nn.Module, forward: str, noise: str = "same") -> None:
        """`forward`: train.counterfactual_forward; `noise`: train.counterfactual_noise."""
        super().__init__()
        self.model, self._how, self._noise = model, forward, noise

    def forward(
        self,
        clips: Tensor | None,
        counterfactuals: Tensor | None = None,
        present: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Logits float32 (N, K) and (M, K) or None of clips float32 (N, 3, T, H, W) and
        counterfactuals float32 (M, 3, T, H, W) or None, those of the clips that are `present`, bool
        (N,); without clips a scalar 0, whose gradients are 0."""
        if clips is not None:
            return paired_logits(
                self.model, clips, counterfactuals, present, forward=self._how, noise=self._noise
            )
        # DDP waits for the gradient of every parameter, so the 0 must depend on all of them
        every = [p.sum() for p in self.model.parameters() if p.requires_grad]
        return 0 * torch.stack(every).sum(), None


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch, as in training, but does not update its statistics."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
