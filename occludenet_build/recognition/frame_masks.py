"""The masks of a build's clips, frame by frame, from annotate/frames.

`FrameMasks` reads them; `ActorPixels` tells which pixels of the frames that a network sees show the
actor, and from which of them the actor is erased in the counterfactual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow.compute as pc

from occludenet_build.core.build import files_by_clip, read_clip_rows
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.media.imaging import masks as rle
from occludenet_build.occlusion.counterfactual import dilate_mask
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.release.terms import CLEAN

_COLUMNS = ("height", "width", "actor_rle", "visible_rle", "occluder_rle")
_KEPT = 256
"""Clips whose masks a process keeps, a few hundred kB each."""


class MaskRow(NamedTuple):
    """The masks of one frame, as COCO RLE counts of the displayed picture; None: no such mask."""

    height: int
    """Height of the picture, pixels."""
    width: int
    """Width of the picture, pixels."""
    actor: bytes | None
    """The whole actor, also where the occluder hides them."""
    visible: bytes | None
    """What is seen of the actor."""
    occluder: bytes | None
    """What is seen of the occluder."""


@dataclass(frozen=True)
class FrameMasks:
    """Reads the masks of clips from `folder`, annotate/frames."""

    folder: Path
    shards: dict[str, str] = field(default_factory=dict)
    """Table that holds the frames, by source clip."""

    @staticmethod
    def over(folder: Path, clips: Iterable[str], hint: str = "run annotate again") -> FrameMasks:
        """A reader of these source clips, after finding the tables that hold their frames.

        Raises UserError, which ends with `hint`, if a clip is in none of the tables.
        """
        return FrameMasks(folder, files_by_clip(folder, clips, hint))

    def rows(self, clip: ClipRow) -> dict[int, MaskRow]:
        """The masks of a clip by frame number.

        A clean twin has the actor of any scale, since it is the same in all, and no occluder.
        """
        of_set = None if clip.set == CLEAN else clip.set
        return _read(self.folder / self.shards[clip.clip], clip.clip, of_set)

    def digest(self, clips: Iterable[ClipRow]) -> str:
        """Hash of the masks of clips, for keys."""
        every = (str(sorted(self.rows(clip).items())) for clip in clips)
        return short_hash(*every)


@lru_cache(maxsize=_KEPT)
def _read(table: Path, clip: str, of_set: str | None) -> dict[int, MaskRow]:
    rows = read_clip_rows(table, clip)
    assert rows is not None  # `over` found it
    name = of_set or rows["set"][0].as_py()
    rows = rows.filter(pc.equal(rows["set"], name)).select(["frame", *_COLUMNS])
    columns = rows.to_pydict()
    found = list(map(MaskRow, *(columns[name] for name in _COLUMNS)))
    if of_set is None:
        found = [row._replace(visible=row.actor, occluder=None) for row in found]
    return dict(zip(columns["frame"], found, strict=True))


class ActorView(NamedTuple):
    """Where the actor is in T frames of H x W px."""

    actor: np.ndarray
    """bool (T, H, W): the dilated mask of the actor, also where an occluder hides them."""
    hole: np.ndarray
    """bool (T, H, W): the pixels from which the actor is erased: `actor` without the occluder."""


@dataclass(frozen=True)
class ActorPixels:
    """Tells where the actor is in the frames of a clip, as counterfactuals erase them."""

    masks: FrameMasks
    dilate: int
    """Dilation of the actor's mask, pixels of the file (counterfactual.dilate)."""

    def of(self, clip: ClipRow, numbers: Sequence[int], height: int, width: int) -> ActorView:
        """Actor and hole in the frames `numbers`, scaled to `height` x `width` px, not cropped.

        A scaled pixel belongs to a mask of which it shows half or more; a frame without a mask of
        the actor has neither. Raises ItemError where the masks are of another picture or lack a
        frame.
        """
        rows = self.masks.rows(clip)
        views = {
            number: self._of_frame(rows.get(number), clip, number, height, width)
            for number in set(numbers)
        }
        actor, hole = zip(*(views[number] for number in numbers), strict=True)
        return ActorView(np.stack(actor), np.stack(hole))

    def _of_frame(
        self, row: MaskRow | None, clip: ClipRow, number: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        if row is None:
            raise ItemError("no_mask", f"annotate/frames has no frame {number} of {clip.set}")
        if abs(row.width * height - row.height * width) > max(row.width, row.height):
            wanted = f"{row.width}x{row.height}"
            raise ItemError("source_changed", f"its masks are of {wanted}, not of {width}x{height}")
        if row.actor is None:
            none = np.zeros((height, width), bool)
            return none, none
        actor = dilate_mask(rle.decode(row.actor, row.height, row.width), self.dilate)
        hole = actor
        if row.occluder is not None:
            hole = actor & ~rle.decode(row.occluder, row.height, row.width)
        return _scaled(actor, height, width), _scaled(hole, height, width)


def _scaled(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask bool (H, W), scaled to bool (height, width): the pixels of which it covers half."""
    if mask.shape == (height, width):
        return mask
    method = cv2.INTER_AREA if height < mask.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=method) >= 0.5
