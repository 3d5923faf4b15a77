"""The processes of one training under torchrun: who they are, what they share, how they agree.

Each has the whole network and a part of every batch; their gradients are added up once per step of
the optimizer, so that all take the same step. This is done here and not by torch's wrapper, which
waits for ever for a process that has no clip or no counterfactual in its part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from occludenet_build.config import Train
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import resolve_device

_BUCKET = 2**24
"""Numbers that travel at once."""


@dataclass(frozen=True)
class Team:
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

    def add_gradients(self, model: nn.Module) -> None:
        """Every gradient becomes the sum of those of all processes.

        One that no process has stays None, so that the optimizer leaves that parameter alone.
        """
        if self.size == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        learnt = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8)
        dist.all_reduce(learnt, dist.ReduceOp.MAX)
        wanted = [p for p, one in zip(parameters, learnt.tolist(), strict=True) if one]
        for bucket in _buckets(wanted):
            flat = torch.cat([_gradient(parameter).flatten() for parameter in bucket])
            dist.all_reduce(flat)
            parts = flat.split([parameter.numel() for parameter in bucket])
            for parameter, part in zip(bucket, parts, strict=True):
                parameter.grad = part.view_as(parameter)

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


ALONE = Team()


def numbers() -> tuple[int, int]:
    """(number of this process, how many), as torchrun says; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def joined(settings: Train) -> Iterator[tuple[Team, str]]:
    """The team, and this process's device. Raises UserError where torchrun started another number
    of processes than train.processes, or the devices do not suffice."""
    rank, size = numbers()
    if size != settings.processes:
        raise UserError(
            f"train.processes: wanted {settings.processes} processes, got {size}; start with "
            f"torchrun --standalone --nproc-per-node {settings.processes} -m -- "
            "occludenet_build.train"
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
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield Team(rank, size), device
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


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Consecutive ones of one kind of number, about _BUCKET numbers together."""
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        full = sum(p.numel() for p in bucket) >= _BUCKET
        if bucket and (full or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
