"""Two processes of one training: NCCL with a GPU each, gloo on one GPU or on the CPU.

NCCL refuses two processes on one GPU: then its entry holds that error, and gloo, which copies
gradients through the CPU, shows that the processes agree. They are compared with one process that
has the same clips.

    python -m parts.gpu.sharing BACKEND DEVICE OUT [--tiny]    one of the processes, under RANK
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from occludenet_build.config.loop import Optimizer
from occludenet_build.config.training import Train
from occludenet_build.recognition.distributed import ALONE, NCCL, Process, joined, rank_and_size
from occludenet_build.recognition.training_clips import Batch

from .task import Task, free, rate
from .training import batch_of, learner_of, settings_of

SIZE = 2
STEPS = 3
"""Steps whose result is compared."""
BENCHMARKS = Path(__file__).resolve().parents[2]


def measure(task: Task) -> None:
    """Note steps per second of one process and of two, by backend, and how far they are apart."""
    gpus = torch.cuda.device_count() if task.on_gpu else 0
    settings = _settings(task)
    task.note(gpus=gpus, network=settings.backbone, batch=settings.batch)
    alone = task.folder / "alone.pt"
    task.part("one_process", lambda: run_steps(task, settings, ALONE, task.device, alone))
    free(task.device)
    backends = {"nccl": NCCL, "gloo": "gloo"} if gpus else {"gloo": "gloo"}
    for number, (name, backend) in enumerate(backends.items()):
        seconds = 0.8 * task.left() / (len(backends) - number)
        task.part(name, lambda n=name, b=backend, s=seconds: _two(task, n, b, s, alone))


def _settings(task: Task) -> Train:
    """Of CAR in float32 without noise: two processes and one then differ by rounding only."""
    # on a GPU a network with batch norm, which all processes share there; on CPUs one without
    more: dict[str, Any] = {"dropout": 0.0} if task.on_gpu else {}
    network, batch = ("x3d_s", 16) if task.on_gpu else ("tiny3d", 4)
    more |= {"optimizer": Optimizer(name="sgd"), "learning_rate": 0.01}
    return settings_of(task, network, "car", "fp32", batch, **more)


def run_steps(
    task: Task, settings: Train, process: Process, device: str, out: Path
) -> dict[str, Any]:
    """Steps of this process; its weights before them and after `STEPS` are written to `out`."""
    learner = learner_of(settings, device, process)
    start = _weights(learner.model)
    batches = [_part(batch_of(settings, settings.batch, n), process) for n in range(STEPS)]
    for number, batch in enumerate(batches):
        learner.step([batch], number=number, first=number, clips=settings.batch)
    if process.first:
        torch.save({"before": start, "after": _weights(learner.model)}, out)

    def step() -> None:
        learner.step([batches[0]], number=STEPS, first=STEPS, clips=settings.batch)

    # a number of steps, not a time, which would differ between the processes
    calls = 2 if task.tiny else 20
    return {"steps_per_second": round(rate(step, 0, device, calls), 3)}


def _weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


def _part(batch: Batch, process: Process) -> Batch:
    here = slice(process.rank, None, process.size)
    erased = None if batch.counterfactuals is None else batch.counterfactuals[here]
    parts = batch.clips[here], erased, batch.present[here], batch.labels[here]
    return Batch(*parts, batch.files[here], [])


def _two(task: Task, name: str, backend: str, seconds: float, alone: Path) -> dict[str, Any]:
    """Run two processes. Raises RuntimeError with what the failing one said."""
    deadline = time.monotonic() + seconds
    outs = [task.folder / f"{name}-{rank}" for rank in range(SIZE)]
    logs = [out.with_suffix(".log").open("w+") for out in outs]
    port = _free_port()
    started = []
    for rank, (out, log) in enumerate(zip(outs, logs, strict=True)):
        line = [sys.executable, "-m", "parts.gpu.sharing", backend, task.device, str(out)]
        environment = _environment(rank, port)
        started.append(
            subprocess.Popen(
                [*line, *(["--tiny"] if task.tiny else [])],
                env=environment, stdout=log, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
    try:
        _wait(started, deadline)
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, log in zip(started, logs, strict=True):
        log.seek(0)
        said = log.read()
        log.close()
        if process.returncode:
            ended = "did not end in its time" if process.returncode == -9 else "failed"
            raise RuntimeError(f"{name}: a process {ended}: {_reason(said)}")
    return _compared(outs[0], alone)


def _reason(said: str) -> str:
    """The lines of a log that seem to name an error; NCCL explains its own in a line of its own."""
    wanted = ("error", "duplicate", "invalid", "fail")
    lines = [line.strip() for line in said.splitlines() if any(w in line.lower() for w in wanted)]
    return " | ".join(dict.fromkeys(line[:200] for line in lines[-3:])) or "no message"


def _environment(rank: int, port: int) -> dict[str, str]:
    paths = [str(BENCHMARKS.parent), str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(SIZE),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(started: list[subprocess.Popen], deadline: float) -> None:
    """Wait until all have ended, one has failed, or the time is over."""
    while time.monotonic() < deadline:
        codes = [process.poll() for process in started]
        if all(code is not None for code in codes):
            return
        if any(codes):
            time.sleep(2)  # the others may say why
            return
        time.sleep(0.1)


def _compared(out: Path, alone: Path) -> dict[str, Any]:
    """What two processes measured, with the largest difference of a weight to one process's and,
    beside it, the largest change of a weight in these steps."""
    found: dict[str, Any] = torch.load(out, weights_only=True)
    one, two = (torch.load(p, weights_only=True) for p in (alone, out.with_suffix(".pt")))
    return found | {
        "largest_difference": float((one["after"] - two["after"]).abs().max()),
        "largest_change": float((one["after"] - one["before"]).abs().max()),
    }


def main() -> None:
    """One of the processes."""
    backend, device, out = sys.argv[1:4]
    rank, size = rank_and_size()
    if device.startswith("cuda"):
        device = f"cuda:{rank % torch.cuda.device_count()}"
    else:
        torch.set_num_threads(1)
    place = Path(out)
    task = Task(place.parent, place.with_suffix(".json"), device, "--tiny" in sys.argv, 60)
    process, weights = Process(rank, size), place.with_suffix(".pt")
    with joined(device, backend):
        try:
            found = run_steps(task, _settings(task), process, device, weights)
        except Exception:
            traceback.print_exc()  # leaving a group whose backend has failed may hang
            sys.stderr.flush()
            os._exit(1)
        torch.save(found | {"device": device}, place)


if __name__ == "__main__":
    main()
