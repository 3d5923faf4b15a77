"""What the tests of a process share and may change unawares: each begins with the same state.

So a test passes or fails alike alone, in a file, and in any order.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

Undo = Callable[[], None]


@contextmanager
def process_as_before() -> Iterator[None]:
    """Seeds are 0 at the beginning; at the end all else is as it was.

    Of libraries only those that are loaded count: none is loaded for this. pytest itself takes
    back filters of warnings.
    """
    undo = [kept() for kept in (_place, _environment, _logging, _torch, _opencv, _plots)]
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _place() -> Undo:
    """Folder, umask, search path, and what Ctrl-C and the end of a job do."""
    folder, path, mask = Path.cwd(), sys.path[:], os.umask(0o022)
    os.umask(mask)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        os.chdir(folder)
        os.umask(mask)
        sys.path[:] = path
        for number, handler in handlers.items():
            signal.signal(number, handler)

    return restore


def _environment() -> Undo:
    before = dict(os.environ)

    def restore() -> None:
        # the guard of ultralytics' import sets these for good: the import is not done again
        stay = {n: v for n, v in os.environ.items() if n.startswith(("YOLO_", "ULTRALYTICS_"))}
        wanted = before | stay
        if os.environ != wanted:
            for name in os.environ.keys() - wanted.keys():
                del os.environ[name]
            os.environ.update(wanted)

    return restore


def _logging() -> Undo:
    """Commands set up the root logger of their process; here it is that of all tests."""
    root = logging.getLogger()
    level, handlers, disabled = root.level, root.handlers[:], logging.root.manager.disable

    def restore() -> None:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.disable(disabled)

    return restore


def _torch() -> Undo:
    torch = sys.modules.get("torch")
    if torch is None:
        return lambda: None
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    kind, exact = torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()

    def restore() -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(kind)
        torch.use_deterministic_algorithms(exact)

    return restore


def _opencv() -> Undo:
    cv2 = sys.modules.get("cv2")
    if cv2 is None:
        return lambda: None
    threads = cv2.getNumThreads()
    return lambda: cv2.setNumThreads(threads)


def _plots() -> Undo:
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None:
        return lambda: None
    options = dict.copy(matplotlib.rcParams)
    options.pop("backend", None)  # found at the first plot, and the same for all

    def restore() -> None:
        dict.update(matplotlib.rcParams, options)

    return restore
