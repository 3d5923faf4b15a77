"""Runs the backend of poses, by its name in `config.backends`, over the clips of a shard.

The module of a backend is imported only when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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
    jobs: Iterable[Job],
    threads: int,
    make: Callable[[Job, Poser], ClipResult],
    lost: Callable[[Job, ItemError], ClipResult],
) -> Iterator[ClipResult]:
    """Yields `make(job, backend)` per job, of a network in this process or of worker processes.

    `threads`: CPU threads of the network, or worker processes; `lost(job, error)`: the result of a
    job whose worker had to be ended or died.
    """
    load, runs_network = partial(load_poser, settings), POSERS[settings.backend].network
    return pool.with_backend(load, runs_network, jobs, threads, make, lost)


def load_poser(settings: Poses, threads: int = 1) -> Poser:
    """The backend of the settings; `threads`: CPU threads of a network.

    Raises UserError where its weights or a package are missing.
    """
    backend = _backend_class(settings)
    return backend(settings, threads) if POSERS[settings.backend].network else backend(settings)


def _backend_class(settings: Poses) -> Any:
    row = POSERS[settings.backend]
    extras.require(row.imports, f"poses.backend {settings.backend}")
    module, _, name = row.loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
