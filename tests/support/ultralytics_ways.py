"""Ways to import ultralytics, one after the other in a process of its own: what did each change?

    python -m support.ultralytics_ways FOLDER      prints JSON: way -> what is not as before

The process begins as a worker does: it imports nothing of the package itself.
"""

from __future__ import annotations

import builtins
import importlib
import json
import logging
import os
import pathlib
import pickle
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import PIL.Image
import PIL.ImageFile
import torch
import torchvision

WATCHED = [builtins, os, pathlib.Path, subprocess, sys, warnings, json, logging, pickle, np, cv2]
WATCHED += [PIL.Image, PIL.ImageFile, torch, torch.serialization, torch.hub, torchvision]
MAY_DIFFER = {"sys.last_exc", "logging.lastResort"}

STAY = ("YOLO_", "ULTRALYTICS_SAFE_LOAD", "CUBLAS_WORKSPACE_CONFIG")
"""Environment variables that the guard sets for good, and one that each model sets (no import): it
makes cuBLAS deterministic."""

INSTALLS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
events: list[str] = []


def listen(event: str, arguments: tuple) -> None:
    if event.startswith((*INSTALLS, "socket.connect", "socket.getaddrinfo", "urllib.Request")):
        events.append(f"{event} {arguments}"[:200])


def functions() -> dict[str, int]:
    """Identities of all functions and classes of the modules that are watched."""
    return {
        f"{where.__name__}.{name}": id(value)
        for where in WATCHED
        for name, value in list(vars(where).items())
        if callable(value)
    }


def state() -> dict[str, Any]:
    """What else a process has: environment, threads, options, filters, hooks."""
    variables = {f"${n}": v for n, v in os.environ.items() if not n.startswith(STAY)}
    return variables | {
        "threads of OpenCV": cv2.getNumThreads(),
        "threads of torch": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "seed of torch": torch.get_rng_state().tolist(),
        "seed of numpy": np.random.get_state()[1].tolist(),  # type: ignore[index]
        "a printed tensor": str(torch.arange(30.0)),
        "a printed array": str(np.arange(30.0)),
        "warnings": list(warnings.filters),
        "handlers": [*logging.getLogger().handlers, logging.getLogger().level],
        "matplotlib": str(matplotlib.rcParams),
        "hooks": [sys.excepthook, sys.stdout, sys.stderr, warnings.showwarning],
        "folder": Path.cwd(),
        "truncated pictures": PIL.ImageFile.LOAD_TRUNCATED_IMAGES,
    }


def changes(before: dict, after: dict) -> list[str]:
    names = (before.keys() | after.keys()) - MAY_DIFFER
    return sorted(name for name in names if before.get(name) != after.get(name))


def forget() -> None:
    """The next import of ultralytics is the first one."""
    for name in [n for n in sys.modules if n.split(".")[0] == "ultralytics"]:
        del sys.modules[name]


def by_pickle() -> None:
    """A worker process gets a function of the package, which imports ultralytics."""
    name = b"coccludenet_build.core.torch_models\nload_yolo\n."
    load = pickle.loads(name)
    try:
        load(folder / "none.pt", "detect")
    except Exception as error:
        assert "is not one" in str(error), error
    importlib.import_module("ultralytics")


def by_a_model() -> None:
    tasks = importlib.import_module("ultralytics.nn.tasks")
    with torch.random.fork_rng():
        model = tasks.DetectionModel("yolov5n.yaml", nc=1, verbose=False)
    model.names = {0: "person"}
    torch.save({"model": model.eval(), "train_args": {}}, folder / "model.pt")


def by_our_loader() -> None:
    from occludenet_build.core.torch_models import load_yolo

    load_yolo(folder / "model.pt", "detect")


def by_our_detector() -> None:
    from occludenet_build.config.people import Detect
    from occludenet_build.people.detectors.yolo import Yolo

    Yolo(Detect(weights=str(folder / "model.pt"), image_size=64), torch.get_num_threads(), "cpu")


def by_a_checkpoint() -> None:
    """torch imports what a pickle names."""
    torch.load(folder / "model.pt", weights_only=False)


def by_its_modules() -> None:
    for name in ("engine.results", "utils.ops", "data.augment", "nn.autobackend", "utils.patches"):
        importlib.import_module(f"ultralytics.{name}")


def by_a_second_try() -> None:
    """After an import that failed."""
    sys.modules["ultralytics.utils"] = None  # type: ignore[assignment]  # its import fails
    try:
        importlib.import_module("ultralytics")
    except ImportError:
        pass
    assert "ultralytics" not in sys.modules
    forget()
    importlib.import_module("ultralytics")


def by_a_search() -> None:
    """find_spec, as programs ask whether a package is there, imports nothing."""
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None and spec.loader is not None and "ultralytics" not in sys.modules
    importlib.import_module("ultralytics")
    assert "exec_module" not in vars(sys.modules["ultralytics"].__loader__)


def without_the_guard() -> None:
    """What it is for: this one is changed."""
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "Finder"]
    importlib.import_module("ultralytics")


WAYS: list[Callable[[], None]] = [
    by_a_model,
    by_our_loader,
    by_our_detector,
    by_a_checkpoint,
    by_its_modules,
    by_a_second_try,
    by_a_search,
]


def changed_by(way: Callable[[], None]) -> list[str]:
    """What a first import of ultralytics by this way changes."""
    forget()
    before = functions(), state()
    way()
    after = functions(), state()
    assert "ultralytics" in sys.modules, way.__name__
    return [*changes(before[0], after[0]), *changes(before[1], after[1])]


def import_all_of_ours() -> None:
    """As --doctest-modules does; it sets warnings of other libraries."""
    package = importlib.import_module("occludenet_build")
    for module in pkgutil.walk_packages(package.__path__, "occludenet_build."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert "ultralytics" not in sys.modules


def asked_to_install() -> list[str]:
    """Its own function that installs what is missing, and Image.open on what is no picture."""
    checks = importlib.import_module("ultralytics.utils.checks")
    (folder / "page.jpg").write_text("<html>")
    assert checks.check_requirements("occludenet-no-such-package") is False
    try:
        PIL.Image.open(folder / "page.jpg")
    except PIL.UnidentifiedImageError:
        pass
    return list(events)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.addaudithook(listen)
    logging.basicConfig()
    first = {"by_pickle": changed_by(by_pickle)}
    forget()
    import_all_of_ours()
    ways = first | {way.__name__: changed_by(way) for way in WAYS}
    asked = asked_to_install()
    print(json.dumps({"ways": ways, "events": asked, "unguarded": changed_by(without_the_guard)}))
