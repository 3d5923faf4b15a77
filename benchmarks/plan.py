"""Benchmark of plan: its estimate before a build, against the cost of that build.

    python benchmarks/plan.py [--quick]

The demo (demo/config.yaml on its mini-world) is planned with the rates of an earlier build of a
third of its videos, and then built. --quick: the target dataset, without training, on a smaller
world. Prints CPU seconds and bytes of each stage, planned and real, and as its last line one JSON
object:

    cpu_ratio_plan_to_real     CPU seconds of the stages, planned / real
    bytes_ratio_plan_to_real   bytes on disk, planned / real
    worst_stage_bytes_ratio    the worst ratio of a stage with more than a hundredth of the bytes
    plan_seconds_to_build      seconds of planning / seconds of the build

Waiting threads of torch sleep in both builds (OMP_WAIT_POLICY): spinning threads would add CPU
seconds that depend on the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from occludenet_build.tools.plan import rates
from occludenet_build.tools.plan.counts import KINDS

Ratios = dict[str, float]

REPO = Path(__file__).resolve().parents[1]
DEMO = REPO / "demo/config.yaml"
SMALL = ["--train", "3", "--val", "1", "--test", "2", "--seconds", "1", "--images", "8"]
FIRST = ["--train", "1", "--val", "0", "--test", "1", "--seconds", "1", "--images", "8"]
THIRD = ["--train", "8", "--val", "1", "--test", "5"]
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


def compare(
    folder: Path, quick: bool, world: Sequence[str] = (), first: Sequence[str] = THIRD
) -> Ratios:
    """Plan and build in `folder`; `world`, `first`: options of the mini-worlds."""
    target, more = ("dataset", ONE_SHARD) if quick else ("all", {})
    _timed(folder, "demo.world", "--out", WORLD, *(SMALL if quick else world))
    earlier = _earlier(folder, target, more, FIRST if quick else first)
    settings = _settings(folder, "more", more)
    given = ["--target", target, "--out", "plan.json", "--build", earlier, *settings]
    planning = _timed(folder, "occludenet_build", "plan", *given)
    wall = _timed(folder, "snakemake", *SNAKEMAKE, target, *settings)
    plan = json.loads((folder / "plan.json").read_text())
    ratios = compare_costs(plan, folder / "build/demo")
    return ratios | {"plan_seconds_to_build": round(planning / wall, 3)}


def _earlier(folder: Path, target: str, more: dict, world: Sequence[str]) -> str:
    """Run a build with fewer videos; its folder."""
    _timed(folder, "demo.world", "--out", "first", *world)
    places = {"build_dir": "build/first", "acquire": {"videos": "first/videos"}}
    settings = _settings(folder, "first", places | more)
    _timed(folder, "snakemake", *SNAKEMAKE, target, *settings)
    return "build/first"


def _settings(folder: Path, name: str, more: dict) -> list[str]:
    (folder / f"{name}.yaml").write_text(json.dumps(more))
    return ["--configfile", str(DEMO), str(folder / f"{name}.yaml")]


def compare_costs(plan: dict, folder: Path) -> Ratios:
    """Print the planned and the real costs by stage; return the ratios."""
    real, planned_cpu, real_cpu = rates.EarlierBuild(folder), Counter[str](), Counter[str]()
    for cost in plan["costs"]:
        planned_cpu[cost["stage"]] += cost["cpu_seconds"]
    for rule, kind in KINDS.items():
        real_cpu[kind.stage] += sum(job.cpu for job in real.jobs(rule)[0])
    used = {stage: rates.used(folder, stage, real.dataset) for stage in rates.STAGE_FILES}
    stored = {stage: plan["stored"].get(stage) or 0 for stage in used}
    print(f"{'stage':16}{'CPU s plan':>12}{'real':>8}{'KiB plan':>12}{'real':>10}")
    for stage in dict.fromkeys([*planned_cpu, *used]):
        print(
            f"{stage:16}{planned_cpu[stage]:12.1f}{real_cpu[stage]:8.1f}"
            f"{stored.get(stage, 0) / 1024:12.0f}{used.get(stage, 0) / 1024:10.0f}"
        )
    print(f"{'total':16}{planned_cpu.total():12.1f}{real_cpu.total():8.1f}")
    whole = sum(used.values())
    ratios = [stored[stage] / size for stage, size in used.items() if size > whole / 100]
    return {
        "cpu_ratio_plan_to_real": round(planned_cpu.total() / real_cpu.total(), 3),
        "bytes_ratio_plan_to_real": round(sum(stored.values()) / whole, 3),
        "worst_stage_bytes_ratio": round(max(ratios, key=lambda r: max(r, 1 / max(r, 1e-9))), 3),
    }


def _timed(folder: Path, module: str, *arguments: str) -> float:
    """Seconds of `python -m module` in `folder`."""
    path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    start = time.monotonic()
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
    return time.monotonic() - start


if __name__ == "__main__":
    main()
