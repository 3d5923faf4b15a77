"""Job of a clip: the outputs that composite makes from it, from the tables of a shard.

`render.render` takes a `ClipJob` and returns a `RenderResult`. Names and paths of the outputs are
those of the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.build import ClipBoxes, source_identity
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.ground_truth import TruthRows
from occludenet_build.release.terms import clean_path, clip_path, counterfactual_tree


class ClipOutput(NamedTuple):
    """One output file."""

    file: str
    """Relative to the build's folder."""
    scale: float | None
    """Nominal scale of the occluder; None: no occluder."""
    erased: bool = False
    """Whether the actor is erased."""


@dataclass(frozen=True)
class ClipJob:
    """Everything that determines the outputs of one source clip."""

    clip: str
    source: Path
    frames: int
    """Number of frames of the source when it was indexed."""
    fps: float
    boxes: Mapping[int, ActorBox]
    """Frame -> the actor's box."""
    cutouts: tuple[Path, ...]
    """RGBA PNGs of the occluders, in the order of pasting."""
    cutout_hashes: tuple[str, ...] = field(default=(), kw_only=True)
    """Their sha256 in the table of occluders; empty: not compared."""
    root: Path
    """The build's folder."""
    scales: tuple[float, ...]
    """The scales with ground truth, whether or not their clips are written."""
    outputs: tuple[ClipOutput, ...]
    masks: Mapping[int, bytes] = field(default_factory=dict)
    """Frame -> the actor's mask, COCO RLE counts of the displayed picture."""
    erasure: Erasure | None = None
    """How the actor is erased; required if an output is erased."""
    seed: int = 0
    sha256: str | None = None
    """Hash of the source when it was indexed; None: not compared."""


@dataclass(frozen=True)
class RenderResult:
    """What the rendering of a clip returns besides its files."""

    truth: TruthRows
    pix_fmt: str
    sound: str
    """copied, encoded or none."""
    encoder: str
    """Name and version."""
    factors: dict[float, float]
    """Scale -> size of the occluder: the scale itself, except with scale_mode `target`."""
    shares: dict[float, float]
    """Scale -> mean hidden share of the actor; empty except with scale_mode `target`."""
    written: dict[str, Path]
    """Output file -> its path, or the temporary one at which it was left."""


_MADE_FROM = ("label", "split", "boxes_hash", "category", "occluder_sha256")


def key_inputs(chosen: dict[str, Any]) -> list[str]:
    """The values of a row of select that are part of the ledger key of its clips."""
    made_from = (chosen["clip"], source_identity(chosen), *(chosen[name] for name in _MADE_FROM))
    return [*made_from, *(chosen["other_sha256"] or ())]


def actor_boxes(actor: ClipBoxes) -> dict[int, ActorBox]:
    """Frame -> the actor's box; `actor` has at most one box per frame."""
    names = (actor.frames, actor.xyxy, actor.is_filled, actor.tracks, actor.shots)
    rows = zip(*(values.tolist() for values in names), strict=True)
    return {frame: ActorBox(tuple(box), *facts) for frame, box, *facts in rows}


def occluded_outputs(chosen: dict[str, Any], settings: Composite) -> tuple[ClipOutput, ...]:
    """The occluded clips of a row of select and, with composite.clean_twin, the clean twin."""
    split, label, clip = chosen["split"], chosen["label"], chosen["clip"]
    clean = clean_path(settings.dataset, split, label, clip)
    return (
        *_occluded(chosen, settings, settings.dataset, erased=False),
        *([ClipOutput(clean, None)] if settings.clean_twin else []),
    )


def erased_outputs(chosen: dict[str, Any], settings: Composite) -> tuple[ClipOutput, ...]:
    """The counterfactuals of a row of select: its occluded clips with the actor erased."""
    return _occluded(chosen, settings, counterfactual_tree(settings.dataset), erased=True)


def _occluded(
    chosen: dict[str, Any], settings: Composite, dataset: str, *, erased: bool
) -> tuple[ClipOutput, ...]:
    name = chosen["label"], chosen["clip"]
    return tuple(
        ClipOutput(clip_path(dataset, chosen["split"], scale, *name), scale, erased)
        for scale in settings.scales
    )


def clip_job(
    chosen: dict[str, Any],
    boxes: Mapping[int, ActorBox],
    bank: Path,
    root: Path,
    settings: Composite,
    seed: int,
) -> ClipJob:
    """The job of a row of select, without outputs and masks."""
    return ClipJob(
        clip=chosen["clip"],
        source=Path(chosen["path"]),
        frames=chosen["frames"],
        fps=chosen["fps"],
        boxes=boxes,
        cutouts=tuple(bank / f for f in (chosen["occluder_file"], *(chosen["other_files"] or ()))),
        cutout_hashes=(chosen["occluder_sha256"], *(chosen["other_sha256"] or ())),
        root=root,
        scales=settings.scales,
        outputs=(),
        seed=seed,
        sha256=chosen["sha256"],
    )
