"""What is asked of the compositor for one clip, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from occludenet_build.compositing.erase import Erasure
from occludenet_build.compositing.geometry import ActorBox
from occludenet_build.compositing.truth import TruthRows


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
    fps: float
    boxes: Mapping[int, ActorBox]
    """Frame -> the actor."""
    cutouts: tuple[Path, ...]
    root: Path
    """The build's folder."""
    scales: tuple[float, ...]
    """Those that have ground truth, whether they are written or not."""
    outputs: tuple[Output, ...]
    masks: Mapping[int, bytes] = field(default_factory=dict)
    """Frame -> the actor's mask, COCO RLE counts, displayed picture."""
    erasure: Erasure | None = None
    """How he is erased; needed where an output is erased."""
    seed: int = 0


@dataclass(frozen=True)
class Rendered:
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
