"""Runs a masker, by its name in `config.backends`, over the clips of a shard.

The module of a backend is imported only when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from occludenet_build import config
from occludenet_build.config.backends import MASKERS
from occludenet_build.core import extras, pool
from occludenet_build.core.errors import ItemError
from occludenet_build.core.ledger import ClipResult
from occludenet_build.people.maskers.interface import Masker
from occludenet_build.people.maskers.mask_propagation import KeyframeMasker

Job = TypeVar("Job")


def mask_clips(
    settings: config.ActorMasks,
    jobs: Iterable[Job],
    threads: int,
    make: Callable[[Job, Masker], ClipResult],
    lost: Callable[[Job, ItemError], ClipResult],
) -> Iterator[ClipResult]:
    """Yields `make(job, masker)` per job, of a network in this process or of worker processes.

    `threads`: CPU threads of the network, or worker processes; `lost(job, error)`: the result of a
    job whose worker had to be ended or died.
    """
    load, runs_network = partial(load_masker, settings), MASKERS[settings.backend].network
    return pool.with_backend(load, runs_network, jobs, threads, make, lost)


def load_masker(settings: config.ActorMasks, threads: int = 1) -> Masker:
    """The masker of the settings, as `mask_clips` uses it; `threads`: CPU threads of a network.

    Raises UserError where its weights or a package are missing.
    """
    backend = _backend_class(settings)
    runs_network = MASKERS[settings.backend].network
    made = backend(settings, threads) if runs_network else backend(settings)
    return _with_propagation(made, settings)


def _with_propagation(masker: Masker, settings: config.ActorMasks) -> Masker:
    return KeyframeMasker(masker, settings.every) if settings.every > 1 else masker


def _backend_class(settings: config.ActorMasks) -> Any:
    row = MASKERS[settings.backend]
    extras.require(row.imports, f"actor_masks.backend {settings.backend}")
    module, _, name = row.loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
