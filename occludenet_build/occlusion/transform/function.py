"""`occlude`: occluders pasted on the frames of a clip, with their masks and the share they hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import from_mapping
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.frame_buffer import paste
from occludenet_build.occlusion.geometry import Rect
from occludenet_build.occlusion.ground_truth import add_mask, hidden_share
from occludenet_build.occlusion.patches import ClipCutout, placed_patch
from occludenet_build.occlusion.placement import ClipGeometry, Placement
from occludenet_build.occlusion.target_size import factors_and_shares
from occludenet_build.occlusion.transform.actor import ClipActor, actor_of
from occludenet_build.occlusion.transform.bank import checked_rgba
from occludenet_build.occlusion.transform.pixels import frames_of, in_kind_of
from occludenet_build.occlusion.transform.rgb import RGB, RgbCutout

SETTINGS = ("scale_mode", "target_tolerance", "window", "smooth_seconds")
"""Settings of composite that a caller may give, beside scale and motion."""


class Occluded(NamedTuple):
    """The occluded frames of a clip, or some of them, and their ground truth."""

    frames: Any
    """RGB, uint8, in the form of what was given."""
    masks: Any
    """bool (T, H, W): where an occluder is, alpha of one half or more. A `tv_tensors.Mask` for a
    Video, a tensor for a tensor."""
    hidden: Any
    """float32 (T,): share of the actor's box inside the picture that is hidden; 0 without a box, or
    without an occluder, as in the column box_hidden of a build."""


def occlude(
    frames: Any,
    boxes: Any,
    occluder: np.ndarray | Sequence[np.ndarray],
    scale: float = 0.5,
    motion: str = "track",
    seed: int = 0,
    *,
    clip: str = "",
    at: Sequence[int] | np.ndarray | None = None,
    fps: float | None = None,
    inplace: bool = False,
    **settings: Any,
) -> Occluded:
    """Paste an occluder, or several, on the frames of a clip, as the stage composite does.

    `frames`: RGB, uint8: an array or tensor (T, H, W, 3) or (T, 3, H, W), a `tv_tensors.Video`, or
    a list of arrays (H, W, 3). They are not changed, unless `inplace`.
    `boxes`: the actor's box in each frame of the clip, (T, 4) of x1, y1, x2, y2 in pixels of the
    frames, nan or None where there is none; a `tv_tensors.BoundingBoxes`; or a `ClipActor`.
    `occluder`: uint8 (H, W, 4) RGBA, straight alpha; or several, the first at the centre.
    `scale`, `motion` and the other `settings` (SETTINGS) are those of composite in config.yaml.
    `seed` and `clip`, the clip's name, determine what is random: the path of a motion, the place of
    a second occluder.
    `at`: int (N,), the numbers of the `frames` in the clip, if they are not all of it: boxes, time
    window and path are those of the whole clip.
    `fps`: frame rate of the clip, for smooth_seconds; None: that of a ClipActor, else 30.

    Raises UserError for what is not as above, and ItemError target_missed or no_occluded_frame with
    scale_mode `target`, for a clip on which the share cannot be reached.
    """
    given = frames_of(frames, inplace=inplace)
    actor = actor_of(boxes, given.size, fps)
    numbers = _numbers(len(given.pictures), actor.frames, at)
    pixels, first = _occluders(occluder), given.channels_first
    cutouts = [RgbCutout(rgba, given.size, first) for rgba in pixels]
    chosen = composite_settings(scale, motion, settings)
    pasting = ClipPasting(actor, given.size, cutouts, RGB, chosen, clip, seed)
    width, height = given.size
    masks = np.zeros((len(numbers), height, width), bool)
    hidden = np.zeros(len(numbers), np.float32)
    for place, number in enumerate(numbers):
        hidden[place] = pasting.paste(number, [given.pictures[place]], masks[place])
    return Occluded(given.whole, *in_kind_of(frames, masks, hidden))


class ClipPasting:
    """The occluders of one clip at one scale, pasted frame by frame, in any order.

    `size`: (width, height) of the frames; `cutouts` are prepared for `layout`.
    """

    def __init__(
        self,
        actor: ClipActor,
        size: tuple[int, int],
        cutouts: Sequence[ClipCutout],
        layout: Layout,
        settings: Composite,
        clip: str = "",
        seed: int = 0,
    ) -> None:
        self._actor, self._cutouts, self._layout = actor, cutouts, layout
        self._display = Display(*size)
        geometry = ClipGeometry(clip, size, actor.frames, actor.fps, actor.boxes, seed)
        self._placement = Placement(geometry, [cutout.size for cutout in cutouts], settings)
        (scale,) = settings.scales
        factors, _ = factors_and_shares(self._placement, cutouts, {}, (scale,), settings)
        self._factor = factors[scale]

    def paste(self, number: int, planes: Sequence[np.ndarray], mask: np.ndarray) -> float:
        """Paste on frame `number` of the clip; the share of the actor's box that is hidden.

        `planes`: of the frame, uint8 or uint16 (H, W) each, or one of RGB (H, W, 3); `mask`: bool
        (H, W), all false. Both are written to.
        """
        placed = self._placement.rects(number, self._factor)
        if not placed:
            return 0.0
        patch, x, y = placed_patch(placed, self._cutouts, self._layout, self._display)
        paste(planes, self._layout, patch, x, y)
        add_mask(mask, patch.mask, x, y)
        actor = self._actor.boxes.get(number)
        if actor is None:
            return 0.0
        shown = patch.shown(self._display)
        return hidden_share(
            shown, Rect(x, y, shown.width, shown.height), actor.box, self._display.size
        )


def composite_settings(scale: float, motion: str, others: Mapping[str, Any]) -> Composite:
    """Settings of composite for one scale, checked as those of a config are. Raises UserError."""
    unknown = sorted(others.keys() - set(SETTINGS))
    if unknown:
        raise UserError(f"occlude: wanted settings {', '.join(SETTINGS)}, got {', '.join(unknown)}")
    values = {"scales": [scale], "motion": motion, **others}
    try:
        return from_mapping(Composite, values)
    except UserError as error:
        raise UserError(str(error).replace("config: ", "occlude: ", 1)) from None


def _occluders(given: Any) -> list[np.ndarray]:
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    if not several:
        raise UserError("occlude: wanted an occluder, RGBA uint8 (H, W, 4), got an empty list")
    return [checked_rgba(one, "occlude: occluder") for one in several]


def _numbers(frames: int, clip_frames: int, at: Any) -> list[int]:
    """Numbers, in the clip, of the frames that were given."""
    if at is None:
        if frames != clip_frames:
            raise UserError(
                f"occlude: wanted a box (or nan) for each of {frames} frames, got {clip_frames}; "
                "if the frames are a part of the clip, give their numbers: at=[0, 8, 16, ...]"
            )
        return list(range(frames))
    given = np.asarray(at).reshape(-1)
    if given.dtype.kind not in "iu" and given.size:
        raise UserError(f"occlude: wanted at: whole numbers, got {str(at)[:80]}")
    numbers = given.tolist()
    if len(numbers) != frames or not all(0 <= number < clip_frames for number in numbers):
        raise UserError(
            f"occlude: wanted at: {frames} numbers of frames from 0 to {clip_frames - 1}, got "
            f"{len(numbers)}: {str(numbers)[:80]}"
        )
    return numbers
