"""Counterfactuals without files: the actor is erased when an occluded clip is read.

The hole is the actor's dilated mask minus the pasted occluder, both from annotate/frames. It is
filled in the clip's own planes with the fills of composite, so the picture equals that of a
counterfactual file up to coding, with two differences:

- at the half-transparent edge of the occluder a file shows the occluder over the fill; here a pixel
  that the occluder covers by half or more stays unchanged, with what shows through of the actor,
  and other pixels are filled
- a fill that uses the surroundings (all except zero) does not know what the occluder hides
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.core.build import files_by_clip, read_clip_rows
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display, display_of, to_rgb
from occludenet_build.occlusion.counterfactual import Eraser, Erasure
from occludenet_build.occlusion.frame_buffer import FrameBuffer
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.release.terms import CLEAN

Look = Callable[[int, Any], np.ndarray]
"""(frame number, decoded frame) -> the displayed picture without the actor, uint8 (H, W, 3)."""


@dataclass(frozen=True)
class Erasing:
    """Erases actors according to the settings, with the masks of `folder`, annotate/frames."""

    folder: Path
    settings: Counterfactual
    seed: int
    shards: dict[str, str] = field(default_factory=dict)
    """Table that holds the frames, by source clip."""

    @staticmethod
    def over(
        folder: Path, settings: Counterfactual, seed: int, clips: Iterable[ClipRow]
    ) -> Erasing:
        """An eraser for these clips, after finding the tables that hold their frames.

        A clip without frames ends it with a UserError.
        """
        hint = "run annotate again, or set counterfactual.files to true"
        shards = files_by_clip(folder, (clip.clip for clip in clips), hint)
        return Erasing(folder, settings, seed, shards)

    def of(self, clip: ClipRow) -> Look:
        """A function that returns a clip's frames without the actor, uint8 (H, W, 3), RGB."""
        return _Erased(self, clip)

    def eraser(self, clip: ClipRow, layout: Layout, display: Display) -> Eraser:
        """The eraser of one clip, which works on the planes of its frames."""
        actors, occluders = self._masks(clip)
        erasure = Erasure(self.settings.fill, self.settings.dilate, self.seed, clip.clip)
        return Eraser(erasure, actors, layout, display, occluders)

    def _masks(self, clip: ClipRow) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """COCO RLE counts of the actor and of the visible occluder by frame."""
        rows = read_clip_rows(self.folder / self.shards[clip.clip], clip.clip)
        assert rows is not None  # `over` found it
        clean = clip.set == CLEAN  # the actor is the same in every set; a twin has no occluder
        rows = rows.filter(pc.equal(rows["set"], rows["set"][0] if clean else clip.set))
        frames = rows["frame"].to_pylist()
        columns = (rows[name].to_pylist() for name in ("actor_rle", "occluder_rle"))
        actors, occluders = (
            {frame: rle for frame, rle in zip(frames, column, strict=True) if rle is not None}
            for column in columns
        )
        return actors, {} if clean else occluders


class _Erased:
    """Returns the frames of one clip without the actor. Masks are read with the first frame."""

    def __init__(self, erasing: Erasing, clip: ClipRow) -> None:
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
            return to_rgb(frame)  # a copied 10-bit frame converts to other last digits
        coded = buffer.frame.to_ndarray(format="rgb24", threads=1)
        return np.ascontiguousarray(display.upright(coded))
