"""Imports of ultralytics: offline, without installing anything, and the process stays as it was.

Importing ultralytics (tested with 8.4.190) changes the process that imports it:

- PIL's Image.open becomes a function that tries to install a package where a file is no picture
- torch.save becomes a function that tries again; on Windows cv2.imread, imwrite and imshow become
  others too
- OpenCV is set to one thread, and OMP_NUM_THREADS=1, NUMEXPR_MAX_THREADS=1 and three log levels are
  set for all child processes
- kinds of warnings are ignored, and torch and numpy print arrays in longer lines

All of it is done by the import of the package itself, which precedes that of any of its modules.
`install` puts a finder before the others that takes these changes back right after that import, by
whomever it comes: this package, a detector of a user's package, a pickle, another library.
A program that imported ultralytics before this package keeps what it has.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = "ultralytics"

REPLACED = {
    "PIL.Image": ("open",),
    "torch": ("load", "save", "set_printoptions"),
    "cv2": ("imread", "imwrite", "imshow"),
}
"""Module -> functions that are put back."""


class Finder:
    """A `sys.meta_path` entry that finds ultralytics where the others do, and guards its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of ultralytics from the other finders; None for every other module."""
        if name != PACKAGE:
            return None
        others = (f.find_spec for f in sys.meta_path if f is not self and hasattr(f, "find_spec"))
        specs = (find(name, path, target) for find in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            # an attribute of this one loader, so that it keeps its type and its other methods
            guarded = functools.partial(_import, spec.loader.exec_module)
            spec.loader.exec_module = guarded  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Guard the import of ultralytics in this process; a second call changes nothing."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def _import(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    vars(module.__loader__).pop("exec_module", None)
    # set for good: some are read later, and child processes may not import this package
    os.environ |= {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": _config_folder(),
        "YOLO_VERBOSE": "false",
        "ULTRALYTICS_SAFE_LOAD": "1",
    }
    with _process_as_before():
        execute(module)


@functools.cache
def _config_folder() -> str:
    """An empty folder for the settings of ultralytics: a user's own count for nothing."""
    folder = tempfile.mkdtemp(prefix="occludenet-ultralytics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def _process_as_before() -> Iterator[None]:
    import cv2
    import numpy
    import torch

    modules = {name: importlib.import_module(name) for name in REPLACED}
    originals = [(modules[m], f, getattr(modules[m], f)) for m in REPLACED for f in REPLACED[m]]
    environment, threads = dict(os.environ), cv2.getNumThreads()
    torch.set_printoptions = lambda *args, **options: None  # there is no way to read the options
    try:
        with warnings.catch_warnings(), numpy.printoptions():
            yield
    finally:
        for module, name, function in originals:
            setattr(module, name, function)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ |= environment
        cv2.setNumThreads(threads)
