"""What learns: a network with its optimizer, and one step over its accumulated batches.

The steps of CAR, IntegralAction and MOC differ in what they compute from a batch only
(`Learner.learn`). Accumulation, processes, precision, the checks of loss and gradient, and the
moving average are here.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import Dataset

from occludenet_build.config.loop import Loop
from occludenet_build.core.errors import UserError
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.recognition.curve import Tally
from occludenet_build.recognition.distributed import Process
from occludenet_build.recognition.optim import ema_of, make_optimizer


class ReadBatch(Protocol):
    """What the loop wants of a batch."""

    @property
    def files(self) -> Sequence[str]:
        """Names of the clips that could be read."""

    @property
    def skipped(self) -> Sequence[tuple[str, str]]:
        """(name, reason) of the clips that could not."""


BatchT = TypeVar("BatchT", bound=ReadBatch)
TallyT = TypeVar("TallyT", bound=Tally)


class TrainingItems(Dataset, Generic[BatchT]):
    """Data set of a training: its items by (number, epoch), which alone determine them."""

    def __len__(self) -> int:
        raise NotImplementedError

    @staticmethod
    def collate(items: list[Any]) -> BatchT:
        """One batch of items."""
        raise NotImplementedError


@dataclass
class Learner(ABC, Generic[BatchT, TallyT]):
    """The network with its optimizer, gradient scaler and moving average."""

    model: nn.Module
    parallel: nn.Module
    """The module whose forward pass a step calls; with several processes it is in
    DistributedDataParallel. For None it returns a scalar 0 that depends on all parameters."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Disabled except for fp16."""
    ema: AveragedModel | None
    """Exponential moving average of the weights, if optimizer.ema is not 0."""
    settings: Loop
    device: str
    process: Process
    seed: int
    """Seed of dropout and of everything else that a step draws."""

    TALLY: ClassVar[type[Tally]] = Tally
    """The kind of sums that `learn` returns."""

    @abstractmethod
    def learn(self, batch: BatchT, number: int, clips: int) -> TallyT:
        """Forward and backward pass of a batch, which adds to the gradients; returns its sums.

        `number`: number of the batch since the start of the training; `clips`: number of clips in
        all batches of the step on all processes, which the sum of the losses is divided by.
        """

    def epoch_ended(self, epoch: int) -> None:
        """Called in each process after an epoch, counted from 1, before its checkpoint is saved."""

    @property
    def evaluated(self) -> nn.Module:
        """The network to evaluate: the moving average, where there is one."""
        return self.model if self.ema is None else self.ema.module

    def step(self, batches: Iterable[BatchT], *, number: int, first: int, clips: int) -> Tally:
        """Do one step with `batches`, this process's parts of the step's batches.

        `number`: number of the step; `first`: number of its first batch; `clips`: number of clips
        in all batches on all processes, including those that are skipped. Returns the sums over
        all processes. A loss or gradient that is not finite ends all processes with a UserError.
        """
        self.optimizer.zero_grad(set_to_none=True)
        tally = self.TALLY()
        wrong: list[str] = []
        files: list[str] = []
        skipped: list[str] = []
        for batch_number, (batch, following) in enumerate(pairwise(chain(batches, [None])), first):
            assert batch is not None  # only the end marker is None
            files += batch.files
            skipped += [f"skipped {file}: {reason}" for file, reason in batch.skipped]
            with self._gradients_shared(following is None):
                one = self._learned(batch, batch_number, clips)
            wrong += [] if math.isfinite(one.loss) else batch.files
            tally += one
        tally.skipped = len(skipped)
        tally = self.TALLY.from_numbers(self.process.total(tally.numbers()))
        for line in self.process.gathered(skipped) if tally.skipped else ():
            logging.warning("%s", line)
        if not math.isfinite(tally.loss):
            self._stop("loss", tally.loss, number, wrong)
        if tally.clips:
            self._update(number, files, clips / tally.clips)
        return tally

    def backward(self, losses: Tensor, clips: int) -> None:
        """Backward pass of the losses of a batch, float32 (N,), in a step of `clips` clips."""
        # DDP averages over processes; times their number this is the sum over all clips of the step
        self.scaler.scale(losses.sum() / clips * self.process.size).backward()

    def anyone_has(self, number: int) -> bool:
        """Whether this process has clips, or, with synchronized batch norm, any process."""
        return (self.process.total([number])[0] if self.synchronous else number) > 0

    def drawn(self, purpose: str, batch: int) -> int:
        """A seed for a batch and a purpose; the first process has that of a single process."""
        others = () if self.process.first else (f"process {self.process.rank}",)
        return uniform_integer(self.seed, purpose, str(batch), *others)

    @cached_property
    def synchronous(self) -> bool:
        """Whether batch norm waits for every process in every forward pass."""
        return any(isinstance(module, nn.SyncBatchNorm) for module in self.model.modules())

    def _learned(self, batch: BatchT, number: int, clips: int) -> Tally:
        if not self.anyone_has(len(batch.files)):
            if self.process.size > 1:
                nothing = self.parallel(None)
                (nothing[0] if isinstance(nothing, tuple) else nothing).backward()
            return self.TALLY()
        torch.manual_seed(self.drawn("step", number) >> 1)
        return self.learn(batch, number, clips)

    def _gradients_shared(self, last: bool) -> AbstractContextManager:
        """Context of a backward pass: only in the `last` batch of a step processes average their
        gradients; before it each adds up its own."""
        if last or not isinstance(self.parallel, DistributedDataParallel):
            return nullcontext()
        return self.parallel.no_sync()

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
        if not self.synchronous:
            self.process.average_statistics(self.model)
        if self.ema is not None and finite:  # after the statistics, which it copies
            self.ema.update_parameters(self.model)

    def _stop(self, what: str, value: float, number: int, files: list[str]) -> NoReturn:
        """End the training in all processes; the first raises the error."""
        every = self.process.gathered(files)
        if not self.process.first:
            self.process.wait_for_end()
            raise SystemExit(2)
        section = self.settings.SECTION
        raise UserError(
            f"{section}: the {what} is {value} in step {number}, with the clips "
            f"{', '.join(every)}; look at them, or lower {section}.learning_rate"
        )


def on_device(model: nn.Module, settings: Loop, device: str, process: Process) -> nn.Module:
    """The network on its device, with batch norm over all GPUs where there are several processes.

    Raises UserError for fp16 without cuda.
    """
    if settings.precision == "fp16" and not device.startswith("cuda"):
        section = settings.SECTION
        raise UserError(
            f"{section}.precision: wanted fp32 or bf16 on {device}, got fp16, whose gradients "
            f"underflow and whose scaler needs cuda; change it or {section}.device"
        )
    model.to(device)
    if process.size > 1 and device.startswith("cuda"):
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return model


def learning_parts(
    model: nn.Module, settings: Loop, device: str, head: str
) -> tuple[torch.optim.Optimizer, torch.amp.GradScaler, AveragedModel | None]:
    """Optimizer, scaler and moving average of a network on its device, all new.

    `head`: prefix of the names of the head's parameters; empty: it has none of its own.
    """
    return (
        make_optimizer(model, settings, head),
        torch.amp.GradScaler(device.split(":")[0], enabled=settings.precision == "fp16"),
        ema_of(model, settings.optimizer.ema),
    )
