"""The actor erased when an occluded clip is read: counterfactuals without files of their own.

The hole is the actor's grown mask less the occluder as it was pasted, both from annotate/frames. It
is filled in the clip's own planes, by the compositor's fills, so that the picture is that of the
file up to coding, but for two things:

- where the occluder is half transparent at its edge, a file has it over the fill; here pixels in
  which it hides the half or more stay as they are, with what shows through of the actor, and the
  others are filled
- a fill that looks at the surroundings (all but zero) does not see what the occluder hides
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.core.build import clip_rows, files_by_clip
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display, display_of, to_rgb
from occludenet_build.occlusion.counterfactual import Eraser, Erasure
from occludenet_build.occlusion.frame_buffer import FrameBuffer
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.release.terms import CLEAN

Look = Callable[[int, Any], np.ndarray]
"""(frame number, decoded frame) -> the displayed picture without the actor, uint8 (H, W, 3)."""


@dataclass(frozen=True)
class Erasing:
    """Erases by settings, with the masks of `folder`, annotate/frames."""

    folder: Path
    settings: Counterfactual
    seed: int
    shards: dict[str, str] = field(default_factory=dict)
    """Source clip -> the table that has its frames."""

    @staticmethod
    def over(folder: Path, settings: Counterfactual, seed: int, clips: Iterable[Clip]) -> Erasing:
        """Looks once where the frames of these clips are: workers open one table per clip.

        Raises UserError where a clip has none.
        """
        hint = "run annotate again, or set counterfactual.files to true"
        shards = files_by_clip(folder, (clip.clip for clip in clips), hint)
        return Erasing(folder, settings, seed, shards)

    def of(self, clip: Clip) -> Look:
        """What erases the actor in a clip's frames, in any order: pictures uint8 (H, W, 3)."""
        return _Erased(self, clip)

    def eraser(self, clip: Clip, layout: Layout, display: Display) -> Eraser:
        """What fills the holes of one clip, in the planes of its own frames."""
        actors, occluders = self._masks(clip)
        erasure = Erasure(self.settings.fill, self.settings.dilate, self.seed, clip.clip)
        return Eraser(erasure, actors, layout, display, occluders)

    def _masks(self, clip: Clip) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """COCO RLE counts of the actor and of the visible occluder by frame."""
        rows = clip_rows(self.folder / self.shards[clip.clip], clip.clip)
        assert rows is not None  # `over` has seen it
        clean = clip.set == CLEAN  # the actor is the same in every set, and nothing hides them
        rows = rows.filter(pc.equal(rows["set"], rows["set"][0] if clean else clip.set))
        frames = rows["frame"].to_pylist()
        columns = (rows[name].to_pylist() for name in ("actor_rle", "occluder_rle"))
        actors, occluders = (
            {frame: rle for frame, rle in zip(frames, column, strict=True) if rle is not None}
            for column in columns
        )
        return actors, {} if clean else occluders


class _Erased:
    """The frames of one clip without the actor. Masks are read with the first frame."""

    def __init__(self, erasing: Erasing, clip: Clip) -> None:
        self._erasing, self._clip = erasing, clip
        self._ready: tuple[FrameBuffer, Eraser] | None = None

    def __call__(self, number: int, frame: Any) -> np.ndarray:
        display = display_of(frame)
        if self._ready is None:
            buffer = FrameBuffer(frame, frame.format.name)
            self._ready = buffer, self._erasing.eraser(self._clip, buffer.layout, display)
        buffer, eraser = self._ready
        buffer.load(frame)
        if not eraser.erase(number, buffer.planes):
            return to_rgb(frame)  # of 10 bits a copied frame converts to other last digits
        coded = buffer.frame.to_ndarray(format="rgb24", threads=1)
        return np.ascontiguousarray(display.upright(coded))
