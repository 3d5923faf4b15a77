"""YOLO networks exported by ultralytics: ONNX (.onnx) and OpenVINO (.xml with its .bin).

Both formats hold data only, no code. The metadata that ultralytics writes into them lists the
class names, the input size, and whether the network takes other sizes. The network runs with the
job's number of threads and in the precision of the file; OpenVINO by default uses a lower one where
the CPU supports it.

ultralytics' AutoBackend, which runs .pt files in `yolo`, also reads both formats and computes the
same numbers. It does not replace this module (tested with 8.4.190):

- it passes neither a number of threads nor a precision to onnxruntime and OpenVINO, so each takes
  all cores, while shards run side by side with their own threads
- it accepts an OpenVINO export only as a folder whose name ends in _openvino_model
- it loads an export without metadata with 999 invented class names instead of an error
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from occludenet_build.config.people import Detect
from occludenet_build.core.engines import Engine, openvino_batches
from occludenet_build.core.errors import UserError
from occludenet_build.core.extras import import_errors_as_user_errors
from occludenet_build.core.torch_models import class_index, first_line

if TYPE_CHECKING:
    import torch

SUFFIXES = (".onnx", ".xml")


def model_file(weights: Path) -> Path:
    """The .xml file of a folder with an OpenVINO export; any other path is returned unchanged.

    Raises UserError where the folder has no .xml file or several.
    """
    if not weights.is_dir():
        return weights
    models = sorted(weights.glob("*.xml"))
    if len(models) != 1:
        raise UserError(
            f"yolo: wanted a folder with the one .xml of an OpenVINO export, {weights} has "
            f"{len(models)}; name the file"
        )
    return models[0]


def model_files(weights: Path) -> list[Path]:
    """All files of a model: three for an OpenVINO export (.xml, .bin, metadata.yaml), else one."""
    if weights.suffix != ".xml":
        return [weights]
    return [weights, weights.with_suffix(".bin"), weights.with_name("metadata.yaml")]


def load_export(
    weights: Path, settings: Detect, threads: int, device: str, engine: Engine | None
) -> Export:
    """Load an exported network, .onnx or .xml; `engine`: what it was exported for by this package.

    Raises UserError where the file does not load or is not an ultralytics export of a detection
    model, and where onnxruntime or openvino is not installed.
    """
    kind = _Onnx if weights.suffix == ".onnx" else _OpenVino
    try:
        with import_errors_as_user_errors():
            library = kind(weights, threads, device, engine)
    except UserError:
        raise
    except Exception as error:  # each library raises its own errors
        raise UserError(
            f"yolo: wanted an export that loads, {weights} is truncated or something else: "
            f"{first_line(error)}"
        ) from error
    return Export(library, weights, settings)


class Export:
    """A `yolo.Network` that onnxruntime or OpenVINO runs."""

    half = False
    device = "cpu"

    def __init__(self, library: _Onnx | _OpenVino, weights: Path, settings: Detect) -> None:
        facts = {key: _value(value) for key, value in library.facts.items()}
        if facts.get("task") != "detect" or "names" not in facts:
            raise UserError(
                f"yolo: wanted an export of a detect model with ultralytics' metadata, "
                f"{weights} has task {facts.get('task')!r}; export it with ultralytics"
            )
        self._library, self.takes_bytes = library, library.takes_bytes
        self.person = class_index(facts["names"], "person", weights)
        self.stride = int(facts.get("stride", 32))
        args = facts.get("args") or {}
        self.end2end = bool(facts.get("end2end") or args.get("nms"))
        self._batch, height, width = _fixed(library.input_shape)
        self.tight = height is None or width is None
        side = -(-settings.image_size // self.stride) * self.stride
        self.shape = (height or side, width or side)
        if not self.tight and self.shape != (side, side):
            logging.warning(
                "yolo: %s takes %dx%d pixels; detect.image_size %d is of no effect",
                *(weights, width, height, settings.image_size),
            )
        logging.info("yolo: %s by %s", weights, library.name)

    def __call__(self, pictures: torch.Tensor) -> Callable[[], torch.Tensor]:
        """See `yolo.Network`; the predictions are on the CPU."""
        import torch

        values = pictures.cpu().numpy()
        length = self._batch or len(values)
        parts = [values[k : k + length] for k in range(0, len(values), length)]
        started = [self._library.start(_filled_up(part, length)) for part in parts]
        return lambda: torch.from_numpy(np.concatenate([get() for get in started])[: len(values)])


def _value(text: Any) -> Any:
    """A metadata value; ONNX stores Python literals as text."""
    if not isinstance(text, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _fixed(shape: list[int | None]) -> tuple[int | None, int | None, int | None]:
    """Batch size, height and width of an export's input; None where it takes any."""
    batch, _, height, width = shape
    return batch, height, width


def _filled_up(part: np.ndarray, batch: int) -> np.ndarray:
    """`part` (n, 3, H, W), padded with zeros to (batch, 3, H, W)."""
    missing = batch - len(part)
    if not missing:
        return part
    return np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])


class _Onnx:
    """A session of onnxruntime, on a CUDA device where there is one."""

    takes_bytes = False

    def __init__(self, weights: Path, threads: int, device: str, engine: Engine | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads)
        options.log_severity_level = 3
        providers: list[Any] = ["CPUExecutionProvider"]
        if device.startswith("cuda"):
            number = int(device.partition(":")[2] or 0)
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": number}))
            if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
                logging.warning(
                    "yolo: this onnxruntime has no CUDA, so the CPU is used; install "
                    "onnxruntime-gpu to use the GPU"
                )
                providers.pop(0)
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=providers)
        (network_input,) = self._session.get_inputs()
        self._input = network_input.name
        self._dtype = np.float16 if "16" in network_input.type else np.float32
        self.input_shape = [size if isinstance(size, int) else None for size in network_input.shape]
        self.facts = dict(self._session.get_modelmeta().custom_metadata_map)
        self.name = f"onnxruntime, {self._session.get_providers()[0]}"

    def start(self, pictures: np.ndarray) -> Callable[[], np.ndarray]:
        given = {self._input: np.ascontiguousarray(pictures, self._dtype)}
        raw = np.asarray(self._session.run(None, given)[0], np.float32)
        return lambda: raw


class _OpenVino:
    """A network that OpenVINO runs on the CPU, with the metadata beside it."""

    def __init__(self, weights: Path, threads: int, device: str, engine: Engine | None) -> None:
        # A user's own export gets the floats that torch would: its results are older than this.
        self.takes_bytes = engine is not None
        precision = engine.precision if engine is not None else "f32"
        self._network = openvino_batches(weights, threads, precision, self.takes_bytes)
        self.input_shape, self.name = self._network.input_shape, self._network.name
        metadata = weights.with_name("metadata.yaml")
        self.facts = yaml.safe_load(metadata.read_text()) if metadata.is_file() else {}

    def start(self, pictures: np.ndarray) -> Callable[[], np.ndarray]:
        return self._network.start(pictures)
