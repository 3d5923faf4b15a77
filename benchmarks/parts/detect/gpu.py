"""GPU utilisation, from NVML where its package is there, else from nvidia-smi."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def utilisation(every_seconds: float = 0.1) -> Iterator[list[int]]:
    """Sample the share of time in which a kernel runs, per cent; empty where nothing tells."""
    samples: list[int] = []
    read = _reader()
    if read is None:
        yield samples
        return
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(every_seconds):
            try:
                samples.append(read())
            except Exception:  # a GPU in parts (MIG) has no such number
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _reader() -> Callable[[], int] | None:
    """A function that reads the utilisation of the current GPU now, per cent."""
    import torch

    if not torch.cuda.is_available():
        return None
    name = _identity()
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = (
            pynvml.nvmlDeviceGetHandleByUUID(name) if name else pynvml.nvmlDeviceGetHandleByIndex(0)
        )
        return lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except Exception:  # no pynvml, or no driver
        return _smi_reader(name)


def _identity() -> str | None:
    """UUID of the current GPU, as NVML writes it; None for a torch that does not tell."""
    import torch

    found = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", None)
    return None if found is None else f"GPU-{found}"


def _smi_reader(name: str | None) -> Callable[[], int] | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    line = [program, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    line += ["-i", name or "0"]

    def read() -> int:
        done = subprocess.run(line, capture_output=True, text=True, timeout=10, check=True)
        return int(done.stdout.split()[0])

    return read


def text(samples: list[int]) -> str:
    """Mean of the samples, for the printed table."""
    return f"{statistics.mean(samples):.0f} %" if samples else "n/a"
