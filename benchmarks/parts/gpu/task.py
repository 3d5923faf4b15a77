"""One measurement: what it may use, its clock, and the notes that outlive it."""

from __future__ import annotations

import json
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARGIN = 0.85
"""Share of the limit after which no further part is begun; the rest is for the one that runs."""


@dataclass
class Task:
    """A measurement in a process of its own. What it notes is on disk at once, so that a process
    that is killed has measured what it noted before."""

    folder: Path
    """Empty, for what it writes."""
    notes: Path
    """The JSON file of its notes."""
    device: str
    tiny: bool
    limit: float
    """Seconds of the clock."""
    clips: Path | None = None
    """Folder of given clips."""
    weights: Path | None = None
    """Folder of given weights."""
    found: dict[str, Any] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def threads(self) -> int:
        """Number of CPU threads; tiny networks take one, since threads that wait for each other
        are slow on a busy machine."""
        return 1 if self.tiny else cores()

    def left(self) -> float:
        """Seconds until the last part should end."""
        return MARGIN * self.limit - (time.monotonic() - self.begun)

    def turn(self, parts: int, most: float = 6.0) -> float:
        """Seconds for one of `parts` timed loops that are still to come."""
        return 0.0 if self.tiny else max(0.5, min(most, 0.5 * self.left() / parts))

    def note(self, **values: Any) -> None:
        """Add values to the notes."""
        self.found |= values
        new = self.notes.with_suffix(".new")
        new.write_text(json.dumps(self.found))
        new.replace(self.notes)

    def part(self, name: str, measure: Callable[[], Any]) -> None:
        """Note what `measure` returns under a name; its error where it fails, and why where there
        is no time for it."""
        if self.left() <= 0:
            self.note(**{name: {"error": f"not begun: {self.limit:.0f} s were used up"}})
            return
        try:
            value = measure()
        except Exception as error:  # a part that fails is a finding, the others go on
            value = described(error)
            del error
            free(self.device)
        self.note(**{name: value})


def described(error: BaseException) -> dict[str, Any]:
    """An error as JSON: its kind and first line, and where it was raised."""
    lines = str(error).strip().splitlines() or [""]
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": f"{type(error).__name__}: {lines[0]}"[:500], "where": where}


def synchronised(device: str) -> None:
    """Wait for the GPU."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def free(device: str) -> None:
    """Free the GPU memory of what is no longer used."""
    from occludenet_build.core.torch_models import free_memory

    if device.startswith("cuda"):
        free_memory()


def rate(act: Callable[[], Any], seconds: float, device: str, least: int = 2) -> float:
    """Calls per second of `act`, called for `seconds`, at least `least` times, after one call.

    Where that one call takes longer than `seconds` (not 0), it is the measurement.
    """
    start = time.perf_counter()
    act()
    synchronised(device)
    first = time.perf_counter() - start
    if 0 < seconds < first:
        return 1 / first
    start, calls = time.perf_counter(), 0
    while calls < least or time.perf_counter() - start < seconds:
        act()
        calls += 1
        if calls % 4 == 0:  # kernels are queued: without this the loop would run ahead of them
            synchronised(device)
    synchronised(device)
    return calls / (time.perf_counter() - start)


@contextmanager
def peak_memory(device: str) -> Iterator[dict[str, float]]:
    """MiB within: allocated and reserved on the GPU, or the most this process ever had resident."""
    import torch

    peak: dict[str, float] = {}
    on_gpu = device.startswith("cuda")
    if on_gpu:
        free(device)
        torch.cuda.reset_peak_memory_stats()
    try:
        yield peak
    finally:
        if on_gpu:
            peak["allocated_mib"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
            peak["reserved_mib"] = round(torch.cuda.max_memory_reserved() / 2**20, 1)
        else:
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            peak["resident_mib"] = round(used / 2**10, 1)


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
