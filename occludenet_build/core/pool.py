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


def in_processes(
    function: Callable[[Item], Out], items: Iterable[Item], workers: int
) -> Iterator[Out]:
    """Results as they come, in no fixed order; `workers` <= 1 runs in this process.

    `items` may be lazy: at most twice as many as workers wait at a time.
    """
    if workers <= 1:
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


def _begin(parent: int) -> None:
    # A worker of a killed parent would wait for work for ever: it holds both ends of its queue.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # Ctrl-C reaches the whole process group: the parent decides, workers finish their clip.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
