"""The data set of training: views of clips, of their counterfactuals and of swapped sceneries.

A view is a function of (seed, file, epoch) only, so neither workers nor processes change it.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from occludenet_build.config.training import Augment, Swap, check_jitter
from occludenet_build.core.errors import as_item_error
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.recognition.augment import ViewDraw, augment_clips, crop_masks, draw_view
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import (
    FrameReader,
    PairReader,
    SkippedClip,
)
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.frame_masks import ActorPixels, ActorView
from occludenet_build.recognition.learner import TrainingItems
from occludenet_build.recognition.swap import Sceneries, before_scenery


class ClipPair(NamedTuple):
    """A view of a training clip and of its counterfactual."""

    clip: Tensor
    """uint8 (T, H, W, 3)."""
    counterfactual: Tensor | None
    """uint8 (T, H, W, 3), the same view with the actor erased; None where nothing is erased."""
    label: int
    """Position in the list of labels."""
    file: str


class Batch(NamedTuple):
    """A batch of training clips."""

    clips: Tensor
    """uint8 (N, T, H, W, 3); N may be 0."""
    counterfactuals: Tensor | None
    """uint8 (M, T, H, W, 3) of the M clips that are `present`; None for M = 0."""
    present: Tensor
    """bool (N,), whether the actor is erased from pixels of this view of the clip."""
    labels: Tensor
    """int64 (N,), positions in the list of labels."""
    files: list[str]
    skipped: list[SkippedClip]


@dataclass(frozen=True)
class Actors:
    """What a data set reads of actors and counterfactuals; the default reads nothing."""

    pixels: ActorPixels | None = None
    """Where the actors are. Needed for pairs and for swaps."""
    erasing: Erasing | None = None
    """Makes the counterfactuals that have no file, and those of drawn fills."""
    pairs: bool = False
    """Whether views are pairs of a clip and its counterfactual."""
    min_erased: float = 0.0
    """train.min_erased."""
    fills: tuple[str, ...] = ()
    """train.fills."""
    swap: Swap | None = None
    """How clips get the scenery of other clips; None: they keep their own."""

    def identity(self, clips: Sequence[ClipRow]) -> dict[str, Any]:
        """What views follow from besides files and settings, for keys; empty where that is nothing.

        `swaps`: the settings of swaps, which alone do not say whether the arm swaps. `masks`: of
        counterfactuals of another program. The files of the build's own ones follow from the masks
        and their dilation; those do not, but the masks say what is erased in them.
        """
        found: dict[str, Any] = {"swaps": asdict(self.swap)} if self.swap else {}
        foreign = [clip for clip in clips if Path(clip.erased_file or "").is_absolute()]
        if self.pixels is not None and foreign:
            found["masks"] = [self.pixels.dilate, self.pixels.masks.digest(foreign)]
        return found


class _Frames(NamedTuple):
    """What is read of a clip for one view, before augmentation."""

    clip: np.ndarray
    """uint8 (T, H, W, 3)."""
    erased: np.ndarray | None = None
    """Its counterfactual, uint8 (T, H, W, 3); None where there is none."""
    hole: np.ndarray | None = None
    """Where it is erased, bool (T, H, W)."""


def collate(items: list[ClipPair | SkippedClip]) -> Batch:
    """Make one batch of items of TrainingClips; it lists the skipped clips."""
    pairs = [item for item in items if isinstance(item, ClipPair)]
    erased = [pair.counterfactual for pair in pairs if pair.counterfactual is not None]
    return Batch(
        clips=torch.stack([pair.clip for pair in pairs]) if pairs else torch.empty(0),
        counterfactuals=torch.stack(erased) if erased else None,
        present=torch.tensor([pair.counterfactual is not None for pair in pairs], dtype=torch.bool),
        labels=torch.tensor([pair.label for pair in pairs], dtype=torch.int64),
        files=[pair.file for pair in pairs],
        skipped=[item for item in items if isinstance(item, SkippedClip)],
    )


class TrainingClips(TrainingItems[Batch]):
    """Data set whose items have pixels; (number, epoch) alone determine the view of a clip."""

    def __init__(
        self,
        clips: Sequence[ClipRow],
        labels: Sequence[str],
        source: FrameReader,
        *,
        frames: int,
        size: int,
        stride: int,
        augment: Augment,
        seed: int,
        actors: Actors = Actors(),
        sampling: str = "own",
    ) -> None:
        """A view has `frames` frames of `size` x `size` px, `stride` apart (0: spread evenly).

        `sampling`: train.sampling. Raises UserError where train.augment draws pictures smaller than
        the crop.
        """
        check_jitter(augment, size)
        self.clips, self.source, self.seed = clips, source, seed
        self.frames, self.size, self.stride = frames, size, stride
        self.augment, self.actors, self.sampling = augment, actors, sampling
        self.positions = {label: position for position, label in enumerate(labels)}
        self._reader = PairReader(source, actors.erasing)
        self._sceneries = Sceneries(clips, actors.swap, seed) if actors.swap else None

    def __len__(self) -> int:
        return len(self.clips)

    collate = staticmethod(collate)

    def single_frames(self) -> TrainingClips:
        """The same clips with views of one frame, without counterfactuals and swaps."""
        singles = copy.copy(self)
        singles.frames, singles.stride = 1, 0
        singles.actors, singles._sceneries = Actors(), None
        return singles

    def __getitem__(self, key: tuple[int, int]) -> ClipPair | SkippedClip:
        number, epoch = key
        clip = self.clips[number]
        try:
            pictures, erased = self._seen(clip, epoch)
        except Exception as error:
            return SkippedClip(clip.file, str(as_item_error(error)))
        return ClipPair(pictures, erased, self.positions[clip.label], clip.file)

    def _seen(self, clip: ClipRow, epoch: int) -> tuple[Tensor, Tensor | None]:
        """Both clips of the pair with the same frames, crop, mirroring and augmentation."""
        one, seed = self._draw(clip, epoch)
        frames = self._read(clip, epoch, one, seed)
        pair = [frames.clip]
        # Nothing may be erased in these frames and this crop: then there is no second clip.
        if frames.erased is not None and self._is_erased(frames.hole, one, seed):
            pair.append(frames.erased)
        seen = map(torch.from_numpy, augment_clips(pair, one, self.size, self.augment, seed))
        return next(seen), next(seen, None)

    def _draw(self, clip: ClipRow, epoch: int) -> tuple[ViewDraw, int]:
        """The view of a clip in an epoch, and the seed of its augmentation."""
        how = self.frames, self.augment.flip, self.stride, self.sampling
        one = draw_view(self.seed, clip.file, epoch, clip.frames, *how)
        return one, uniform_integer(self.seed, clip.file, "augment", str(epoch)) >> 1

    def _is_erased(self, hole: np.ndarray | None, one: ViewDraw, seed: int) -> bool:
        assert hole is not None  # an erased clip comes with its hole
        share = crop_masks(hole, one, self.size, self.augment, seed).mean()
        return bool(share > 0 and share >= self.actors.min_erased)

    def _read(self, clip: ClipRow, epoch: int, one: ViewDraw, seed: int) -> _Frames:
        """A clip as it is, or before the scenery of another one."""
        lender = self._sceneries.drawn_for(clip, epoch) if self._sceneries else None
        if lender is not None:
            return self._swapped(lender, clip, epoch, one, seed)
        if not self.actors.pairs or not clip.erased_hash:
            return _Frames(self.source.of(clip.file, one.frames))
        pictures, erased = self._reader.pair(clip, one.frames, self._fill(clip, epoch))
        return _Frames(pictures, erased, self._view(clip, one, pictures).hole)

    def _swapped(
        self, lender: ClipRow, clip: ClipRow, epoch: int, one: ViewDraw, seed: int
    ) -> _Frames:
        """A clip before the scenery of `lender`; in its own where the actor is hardly seen."""
        assert self._sceneries is not None
        pictures, swapped = self.source.of(clip.file, one.frames), None
        view = self._view(clip, one, pictures)
        if self._sceneries.can_swap(crop_masks(view.hole, one, self.size, self.augment, seed)):
            scenery = self._lent(lender, epoch)
            swapped = None if scenery is None else before_scenery(pictures, view, scenery)
        shown = pictures if swapped is None else swapped.clip
        if not self.actors.pairs:
            return _Frames(shown)
        if swapped is not None and self._sceneries.settings.counterfactual == "new":
            return _Frames(shown, swapped.erased, view.hole)
        own = self._reader.erased(clip, one.frames, self._fill(clip, epoch), pictures.shape)
        return _Frames(shown, own, view.hole)

    def _lent(self, lender: ClipRow, epoch: int) -> np.ndarray | None:
        """The emptied scenery of a clip, uint8 (T, H, W, 3); None where it cannot be read.

        The lender is at fault then, not the clip that would get its scenery, which keeps its own.
        """
        frames = self._draw(lender, epoch)[0].frames
        try:
            return self._reader.erased(lender, frames, self._fill(lender, epoch))
        except Exception as error:
            reason = as_item_error(error)
            logging.warning("the scenery of %s is not lent: %s", lender.erased_file, reason)
            return None

    def _view(self, clip: ClipRow, one: ViewDraw, pictures: np.ndarray) -> ActorView:
        assert self.actors.pixels is not None
        return self.actors.pixels.of(clip, one.frames, *pictures.shape[1:3])

    def _fill(self, clip: ClipRow, epoch: int) -> str | None:
        fills = self.actors.fills
        if not fills:
            return None
        return fills[uniform_integer(self.seed, clip.file, "fill", str(epoch)) % len(fills)]
