"""Optional packages and the extras of pyproject.toml that install them; failed imports as one line.

A package that is not installed, and a system library that an installed package does not find, are
no defects: the user installs what is missing. This module uses the standard library only, so that
it works where nothing is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from occludenet_build.core.errors import UserError

PROJECT = "occludenet-build"

EXTRAS: dict[str, str] = {
    "captum": "learn",
    "segment_anything": "learn",
    "tensorboard": "learn",
    "torch": "learn",
    "torchvision": "learn",
    "ultralytics": "yolo",
    "onnx": "exports",
    "onnxruntime": "exports",
    "openvino": "exports",
    "safetensors": "hf",
    "transformers": "hf",
    "deno": "youtube",
    "yt_dlp": "youtube",
    "yt_dlp_ejs": "youtube",
}
"""Module -> the extra that installs it; an installation without extras has all other modules."""

ENGINES: dict[str, tuple[str, ...]] = {
    "openvino": ("openvino",),
    "onnx": ("onnx", "onnxruntime"),
}
"""Engine (core.engines) -> modules that export a network to it and run it."""

_NO_LIBRARY = re.compile(r"([\w.+-]+\.so[\w.]*): cannot open shared object file")
"""The message of the dynamic loader."""
_DEBIAN = {
    "libGL.so.1": "libgl1",
    "libxcb.so.1": "libxcb1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
}
"""System library -> its package in Debian and Ubuntu."""


def require(modules: Iterable[str], purpose: str) -> None:
    """Check that modules are installed, without importing them.

    Raises UserError, which names `purpose` and what to install, where one is not.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UserError(_missing(missing, f" for {purpose}"))


@contextmanager
def import_errors_as_user_errors() -> Iterator[None]:
    """Convert the import of a missing package or system library to a one-line error.

    Raises UserError for these; other errors, also of modules of this project, pass unchanged.
    """
    try:
        yield
    except (ImportError, OSError) as error:
        line = missing_line(error)
        if line is None:
            raise
        raise UserError(line) from error


def missing_line(error: BaseException) -> str | None:
    """What an error says is missing and how to install it; None for an error of another kind.

    >>> missing_line(ModuleNotFoundError("No module named 'torch'", name="torch"))
    "wanted torch, which is not installed; pip install 'occludenet-build[learn]'"
    """
    library = _NO_LIBRARY.search(str(error))
    if library is not None:
        return _missing_library(library[1], getattr(error, "name", None))
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return _missing([module]) if module and module != __name__.partition(".")[0] else None


def _missing(modules: list[str], purpose: str = "") -> str:
    extras = ",".join(dict.fromkeys(EXTRAS[module] for module in modules if module in EXTRAS))
    package = f"'{PROJECT}[{extras}]'" if extras else PROJECT
    state = "which is not installed" if len(modules) == 1 else "which are not installed"
    return f"wanted {', '.join(modules)}{purpose}, {state}; pip install {package}"


def _missing_library(library: str, module: str | None) -> str:
    wanted = f"wanted the system library {library}" + (f" for {module}" if module else "")
    if module == "cv2":
        # The variant with windows, which needs X11 and OpenGL.
        return (
            f"{wanted}, this machine does not have it; pip uninstall opencv-python "
            "opencv-python-headless, then pip install opencv-python-headless"
        )
    package = _DEBIAN.get(library)
    how = f"apt install {package}" if package else "install the package of your system with it"
    return f"{wanted}, this machine does not have it; {how}"
