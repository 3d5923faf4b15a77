"""Distributed training: the processes of one training under torchrun.

Each process has the whole network and a part of every batch, which may be empty. Torch's
DistributedDataParallel averages the gradients in the last backward pass of an optimizer step, so
all processes take the same step.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from occludenet_build.config.loop import Loop
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import resolve_device

NCCL = "cpu:gloo,cuda:nccl"
"""Backend of processes with a GPU each: sums and texts on the CPU, gradients on the GPU."""


@dataclass(frozen=True)
class Process:
    """One of the processes of a training. A single process does not communicate."""

    rank: int = 0
    """Number of this process, from 0."""
    size: int = 1
    """Number of processes."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and log."""
        return self.rank == 0

    def part(self, batch: list[Any]) -> list[Any]:
        """This process's part of a batch, which may be empty."""
        return batch[self.rank :: self.size]

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def gathered(self, texts: list[str]) -> list[str]:
        """The texts of all processes, in the order of their ranks."""
        if self.size == 1:
            return texts
        every: list[list[str]] = [[] for _ in range(self.size)]
        dist.all_gather_object(every, texts)
        return [text for one in every for text in one]

    def shared(self, network: nn.Module) -> nn.Module:
        """The network in DistributedDataParallel, which averages gradients over all processes.

        Every process calls it once per step outside `no_sync`, a process without clips with None.
        Torch's `Join` is not suitable: it is for a process whose data end before the others'.
        Within `Join` a process gets the others' weights but takes no step of its own, so its
        optimizer lacks the moments of that step.
        """
        if self.size == 1:
            return network
        with warnings.catch_warnings():  # newer versions of torch rename it; 2.6 lacks that name
            warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
            # each process keeps its own statistics; average_statistics averages them
            return DistributedDataParallel(network, broadcast_buffers=False)

    def average_statistics(self, model: nn.Module) -> None:
        """Average the running statistics of batch norm over all processes.

        Afterwards a checkpoint of one process is valid for all.
        """
        if self.size == 1:
            return
        kept = [
            statistic
            for norm in model.modules()
            if isinstance(norm, _BatchNorm) and norm.running_mean is not None
            for statistic in (norm.running_mean, norm.running_var)
            if statistic is not None
        ]
        if kept:
            flat = torch.cat(kept)
            dist.all_reduce(flat)
            for statistic, part in zip(kept, flat.split([len(k) for k in kept]), strict=True):
                statistic.copy_(part / self.size)

    def wait(self) -> None:
        """Wait until all processes have called it."""
        self.total([0.0])

    def wait_for_end(self) -> None:
        """Wait until the first process has ended.

        torchrun stops all processes as soon as one fails, and the first must report the error.
        """
        try:
            self.wait()
        except RuntimeError:  # the connection is closed
            pass


ALONE = Process()


def rank_and_size() -> tuple[int, int]:
    """Rank and number of processes, from torchrun's variables; (0, 1) without torchrun."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def process_group(settings: Loop) -> Iterator[tuple[Process, str]]:
    """This process and its device, within torch's process group.

    Raises UserError where torchrun started another number of processes than `processes` says, or
    where there are fewer GPUs than processes.
    """
    rank, size = rank_and_size()
    if size != settings.processes:
        raise UserError(
            f"{settings.SECTION}.processes: wanted {settings.processes} processes, got {size}; "
            f"start with torchrun --standalone --nproc-per-node {settings.processes} -m -- "
            f"occludenet_build {settings.SECTION}"
        )
    if size == 1:
        yield ALONE, resolve_device(settings.device)
        return
    device, process = _own_device(settings), Process(rank, size)
    with joined(device, NCCL if device.startswith("cuda") else "gloo"):
        yield process, device


@contextmanager
def joined(device: str, backend: str) -> Iterator[None]:
    """Within it this process is in torch's process group, whose address torchrun's variables say.

    `backend`: of torch.distributed.
    """
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    # about 1 x 1 convolutions, whose gradients torch lays out in another order; harmless
    warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield
    finally:
        dist.destroy_process_group()


def _own_device(settings: Loop) -> str:
    """The device of this process: a GPU of its own, or the CPU."""
    wanted, section = settings.device, settings.SECTION
    device = resolve_device(wanted)
    if device == "cpu":
        return device
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if wanted not in ("auto", "cuda") or local >= gpus:
        raise UserError(
            f"{section}.processes: wanted a GPU for each process and {section}.device auto, cuda "
            f"or cpu, got {gpus} GPUs and {wanted!r}; change one of them"
        )
    return f"cuda:{local}"
