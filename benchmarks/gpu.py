"""Benchmark of the networks on one GPU machine: the GPU day, in at most 8 minutes.

    python benchmarks/gpu.py [--minutes 8] [--out FILE] [--only NAME ...] [--clips FOLDER]
                             [--weights FOLDER] [--device cuda] [--tiny]
    python benchmarks/gpu.py --table FILE

Needs no network. Every measurement runs in a process of its own with a time limit of its own: one
that fails, hangs or dies is an entry with its `error`, and the others go on. The code paths are the
project's: the stage detect, its masker SAM, the learner and the loop of train, evaluate's predict.
Clips are drawn, or those of --clips. Weights are random, which changes no speed, unless --weights
holds yolo*.pt or sam_vit_b*.pth, sam_vit_l*.pth, sam_vit_h*.pth. Prints a line per measurement, a
table for docs/performance.md (--table FILE prints that of an earlier --out) and, as the last line
of the output, one JSON object; --out keeps it after each measurement:

    machine               GPUs, versions, cores, modules that are missing
    detect                frames per second of the stage and of the bare model (float16 on CUDA) by
                          batch, their ratio, utilisation, memory; frames per second of decoding
    sam_vit_b, _l, _h     masks per second, frames per second of the image encoder, memory
    train_NETWORK         X3D-S, UniFormerV2-B/16, VideoMamba-M: steps and clips per second and peak
                          memory, in bf16 and fp32, baseline and car, on ready batches
    train_loop            steps per second of x3d_s with its loader, and utilisation
    processes             two processes: NCCL with a GPU each, gloo; distance to one process
    memory                what detect, actor_masks, evaluate and train do where a batch does not fit

In the JSON each has `seconds` and, where it failed, `error`. --tiny --device cpu measures nothing
of use in some seconds per entry; it shows that every part runs, and is what a machine without a GPU
runs unless --device is given.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

# both import the standard library only
from parts.gpu.table import errors_of, table_of
from parts.gpu.task import Task, described

Values = dict[str, Any]


@dataclass(frozen=True)
class Measurement:
    """What is measured in one process."""

    limit: float
    """Seconds, of a run of 8 minutes."""
    module: str
    """Module of parts.gpu, imported in that process only."""
    function: str = "measure"
    argument: str | None = None


MEASUREMENTS = {
    "machine": Measurement(25, "machine"),
    "detect": Measurement(75, "detection"),
    "train_x3d_s": Measurement(45, "training", argument="x3d_s"),
    "train_uniformerv2_b16": Measurement(45, "training", argument="uniformerv2_b16"),
    "train_videomamba_m": Measurement(50, "training", argument="videomamba_m"),
    "sam_vit_b": Measurement(35, "masking", argument="vit_b"),
    "memory": Measurement(50, "memory"),
    "processes": Measurement(50, "sharing"),
    "sam_vit_h": Measurement(45, "masking", argument="vit_h"),
    "sam_vit_l": Measurement(35, "masking", argument="vit_l"),
    "train_loop": Measurement(45, "training", "measure_loop"),
}
"""In the order of a run: what a short run must not miss comes first."""
USUAL_MINUTES = 8.0
LEAST = 8.0
"""Seconds below which a measurement is not begun: the imports take as long."""
GRACE = 5.0
"""Seconds of the run that are kept for ending it."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=USUAL_MINUTES, help="%(default)s")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="clips instead of drawn ones")
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="weights, not random ones")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, cpu (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="a test of the benchmark itself")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the JSON there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the table of a run")
    parser.add_argument("--limit", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    for name in ("clips", "weights"):
        folder = getattr(args, name)
        if folder is not None and not folder.is_dir():
            parser.error(f"--{name}: wanted a folder, {folder} is not one")
    if args.table is not None:
        print(table_of(json.loads(args.table.read_text())))
    elif args.folder is not None:
        measure(args)
    else:
        Run(args).all()


class Run:
    """A run of the measurements, one after the other."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.begun = args, time.monotonic()
        self.results: Values = {"tiny": args.tiny, "measurements": {}}

    def left(self) -> float:
        """Seconds that measurements may still take."""
        return 60 * self.args.minutes - GRACE - (time.monotonic() - self.begun)

    def all(self) -> None:
        """Run the measurements and print the JSON, also when the run is stopped."""
        signal.signal(signal.SIGTERM, _stop)
        names = list(self.args.only or MEASUREMENTS)
        try:
            # what a killed process leaves may still be written to
            with tempfile.TemporaryDirectory(prefix="bench-gpu-", ignore_cleanup_errors=True) as f:
                if self.args.device == "auto" and not self.args.tiny:
                    names = ["machine", *(name for name in names if name != "machine")]
                for name in names:
                    self._one(name, Path(f) / name)
                    if name == "machine":
                        self._tiny_without_gpu()
        except KeyboardInterrupt:
            self.results["error"] = "stopped"
        self._keep()
        print(f"\n{table_of(self.results)}\n\n{json.dumps(self.results)}")

    def _tiny_without_gpu(self) -> None:
        torch = self.results["measurements"]["machine"].get("torch") or {}
        if self.args.device == "auto" and torch.get("gpus") == []:
            self.args.device, self.args.tiny = "cpu", True
            self.results["tiny"] = True
            print("no GPU: tiny networks on the CPU show that every part runs, and no more")

    def _one(self, name: str, folder: Path) -> None:
        limit = MEASUREMENTS[name].limit * max(1.0, self.args.minutes / USUAL_MINUTES)
        limit = min(limit, self.left())
        begun = time.monotonic()
        found: Values
        if limit < LEAST:
            found = {"error": f"not begun: {self.args.minutes:g} minutes were used up"}
        else:
            try:
                found = in_process(self.args, name, limit, folder)
            except Exception as error:  # no process could be started: the others may
                found = described(error)
        found["seconds"] = round(time.monotonic() - begun, 1)
        self.results["measurements"][name] = found
        self.results["seconds"] = round(time.monotonic() - self.begun, 1)
        self._keep()
        show(name, found)

    def _keep(self) -> None:
        out = self.args.out
        if out is not None:
            new = out.with_name(f"{out.name}.new")
            new.write_text(json.dumps(self.results, indent=1) + "\n")
            new.replace(out)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def in_process(args: argparse.Namespace, name: str, limit: float, folder: Path) -> Values:
    """What a measurement noted in a process of its own, with an error where it was ended or
    died."""
    folder.mkdir(parents=True)
    notes, log = folder / "notes.json", folder / "log"
    line = [sys.executable, __file__, "--only", name, "--folder", str(folder)]
    line += ["--limit", f"{limit:.1f}", "--device", args.device]
    line += ["--tiny"] if args.tiny else []
    for option in ("clips", "weights"):
        folder_of = getattr(args, option)
        line += [f"--{option}", str(folder_of.resolve())] if folder_of else []
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if args.tiny else {})
    with log.open("w") as output:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env=environment,
        )  # fmt: skip
        error = ended(process, limit)
    found: Values = json.loads(notes.read_text()) if notes.exists() else {}
    if error:
        lines = log.read_text(errors="replace").strip().splitlines()
        found = {"error": error, "log": lines[-5:]} | found  # its own error says more
    return found


def ended(process: subprocess.Popen, limit: float) -> str | None:
    """Wait for a process and end it, with all that it started, after `limit` seconds; the error."""
    try:
        code = process.wait(limit)
        return f"the process ended with {code}" if code else None
    except subprocess.TimeoutExpired:
        return f"ended after its limit of {limit:.0f} s; what it had measured is here"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def measure(args: argparse.Namespace) -> None:
    """The process of one measurement."""
    (name,) = args.only
    logging.basicConfig(level=logging.WARNING)
    task = Task(
        args.folder, args.folder / "notes.json", args.device, args.tiny, args.limit, args.clips,
        args.weights,
    )  # fmt: skip
    try:
        function_of(MEASUREMENTS[name], task)(task)
    except Exception as error:  # every failure is an entry of the results
        task.note(**described(error))
        raise SystemExit(1) from error


def function_of(measurement: Measurement, task: Task) -> Callable[[Task], None]:
    """The function that measures; the device's name of `task` becomes torch's own."""
    import importlib

    module = importlib.import_module(f"parts.gpu.{measurement.module}")
    if measurement.module != "machine":  # which tells what is there, whatever that is
        from occludenet_build.core.torch_models import resolve_device

        task.device = resolve_device(task.device)
        if task.on_gpu:
            import torch

            torch.cuda.set_device(task.device)
            torch.zeros(1, device=task.device)  # its memory cannot be asked for before that
        task.note(device=task.device)
    function: Callable[..., None] = getattr(module, measurement.function)
    more = [] if measurement.argument is None else [measurement.argument]
    return lambda task: function(task, *more)


def show(name: str, found: Values) -> None:
    """Print a line of the measurement."""
    said = "; ".join(errors_of(found)) or "measured"
    print(f"{name:24} {found['seconds']:6.1f} s  {said}", flush=True)


if __name__ == "__main__":
    main()
