"""Runs the backend of poses, by its name in `config.backends`, over the clips of a shard.

The module of a backend is imported only when it is used.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from occludenet_build.config.backends import POSERS
from occludenet_build.config.poses import Poses
from occludenet_build.core import extras, pool
from occludenet_build.core.errors import ItemError
from occludenet_build.core.ledger import ClipResult
from occludenet_build.people.posers.interface import Poser

Job = TypeVar("Job")


def pose_clips(
    settings: Poses,
    jobs: Iterator[Job],
    threads: int,
    make: Callable[[Job, Poser], ClipResult],
    lost: Callable[[Job, ItemError], ClipResult],
) -> Iterator[ClipResult]:
    """Yields `make(job, backend)` per job, of a network in this process or of worker processes.

    `threads`: CPU threads of the network, or worker processes; `lost(job, error)`: the result of a
    job whose worker had to be ended or died.
    """
    if not POSERS[settings.backend].network:
        yield from pool.in_processes(
            functools.partial(_in_process, settings, make), jobs, threads, lost
        )
        return
    poser = _backend_class(settings)(settings, threads)
    for job in jobs:
        yield make(job, poser)


def _in_process(settings: Poses, make: Callable[[Any, Poser], ClipResult], job: Any) -> ClipResult:
    return make(job, _backend_class(settings)(settings))


def _backend_class(settings: Poses) -> Any:
    row = POSERS[settings.backend]
    extras.require(row.imports, f"poses.backend {settings.backend}")
    module, _, name = row.loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
