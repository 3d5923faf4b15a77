"""Worker processes that never outlive the process that started them."""

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
    """Results as they come, in no fixed order; `workers` <= 1 runs in this process.

    `items` may be lazy: at most twice as many as workers wait at a time.
    """
    if workers <= 1:
        _return_large_blocks()
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),)
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
    """Blocks of pictures go back to the system when they are freed.

    glibc soon keeps them, and after some encoders have come and gone a worker holds half as much
    again as it uses.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, 1 << 20)


def _begin(parent: int) -> None:
    _return_large_blocks()
    # A worker of a killed parent would wait for work for ever: it holds both ends of its queue.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # Ctrl-C reaches the whole process group: the parent decides, workers finish their clip.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
