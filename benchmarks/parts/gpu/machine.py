"""What the machine is: GPUs, driver, versions, and the packages that are missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from typing import Any

from .task import Task, cores

NEEDED = (
    *("torch", "torchvision", "av", "cv2", "numpy", "pandas", "pyarrow", "msgspec", "pebble"),
    *("filelock", "tqdm", "yaml", "PIL", "scipy", "requests", "supervision", "trackers"),
    *("pycocotools", "ultralytics", "segment_anything", "tensorboard"),
)
"""Modules that the measured stages import."""


def measure(task: Task) -> None:
    """Note the machine."""
    task.note(
        cores=cores(),
        load=[round(value, 1) for value in os.getloadavg()],
        python=platform.python_version(),
        missing_modules=[name for name in NEEDED if importlib.util.find_spec(name) is None],
    )
    task.part("nvidia_smi", nvidia_smi)
    task.part("torch", of_torch)


def nvidia_smi() -> str | None:
    """Name, memory and driver of every GPU; None without the program."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = "--query-gpu=name,memory.total,driver_version"
    done = subprocess.run(
        [program, asked, "--format=csv,noheader"], capture_output=True, text=True, timeout=20
    )
    return (done.stdout or done.stderr).strip()


def of_torch() -> dict[str, Any]:
    """What torch says."""
    import torch

    found: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda}
    if not torch.cuda.is_available():
        return found | {"gpus": []}
    known = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    gpus = [{"name": one.name, "memory_gib": round(one.total_memory / 2**30, 1)} for one in known]
    return found | {
        "gpus": gpus,
        "bf16": torch.cuda.is_bf16_supported(),
        "cudnn": torch.backends.cudnn.version(),
        "nccl": torch.distributed.is_nccl_available(),
    }
