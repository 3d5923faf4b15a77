"""Benchmark of how torch's threads wait for one another, with and without other work on a core.

    python benchmarks/waiting.py [--quick]

A network of torchvision (ResNet-50, 8 pictures of 224x224) runs with a thread per core, in a
process with the setting of this package (core.openmp) and in one with the default of OpenMP, in
turn; then the same while another program takes one of the cores. `one thread` is what is to be had
of the cores that are left, on a machine of two. Prints a table, and as its last line one JSON
object:

    rate_ratio_idle           rate with the package's setting / with the default, median over turns
    rate_ratio_core_shared    the same while another program takes one of the cores
    cpu_ratio_core_shared     CPU with the default / with the package's setting, there
    one_thread_core_shared    rate with the package's setting / with a single thread, there
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.measure import Cost, in_turn

from occludenet_build.core import openmp

_FORWARD = """
import json, sys, time, torch
from torchvision.models import resnet50
threads, count = map(int, sys.argv[1:])
torch.set_num_threads(threads)
network, pictures = resnet50().eval(), torch.rand(8, 3, 224, 224)
with torch.inference_mode():
    network(pictures)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        network(pictures)
    print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
"""
_SPIN = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 40 s on 2 cores")
    args = parser.parse_args()
    turns, count = (2, 3) if args.quick else (5, 8)
    found = {}
    print(f"{'':14} {'waits':12} {'wall':>8} {'CPU':>8}   seconds, medians")
    for state, other_work in (("idle", nullcontext), ("core_shared", _one_core_taken)):
        with other_work():
            found[state] = _measured(turns, count)
        for waits, costs in found[state].items():
            wall, cpu = (statistics.median(getattr(c, k) for c in costs) for k in ("wall", "cpu"))
            print(f"{state:14} {waits:12} {wall:8.2f} {cpu:8.2f}", flush=True)
    shared = found["core_shared"]
    print(
        json.dumps(
            {
                "rate_ratio_idle": _ratio(found["idle"], "default", "brief", "wall"),
                "rate_ratio_core_shared": _ratio(shared, "default", "brief", "wall"),
                "cpu_ratio_core_shared": _ratio(shared, "default", "brief", "cpu"),
                "one_thread_core_shared": _ratio(shared, "one thread", "brief", "wall"),
            }
        )
    )


def _measured(turns: int, count: int) -> dict[str, list[Cost]]:
    """Costs of `count` forward passes, by how threads wait, in turn."""
    default = {name: os.environ[name] for name in os.environ.keys() - openmp.CHOICES}
    brief = default | openmp.BRIEF
    cores = len(os.sched_getaffinity(0))
    kinds = {"brief": (brief, cores), "default": (default, cores), "one thread": (brief, 1)}
    steps = {name: partial(_forward, *kind, count) for name, kind in kinds.items()}
    return in_turn(steps, turns)


def _forward(environment: dict[str, str], threads: int, count: int) -> Cost:
    """Cost of `count` forward passes in a process of its own, which has loaded everything."""
    command = [sys.executable, "-c", _FORWARD, str(threads), str(count)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Cost(*json.loads(done.stdout))


@contextmanager
def _one_core_taken() -> Iterator[None]:
    """While a program that is bound to the last core computes."""
    core = max(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", _SPIN]) as other:
        os.sched_setaffinity(other.pid, {core})
        try:
            yield
        finally:
            other.kill()


def _ratio(costs: dict[str, list[Cost]], above: str, below: str, kind: str) -> float:
    pairs = zip(costs[above], costs[below], strict=True)
    return round(statistics.median(getattr(a, kind) / getattr(b, kind) for a, b in pairs), 3)


if __name__ == "__main__":
    main()
