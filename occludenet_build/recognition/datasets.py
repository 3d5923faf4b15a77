"""Data sets and batches of clips for training and evaluation, as uint8 pictures of one size."""

from __future__ import annotations

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

from occludenet_build.config.sources import Index
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.media.video.sample import sample_frames, sample_frames_twice
from occludenet_build.recognition.augment import crop_clip
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.crops import crop_places
from occludenet_build.recognition.erase import Erasing
from occludenet_build.recognition.frame_masks import ActorPixels
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
        self, file: str, numbers: Sequence[int], look: Callable[[int, Any], np.ndarray], name: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """The frames as `of` returns them, and as `look` changes them, each uint8 (T, H, W, 3).

        `look` (media.video.sample) must be the same for a file and a `name` in every call.
        """
        if not self.keep:
            return sample_frames_twice(self.root / file, numbers, self.short_side, look)
        other = f"{file}\0{name}"  # cannot be the name of a file
        if other not in self._kept:
            pair = sample_frames_twice(self.root / file, None, self.short_side, look)
            self._kept[file], self._kept[other] = pair
        return self._of_kept(file, numbers), self._of_kept(other, numbers)

    def _of_kept(self, name: str, numbers: Sequence[int]) -> np.ndarray:
        if max(numbers) >= len(self._kept[name]):
            raise ItemError("truncated", f"wanted frame {max(numbers)}")
        return self._kept[name][list(numbers)]


class PairReader:
    """Reads the frames of clips and of their counterfactuals."""

    def __init__(self, source: FrameReader, erasing: Erasing | None = None) -> None:
        """`erasing` makes counterfactuals without a file."""
        self.source, self.erasing = source, erasing

    def pair(
        self, clip: ClipRow, numbers: Sequence[int], fill: str | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The frames `numbers` of a clip and of its counterfactual, each uint8 (T, H, W, 3).

        `fill`: the actor is erased now, with this fill of DRAWN_FILLS; None: as the build erases.
        The second is None where the clip has no counterfactual. Raises ItemError where one of both
        cannot be read, or where their shapes differ.
        """
        if self.erasing is not None and clip.erased_hash and (fill or clip.erased_at_load):
            look = self.erasing.of(clip, fill)
            return self.source.both(clip.file, numbers, look, fill or "")
        pictures = self.source.of(clip.file, numbers)
        return pictures, self.erased(clip, numbers, fill, pictures.shape)

    def erased(
        self,
        clip: ClipRow,
        numbers: Sequence[int],
        fill: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> np.ndarray | None:
        """The second of `pair`; where it has a file, only that is decoded.

        Raises ItemError where it cannot be read, or where a file has another shape than `shape`.
        """
        if self.erasing is not None and clip.erased_hash and (fill or clip.erased_at_load):
            return self.pair(clip, numbers, fill)[1]
        if not clip.erased_file:
            return None
        erased = self.source.of(clip.erased_file, numbers)
        if shape is not None and erased.shape != shape:
            raise ItemError("corrupt", f"its counterfactual {clip.erased_file} has another shape")
        return erased


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


def make_loader(
    clips: Dataset,
    batches: Iterable[list],
    workers: int,
    device: str,
    collate: Callable[[list], Any],
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
    counterfactual, or where the actor is erased from no pixel of these views."""
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
        actors: ActorPixels | None = None,
        erasing: Erasing | None = None,
        sampling: str = "mmaction2",
        places: str = "even",
    ) -> None:
        """A view has `frames` frames of `size` x `size` px, `stride` apart (0: spread evenly).

        `actors`: where the actor is erased in counterfactuals, which are read then; None: they are
        not read. `erasing` makes counterfactuals without a file. `sampling`: a name of
        recognition.sampling.SAMPLERS. `places`: evaluate.crop_places.
        """
        self.clips, self.source = clips, source
        self.frames, self.size, self.stride = frames, size, stride
        self.views, self.crops, self.sampling, self.places = views, crops, sampling, places
        self.actors, self.reader = actors, PairReader(source, erasing)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> ClipViews | SkippedClip:
        clip = self.clips[number]
        try:
            count = clip.frames or count_frames(self.source.root / clip.file)
            in_time = frames_of_views(self.sampling, count, self.frames, self.stride, self.views)
            numbers = [frame for view in in_time for frame in view]
            if self.actors is None or not clip.erased_hash:
                return ClipViews(self._seen(self.source.of(clip.file, numbers)), None, None)
            return self._both(clip, numbers, self.actors)
        except Exception as error:
            return SkippedClip(clip.file, str(as_item_error(error)))

    def _both(self, clip: ClipRow, numbers: Sequence[int], actors: ActorPixels) -> ClipViews:
        try:
            pictures, erased = self.reader.pair(clip, numbers)
            hole = actors.of(clip, numbers, *pictures.shape[1:3]).hole
        except Exception as error:
            alone = self.source.of(clip.file, numbers)  # the clip itself may be at fault
            return ClipViews(self._seen(alone), None, str(as_item_error(error)))
        seen = self._seen(pictures)
        if erased is None or not self._seen(hole[..., None]).any():
            return ClipViews(seen, None, None)
        return ClipViews(seen, self._seen(erased), None)

    def _seen(self, pictures: np.ndarray) -> Tensor:
        height, width = pictures.shape[1:3]
        places = crop_places(self.crops, height, width, self.size, self.places)
        parts = [
            crop_clip(part, self.size, *place)
            for part in np.split(pictures, self.views)
            for place in places
        ]
        return torch.from_numpy(np.stack(parts))


def count_frames(path: Path) -> int:
    """Number of frames of a clip that has no row in a table, by decoding it."""
    return probe(path, Limits.of(Index())).frames
