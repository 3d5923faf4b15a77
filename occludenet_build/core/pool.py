"""A pool of worker processes that end with the process that started them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Out = TypeVar("Out")

_PR_SET_PDEATHSIG = 1
_M_MMAP_THRESHOLD = -3


def in_processes(
    function: Callable[[Item], Out], items: Iterable[Item], workers: int
) -> Iterator[Out]:
    """Apply `function` to all items and yield the results in order of completion.

    `workers` <= 1 runs in this process. `items` may be lazy: at most 2 x `workers` items are
    submitted ahead.
    """
    if workers <= 1:
        _return_large_blocks()
        yield from map(function, items)
        return
    import cv2  # noqa: F401 # the workers need it: where it is broken, its error is raised here

    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_initialize, initargs=(os.getpid(),)
    )
    source = iter(items)
    try:
        waiting: set[Future[Out]] = {
            pool.submit(function, item) for item in islice(source, 2 * workers)
        }
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(function, item) for item in islice(source, len(done))}
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _return_large_blocks() -> None:
    """Make glibc return large freed blocks, such as frames, to the system.

    By default glibc keeps them: after several encoders were created and closed, a worker holds 1.5
    times the memory that it uses.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, 1 << 20)


def _initialize(parent: int) -> None:
    _return_large_blocks()
    # Without this a worker of a killed parent waits forever: it holds both ends of its queue.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # Ctrl-C reaches the whole process group. The parent handles it; workers finish their clip.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
