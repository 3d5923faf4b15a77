"""The job of a clip: what the compositor is asked for, made from the tables of a shard.

`ClipJob` goes to `render.render`, `Rendered` comes back. Names and paths of the outputs are those
of the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from occludenet_build.compositing.erasing import Erasure
from occludenet_build.compositing.geometry import ActorBox
from occludenet_build.compositing.ground_truth import TruthRows
from occludenet_build.config import Composite
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError


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


def clip_path(dataset: str, split: str, scale: float, label: str, clip: str) -> str:
    """Path of an occluded clip, relative to the build: the release's tree and name.

    >>> clip_path("OccludeNet-D", "val", 0.5, "abseiling", "vGlsp8wOH-8_000085_000095")
    'OccludeNet-D/val/50%/abseiling/0.50_vGlsp8wOH-8_000085_000095.mp4'
    """
    return f"{dataset}/{split}/{percent(scale)}%/{label}/{scale:.2f}_{clip}.mp4"


def percent(scale: float) -> str:
    """0.25 -> 25, as folders and lists are named."""
    return f"{scale * 100:g}"


_MADE_FROM = ("clip", "sha256", "label", "split", "boxes_hash", "category", "occluder_sha256")


def inputs_of(chosen: dict[str, Any]) -> list[str]:
    """The columns of a row of select that go into the ledger key of its clips."""
    return [*(chosen[name] for name in _MADE_FROM), *(chosen["other_sha256"] or ())]


class ActorBoxes:
    """The actor's boxes of any clip, read from the store of detect."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._shards: dict[str, tables.ClipGroups] = {}

    def of(self, clip: str, shard: str) -> dict[int, ActorBox]:
        """Frame -> the actor's box, displayed pixels.

        Raises UserError where the store has no boxes of the clip, or a side that is no number.
        """
        if shard not in self._shards:
            self._shards[shard] = tables.ClipGroups(self._store / shard / "detail.parquet")
        found = self._shards[shard].read(clip)
        if found is None:
            raise UserError(
                f"wanted boxes of {clip} in {self._store}/{shard}, got none; run detect"
            )
        actor = found.filter(pc.field("actor"))
        for side in ("x1", "y1", "x2", "y2"):
            wrong = actor.filter(pc.invert(pc.fill_null(pc.is_finite(actor[side]), False)))
            if len(wrong):
                raise UserError(
                    f"wanted a number as {side} of {clip}, frame {wrong['frame'][0]}, in "
                    f"{self._store}/{shard}, got {wrong[side][0]}; run detect"
                )
        names = ("frame", "x1", "y1", "x2", "y2", "filled", "track", "shot")
        columns = [actor[name].to_pylist() for name in names]
        return {
            frame: ActorBox((x1, y1, x2, y2), filled, track, shot)
            for frame, x1, y1, x2, y2, filled, track, shot in zip(*columns, strict=True)
        }


def outputs_of(chosen: dict[str, Any], settings: Composite) -> tuple[Output, ...]:
    """The occluded clips of a row of select and, if composite.clean_twin, the clean twin."""
    split, label, clip = chosen["split"], chosen["label"], chosen["clip"]
    clean = f"{settings.dataset}-clean/{split}/{label}/{clip}.mp4"
    return (
        *_occluded(chosen, settings, settings.dataset, erased=False),
        *([Output(clean, None)] if settings.clean_twin else []),
    )


def erased_outputs_of(chosen: dict[str, Any], settings: Composite) -> tuple[Output, ...]:
    """The counterfactuals of a row of select: its occluded clips without the actor."""
    return _occluded(chosen, settings, f"{settings.dataset}-counterfactual", erased=True)


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
