"""One batch of CAR: mixing, the forward passes of a pair, the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from occludenet_build.config.training import Train
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.backbones.registry import head_of, input_of
from occludenet_build.recognition.car import LossTerms, PairedForward, autocast_for, car_loss
from occludenet_build.recognition.curve import Tally
from occludenet_build.recognition.distributed import ALONE, Process
from occludenet_build.recognition.learner import Learner, learning_parts, on_device
from occludenet_build.recognition.mixup import MixedBatch, mix_batch
from occludenet_build.recognition.probe import network_input
from occludenet_build.recognition.training_clips import Batch


@dataclass
class CarTally(Tally):
    """Sums over several steps of CAR or of its baseline."""

    ce: float = 0.0
    """Sum of the cross entropy."""
    kl: float = 0.0
    """Sum of the causal term, of any kind (train.causal_term)."""
    dropped: int = 0
    """Clips whose causal term was dropped: no counterfactual, or nothing erased in the view."""
    right: int = 0
    """Clips with a correct prediction."""

    @classmethod
    def of(cls, terms: LossTerms, logits: Tensor, labels: Tensor) -> Self:
        """The sums of one batch with logits float32 (N, K) and labels int64 (N,)."""
        return cls(
            clips=len(labels),
            loss=float(terms.each.detach().double().sum()),
            ce=float(terms.ce.detach().double().sum()),
            kl=float(terms.causal.detach().double().sum()),
            dropped=int(terms.dropped.sum()),
            right=int((logits.detach().argmax(dim=1).cpu() == labels.cpu()).sum()),
        )

    def means(self) -> dict[str, float | int]:
        """Columns of the loss curve: top1 in percent, mean loss, ce and kl, and the counts."""
        number = max(self.clips, 1)
        return {
            "clips": self.clips,
            "loss": self.loss / number,
            "ce": self.ce / number,
            "kl": self.kl / number,
            "dropped": self.dropped,
            "skipped": self.skipped,
            "top1": 100 * self.right / number,
        }

    def line(self) -> str:
        """The means for the log."""
        means, dropped = self.means(), 100 * self.dropped / max(self.clips, 1)
        return (
            f"loss {means['loss']:.4f}, ce {means['ce']:.4f}, kl {means['kl']:.4f}, "
            f"dropped pairs {dropped:.1f} %, skipped {self.skipped}, "
            f"train top-1 {means['top1']:.1f} % of {self.clips}"
        )


@dataclass
class CarLearner(Learner[Batch, CarTally]):
    """A learner of CAR and, with alpha 0, of its baseline."""

    settings: Train
    mix: str
    """none, or a name of recognition.mixup.KINDS."""
    classes: int
    bank: Tensor | None = None
    """StillMix's stills, uint8 (B, S, S, 3)."""

    TALLY = CarTally

    @classmethod
    def of(
        cls,
        model: nn.Module,
        settings: Train,
        *,
        classes: int,
        seed: int,
        device: str,
        process: Process = ALONE,
        mix: str = "none",
    ) -> CarLearner:
        """A learner of `model`, which is moved to the device, with a new optimizer and average.

        `mix`: none, or a name of recognition.mixup.KINDS. Raises UserError for fp16 without cuda.
        """
        model = on_device(model, settings, device, process)
        pair = PairedForward(model, settings.counterfactual_forward, settings.counterfactual_noise)
        parts = learning_parts(model, settings, device, head_of(settings.backbone))
        return cls(
            model, process.shared(pair), *parts, settings, device, process, seed, mix, classes
        )

    def learn(self, batch: Batch, number: int, clips: int) -> CarTally:
        """Forward and backward pass of a batch, which adds to the gradients."""
        terms, logits = self._terms(batch, number)
        self.backward(terms.each, clips)
        return CarTally.of(terms, logits, batch.labels)

    def _terms(self, batch: Batch, number: int) -> tuple[LossTerms, Tensor]:
        settings, seen = self.settings, input_of(self.settings)
        present, labels = batch.present.to(self.device), batch.labels.to(self.device)
        clips, erased, targets = self._mixed(batch, present, labels, number)
        pixels = network_input(clips, seen)
        others = None if erased is None else network_input(erased, seen)
        with autocast_for(settings.precision, self.device):
            p, c = self.parallel(pixels, others, present)
        terms = car_loss(
            p,
            labels if targets is None else targets,
            c,
            present,
            alpha=settings.alpha,
            causal_term=settings.causal_term,
            detach_prediction=settings.detach_prediction,
            detach_counterfactual=settings.detach_counterfactual,
            empty_masks=settings.empty_masks,
        )
        return terms, p

    def _mixed(self, batch: Batch, present: Tensor, labels: Tensor, number: int) -> MixedBatch:
        """The batch on the device, mixed as the arm and the recipe require."""
        return mix_batch(
            *self._complete(batch),
            present,
            labels,
            kind=self.mix,
            settings=self.settings.mix,
            augment=self.settings.augment,
            classes=self.classes,
            random=rng(self.drawn("mix", number)),
            bank=self.bank,
        )

    def _complete(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Clips and counterfactuals on the device.

        Synchronized batch norm waits for every process in every forward pass, so a process without
        clips takes part with an empty tensor.
        """
        erased = None if batch.counterfactuals is None else batch.counterfactuals.to(self.device)
        if not self.synchronous:
            return batch.clips.to(self.device), erased
        seen = input_of(self.settings)
        none = torch.empty((0, seen.frames, seen.size, seen.size, 3), dtype=torch.uint8)
        none = none.to(self.device)
        if self.anyone_has(0 if erased is None else len(erased)) and erased is None:
            erased = none
        return batch.clips.to(self.device) if batch.files else none, erased
