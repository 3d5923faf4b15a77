"""From the tables of a shard to the jobs of its clips; names and places of the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from occludenet_build.compositing.clip_job import ClipJob, Output
from occludenet_build.compositing.geometry import ActorBox
from occludenet_build.config import Composite
from occludenet_build.core.build import Boxes
from occludenet_build.release.terms import clean_path, clip_path, counterfactual_tree

_MADE_FROM = ("clip", "sha256", "label", "split", "boxes_hash", "category", "occluder_sha256")


def inputs_of(chosen: dict[str, Any]) -> list[str]:
    """What a row of the selection gives to the key of its clips."""
    return [*(chosen[name] for name in _MADE_FROM), *(chosen["other_sha256"] or ())]


def actor_boxes(actor: Boxes) -> dict[int, ActorBox]:
    """Frame -> the actor's box, from boxes of which each frame has one at most."""
    names = (actor.frames, actor.xyxy, actor.is_filled, actor.tracks, actor.shots)
    rows = zip(*(values.tolist() for values in names), strict=True)
    return {frame: ActorBox(tuple(box), *facts) for frame, box, *facts in rows}


def outputs_of(chosen: dict[str, Any], settings: Composite) -> tuple[Output, ...]:
    """The occluded clips of a row of the selection and, if wanted, the clean twin."""
    split, label, clip = chosen["split"], chosen["label"], chosen["clip"]
    clean = clean_path(settings.dataset, split, label, clip)
    return (
        *_occluded(chosen, settings, settings.dataset, erased=False),
        *([Output(clean, None)] if settings.clean_twin else []),
    )


def erased_outputs_of(chosen: dict[str, Any], settings: Composite) -> tuple[Output, ...]:
    """The same occluded clips without the actor."""
    return _occluded(chosen, settings, counterfactual_tree(settings.dataset), erased=True)


def _occluded(
    chosen: dict[str, Any], settings: Composite, dataset: str, *, erased: bool
) -> tuple[Output, ...]:
    place = chosen["label"], chosen["clip"]
    return tuple(
        Output(clip_path(dataset, chosen["split"], scale, *place), scale, erased)
        for scale in settings.scales
    )


def job_of(
    chosen: dict[str, Any],
    boxes: Mapping[int, ActorBox],
    bank: Path,
    root: Path,
    settings: Composite,
    seed: int,
) -> ClipJob:
    """The job of a row of the selection, still without outputs and masks."""
    return ClipJob(
        clip=chosen["clip"],
        source=Path(chosen["path"]),
        frames=chosen["frames"],
        fps=chosen["fps"],
        boxes=boxes,
        cutouts=tuple(bank / f for f in (chosen["occluder_file"], *(chosen["other_files"] or ()))),
        root=root,
        scales=settings.scales,
        outputs=(),
        seed=seed,
    )
