"""The backends by name: how each is run over the clips of a shard.

Not in __main__: worker processes cannot find a function that lives there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from occludenet_build import config
from occludenet_build.actor_masks import work as clip_work
from occludenet_build.actor_masks.backend import Masker
from occludenet_build.core import ledger, pool


@dataclass(frozen=True)
class Backend:
    """How a backend is run, and which settings change its masks (the device does not)."""

    run: Callable[[config.ActorMasks, Iterator[clip_work.Job], int], Iterator[ledger.Result]]
    matters: tuple[str, ...]
    needs_weights: bool


def _in_processes(
    settings: config.ActorMasks, jobs: Iterator[clip_work.Job], threads: int
) -> Iterator[ledger.Result]:
    return pool.in_processes(functools.partial(_grabcut, settings), jobs, threads)


def _grabcut(settings: config.ActorMasks, job: clip_work.Job) -> ledger.Result:
    from occludenet_build.actor_masks.grabcut import GrabCut

    return clip_work.make(job, GrabCut(settings))


def _with_model(
    load: Callable[[config.ActorMasks, int], Masker],
    settings: config.ActorMasks,
    jobs: Iterator[clip_work.Job],
    threads: int,
) -> Iterator[ledger.Result]:
    """All clips in this process: the model is loaded once."""
    masker = load(settings, threads)
    for job in jobs:
        yield clip_work.make(job, masker)


def _load_sam(settings: config.ActorMasks, threads: int) -> Masker:
    from occludenet_build.actor_masks.sam import Sam

    return Sam(settings, threads)


def _load_yolo_seg(settings: config.ActorMasks, threads: int) -> Masker:
    from occludenet_build.actor_masks.yolo_seg import YoloSeg

    return YoloSeg(settings, threads)


BACKENDS = {
    "grabcut": Backend(_in_processes, ("grabcut_iterations", "grabcut_side"), False),
    "sam": Backend(functools.partial(_with_model, _load_sam), ("sam_model",), True),
    "yolo-seg": Backend(functools.partial(_with_model, _load_yolo_seg), ("image_size",), True),
}
