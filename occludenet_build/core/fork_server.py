"""A process per job that imports what its workers need and forks them: each starts in no time.

A worker that is spawned imports everything anew, 0.5 s of CPU, and one that is forked from a job
with threads may hang. The server has no threads of its own. It is that of multiprocessing, which
ends with the last of its workers.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_users = 0
"""Blocks of `fork_server` that are open."""


@contextmanager
def fork_server(function: Callable[..., Any], *modules: str) -> Iterator[ForkServerContext]:
    """The context whose processes are forked from a server that has imported what `function` needs.

    `modules`: others that it imports.
    At the end the server is waited for: the CPU time of all workers counts as that of children.
    """
    global _users
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_modules_of(function), *_main_module(), *modules])
    with _paths_as_here():
        forkserver.ensure_running()
    _users += 1
    try:
        yield context
    finally:
        _users -= 1
        if not _users and not multiprocessing.active_children():  # after Ctrl-C there may be some
            forkserver._forkserver._stop()  # type: ignore[attr-defined] # waits; nothing else does


def _modules_of(function: Callable[..., Any]) -> set[str]:
    """The modules of a function, and of the functions in a partial one."""
    if not isinstance(function, partial):
        return {function.__module__} - {"__main__"}
    parts: Iterable[Any] = (function.func, *function.args, *function.keywords.values())
    functions = [part for part in parts if isinstance(part, partial) or hasattr(part, "__code__")]
    return set().union(*map(_modules_of, functions))


def _main_module() -> list[str]:
    """The program of this package, which each worker imports."""
    spec = sys.modules["__main__"].__spec__
    return [spec.name] if spec is not None and spec.name.startswith(f"{_PACKAGE}.") else []


@contextmanager
def _paths_as_here() -> Iterator[None]:
    """While a program is started, the environment that gives it the module paths of this one."""
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    given = {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with_parent() -> None:
    """In a worker: kill it when the process ends that started it, if by kill -9."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
