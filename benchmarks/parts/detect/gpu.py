"""GPU utilisation."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def utilisation(every_seconds: float = 0.1) -> Iterator[list[int]]:
    """Sample the share of time in which a kernel runs, per cent; empty without CUDA or pynvml."""
    samples: list[int] = []
    handle = _handle()
    if handle is None:
        yield samples
        return
    import pynvml

    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(every_seconds):
            samples.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _handle() -> object | None:
    import torch

    if not torch.cuda.is_available():
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetHandleByIndex(0)
    except Exception:  # no pynvml, or no driver
        return None


def text(samples: list[int]) -> str:
    """Mean of the samples, for the printed table."""
    return f"{statistics.mean(samples):.0f} %" if samples else "n/a"
