"""Interleaved measurements of the readers: all of them slow down with the machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parts.loader.inputs import ReadJob
from parts.loader.readers import Reader


@dataclass(frozen=True)
class Cost:
    """Cost of one read, or a rate: wall and CPU time, seconds or per second."""

    wall: float
    cpu: float


def measure_readers(
    readers: dict[str, Reader], jobs: Sequence[ReadJob], turns: int
) -> dict[str, list[list[Cost]]]:
    """Reader -> for each job the cost of each turn; the order of the readers rotates."""
    costs: dict[str, list[list[Cost]]] = {name: [[] for _ in jobs] for name in readers}
    names = list(readers)
    for turn in range(turns):
        for number, job in enumerate(jobs):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                costs[name][number].append(_cost(readers[name], job))
    return costs


def _cost(read: Reader, job: ReadJob) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    read(job)
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def best_rates(costs: Sequence[Sequence[Cost]]) -> Cost:
    """Clips per second of wall and CPU time, with the best turn of each job."""
    return Cost(
        len(costs) / sum(min(cost.wall for cost in job) for job in costs),
        len(costs) / sum(min(cost.cpu for cost in job) for job in costs),
    )


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two clips of one shape, uint8 (T, H, W, 3), levels."""
    assert one.shape == other.shape, (one.shape, other.shape)
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())
