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
from occludenet_build.actor_masks.between import Between
from occludenet_build.core import ledger, pool


@dataclass(frozen=True)
class Backend:
    """How a backend is run, and which settings change its masks (the device does not)."""

    run: Callable[[config.ActorMasks, Iterator[clip_work.Job], int], Iterator[ledger.Result]]
    matters: tuple[str, ...]
    needs_weights: bool
    every_frame: bool = False
    """It goes from frame to frame itself and cannot leave any out."""


def _in_processes(
    settings: config.ActorMasks, jobs: Iterator[clip_work.Job], threads: int
) -> Iterator[ledger.Result]:
    return pool.in_processes(functools.partial(_grabcut, settings), jobs, threads)


def _grabcut(settings: config.ActorMasks, job: clip_work.Job) -> ledger.Result:
    from occludenet_build.actor_masks.grabcut import GrabCut

    return clip_work.make(job, _at_keyframes(GrabCut(settings), settings))


def _at_keyframes(masker: Masker, settings: config.ActorMasks) -> Masker:
    return Between(masker, settings.every) if settings.every > 1 else masker


def _with_model(
    load: Callable[[config.ActorMasks, int], Masker],
    settings: config.ActorMasks,
    jobs: Iterator[clip_work.Job],
    threads: int,
) -> Iterator[ledger.Result]:
    """All clips in this process: the model is loaded once."""
    masker = _at_keyframes(load(settings, threads), settings)
    for job in jobs:
        yield clip_work.make(job, masker)


def _load_sam(settings: config.ActorMasks, threads: int) -> Masker:
    from occludenet_build.actor_masks.sam import Sam

    return Sam(settings, threads)


def _load_mobile_sam(settings: config.ActorMasks, threads: int) -> Masker:
    from occludenet_build.actor_masks.sam import MobileSam

    return MobileSam(settings, threads)


def _load_sam2(settings: config.ActorMasks, threads: int) -> Masker:
    from occludenet_build.actor_masks.sam2 import Sam2

    return Sam2(settings, threads)


def _load_yolo_seg(settings: config.ActorMasks, threads: int) -> Masker:
    from occludenet_build.actor_masks.yolo_seg import YoloSeg

    return YoloSeg(settings, threads)


def _model(
    load: Callable[[config.ActorMasks, int], Masker], *matters: str, every_frame: bool = False
) -> Backend:
    return Backend(functools.partial(_with_model, load), matters, True, every_frame)


BACKENDS = {
    "grabcut": Backend(_in_processes, ("every", "grabcut_iterations", "grabcut_side"), False),
    "sam": _model(_load_sam, "every", "sam_model", "sam_multimask"),
    "mobile-sam": _model(_load_mobile_sam, "every", "sam_multimask"),
    "sam2": _model(_load_sam2, "sam2_model", every_frame=True),
    "yolo-seg": _model(_load_yolo_seg, "every", "image_size"),
}
