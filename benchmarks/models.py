"""Benchmark of the networks of the other papers: memory and time of a training step and of a clip.

    python benchmarks/models.py [--quick] [--batch 1] [--steps 3] [--threads 1] [--only NAME ...]

Every network runs in a process of its own, at the input it was published for (frames, side of the
crop): --steps training steps (forward, backward, AdamW) of --batch random clips, and as many
evaluations. The best step counts. Prints a table and, as its last line, one JSON object: by network

    frames, size       of a clip, pixels
    parameters_m       millions, with 400 classes
    step_s, clip_s     CPU seconds per training step, per clip in evaluation (with --device cuda
                       seconds on the clock, the GPU having finished)
    memory_mib         peak of the process's resident memory (cuda: of the GPU's), less that of a
                       process that has only loaded torch
    step_ratio, clip_ratio, memory_ratio   to torchvision's r3d_18 in the same run

--quick: two small networks at 4 frames of 32 pixels, in some seconds. A network that runs out of
memory has null values, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

import torch

from occludenet_build.recognition.backbones.registry import BACKBONES, build_backbone

RIVAL = "r3d_18"
FAMILIES = (
    RIVAL, "r2plus1d_18", "ibm_tsn_resnet18", "ibm_tam_resnet18", "ibm_i3d_resnet18",
    "ibm_s3d_resnet18", "ibm_tsn_inception_v1", "ibm_tam_inception_v1", "ibm_i3d", "ibm_s3d",
    "x3d_s",
)  # fmt: skip
QUICK = (RIVAL, "tiny3d")
VALUES = ("frames", "size", "parameters_m", "step_s", "clip_s", "memory_mib")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two networks, small clips")
    parser.add_argument("--batch", type=int, default=1, help="clips per step (%(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="steps, of which the best counts")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="networks besides r3d_18")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measured(args)))
    else:
        print(json.dumps(compare(args)))


def compare(args: argparse.Namespace) -> dict[str, dict[str, float | None]]:
    """Measure every network; the values by network, with the ratios."""
    names = dict.fromkeys((RIVAL, *args.only)) if args.only else QUICK if args.quick else FAMILIES
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"batch {args.batch}, {args.threads} threads, {args.device}; load {load}")
    head = f"{'network':22} {'input':>9} {'par. M':>7} {'s/step':>8} {'s/clip':>8} {'MiB':>7}"
    print(f"{head}  ratios: step, clip, memory")
    found: dict[str, dict[str, float | None]] = {}
    for name in names:
        found[name] = in_process(args, name)
        found[name] |= ratios(found[name], found[RIVAL])
        show(name, found[name])
    return found


def in_process(args: argparse.Namespace, name: str) -> dict[str, float | None]:
    """The values of one network, measured in a process of its own; null where it ran out of
    memory."""
    line = [sys.executable, __file__, "--one", name, *(["--quick"] if args.quick else [])]
    for option in ("batch", "steps", "threads", "device"):
        line += [f"--{option}", str(getattr(args, option))]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode in (-9, 137) or "out of memory" in done.stderr:
        return dict.fromkeys(VALUES)
    raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")


def ratios(one: dict[str, Any], rival: dict[str, Any]) -> dict[str, float | None]:
    pairs = {"step_ratio": "step_s", "clip_ratio": "clip_s", "memory_ratio": "memory_mib"}
    return {
        name: round(one[value] / rival[value], 3) if one[value] and rival[value] else None
        for name, value in pairs.items()
    }


def show(name: str, values: dict[str, float | None]) -> None:
    if values["step_s"] is None:
        print(f"{name:22} ran out of memory", flush=True)
        return
    shape = f"{values['frames']}x{values['size']}"
    told = " ".join(f"{values[key]}" for key in ("step_ratio", "clip_ratio", "memory_ratio"))
    print(
        f"{name:22} {shape:>9} {values['parameters_m']:7.1f} {values['step_s']:8.3f} "
        f"{values['clip_s']:8.3f} {values['memory_mib']:7.0f}  {told}",
        flush=True,
    )


def measured(args: argparse.Namespace) -> dict[str, float]:
    """The values of the network args.one in this process."""
    torch.set_num_threads(args.threads)
    seen = BACKBONES[args.one].input
    frames, size = (4, 32) if args.quick else (seen.frames, seen.size)
    before = peak_mib(args.device)
    model = build_backbone(args.one, 400, frames, size).to(args.device)
    clips = torch.randn(args.batch, 3, frames, size, size, device=args.device)
    labels = torch.zeros(args.batch, dtype=torch.long, device=args.device)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(clips), labels).backward()
        optimizer.step()

    @torch.no_grad()
    def evaluate() -> None:
        model(clips)

    model.train()
    step_s = best(step, args)
    memory = peak_mib(args.device) - before
    model.eval()
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    values = (frames, size, parameters, step_s, best(evaluate, args) / args.batch, memory)
    return {name: round(value, 4) for name, value in zip(VALUES, values, strict=True)}


def best(act: Callable[[], None], args: argparse.Namespace) -> float:
    """Seconds of the fastest of args.steps calls, after one that warms up on CUDA."""
    on_gpu = args.device != "cpu"
    clock = time.perf_counter if on_gpu else time.process_time
    spent = []
    for number in range(args.steps + on_gpu):
        start = clock()
        act()
        if on_gpu:
            torch.cuda.synchronize()
        if number >= on_gpu:
            spent.append(clock() - start)
    return min(spent)


def peak_mib(device: str) -> float:
    """Peak memory so far, MiB: allocated on the GPU, or resident of this process."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
