"""What evaluation shows a network of a clip: views in time and crops in space, uint8 pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from occludenet_build.config import Index
from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.probe import probe
from occludenet_build.recognition.clip_table import Clip
from occludenet_build.recognition.datasets import Frames, Skipped
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.sampling import crop_places, cropped, views


class ClipViews(NamedTuple):
    """All views of a clip, uint8 (views x crops, T, H, W, 3), crops the inner index."""

    clip: Tensor
    erased: Tensor | None
    """The same frames and crops without the actor; None where that is not asked for or nothing
    is erased in them."""
    problem: str | None
    """Why the counterfactual of a clip that has one cannot be read."""


class EvaluationClips(Dataset):
    """Items by number: ClipViews, or Skipped for a clip that cannot be read."""

    def __init__(
        self,
        clips: Sequence[Clip],
        source: Frames,
        *,
        frames: int,
        size: int,
        stride: int,
        views: int,
        crops: int,
        counterfactuals: bool = False,
        erasing: Erasing | None = None,
    ) -> None:
        """`frames` per view, `stride` apart (0: spread over the clip), of `size` x `size` px.
        `erasing`: makes those counterfactuals that have no file."""
        self.clips, self.source = clips, source
        self.frames, self.size, self.stride = frames, size, stride
        self.views, self.crops = views, crops
        self.counterfactuals, self.erasing = counterfactuals, erasing

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> ClipViews | Skipped:
        clip = self.clips[number]
        try:
            count = clip.frames or frame_count(self.source.root / clip.file)
            in_time = views(count, self.frames, self.views, self.stride)
            numbers = [frame for view in in_time for frame in view]
            pictures, erased, problem = self._read(clip, numbers)
        except ItemError as error:
            return Skipped(clip.file, str(error))
        seen = self._seen(pictures)
        other = None if erased is None else self._seen(erased)
        if other is not None and torch.equal(seen, other):
            other = None
        return ClipViews(seen, other, problem)

    def _read(
        self, clip: Clip, numbers: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray | None, str | None]:
        """Clip, counterfactual and what is wrong with that, uint8 (views x T, H, W, 3)."""
        if self.counterfactuals and clip.erased_at_load and self.erasing is not None:
            return *self.source.both(clip.file, numbers, self.erasing.of(clip)), None
        pictures = self.source.of(clip.file, numbers)
        if not self.counterfactuals or not clip.erased_file:
            return pictures, None, None
        try:
            erased = self.source.of(clip.erased_file, numbers)
        except ItemError as error:
            return pictures, None, str(error)
        if erased.shape != pictures.shape:
            return pictures, None, "corrupt: not of the clip's shape"
        return pictures, erased, None

    def _seen(self, pictures: np.ndarray) -> Tensor:
        parts = [
            cropped(part, self.size, top, left, flip=False)
            for part in np.split(pictures, self.views)
            for top, left in crop_places(self.crops, *pictures.shape[1:3])
        ]
        return torch.from_numpy(np.stack(parts))


def frame_count(path: Path) -> int:
    """Frames of a clip that no table of ours knows, by decoding it. Raises ItemError."""
    limits = Index()
    return probe(
        path, max_decode_errors=limits.max_decode_errors, max_pixels=limits.max_pixels
    ).frames
