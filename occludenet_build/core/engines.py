"""Engines: libraries that run a network in the place of torch, from an export that is made once.

An engine is chosen, and the weights are exported to it, by `occludenet acquire engine`. Its note is
that of the weights (sources.weights) with one more entry, `engine`:

    name       torch, openvino or onnx
    why        how it was chosen
    precision  f32 or bf16; this and what follows is missing for torch
    version    ENGINE_VERSION, when it was exported
    model      the exported file, relative to the folder of the note
    sha256     hash of its files
    made_with  package -> version

The export lies beside the note, in a folder that is named after the hash of the weights, the
engine, the precision and the version. A library or a processor of another version gives other last
digits, as it does with torch; another engine or precision gives other results. Both are part of the
key of every clip.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occludenet_build.core import extras, torch_models
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import folder_lock, replacing_folder, sha256_file, write_json
from occludenet_build.core.versions import ENGINE_VERSION

if TYPE_CHECKING:
    import torch

TORCH = "torch"
AUTO = "auto"
_FACTS = "engine.json"


@dataclass(frozen=True)
class Engine:
    """The library and the precision of an exported network."""

    name: str
    precision: str
    """Of the layers: f32 or bf16."""
    version: int = ENGINE_VERSION

    def __str__(self) -> str:
        return f"{self.name} {self.precision}"

    @property
    def key(self) -> str:
        """What of it belongs to the key of a clip."""
        return f"{self} {self.version}"


def choose(wanted: str, device: str, offered: tuple[str, ...]) -> tuple[Engine | None, str]:
    """The engine for a setting on this machine, None for torch, and the reason in words.

    `device`: that of the network, a setting of torch_models.resolve_device; `offered`: the engines
    to which the network can be exported. `auto` is OpenVINO where its package is there and the CPU
    that runs the network computes in bfloat16, else torch: in float32 both take the same time.
    Raises UserError where a package of the engine is missing.
    """
    if wanted == AUTO:
        return _fastest(torch_models.resolve_device(device), offered)
    extras.require(extras.ENGINES[wanted], f"the engine {wanted}")
    if wanted == "openvino":
        return Engine(wanted, "bf16" if has_bf16() else "f32"), "as set"
    return Engine(wanted, "f32"), "as set"


def _fastest(device: str, offered: tuple[str, ...]) -> tuple[Engine | None, str]:
    if "openvino" not in offered:
        return None, "the network has no other engine"
    if device != "cpu":
        return None, f"on {device}"
    if find_spec("openvino") is None:
        return None, "openvino is not installed; pip install 'occludenet-build[exports]'"
    if not has_bf16():
        return None, "this CPU does not compute in bfloat16"
    return Engine("openvino", "bf16"), "this CPU computes in bfloat16"


@cache
def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on the CPU of this machine."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


# --- exports --------------------------------------------------------------------------------------


def export(engine: Engine, weights_sha256: str, folder: Path, write: Callable[[Path], Any]) -> Path:
    """The model file of an export below `folder`, made by `write(folder)` if it is not there.

    `write` writes model.xml with model.bin, or model.onnx, into the folder that it is given. Other
    processes wait meanwhile, and never see half an export.
    """
    name = f"{weights_sha256[:16]}-{engine.name}-{engine.precision}-{engine.version}"
    with folder_lock(folder):
        if not (folder / name / _FACTS).exists():
            with replacing_folder(folder / name) as temporary:
                logging.info("exporting to %s, once", engine)
                write(temporary)
                facts = asdict(engine) | {"made_with": _versions(engine)}
                write_json(temporary / _FACTS, facts)
    return model_in(folder / name)


def model_in(folder: Path) -> Path:
    """The model file of an export. Raises UserError where the folder has none."""
    for suffix in (".xml", ".onnx"):
        if (folder / f"model{suffix}").exists():
            return folder / f"model{suffix}"
    raise UserError(
        f"engine: wanted an exported model in {folder}, there is none; remove the folder"
    )


def write_yolo(engine: Engine, weights: Path, task: Any, folder: Path) -> None:
    """Export an ultralytics model for pictures of any size that its stride divides.

    Raises UserError where the weights do not load or are of another task.
    """
    model, _ = torch_models.load_yolo(weights, task)
    inner: Any = model.model
    inner.pt_path = str(folder / "model.pt")  # the exporter writes beside it
    own = {"simplify": False} if engine.name == "onnx" else {}
    made = Path(model.export(format=engine.name, dynamic=True, verbose=False, **own))
    for path in made.iterdir() if made.is_dir() else ():
        os.replace(path, folder / path.name)
    if made.is_dir():
        made.rmdir()


def write_module(module: torch.nn.Module, shape: tuple[int, ...], folder: Path) -> None:
    """Export a torch module to OpenVINO, for one float32 input of the shape."""
    import openvino
    import torch

    with torch.inference_mode():
        made = openvino.convert_model(
            module.eval(), input=[shape], example_input=torch.zeros(shape)
        )
    openvino.save_model(made, folder / "model.xml", compress_to_fp16=False)


def facts_of(model: Path | None, why: str, note: Path) -> dict[str, Any]:
    """The entry `engine` of the note; `model`: the exported file, below the note's folder, or None
    for torch."""
    if model is None:
        return {"name": TORCH, "why": why}
    facts = json.loads(model.with_name(_FACTS).read_text())
    named = model.relative_to(note.parent).as_posix()
    return facts | {"why": why, "model": named, "sha256": sha256_of(model)}


def _versions(engine: Engine) -> dict[str, str]:
    """Package -> version, of those that make an export."""
    found = {}
    for name in ("torch", "ultralytics-opencv-headless", *extras.ENGINES[engine.name]):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def model_of_note(facts: dict[str, Any], note: Path) -> str:
    """The exported file that the entry `engine` of a note names; `torch` for that.

    Raises UserError where the file is missing, or is not what the note says.
    """
    if facts["name"] == TORCH:
        return TORCH
    model = note.parent / facts["model"]
    if not model.is_file() or sha256_of(model) != facts["sha256"]:
        raise UserError(
            f"engine: wanted {model} as {note} says, sha256 {facts['sha256']}, it is missing or "
            "has changed; put it back, or export again with `snakemake -R acquire_engine`"
        )
    return str(model)


def sha256_of(model: Path) -> str:
    """Hash of the files of an export, 64 hex digits: the model, and OpenVINO's weights."""
    digest = hashlib.sha256()
    for path in (model, model.with_suffix(".bin")):
        digest.update(sha256_file(path).encode() if path.exists() else b"-")
    return digest.hexdigest()


# --- what a stage asks ----------------------------------------------------------------------------


@cache
def engine_of(model: str) -> Engine | None:
    """The engine of an exported file; None for `torch`.

    Raises UserError for a setting that was not resolved: `auto`, or the name of an engine.
    """
    if model == TORCH:
        return None
    try:
        facts = json.loads(Path(model).with_name(_FACTS).read_text())
        return Engine(facts["name"], facts["precision"], facts["version"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"engine: wanted the note of an export as --weights for the engine {model}, got none; "
            "write it with `occludenet acquire engine`, or set the engine torch"
        ) from error


def device_of(setting: str, model: str) -> str:
    """The device that a network gets its inputs on: OpenVINO's is the CPU.

    `setting` as for torch_models.resolve_device; `model` as for `engine_of`.
    """
    engine = engine_of(model)
    is_cpu = engine is not None and engine.name == "openvino"
    return "cpu" if is_cpu else torch_models.resolve_device(setting)


def weights_key(weights_sha256: str | None, model: str) -> str:
    """What of the weights and of the engine belongs to the key of a clip.

    >>> weights_key("1f", "torch"), weights_key(None, "torch")
    ('1f', '')
    """
    engine = engine_of(model)
    return f"{weights_sha256} {engine.key}" if engine else weights_sha256 or ""


def backend_text(backend: str, model: str) -> str:
    """The backend of a row, with the engine if it is another than torch: `yolo, openvino bf16`.

    >>> backend_text("yolo", "torch")
    'yolo'
    """
    engine = engine_of(model)
    return f"{backend}, {engine}" if engine else backend


# --- running --------------------------------------------------------------------------------------


class OpenVino:
    """A network compiled by OpenVINO for the CPU, which computes one input with all threads."""

    def __init__(self, model: Path, threads: int, precision: str = "f32") -> None:
        """`threads`: its CPU threads, on whichever cores this process may use.

        Raises UserError where this CPU does not compute in the precision.
        """
        network = _network(model)
        self._compiled = _compiled(network, threads, precision, {"PERFORMANCE_HINT": "LATENCY"})

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """The outputs, float32, for one float32 input; both of the network's shapes."""
        found = self._compiled(np.ascontiguousarray(values))
        return [np.array(found[number], np.float32) for number in range(len(found))]

    def on_tensors(self, values: torch.Tensor, *_: Any, **__: Any) -> list[torch.Tensor]:
        """The outputs as tensors, for the module's forward that this network replaces."""
        import torch

        return [torch.from_numpy(output) for output in self(values.numpy())]


class OpenVinoBatches:
    """A network compiled by OpenVINO for the CPU, which computes parts of batches side by side.

    Each part has a thread of its own, so that none waits for another one, and few pictures, whose
    values stay in the processor's caches. The size of a part and the number of threads change no
    bit of the outputs.
    """

    def __init__(self, model: Path, threads: int, precision: str, pictures: bool) -> None:
        """`pictures`: its input is uint8 (B, H, W, 3), 0 to 255; else float32 (B, 3, H, W), 0 to 1.

        `threads` and errors as for OpenVino.
        """
        network = _network(model)
        shape = network.input(0).get_partial_shape()
        self.input_shape = [None if size.is_dynamic else size.get_length() for size in shape]
        """Of (B, 3, H, W); None: any."""
        self.name = f"openvino, CPU, {precision}"
        self._streams = min(max(1, threads), _MOST_STREAMS)
        network = _of_pictures(network) if pictures else network
        self._compiled = _compiled(network, threads, precision, {"NUM_STREAMS": self._streams})
        self._idle: list[Any] = []  # requests, which are slow to make

    def start(self, values: np.ndarray) -> Callable[[], np.ndarray]:
        """Start a batch; the returned function waits for it and gives the first output, float32."""
        length = self.input_shape[0] or min(_PART, -(-len(values) // self._streams))
        parts = [values[at : at + length] for at in range(0, len(values), length)]
        requests = [self._request() for _ in parts]
        for request, part in zip(requests, parts, strict=True):
            # It copies. A call of the network itself would share its input, whose memory later
            # requests then get as their own and write to (OpenVINO 2026.4).
            request.start_async([np.ascontiguousarray(part)])

        def outputs() -> np.ndarray:
            for request in requests:
                request.wait()
            found = [request.get_output_tensor(0).data.astype(np.float32) for request in requests]
            self._idle += requests
            return np.concatenate(found)

        return outputs

    def _request(self) -> Any:
        return self._idle.pop() if self._idle else self._compiled.create_infer_request()


@cache
def openvino_batches(model: Path, threads: int, precision: str, pictures: bool) -> OpenVinoBatches:
    """The network of a file, which stays in memory as long as the process.

    A long test process in which networks with several streams had been freed died of SIGSEGV when
    it next waited for a program that it had started (OpenVINO 2026.4.1, beside torch and others).
    """
    return OpenVinoBatches(model, threads, precision, pictures)


_PART = 4
"""Most pictures of a part: YOLOv5nu at 384x640 takes 2 % less CPU time than with 16, or with 1."""
_MOST_STREAMS = 8
"""Most parts that are computed at once: two batches of 16 are under way."""


def _network(model: Path) -> Any:
    import openvino

    return openvino.Core().read_model(str(model), str(model.with_suffix(".bin")))


def _of_pictures(network: Any) -> Any:
    """The network with an input of pictures, uint8 (B, H, W, 3), which it divides by 255."""
    import openvino
    from openvino import preprocess

    steps = preprocess.PrePostProcessor(network)
    pictures = steps.input()
    pictures.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    pictures.model().set_layout(openvino.Layout("NCHW"))
    pictures.preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    return steps.build()


def _compiled(network: Any, threads: int, precision: str, options: dict[str, Any]) -> Any:
    import openvino

    if precision == "bf16" and not has_bf16():
        raise UserError(
            "engine: wanted a CPU that computes in bfloat16, as the one that the weights were "
            "exported on, this one does not; use another machine, or set the engine torch"
        )
    # Without pinning: processes side by side would all take the first cores.
    options |= {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": max(1, threads)}
    return openvino.Core().compile_model(network, "CPU", options | {"ENABLE_CPU_PINNING": False})


def load(model: str, threads: int) -> OpenVino | None:
    """The exported network of a setting `engine`, for `on_tensors`; None for torch."""
    engine = engine_of(model)
    return OpenVino(Path(model), threads, engine.precision) if engine else None
