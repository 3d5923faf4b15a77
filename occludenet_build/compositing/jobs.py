"""The job of a clip: what the compositor is asked for, made from the tables of a shard.

`ClipJob` goes to `render.render`, `Rendered` comes back. Names and paths of the outputs are those
of the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from occludenet_build.compositing.erasing import Erasure
from occludenet_build.compositing.geometry import ActorBox
from occludenet_build.compositing.ground_truth import TruthRows
from occludenet_build.config import Composite
from occludenet_build.core.build import Boxes
from occludenet_build.release.terms import clean_path, clip_path, counterfactual_tree


class Output(NamedTuple):
    """One file that is written."""

    file: str
    """Relative to the build's folder."""
    scale: float | None
    """Nominal scale of the occluder; None: there is none."""
    erased: bool = False
    """Without the actor."""


@dataclass(frozen=True)
class ClipJob:
    """All that makes the outputs of one source clip."""

    clip: str
    source: Path
    frames: int
    """Frames of the source when it was indexed."""
    fps: float
    boxes: Mapping[int, ActorBox]
    """Frame -> the actor."""
    cutouts: tuple[Path, ...]
    """RGBA PNGs, in the order of pasting."""
    root: Path
    """The build's folder."""
    scales: tuple[float, ...]
    """Those that have ground truth, whether they are written or not."""
    outputs: tuple[Output, ...]
    masks: Mapping[int, bytes] = field(default_factory=dict)
    """Frame -> the actor's mask, COCO RLE counts, displayed picture."""
    erasure: Erasure | None = None
    """How the actor is erased; needed where an output is erased."""
    seed: int = 0
    sha256: str | None = None
    """Of the source when it was indexed; None: not compared."""


@dataclass(frozen=True)
class Rendered:
    """What the rendering of a clip gives beside its files."""

    truth: TruthRows
    pix_fmt: str
    sound: str
    """copied, encoded or none."""
    encoder: str
    """With its version."""
    factors: dict[float, float]
    """Scale -> the size that the occluder has; the scale itself but for `target`."""
    shares: dict[float, float]
    """Scale -> mean share of the actor hidden; only for `target`."""


_MADE_FROM = ("clip", "sha256", "label", "split", "boxes_hash", "category", "occluder_sha256")


def inputs_of(chosen: dict[str, Any]) -> list[str]:
    """The columns of a row of select that go into the ledger key of its clips."""
    return [*(chosen[name] for name in _MADE_FROM), *(chosen["other_sha256"] or ())]


def actor_boxes(actor: Boxes) -> dict[int, ActorBox]:
    """Frame -> the actor's box, from boxes of which each frame has one at most."""
    names = (actor.frames, actor.xyxy, actor.is_filled, actor.tracks, actor.shots)
    rows = zip(*(values.tolist() for values in names), strict=True)
    return {frame: ActorBox(tuple(box), *facts) for frame, box, *facts in rows}


def outputs_of(chosen: dict[str, Any], settings: Composite) -> tuple[Output, ...]:
    """The occluded clips of a row of select and, if composite.clean_twin, the clean twin."""
    split, label, clip = chosen["split"], chosen["label"], chosen["clip"]
    clean = clean_path(settings.dataset, split, label, clip)
    return (
        *_occluded(chosen, settings, settings.dataset, erased=False),
        *([Output(clean, None)] if settings.clean_twin else []),
    )


def erased_outputs_of(chosen: dict[str, Any], settings: Composite) -> tuple[Output, ...]:
    """The counterfactuals of a row of select: its occluded clips without the actor."""
    return _occluded(chosen, settings, counterfactual_tree(settings.dataset), erased=True)


def _occluded(
    chosen: dict[str, Any], settings: Composite, dataset: str, *, erased: bool
) -> tuple[Output, ...]:
    name = chosen["label"], chosen["clip"]
    return tuple(
        Output(clip_path(dataset, chosen["split"], scale, *name), scale, erased)
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
    """The job of a row of select, still without outputs and masks."""
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
        sha256=chosen["sha256"],
    )
