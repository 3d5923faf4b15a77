"""One step of the optimizer over its accumulated batches, in all processes."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from occludenet_build.config.training import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.seeds import rng, uniform_integer
from occludenet_build.recognition.backbones.registry import input_of
from occludenet_build.recognition.car import LossTerms, PairedForward, autocast_for, car_loss
from occludenet_build.recognition.checkpoint import Tally
from occludenet_build.recognition.distributed import ALONE, Process
from occludenet_build.recognition.mixup import MixedBatch, mix_batch
from occludenet_build.recognition.optim import ema_of, make_optimizer
from occludenet_build.recognition.probe import network_input
from occludenet_build.recognition.training_clips import Batch


@dataclass
class Learner:
    """The network with its optimizer, gradient scaler and moving average."""

    model: nn.Module
    pair: nn.Module
    """PairedForward of the model; with several processes in DistributedDataParallel."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Disabled except for fp16."""
    ema: AveragedModel | None
    """Exponential moving average of the weights, if optimizer.ema is not 0."""
    settings: Train
    device: str
    process: Process
    seed: int
    """Seed of dropout and mixing."""
    mix: str
    """none, or a name of recognition.mixup.KINDS."""
    classes: int
    bank: Tensor | None = None
    """StillMix's stills, uint8 (B, S, S, 3)."""

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
    ) -> Learner:
        """A learner of `model`, which is moved to the device, with a new optimizer and average.

        `mix`: none, or a name of recognition.mixup.KINDS. Raises UserError for fp16 without cuda.
        """
        if settings.precision == "fp16" and not device.startswith("cuda"):
            raise UserError(
                f"train.precision: wanted fp32 or bf16 on {device}, got fp16, whose gradients "
                "underflow and whose scaler needs cuda; change it or train.device"
            )
        model.to(device)
        if process.size > 1 and device.startswith("cuda"):
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return cls(
            model,
            process.shared(
                PairedForward(model, settings.counterfactual_forward, settings.counterfactual_noise)
            ),
            make_optimizer(model, settings),
            torch.amp.GradScaler(device.split(":")[0], enabled=settings.precision == "fp16"),
            ema_of(model, settings.optimizer.ema),
            settings,
            device,
            process,
            seed,
            mix,
            classes,
        )

    @property
    def evaluated(self) -> nn.Module:
        """The network to evaluate: the moving average, where there is one."""
        return self.model if self.ema is None else self.ema.module

    def step(self, batches: Iterable[Batch], *, number: int, first: int, clips: int) -> Tally:
        """Do one step with `batches`, this process's parts of the step's batches.

        `number`: number of the step; `first`: number of its first batch; `clips`: number of clips
        in all batches on all processes, including those that are skipped. Returns the sums over
        all processes. A loss or gradient that is not finite ends all processes with a UserError.
        """
        self.optimizer.zero_grad(set_to_none=True)
        tally = Tally()
        wrong: list[str] = []
        files: list[str] = []
        skipped: list[str] = []
        for batch_number, (batch, following) in enumerate(pairwise(chain(batches, [None])), first):
            assert batch is not None  # only the end marker is None
            files += batch.files
            skipped += [f"skipped {file}: {reason}" for file, reason in batch.skipped]
            with self._gradients_shared(following is None):
                one = self._learn(batch, batch_number, clips)
            wrong += [] if math.isfinite(one.loss) else batch.files
            tally += one
        tally.skipped = len(skipped)
        tally = Tally.from_numbers(self.process.total(tally.numbers()))
        for line in self.process.gathered(skipped) if tally.skipped else ():
            logging.warning("%s", line)
        if not math.isfinite(tally.loss):
            self._stop("loss", tally.loss, number, wrong)
        if tally.clips:
            self._update(number, files, clips / tally.clips)
        return tally

    def _gradients_shared(self, last: bool) -> AbstractContextManager:
        """Context of a backward pass: only in the `last` batch of a step processes average their
        gradients; before it each adds up its own."""
        if last or not isinstance(self.pair, DistributedDataParallel):
            return nullcontext()
        return self.pair.no_sync()

    def _learn(self, batch: Batch, number: int, clips: int) -> Tally:
        """Forward and backward of one batch, which adds to the gradients."""
        if not self._anyone_has(len(batch.files)):
            if self.process.size > 1:
                self.pair(None)[0].backward()
            return Tally()
        torch.manual_seed(self._drawn("step", number) >> 1)
        terms, logits = self._terms(batch, number)
        # DDP averages over processes; times their number this is the sum over all clips of the step
        share = terms.each.sum() / clips * self.process.size
        self.scaler.scale(share).backward()
        return Tally.of(terms, logits, batch.labels)

    def _terms(self, batch: Batch, number: int) -> tuple[LossTerms, Tensor]:
        settings, seen = self.settings, input_of(self.settings)
        present, labels = batch.present.to(self.device), batch.labels.to(self.device)
        clips, erased, targets = self._mixed(batch, present, labels, number)
        pixels = network_input(clips, seen)
        others = None if erased is None else network_input(erased, seen)
        with autocast_for(settings.precision, self.device):
            p, c = self.pair(pixels, others, present)
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
            random=rng(self._drawn("mix", number)),
            bank=self.bank,
        )

    def _complete(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Clips and counterfactuals on the device.

        Synchronized batch norm waits for every process in every forward pass, so a process without
        clips takes part with an empty tensor.
        """
        erased = None if batch.counterfactuals is None else batch.counterfactuals.to(self.device)
        if not self._synchronous:
            return batch.clips.to(self.device), erased
        seen = input_of(self.settings)
        none = torch.empty((0, seen.frames, seen.size, seen.size, 3), dtype=torch.uint8)
        none = none.to(self.device)
        if self._anyone_has(0 if erased is None else len(erased)) and erased is None:
            erased = none
        return batch.clips.to(self.device) if batch.files else none, erased

    def _anyone_has(self, number: int) -> bool:
        """Whether this process has clips, or, with synchronized batch norm, any process."""
        return (self.process.total([number])[0] if self._synchronous else number) > 0

    @cached_property
    def _synchronous(self) -> bool:
        return any(isinstance(module, nn.SyncBatchNorm) for module in self.model.modules())

    def _update(self, number: int, files: list[str], more: float) -> None:
        """The optimizer's step. `more`: number of all clips divided by the number of clips read."""
        self.scaler.unscale_(self.optimizer)
        parameters = list(self.model.parameters())
        for parameter in parameters if more != 1 else ():
            if parameter.grad is not None:
                parameter.grad.mul_(more)
        norm = nn.utils.clip_grad_norm_(parameters, self.settings.clip_gradient or math.inf)
        finite = bool(torch.isfinite(norm))
        # In half precision a gradient may overflow; the scaler then skips the step and scales less.
        if not finite and (not self.scaler.is_enabled() or self.scaler.get_scale() <= 1):
            self._stop("gradient", float(norm), number, files)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if not self._synchronous:
            self.process.average_statistics(self.model)
        if self.ema is not None and finite:  # after the statistics, which it copies
            self.ema.update_parameters(self.model)

    def _stop(self, what: str, value: float, number: int, files: list[str]) -> NoReturn:
        """End the training in all processes; the first raises the error."""
        every = self.process.gathered(files)
        if not self.process.first:
            self.process.wait_for_end()
            raise SystemExit(2)
        raise UserError(
            f"train: the {what} is {value} in step {number}, with the clips {', '.join(every)}; "
            "look at them, or lower train.learning_rate"
        )

    def _drawn(self, purpose: str, batch: int) -> int:
        """A seed for a batch and a purpose; the first process has that of a single process."""
        others = () if self.process.first else (f"process {self.process.rank}",)
        return uniform_integer(self.seed, purpose, str(batch), *others)
