"""CPU and wall time of a process with its children or of a call, and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_BENCHMARKS = Path(__file__).resolve().parents[1]
_IMPORTED_FROM = (_BENCHMARKS.parent, _BENCHMARKS)
"""Folders that hold `occludenet_build` and `parts`; for child processes."""

Words = Sequence[str | Path]


@dataclass(frozen=True)
class Cost:
    """CPU (user and system) and wall-clock time, seconds."""

    cpu: float = 0.0
    wall: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.wall + other.wall)


Step = Callable[[], Cost]


def of_command(command: Words) -> Cost:
    """Run a program to its end. Raises RuntimeError with the end of its stderr where it fails."""
    inherited = os.environ.get("PYTHONPATH")
    paths = [*map(str, _IMPORTED_FROM), *([inherited] if inherited else [])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    start = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        errors = process.stderr.read()
        # wait4 counts this child and the children that it has waited for only
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(
            f"{command[0]} ended with {process.returncode}: {errors.decode()[-2000:]}"
        )
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def of_call(function: Callable[[], object]) -> Cost:
    """Call a function in this process; the CPU time of all threads counts."""
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def in_turn(steps: Mapping[str, Step], repeats: int) -> dict[str, list[Cost]]:
    """Costs by name; the steps run in turn, forwards and backwards, since later ones run on a
    warmer machine."""
    costs: dict[str, list[Cost]] = {name: [] for name in steps}
    for number in range(repeats):
        for name in list(steps)[:: 1 if number % 2 else -1]:
            costs[name].append(steps[name]())
    return costs


def add_clips(parts: Sequence[Mapping[str, list[Cost]]]) -> dict[str, list[Cost]]:
    """Costs by name, summed over several clips, repetition by repetition."""
    return {
        name: [sum(costs, Cost()) for costs in zip(*(part[name] for part in parts), strict=True)]
        for name in parts[0]
    }


def peak_mib(command: Words) -> float:
    """Peak memory of `python -m module ...`, MiB."""
    return with_peak(command)[1]


def with_peak(command: Words) -> tuple[Cost, float]:
    """Cost of `python -m module ...`, and the peak memory of its largest process, MiB.

    The program reports its memory itself: the value of wait4 includes this process before the exec.
    """
    python, _, module, *arguments = command
    with tempfile.NamedTemporaryFile() as note:
        cost = of_command([python, "-c", _REPORTING, note.name, module, *arguments])
        return cost, int(note.read()) / 1024


_REPORTING = """
import resource, runpy, sys
_, note, *sys.argv = sys.argv
try:
    runpy.run_module(sys.argv[0], run_name="__main__")
finally:
    own = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
    peak = max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    open(note, "w").write(str(peak))
"""
"""Runs a module, and writes the peak of this process and its children into a file, KiB."""


def print_head(first: str) -> None:
    """Print the machine and the titles of the columns."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; {first}")
    titles = (
        f"{'case':26} {'implementation':34} {'CPU':>8} {'wall':>8} {'CPU/floor':>9}  lowest-highest"
    )
    print(titles, flush=True)


def print_line(case: str, name: str, costs: Sequence[Cost], floor: Sequence[Cost]) -> float:
    """Print the medians of one row; return the median of its CPU ratios to the floor."""
    ratios = [a.cpu / b.cpu for a, b in zip(costs, floor, strict=False)]
    cpu, wall = (statistics.median(getattr(c, kind) for c in costs) for kind in ("cpu", "wall"))
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.3f}-{max(ratios):.3f}"
    print(f"{case:26} {name:34} {cpu:8.2f} {wall:8.2f} {ratio:9.3f}  {spread}", flush=True)
    return ratio
