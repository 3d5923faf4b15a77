"""A pool of worker processes that end with the process that started them.

An item that hangs, crashes its worker or takes too much memory costs nobody else anything: its
worker is replaced, and the caller makes a row of it. The limits are those of the process, set once
by `limit_items`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.context import ForkServerContext
from typing import Any, TypeVar, cast

from occludenet_build.core.errors import ItemError
from occludenet_build.core.fork_server import end_with_parent, fork_server

Item = TypeVar("Item")
Out = TypeVar("Out")
Backend = TypeVar("Backend")

_M_MMAP_THRESHOLD = -3


@dataclass
class _Limits:
    """Limits of one item; None: no limit."""

    seconds: float | None = None
    memory_mb: int | None = None


_limits = _Limits()


def limit_items(minutes: float | None, memory_mb: int | None) -> None:
    """Set the time of one item and the memory of one worker, of all later pools; None: no limit."""
    _limits.seconds = None if minutes is None else 60 * minutes
    _limits.memory_mb = memory_mb


def in_processes(
    function: Callable[[Item], Out],
    items: Iterable[Item],
    workers: int,
    lost: Callable[[Item, ItemError], Out] | None = None,
) -> Generator[Out, None, None]:
    """Apply `function` to all items and yield the results in order of completion.

    `lost(item, error)` gives the result of an item whose worker had to be ended or died: too_slow,
    worker_killed or crashed. Without it the limits do not hold, and the death of a worker raises
    BrokenProcessPool. `items` may be lazy: at most 2 x `workers` items are submitted ahead. One
    worker without limits runs in this process, where an item can neither be ended nor outlived.
    """
    limits = _limits if lost is not None else _Limits()
    if workers <= 1 and limits == _Limits():
        _return_large_blocks()
        yield from map(function, items)
        return
    import cv2  # noqa: F401 # the workers need it: where it is broken, its error is raised here

    with fork_server(function, "cv2", "pebble") as context:
        yield from _in_pool(function, items, max(workers, 1), lost, limits, context)


def _in_pool(
    function: Callable[[Item], Out],
    items: Iterable[Item],
    workers: int,
    lost: Callable[[Item, ItemError], Out] | None,
    limits: _Limits,
    context: ForkServerContext,
) -> Iterator[Out]:
    from pebble import ProcessPool  # not above: the workflow imports this module

    stopped, all_there = context.Event(), context.Barrier(workers)
    pool = ProcessPool(
        workers,
        context=context,
        initializer=_initialize,
        initargs=(dict(os.environ), limits.memory_mb, stopped, all_there),
    )
    source, replaced = iter(items), False
    waiting: dict[Future[Out], Item] = {}

    def submit(count: int) -> None:
        for item in islice(source, count):
            future = pool.schedule(_work, args=(function, item), timeout=limits.seconds)
            waiting[future] = item

    try:
        submit(2 * workers)
        while waiting:
            done = wait(waiting, return_when=FIRST_COMPLETED).done
            finished = [(future, waiting.pop(future)) for future in done]
            submit(len(finished))
            for future, item in finished:
                replaced = replaced or _cause_of_loss(future) is not None
                yield _result(future, item, lost)
    finally:
        # Workers finish what they are at: one that is killed would leave half a file. One that is
        # just starting in the place of another would complain, so all meet first.
        stopped.set()
        for _ in range(workers if replaced else 0):
            pool.schedule(_meet, timeout=_START_SECONDS)
        pool.close()
        pool.join()


def with_backend(
    load: Callable[[int], Backend],
    network: bool,
    items: Iterable[Item],
    threads: int,
    make: Callable[[Item, Backend], Out],
    lost: Callable[[Item, ItemError], Out],
) -> Iterator[Out]:
    """Yields `make(item, backend)` per item, of a network in this process or of worker processes.

    `load(threads)` gives the backend: a network once, with all CPU threads, any other one once per
    item, in `threads` worker processes; `lost` as for `in_processes`.
    """
    if not network:
        yield from in_processes(partial(_with_own, load, make), items, threads, lost)
        return
    backend = load(threads)
    for item in items:
        yield make(item, backend)


def _with_own(
    load: Callable[[int], Backend], make: Callable[[Item, Backend], Out], item: Item
) -> Out:
    return make(item, load(1))


def _result(future: Future[Out], item: Item, lost: Callable[[Item, ItemError], Out] | None) -> Out:
    cause = _cause_of_loss(future)
    if cause is None:
        return future.result()
    if lost is None:
        raise BrokenProcessPool(str(cause))
    return lost(item, cause)


def _cause_of_loss(future: Future[Any]) -> ItemError | None:
    """Why the worker of an item was ended or died; None if it was not."""
    from pebble import ProcessExpired

    error = future.exception()
    if isinstance(error, ProcessExpired):
        return _death(error.exitcode)
    # the item itself may raise a TimeoutError too
    if isinstance(error, TimeoutError) and error.args[:1] == ("Task timeout",):
        return ItemError("too_slow", f"longer than {error.args[1]:g} s")
    return None


def _death(code: int) -> ItemError:
    if code == -signal.SIGKILL:
        return ItemError("worker_killed", "by SIGKILL, as the kernel does where memory runs out")
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return ItemError("crashed", f"the worker ended with {name}")


def _return_large_blocks() -> None:
    """Make glibc return large freed blocks, such as frames, to the system.

    By default glibc keeps them: after several encoders were created and closed, a worker holds 1.5
    times the memory that it uses.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, 1 << 20)


_stopped: Any = None
"""In a worker: the event that tells it to begin no other item."""
_all_there: Any = None
"""In a worker: the barrier at which all workers meet before the end."""
_START_SECONDS = 60
"""Longest time for the start of a worker."""


def _work(function: Callable[[Item], Out], item: Item) -> Out:
    # nobody reads the result of an item that is not begun
    return cast(Out, None) if _stopped.is_set() else function(item)


def _meet() -> None:
    _all_there.wait(_START_SECONDS)


def _initialize(
    environment: dict[str, str], memory_mb: int | None, stopped: Any, all_there: Any
) -> None:
    global _stopped, _all_there
    _stopped, _all_there = stopped, all_there
    os.environ.clear()
    os.environ.update(environment)
    _return_large_blocks()
    # Without this a worker of a killed parent waits forever: it holds both ends of its queue.
    end_with_parent()
    # Ctrl-C reaches the whole process group. The parent handles it; workers finish their clip.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
    if memory_mb is not None:
        # Heap and private mappings; libraries and files in the page cache do not count.
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
