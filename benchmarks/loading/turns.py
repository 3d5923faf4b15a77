"""Readers turn by turn over the same jobs: a machine that slows down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loading.material import Job
from loading.readers import Reader


@dataclass(frozen=True)
class Cost:
    """Of one read: seconds of the clock and of the processor."""

    wall: float
    cpu: float


def measured(
    readers: dict[str, Reader], jobs: Sequence[Job], turns: int
) -> dict[str, list[list[Cost]]]:
    """By reader, for each job the cost of each turn; the order of the readers changes."""
    costs: dict[str, list[list[Cost]]] = {name: [[] for _ in jobs] for name in readers}
    names = list(readers)
    for turn in range(turns):
        for number, job in enumerate(jobs):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                costs[name][number].append(_cost(readers[name], job))
    return costs


def _cost(read: Reader, job: Job) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    read(job)
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def rates(costs: Sequence[Sequence[Cost]]) -> Cost:
    """Clips a second of the clock and of the processor, each job by its best turn."""
    return Cost(
        len(costs) / sum(min(cost.wall for cost in job) for job in costs),
        len(costs) / sum(min(cost.cpu for cost in job) for job in costs),
    )


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two clips, levels of 255; shapes must be the same."""
    assert one.shape == other.shape, (one.shape, other.shape)
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())
