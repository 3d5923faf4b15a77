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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.config import Config
from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display, display_of, to_rgb
from occludenet_build.occlusion.counterfactual import Eraser, Erasure
from occludenet_build.occlusion.frame_buffer import FrameBuffer
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.frame_masks import ActorPixels, FrameMasks

Look = Callable[[int, Any], np.ndarray]
"""(frame number, decoded frame) -> the displayed picture without the actor, uint8 (H, W, 3)."""


@dataclass(frozen=True)
class Erasing:
    """Erases actors according to the settings, with the masks of annotate/frames."""

    masks: FrameMasks
    settings: Counterfactual
    seed: int

    def of(self, clip: ClipRow, fill: str | None = None) -> Look:
        """A function that returns a clip's frames without the actor, uint8 (H, W, 3), RGB.

        `fill`: one of DRAWN_FILLS; None: that of the settings.
        """
        return _Erased(self, clip, fill or self.settings.fill)

    def eraser(self, clip: ClipRow, fill: str, layout: Layout, display: Display) -> Eraser:
        """The eraser of one clip, which works on the planes of its frames."""
        rows = self.masks.rows(clip).items()
        actors = {frame: row.actor for frame, row in rows if row.actor is not None}
        occluders = {frame: row.occluder for frame, row in rows if row.occluder is not None}
        erasure = Erasure(fill, self.settings.dilate, self.seed, clip.clip)
        return Eraser(erasure, actors, layout, display, occluders)


def read_actors(
    frames: Path, config: Config, clips: Sequence[ClipRow], fills: Sequence[str] = ()
) -> tuple[ActorPixels, Erasing | None]:
    """Where the actors of clips are erased, and what erases them when a clip is read.

    `frames`: annotate/frames; `clips`: those with a counterfactual; `fills`: train.fills. The
    second is None where all counterfactuals are files. Raises UserError where masks are missing.
    """
    masks = FrameMasks.over(frames, (clip.clip for clip in clips))
    at_load = fills or any(clip.erased_at_load for clip in clips)
    return (
        ActorPixels(masks, config.counterfactual.dilate),
        Erasing(masks, config.counterfactual, config.seed) if at_load else None,
    )


class _Erased:
    """Returns the frames of one clip without the actor. Masks are read with the first frame."""

    def __init__(self, erasing: Erasing, clip: ClipRow, fill: str) -> None:
        self._erasing, self._clip, self._fill = erasing, clip, fill
        self._ready: tuple[FrameBuffer, Eraser] | None = None

    def __call__(self, number: int, frame: Any) -> np.ndarray:
        display = display_of(frame)
        if self._ready is None:
            buffer = FrameBuffer(frame, frame.format.name)
            self._ready = buffer, self._new_eraser(buffer, display)
        buffer, eraser = self._ready
        buffer.load(frame)
        if not eraser.erase(number, buffer.planes):
            return to_rgb(frame)  # a copied 10-bit frame converts to other last digits
        coded = buffer.frame.to_ndarray(format="rgb24", threads=1)
        return np.ascontiguousarray(display.upright(coded))

    def _new_eraser(self, buffer: FrameBuffer, display: Display) -> Eraser:
        return self._erasing.eraser(self._clip, self._fill, buffer.layout, display)
