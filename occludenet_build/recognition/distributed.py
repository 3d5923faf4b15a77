"""The processes of one training under torchrun: who they are, what they share, how they agree.

Each has the whole network and a part of every batch, which may be empty. Torch's
DistributedDataParallel averages their gradients in the last backward of a step of the optimizer, so
that all take the same step.
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

from occludenet_build.config import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import resolve_device
from occludenet_build.recognition.car import PairedForward


@dataclass(frozen=True)
class Process:
    """One process: its number and how many there are. One alone has nobody to talk to."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Of the process that writes files and log."""
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
        """What every process says, in their order."""
        if self.size == 1:
            return texts
        every: list[list[str]] = [[] for _ in range(self.size)]
        dist.all_gather_object(every, texts)
        return [text for one in every for text in one]

    def shared(self, pair: PairedForward) -> nn.Module:
        """The same network, whose gradients a backward averages over all processes.

        Every process calls it once per step outside `no_sync`, a process without clips with None.
        Torch's `Join` does not do for that: it is for a process whose data end before the others'.
        Within `Join` it gets the others' weights but takes no step of its own, so that its
        optimizer lacks the moments of that step when it goes on with the next.
        """
        if self.size == 1:
            return pair
        with warnings.catch_warnings():  # the newest torch has another name, unknown to 2.6
            warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
            # each process keeps its own statistics, as average_statistics averages them
            return DistributedDataParallel(pair, broadcast_buffers=False)

    def average_statistics(self, model: nn.Module) -> None:
        """Running statistics of batch norm become the mean of all processes', so that a
        checkpoint of one stands for all."""
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
        """Until all are here."""
        self.total([0.0])

    def wait_for_end(self) -> None:
        """Until the first process has ended; torchrun stops all as soon as one fails, and it has
        something to say."""
        try:
            self.wait()
        except RuntimeError:  # that the connection is gone
            pass


ALONE = Process()


def rank_and_size() -> tuple[int, int]:
    """(number of this process, how many), as torchrun says; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def process_group(settings: Train) -> Iterator[tuple[Process, str]]:
    """This process and its device, within torch's process group.

    Raises UserError where torchrun started another number of processes than train.processes, or the
    devices do not suffice.
    """
    rank, size = rank_and_size()
    if size != settings.processes:
        raise UserError(
            f"train.processes: wanted {settings.processes} processes, got {size}; start with "
            f"torchrun --standalone --nproc-per-node {settings.processes} -m -- "
            "occludenet_build train"
        )
    if size == 1:
        yield ALONE, resolve_device(settings.device)
        return
    device = _own_device(settings.device)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"  # what is agreed on lies on the CPU, gradients on the GPU
    else:
        backend = "gloo"
    # of convolutions of one pixel, which torch lays out in another order: no harm
    warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield Process(rank, size), device
    finally:
        dist.destroy_process_group()


def _own_device(wanted: str) -> str:
    """A GPU for each process."""
    found = resolve_device(wanted)
    if found == "cpu":
        return found
    local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if wanted not in ("auto", "cuda") or local >= there:
        raise UserError(
            "train.processes: wanted a GPU for each process and train.device auto, cuda or cpu, "
            f"got {there} GPUs and {wanted!r}; change one of them"
        )
    return f"cuda:{local}"
