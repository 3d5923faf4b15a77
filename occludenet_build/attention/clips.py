"""The clips whose maps are made, as a data set: one view of each, with its regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from occludenet_build.attention.regions import Masks, Regions
from occludenet_build.core.errors import ItemError
from occludenet_build.core.seeds import integer
from occludenet_build.recognition.backbones.spec import Input
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.datasets import Frames
from occludenet_build.recognition.sampling import cropped, views

CENTRE = 0.5


class View(NamedTuple):
    number: int
    """In the list of clips."""
    pictures: Tensor
    """uint8 (T, S, S, 3), RGB."""
    regions: Regions
    """Of these pictures."""
    frames: tuple[int, ...]
    """Their numbers in the clip."""


class Unread(NamedTuple):
    """A clip that cannot be used; it becomes a row that says so."""

    number: int
    reason: str
    detail: str


class Views(Dataset):
    """Items by number: the middle view in time, the centre crop."""

    def __init__(self, clips: Sequence[Clip], source: Frames, masks: Masks, seen: Input) -> None:
        self.clips, self.source, self.masks, self.seen = clips, source, masks, seen

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> View | Unread:
        clip, seen = self.clips[number], self.seen
        (frames,) = views(clip.frames, seen.frames, 1, seen.stride)
        try:
            pictures = self.source.of(clip.file, frames)
            regions = self.masks.of(clip, frames, seen.short_side)
            if regions.actor.shape != pictures.shape[:3]:
                raise ItemError("source_changed", "its masks are of pictures of another size")
        except ItemError as error:
            return Unread(number, error.reason, error.detail)
        actor, occluder = self._cropped(regions.actor), self._cropped(regions.occluder)
        shown = torch.from_numpy(self._cropped(pictures))
        return View(number, shown, Regions(actor, occluder, regions.masked), frames)

    def _cropped(self, pictures: np.ndarray) -> np.ndarray:
        return cropped(pictures, self.seen.size, CENTRE, CENTRE, flip=False)


def drawn(clips: Iterable[Clip], count: int | None, seed: int) -> list[str]:
    """`count` source clips (None: all) by hash: who is drawn hangs on no other clip, and those of
    a smaller count are among those of a larger one."""
    sources = {clip.clip for clip in clips}
    order = sorted(sources, key=lambda clip: (integer(seed, clip, "attention"), clip))
    return order[:count]
