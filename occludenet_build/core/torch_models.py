"""Loading what torch runs: devices by name, and person models through ultralytics, offline.

torch and ultralytics are imported inside the functions: a room whose backend needs neither
starts without them.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from occludenet_build.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from ultralytics import YOLO

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def resolve_device(name: str) -> str:
    """`auto` is cuda, else mps, else cpu; any other name is checked against this machine."""
    import torch

    mps = torch.backends.mps.is_available()
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if cuda else "mps" if mps else "cpu"
    there = ["cpu", *[f"cuda:{i}" for i in range(cuda)], *(["mps"] if mps else [])]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise UserError(
            f"device: wanted one that this machine has ({', '.join(there)}) or auto, got {name!r}"
        )
    return wanted


def use_threads(count: int) -> None:
    """How many threads torch takes on the CPU, in this process."""
    import torch

    torch.set_num_threads(max(1, count))


def keep_large_blocks() -> None:
    """Blocks that are freed stay with the process, which soon wants others of their size.

    glibc gives a large block back and takes a new one, which the system clears first: for the
    layers of a network on the CPU that is a tenth of all time.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        # an older glibc takes no more than the second
        set_option(_M_MMAP_THRESHOLD, 1 << 30) or set_option(_M_MMAP_THRESHOLD, 1 << 25)
        set_option(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def out_of_memory(error: BaseException) -> bool:
    """Whether a device, or this machine, had too little memory: libraries say it in many ways."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said
        for words in ("out of memory", "can't allocate memory", "failed to allocate memory")
    )


@contextmanager
def memory_as_user_error(setting: str, batch: int) -> Iterator[None]:
    """A batch that does not fit is a setting to lower, not a traceback."""
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"{setting}: {batch} frames do not fit into the memory of the device; lower {setting}"
        ) from error


def checkpoint_file(weights: Path | str | None, backend: str) -> Path:
    """The weights file of a backend, or one line that says which is missing."""
    if weights is None:
        raise UserError(f"{backend}: wanted a weights file, got none; set weights or --weights")
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"{backend}: wanted a weights file, {path} is not one")
    return path


def state_dict(path: Path, backend: str, inside: str | None = None) -> dict[str, torch.Tensor]:
    """Tensors by name from a checkpoint that may hold nothing but data (`weights_only`).

    `inside`: the entry of the checkpoint in which they stand.
    """
    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names no closed set: zip, pickle, runtime errors
        raise UserError(
            f"{backend}: wanted a checkpoint of tensors, {path} does not load: {first_line(error)}"
        ) from error
    if inside is not None and isinstance(values, dict):
        values = values.get(inside)
    if not isinstance(values, dict) or not all(hasattr(v, "shape") for v in values.values()):
        raise UserError(f"{backend}: wanted a dict of tensors, {path} holds something else")
    return values


def load_yolo(
    weights: Path | str, task: Literal["detect", "segment"], class_name: str = "person"
) -> tuple[YOLO, int]:
    """An ultralytics model of that task, and the number of the class among its classes.

    Weights are read with ultralytics' restricted loader: the file cannot run code of its own.
    """
    path = checkpoint_file(weights, f"yolo ({task})")
    model = _read_yolo(path)
    if model.task != task:
        raise UserError(f"yolo: wanted a {task} model, {path} is a {model.task} model")
    return model, class_number(model.names, class_name, path)


def class_number(names: dict[int, str], wanted: str, path: Path) -> int:
    """The number of a class among the `names` that the model in `path` knows."""
    numbers = {str(name).lower(): int(number) for number, name in names.items()}
    if wanted not in numbers:
        shown = ", ".join(list(numbers)[:8])
        raise UserError(f"yolo: wanted a model with the class {wanted!r}, {path} has {shown}")
    return numbers[wanted]


def _yolo_class() -> Any:
    """ultralytics' YOLO, without its own Image.open in PIL: that one wants to install a package
    when a file is no picture."""
    from PIL import Image

    opened = Image.open
    from ultralytics import YOLO

    Image.open = opened
    return YOLO


def _read_yolo(path: Path) -> YOLO:
    ultralytics_offline()
    YOLO = _yolo_class()
    if not zipfile.is_zipfile(path):
        raise UserError(
            f"yolo: wanted weights of a PyTorch model, {path} is truncated or something else"
        )
    _refuse_anchor_based(path)
    # ultralytics reads the name: it drops quotes, wants .pt, and fetches yolov5nu.pt for a file
    # called yolov5n.pt. Under a name of our own the file is what it is.
    with tempfile.TemporaryDirectory(prefix="occludenet-") as folder:
        link = Path(folder) / "weights.pt"
        link.symlink_to(path.resolve())
        try:
            return YOLO(str(link))
        except Exception as error:  # ultralytics and torch name no closed set
            said = first_line(error).removeprefix("ERROR ❌️ ").replace(str(link), path.name)
            raise UserError(
                f"yolo: wanted a model that ultralytics loads, {path} does not load: {said}"
            ) from error


def _refuse_anchor_based(path: Path) -> None:
    """Weights of the yolov5 repository name its own modules; ultralytics cannot run them."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        named = get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # a broken file: the loader itself says how
        return
    if any(name.startswith("models.") for name in named):
        raise UserError(
            f"yolo: {path} is an anchor-based YOLOv5 checkpoint of the yolov5 repository; "
            "wanted the anchor-free form that ultralytics loads, such as yolov5nu.pt"
        )


@functools.cache
def ultralytics_offline() -> None:
    """Keep ultralytics from downloading, installing, phoning home and reading a user's settings.

    It reads these variables when it is first imported.
    """
    if "ultralytics" in sys.modules:
        return
    folder = tempfile.mkdtemp(prefix="occludenet-ultralytics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": folder,
        "YOLO_VERBOSE": "false",
        "ULTRALYTICS_SAFE_LOAD": "1",
    }


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for messages of one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
