"""Data sets and batches of clips for training and evaluation, as uint8 pictures of one size."""

from __future__ import annotations

import copy
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from occludenet_build.config.recognition import Augment
from occludenet_build.config.sources import Index
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.media.video.sample import sample_frames, sample_frames_twice
from occludenet_build.recognition.augment import (
    augment_clips,
    crop_clip,
    crop_positions,
    draw_view,
)
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.sampling import frames_of_views

_WIDEST = 16 / 9
"""Aspect ratio that the estimate of memory assumes."""


class FrameReader:
    """Reads frames of files by number, scaled to one short side.

    With `keep`, a file is decoded whole at its first use and stays in memory.
    """

    def __init__(self, root: Path, short_side: int, keep: bool) -> None:
        self.root, self.short_side, self.keep = root, short_side, keep
        self._kept: dict[str, np.ndarray] = {}

    def of(self, file: str, numbers: Sequence[int]) -> np.ndarray:
        """The frames `numbers` of a file, uint8 (T, H, W, 3), RGB.

        Raises ItemError where the file cannot be read.
        """
        if not self.keep:
            return sample_frames(self.root / file, numbers, self.short_side)
        if file not in self._kept:
            self._kept[file] = sample_frames(self.root / file, None, self.short_side)
        return self._of_kept(file, numbers)

    def both(
        self, file: str, numbers: Sequence[int], look: Callable[[int, Any], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The frames as `of` returns them, and as `look` changes them, each uint8 (T, H, W, 3).

        `look` (media.video.sample) must be the same for a file in every call.
        """
        if not self.keep:
            return sample_frames_twice(self.root / file, numbers, self.short_side, look)
        other = f"{file}\0"  # cannot be the name of a file
        if other not in self._kept:
            pair = sample_frames_twice(self.root / file, None, self.short_side, look)
            self._kept[file], self._kept[other] = pair
        return self._of_kept(file, numbers), self._of_kept(other, numbers)

    def _of_kept(self, name: str, numbers: Sequence[int]) -> np.ndarray:
        if max(numbers) >= len(self._kept[name]):
            raise ItemError("truncated", f"wanted frame {max(numbers)}")
        return self._kept[name][list(numbers)]


def fit_in_memory(frame_counts: Iterable[int], short_side: int, limit_mib: int) -> bool:
    """Whether clips with these numbers of frames fit decoded into `limit_mib` MiB."""
    mib = sum(frame_counts) * short_side * short_side * _WIDEST * 3 / 2**20
    if mib <= limit_mib:
        logging.info("clips are decoded once and kept in memory, about %.0f MiB", mib)
    return mib <= limit_mib


class SkippedClip(NamedTuple):
    """A clip that cannot be read; no other clip replaces it."""

    file: str
    reason: str
    """The ItemError as text: its reason, a colon, its detail."""


class ClipPair(NamedTuple):
    """A view of a training clip and of its counterfactual."""

    clip: Tensor
    """uint8 (T, H, W, 3)."""
    counterfactual: Tensor | None
    """uint8 (T, H, W, 3), the same view with the actor erased; None where it does not differ."""
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
    """bool (N,), whether the clip's counterfactual differs from the clip in this view."""
    labels: Tensor
    """int64 (N,), positions in the list of labels."""
    files: list[str]
    skipped: list[SkippedClip]


class TrainingClips(Dataset):
    """Data set with items by (number, epoch), which alone determine the view of a clip."""

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
        pairs: bool,
        seed: int,
        erasing: Erasing | None = None,
    ) -> None:
        """A view has `frames` frames of `size` x `size` px, `stride` apart (0: spread evenly).

        Without `pairs` no counterfactual is read. `erasing` makes counterfactuals without a file.
        """
        self.clips, self.source, self.seed = clips, source, seed
        self.frames, self.size, self.stride = frames, size, stride
        self.augment, self.pairs, self.erasing = augment, pairs, erasing
        self.positions = {label: position for position, label in enumerate(labels)}

    def __len__(self) -> int:
        return len(self.clips)

    def single_frames(self) -> TrainingClips:
        """The same clips with views of one frame and without counterfactuals."""
        singles = copy.copy(self)
        singles.frames, singles.stride, singles.pairs = 1, 0, False
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
        one = draw_view(
            self.seed, clip.file, epoch, clip.frames, self.frames, self.augment.flip, self.stride
        )
        seed = uniform_integer(self.seed, clip.file, "augment", str(epoch)) >> 1
        both = augment_clips(self._read(clip, one.frames), one, self.size, self.augment, seed)
        pictures, erased = both[0], both[-1]
        # Nothing may be erased in these frames and this crop: then there is no second clip.
        same = len(both) == 1 or np.array_equal(pictures, erased)
        return torch.from_numpy(pictures), None if same else torch.from_numpy(erased)

    def _read(self, clip: ClipRow, numbers: Sequence[int]) -> list[np.ndarray]:
        """The clip and, where there is one, its counterfactual, uint8 (T, H, W, 3)."""
        if self.pairs and clip.erased_at_load and self.erasing is not None:
            return list(self.source.both(clip.file, numbers, self.erasing.of(clip)))
        pictures = self.source.of(clip.file, numbers)
        if not self.pairs or not clip.erased_file:
            return [pictures]
        erased = self.source.of(clip.erased_file, numbers)
        if erased.shape != pictures.shape:
            raise ItemError("corrupt", f"its counterfactual {clip.erased_file} has another shape")
        return [pictures, erased]


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


def make_loader(
    clips: Dataset,
    batches: Iterable[list],
    workers: int,
    device: str,
    collate: Callable[[list], Any] = collate,
) -> DataLoader:
    """A loader of `batches` in their order, with `workers` processes (0: in this process)."""
    return DataLoader(
        clips,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        # fork copies torch's locks without the threads that hold them
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_begin_worker if workers else None,
        pin_memory=device.startswith("cuda"),
    )


def _begin_worker(number: int) -> None:
    # Ctrl-C reaches the whole process group; only the parent acts on it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _unless_stopped
    cv2.setNumThreads(1)


def _unless_stopped(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """No traceback for a broken pipe, which is what a worker sees when the parent is stopped."""
    if not isinstance(error, ConnectionError):
        sys.__excepthook__(kind, error, trace)


class ClipViews(NamedTuple):
    """All views of a clip; the crops of one view in time follow each other."""

    clip: Tensor
    """uint8 (views x crops, T, H, W, 3)."""
    erased: Tensor | None
    """The same frames and crops without the actor, same shape and dtype; None without a
    counterfactual, or where it does not differ."""
    problem: str | None
    """Why the clip's counterfactual cannot be read; None if it can, or if there is none."""


class EvaluationClips(Dataset):
    """Data set with items ClipViews, or SkippedClip for a clip that cannot be read."""

    def __init__(
        self,
        clips: Sequence[ClipRow],
        source: FrameReader,
        *,
        frames: int,
        size: int,
        stride: int,
        views: int,
        crops: int,
        counterfactuals: bool = False,
        erasing: Erasing | None = None,
        sampling: str = "mmaction2",
    ) -> None:
        """A view has `frames` frames of `size` x `size` px, `stride` apart (0: spread evenly).

        `sampling`: a name of recognition.sampling.SAMPLERS. `erasing` makes counterfactuals without a file.
        """
        self.clips, self.source = clips, source
        self.frames, self.size, self.stride = frames, size, stride
        self.views, self.crops, self.sampling = views, crops, sampling
        self.counterfactuals, self.erasing = counterfactuals, erasing

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> ClipViews | SkippedClip:
        clip = self.clips[number]
        try:
            count = clip.frames or count_frames(self.source.root / clip.file)
            in_time = frames_of_views(
                self.sampling, count, self.frames, self.stride, self.views
            )
            numbers = [frame for view in in_time for frame in view]
            pictures, erased, problem = self._read(clip, numbers)
        except Exception as error:
            return SkippedClip(clip.file, str(as_item_error(error)))
        seen = self._seen(pictures)
        other = None if erased is None else self._seen(erased)
        if other is not None and torch.equal(seen, other):
            other = None
        return ClipViews(seen, other, problem)

    def _read(
        self, clip: ClipRow, numbers: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray | None, str | None]:
        """Clip and counterfactual, uint8 (views x T, H, W, 3), and an error of the latter."""
        if self.counterfactuals and clip.erased_at_load and self.erasing is not None:
            return *self.source.both(clip.file, numbers, self.erasing.of(clip)), None
        pictures = self.source.of(clip.file, numbers)
        if not self.counterfactuals or not clip.erased_file:
            return pictures, None, None
        try:
            erased = self.source.of(clip.erased_file, numbers)
        except Exception as error:
            return pictures, None, str(as_item_error(error))
        if erased.shape != pictures.shape:
            return pictures, None, "corrupt: its shape differs from the clip's"
        return pictures, erased, None

    def _seen(self, pictures: np.ndarray) -> Tensor:
        parts = [
            crop_clip(part, self.size, top, left, flip=False)
            for part in np.split(pictures, self.views)
            for top, left in crop_positions(self.crops, *pictures.shape[1:3])
        ]
        return torch.from_numpy(np.stack(parts))


def count_frames(path: Path) -> int:
    """Number of frames of a clip that has no row in a table, by decoding it."""
    return probe(path, Limits.of(Index())).frames
