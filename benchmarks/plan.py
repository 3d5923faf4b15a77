"""Benchmark of plan: what it says before a build, against what the build then takes.

    python benchmarks/plan.py [--quick]

The demo (demo/config.yaml on its mini-world) is planned with rates that plan measures on this
machine, and then built. --quick: the target dataset, without training, on a smaller world; the
rates are those of an earlier build of a third of its videos. Prints CPU seconds and bytes of each
room as planned and as they came, and as its last line one JSON object:

    cpu_ratio_plan_to_real     CPU seconds of the rooms
    wall_ratio_plan_to_real    seconds from start to end: both runs feel who else is on the machine;
                               with --quick the plan does not know Snakemake's own
    bytes_ratio_plan_to_real   bytes on disk
    worst_room_bytes_ratio     of rooms that take more than a hundredth, the one furthest off
    cpu_ratio_with_snakemake   CPU seconds of all processes; not with --quick
    plan_seconds_to_build      what planning itself took, measuring included / the build

torch's threads wait asleep in both (OMP_WAIT_POLICY): else they spin wherever another program has
their core, and CPU seconds tell of the neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from occludenet_build.plan import build, storage
from occludenet_build.plan.rules import RULES

Ratios = dict[str, float]

REPO = Path(__file__).resolve().parents[1]
DEMO = REPO / "demo/config.yaml"
SMALL = ["--train", "3", "--val", "1", "--test", "2", "--seconds", "1", "--images", "8"]
FIRST = ["--train", "1", "--val", "0", "--test", "1", "--seconds", "1", "--images", "8"]
SNAKEMAKE = ["-s", str(REPO / "Snakefile"), "--cores", str(os.cpu_count() or 1)]
WORLD = "build/demo/world"
ONE_SHARD = {"index": {"shards": 1}, "select": {"shards": 1}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    args = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as name:
        print(json.dumps(compare(Path(name), args.quick)))


def compare(folder: Path, quick: bool, world: Sequence[str] = (), sample: int = 24) -> Ratios:
    """Plan and build in `folder`; `world`: options of the mini-world."""
    target, more = ("dataset", ONE_SHARD) if quick else ("all", {})
    _timed(folder, "occludenet_build.miniworld", "--out", WORLD, *(SMALL if quick else world))
    options = _earlier(folder) if quick else ["--measure", "--sample", str(sample)]
    settings = _settings(folder, "more", more)
    given = ["--target", target, "--out", "plan.json", *settings]
    _, planning = _timed(folder, "occludenet_build", "plan", *options, *given)
    cpu, wall = _timed(folder, "snakemake", *SNAKEMAKE, target, *settings)
    plan = json.loads((folder / "plan.json").read_text())
    ratios = told(plan, folder / "build/demo", wall)
    if not quick:
        ratios["cpu_ratio_with_snakemake"] = round(plan["cpu_seconds"] / cpu, 3)
    return ratios | {"plan_seconds_to_build": round(planning / wall, 3)}


def _earlier(folder: Path) -> list[str]:
    """Another build, of fewer videos."""
    _timed(folder, "occludenet_build.miniworld", "--out", "first", *FIRST)
    more = {"build_dir": "build/first", "acquire": {"videos": "first/videos"}} | ONE_SHARD
    settings = _settings(folder, "first", more)
    _timed(folder, "snakemake", *SNAKEMAKE, "dataset", *settings)
    return ["--rates", "build/first"]


def _settings(folder: Path, name: str, more: dict) -> list[str]:
    (folder / f"{name}.yaml").write_text(json.dumps(more))
    return ["--configfile", str(DEMO), str(folder / f"{name}.yaml")]


def told(plan: dict, folder: Path, wall: float) -> Ratios:
    """Print both, room by room; return the ratios."""
    real = build.read(folder)
    planned_cpu, real_cpu = defaultdict(float), defaultdict(float)
    for cost in plan["costs"]:
        planned_cpu[RULES[cost["rule"]].room] += cost["cpu_seconds"]
    for job in real.jobs:
        real_cpu[RULES[job.rule].room] += job.cpu
    used = {room: storage.used(folder, room, real.dataset) for room in storage.ROOMS}
    print(f"{'room':16}{'CPU s plan':>12}{'real':>8}{'KiB plan':>12}{'real':>10}")
    for room in dict.fromkeys([*planned_cpu, *used]):
        stored = (plan["stored"].get(room) or 0) / 1024
        print(
            f"{room:16}{planned_cpu[room]:12.1f}{real_cpu[room]:8.1f}"
            f"{stored:12.0f}{used.get(room, 0) / 1024:10.0f}"
        )
    sums = sum(planned_cpu.values()), sum(real_cpu.values())
    print(f"{'in all':16}{sums[0]:12.1f}{sums[1]:8.1f}")
    print(f"{'wall clock':16}{plan['wall_seconds']:12.1f}{wall:8.1f}")
    whole = sum(used.values())
    ratios = {
        room: (plan["stored"].get(room) or 0) / size
        for room, size in used.items()
        if size > whole / 100
    }
    worst = max(ratios.values(), key=lambda ratio: max(ratio, 1 / max(ratio, 1e-9)))
    return {
        "cpu_ratio_plan_to_real": round(sums[0] / sums[1], 3),
        "wall_ratio_plan_to_real": round(plan["wall_seconds"] / wall, 3),
        "bytes_ratio_plan_to_real": round(sum(plan["stored"].values()) / whole, 3),
        "worst_room_bytes_ratio": round(worst, 3),
    }


def _timed(folder: Path, module: str, *arguments: str) -> tuple[float, float]:
    """(CPU seconds, seconds) of `python -m module` in `folder`."""
    path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    before, start = _children(), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{module} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return _children() - before, time.monotonic() - start


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
