"""The actor and the occluder of a clip, in the very pixels that the network sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from occludenet_build.core import masks
from occludenet_build.core.build import clip_rows, files_by_clip
from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.sample import scaled
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.release.terms import CLEAN

COLUMNS = ("frame", "height", "width", "occluder_rle", "actor_rle", "visible_rle")


@dataclass(frozen=True)
class Regions:
    """Of T frames of H x W px; a pixel on an edge belongs to several, by its shares."""

    actor: np.ndarray
    """float32 (T, H, W), 0 to 1: what is seen of the actor."""
    occluder: np.ndarray
    """float32 (T, H, W): of the occluder."""
    masked: np.ndarray
    """bool (T,): the frame has an actor mask; without one nothing is known of it."""

    def shares(self, weights: np.ndarray) -> tuple[float, float, float] | None:
        """Shares of `weights`, (T, H, W), 0 and up, in actor, occluder and background, over the
        masked frames; None where these have none."""
        weights = weights[self.masked].astype(np.float64)
        whole = weights.sum()
        if not whole > 0:
            return None
        actor = float((weights * self.actor[self.masked]).sum() / whole)
        occluder = float((weights * self.occluder[self.masked]).sum() / whole)
        return actor, occluder, 1 - actor - occluder


@dataclass(frozen=True)
class Masks:
    """The masks of annotate/frames, by clip."""

    folder: Path
    shards: dict[str, str] = field(default_factory=dict)
    """Source clip -> the table that has its frames."""

    @staticmethod
    def over(folder: Path, clips: Iterable[str]) -> Masks:
        """Looks once where the frames of these source clips are."""
        shards = files_by_clip(folder, clips, "run annotate again")
        return Masks(folder, shards)

    def of(self, clip: Clip, numbers: Sequence[int], short_side: int) -> Regions:
        """The regions in the frames with these numbers, scaled as the pictures are, uncropped.

        Raises ItemError where one of these frames is not in the table.
        """
        rows = self._rows(clip)
        absent = sorted(set(numbers) - rows.keys())
        if absent:
            raise ItemError("no_mask", f"annotate/frames has no frame {absent[0]} of {clip.set}")
        pictures = [_shares(rows[number], clip, short_side) for number in numbers]
        actor, occluder = np.moveaxis(np.stack(pictures), 3, 0)
        masked = np.array([rows[number]["actor_rle"] is not None for number in numbers])
        return Regions(actor, occluder, masked)

    def _rows(self, clip: Clip) -> dict[int, dict[str, Any]]:
        """Frame -> its row; of a clean twin those of any scale, as the actor is the same."""
        table = clip_rows(self.folder / self.shards[clip.clip], clip.clip)
        assert table is not None  # `over` has seen it
        name = table["set"][0].as_py() if clip.set == CLEAN else clip.set
        table = table.filter(pc.equal(table["set"], name)).select(COLUMNS)
        return {row["frame"]: row for row in table.to_pylist()}


def _shares(row: dict[str, Any], clip: Clip, short_side: int) -> np.ndarray:
    """float32 (h, w, 2), 0 to 1: how much of each scaled pixel is actor and occluder."""
    size = row["height"], row["width"]
    clean = clip.set == CLEAN
    codes = row["actor_rle" if clean else "visible_rle"], None if clean else row["occluder_rle"]
    whole = np.zeros((*size, 2), np.float32)
    for at, code in enumerate(codes):
        if code is not None:
            whole[:, :, at] = masks.decode(code, *size)
    return scaled(whole, short_side)
