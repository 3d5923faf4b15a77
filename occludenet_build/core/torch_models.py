"""Loading of torch models: devices by name, checkpoints, and ultralytics models.

torch and ultralytics are imported inside the functions, so that a stage whose backend needs neither
starts without them. `ultralytics_import` guards the import of ultralytics.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from occludenet_build.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from ultralytics import YOLO

Item = TypeVar("Item")
Result = TypeVar("Result")

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""Parameters of mallopt(3)."""


def resolve_device(name: str) -> str:
    """Name of the torch device for a setting: `auto` is cuda if available, else mps, else cpu.

    Raises UserError if this machine does not have the device.
    """
    import torch

    mps = torch.backends.mps.is_available()
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if cuda else "mps" if mps else "cpu"
    devices = ["cpu", *[f"cuda:{i}" for i in range(cuda)], *(["mps"] if mps else [])]
    device = "cuda:0" if name == "cuda" else name
    if device not in devices:
        raise UserError(
            f"device: wanted one that this machine has ({', '.join(devices)}) or auto, got {name!r}"
        )
    return device


def use_threads(count: int) -> None:
    """Set the number of CPU threads of torch in this process."""
    import torch

    torch.set_num_threads(max(1, count))


def keep_large_blocks() -> None:
    """Make glibc keep large freed blocks for reuse.

    By default glibc returns a large block to the system and requests a new one, which the system
    clears first; for the layers of a network on the CPU this takes 10 % of the run time.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        # Older versions of glibc accept only the second value.
        set_option(_M_MMAP_THRESHOLD, 1 << 30) or set_option(_M_MMAP_THRESHOLD, 1 << 25)
        set_option(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory of a device or of this machine is exhausted."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or any(
        text in message
        for text in ("out of memory", "can't allocate memory", "failed to allocate memory")
    )


@contextmanager
def memory_as_user_error(setting: str, batch: int, advice: str = "") -> Iterator[None]:
    """Convert out-of-memory errors of a batch of frames or clips to one-line errors.

    Raises UserError, which asks to lower `setting`, the batch size, or says `advice`.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"{setting}: a batch of {batch} does not fit into the memory of the device; "
            f"{advice or f'lower {setting}'}"
        ) from error


def free_memory() -> None:
    """Free the tensors of an abandoned batch.

    To be called outside of `except`, as an error being handled keeps tensors alive.
    """
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class FittingBatches:
    """Runs batches of independent items in parts that fit into the memory of the device.

    Where memory runs out the part is halved, which is logged and holds for the batches after it.
    Splitting a batch changes results by rounding only.
    """

    def __init__(self, setting: str) -> None:
        """`setting`: name of the batch size, for messages."""
        self._setting, self._most = setting, 0

    def run(
        self, call: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """The results of `call(part)` of all parts of `items`, one per item, in their order.

        Raises UserError where a single item does not fit.
        """
        done: list[Result] = []
        while len(done) < len(items):
            part = items[len(done) : len(done) + (self._most or len(items))]
            try:
                done += call(part)
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise UserError(
                        f"{self._setting}: the memory of the device is too small for one; wanted "
                        "more; use a smaller network or another device"
                    ) from error
            self._halve(len(part))
        return done

    def _halve(self, tried: int) -> None:
        free_memory()
        self._most = tried // 2
        logging.warning(
            "the memory of the device is too small for %d at once; continuing with %d (%s)",
            *(tried, self._most, self._setting),
        )


def checkpoint_file(weights: Path | str | None, backend: str) -> Path:
    """Path of the weights file of a backend.

    Raises UserError if it is not set or does not exist.
    """
    if weights is None:
        raise UserError(f"{backend}: wanted a weights file, got none; set weights or --weights")
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"{backend}: wanted a weights file, {path} is not one")
    return path


def load_tensors(path: Path, backend: str, inside: str | None = None) -> dict[str, torch.Tensor]:
    """Load the tensors of a checkpoint, of any shape and any dtype, by name, on the CPU.

    The checkpoint is loaded with `weights_only`: it cannot run code. `inside`: the entry of the
    checkpoint that contains the tensors. Raises UserError if the file does not load or contains
    something else.
    """
    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch documents no closed set: zip, pickle, runtime errors
        raise UserError(
            f"{backend}: wanted a checkpoint of tensors, {path} does not load: {first_line(error)}"
        ) from error
    if inside is not None and isinstance(values, dict):
        values = values.get(inside)
    if not isinstance(values, dict) or not all(hasattr(v, "shape") for v in values.values()):
        raise UserError(f"{backend}: wanted a dict of tensors, {path} holds something else")
    return values


def load_yolo(
    weights: Path | str,
    task: Literal["detect", "segment", "pose"],
    class_name: str = "person",
    or_only: bool = False,
) -> tuple[YOLO, int]:
    """Load an ultralytics model; return it and the index of `class_name` among its classes.

    `or_only`: if the model has one class only, it counts, whatever its name. The weights are loaded
    with the restricted loader of ultralytics: the file cannot run code.
    Raises UserError if the file does not load, or the model has another task or no such class.
    """
    path = checkpoint_file(weights, f"yolo ({task})")
    model = _read_yolo(path)
    if model.task != task:
        raise UserError(f"yolo: wanted a {task} model, {path} is a {model.task} model")
    if or_only and len(model.names) == 1:
        return model, int(next(iter(model.names)))
    return model, class_index(model.names, class_name, path)


def task_of_yolo(weights: Path | str) -> str:
    """What an ultralytics model does: detect, segment, pose and others.

    Raises UserError if the file does not load.
    """
    return str(_read_yolo(checkpoint_file(weights, "yolo")).task)


def class_index(names: dict[int, str], class_name: str, path: Path) -> int:
    """Index of a class in `names` (index -> name) of the model in `path`, ignoring case.

    Raises UserError if the model has no such class.
    """
    numbers = {str(name).lower(): int(number) for number, name in names.items()}
    if class_name not in numbers:
        known = ", ".join(list(numbers)[:8])
        raise UserError(f"yolo: wanted a model with the class {class_name!r}, {path} has {known}")
    return numbers[class_name]


def _read_yolo(path: Path) -> YOLO:
    from ultralytics import YOLO

    if not zipfile.is_zipfile(path):
        raise UserError(
            f"yolo: wanted weights of a PyTorch model, {path} is truncated or something else"
        )
    _refuse_anchor_based(path)
    # ultralytics interprets the file name: it removes quotes, requires .pt, and downloads
    # yolov5nu.pt for a file named yolov5n.pt. A link with a fixed name avoids this.
    with tempfile.TemporaryDirectory(prefix="occludenet-") as folder:
        link = Path(folder) / "weights.pt"
        link.symlink_to(path.resolve())
        try:
            return YOLO(str(link))
        except Exception as error:  # ultralytics and torch document no closed set
            message = first_line(error).removeprefix("ERROR ❌️ ").replace(str(link), path.name)
            raise UserError(
                f"yolo: wanted a model that ultralytics loads, {path} does not load: {message}"
            ) from error


def _refuse_anchor_based(path: Path) -> None:
    """Raises UserError for weights of the yolov5 repository, which need its modules."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        globals_ = get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # a broken file: the loader reports the error
        return
    if any(name.startswith("models.") for name in globals_):
        raise UserError(
            f"yolo: {path} is an anchor-based YOLOv5 checkpoint of the yolov5 repository; "
            "wanted the anchor-free form that ultralytics loads, such as yolov5nu.pt"
        )


def fill(model: torch.nn.Module, tensors: dict[str, torch.Tensor], wrong: str) -> None:
    """Load tensors into a model; raises UserError, which begins with `wrong`, if they misfit."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{wrong}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message; the error's type if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
