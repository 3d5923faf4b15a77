"""Runs the backend of actor_masks, by its name in `config.backends`, over the clips of a shard.

The module of a backend is imported only when it is used.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from typing import Any

from occludenet_build import config
from occludenet_build.config.backends import MASKERS
from occludenet_build.core import extras, ledger, pool
from occludenet_build.people.actor_masks import one_clip
from occludenet_build.people.maskers.interface import Masker
from occludenet_build.people.maskers.mask_propagation import KeyframeMasker


def mask_clips(
    settings: config.ActorMasks, jobs: Iterator[one_clip.MaskJob], threads: int
) -> Iterator[ledger.ClipResult]:
    """Yields a result per job, of a network in this process or of worker processes.

    `threads`: CPU threads of the network, or worker processes.
    """
    if not MASKERS[settings.backend].network:
        mask = functools.partial(_in_process, settings)
        yield from pool.in_processes(mask, jobs, threads, one_clip.lost_clip)
        return
    masker = load_masker(settings, threads)
    for job in jobs:
        yield one_clip.mask_clip(job, masker)


def load_masker(settings: config.ActorMasks, threads: int = 1) -> Masker:
    """The masker of the settings, as `mask_clips` uses it; `threads`: CPU threads of a network.

    Raises UserError where its weights or a package are missing.
    """
    backend = _backend_class(settings)
    runs_network = MASKERS[settings.backend].network
    made = backend(settings, threads) if runs_network else backend(settings)
    return _with_propagation(made, settings)


def _in_process(settings: config.ActorMasks, job: one_clip.MaskJob) -> ledger.ClipResult:
    return one_clip.mask_clip(job, load_masker(settings))


def _with_propagation(masker: Masker, settings: config.ActorMasks) -> Masker:
    return KeyframeMasker(masker, settings.every) if settings.every > 1 else masker


def _backend_class(settings: config.ActorMasks) -> Any:
    row = MASKERS[settings.backend]
    extras.require(row.imports, f"actor_masks.backend {settings.backend}")
    module, _, name = row.loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
