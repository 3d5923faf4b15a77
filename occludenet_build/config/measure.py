"""Settings of the stage that measures the occlusion in recorded clips."""

from __future__ import annotations

import re
from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import require_distinct, setting

SET_NAME = r"[A-Za-z][A-Za-z0-9_.+]*"
"""Regular expression of the name of a measured set, which is the name of a folder."""


@dataclass(frozen=True)
class Measure:
    """Stage measure: who hides whom in the clips of OccludeNet-S, -I and -M, from tracks and
    masks; detect and actor_masks name the detector and the masker."""

    sets: tuple[str, ...] = setting((), empty=True)
    """Sets that the target `measure` measures: S (the clips of the stage segments), I, M or another
    set of the stage recordings. Whatever needs a set has it measured without being named here."""
    occluders: str | None = setting(None, path=True)
    """Folder of masks of objects that stay in place: <camera>/<object>.png, in the size of the
    clips or scaled by a whole picture; the object is where the PNG is opaque, or brighter than 127
    if it has no alpha. <camera> is the column camera of the clip, or the video it was cut from.
    null: none."""
    objects: bool = setting(True)
    """Use the objects that the masker knows besides people as occluders; of the backends of
    actor_masks, yolo-seg knows those of COCO."""
    object_score: float = setting(0.4, low=0, high=1)
    """Minimum score of such an object."""
    min_hidden: float = setting(0.03, low=0, high=1)
    """Minimum hidden share of the actor, of their whole area in the picture, at which a frame
    counts as occluded."""
    max_error: float = setting(0.15, low=0, high=1)
    """Maximum uncertainty of a hidden share (one standard deviation); a share that is less certain
    is null."""
    max_seconds: float = setting(3.0, low=0)
    """Maximum time to a frame in which the same person is seen whole, in seconds; a hidden share
    that would rest on older frames is null."""
    shards: int = setting(4, low=1, high=1000)
    """Number of shards of a set."""

    def __post_init__(self) -> None:
        require_distinct("measure.sets", self.sets, "names")
        for name in self.sets:
            if not re.fullmatch(SET_NAME, name) or name in ("D", "clean"):
                raise UserError(
                    "config: measure.sets: wanted S, I, M or the name of a set of recordings, got "
                    f"{name!r}; change it"
                )
