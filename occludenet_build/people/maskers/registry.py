"""The backends of config.backends, run over the clips of a shard, each imported when it is used.

Not in `command`: worker processes find a function by the module that it lives in.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from typing import Any

from occludenet_build import config
from occludenet_build.config.backends import MASKERS
from occludenet_build.core import ledger, pool
from occludenet_build.people.actor_masks import one_clip
from occludenet_build.people.maskers.interface import Masker
from occludenet_build.people.maskers.mask_propagation import Between


def mask_clips(
    settings: config.ActorMasks, jobs: Iterator[one_clip.MaskJob], threads: int
) -> Iterator[ledger.Result]:
    """The masks of all clips: by a network, loaded once, in this process; else in `threads`."""
    if not MASKERS[settings.backend].network:
        yield from pool.in_processes(functools.partial(_in_process, settings), jobs, threads)
        return
    masker = _at_keyframes(_class(settings)(settings, threads), settings)
    for job in jobs:
        yield one_clip.mask_clip(job, masker)


def _in_process(settings: config.ActorMasks, job: one_clip.MaskJob) -> ledger.Result:
    return one_clip.mask_clip(job, _at_keyframes(_class(settings)(settings), settings))


def _at_keyframes(masker: Masker, settings: config.ActorMasks) -> Masker:
    return Between(masker, settings.every) if settings.every > 1 else masker


def _class(settings: config.ActorMasks) -> Any:
    module, _, name = MASKERS[settings.backend].loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
