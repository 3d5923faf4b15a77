"""What something costs: CPU of a process with all its children, or of a call in this process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PARTS = Path(__file__).resolve().parents[1]
"""Where `python -m compositor.<part>` is found."""


@dataclass(frozen=True)
class Cost:
    """CPU (user and system) and wall-clock time, seconds."""

    cpu: float = 0.0
    wall: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.wall + other.wall)


def of_command(command: list[str | Path]) -> Cost:
    """Run a program to its end. Raises RuntimeError with its last words where it fails."""
    environment = os.environ | {"PYTHONPATH": str(PARTS)}
    start = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        said = process.stderr.read()
        # wait4 counts this child and the children that it has waited for, and nothing else
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said.decode()[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def of_call(function: Callable[[], object]) -> Cost:
    """Run a function in this process, all its threads counted."""
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)
