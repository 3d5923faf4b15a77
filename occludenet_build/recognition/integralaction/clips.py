"""The data sets of IntegralAction: views of clips, and the joints of the people in them.

A view is a function of (seed, file, epoch) only, so neither workers nor processes change it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from occludenet_build.config.integralaction import POSE_SOURCES, Integralaction
from occludenet_build.core.errors import as_item_error
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.media.video.sample import picture_size
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader, SkippedClip, count_frames
from occludenet_build.recognition.integralaction import joints, views
from occludenet_build.recognition.integralaction.pose_sources import PoseSource
from occludenet_build.recognition.learner import TrainingItems


class PosedClip(NamedTuple):
    """A view of a training clip."""

    video: Tensor | None
    """float32 (T, side, side, 3), 0 to 255; None for pose_only."""
    places: Tensor | None
    """float32 (F, P, J, 2), cells; None for rgb_only."""
    scores: Tensor | None
    """float32 (F, P, J); None for rgb_only."""
    found: int
    """Persons with a pose, over all F frames."""
    label: int
    """Position in the list of labels."""
    file: str


class PosedBatch(NamedTuple):
    """A batch of training clips; see PosedClip for the units."""

    video: Tensor | None
    """float32 (N, T, side, side, 3)."""
    places: Tensor | None
    """float32 (N, F, P, J, 2)."""
    scores: Tensor | None
    """float32 (N, F, P, J)."""
    labels: Tensor
    """int64 (N,)."""
    without_poses: int
    """Clips without a pose in any frame of the view."""
    files: list[str]
    skipped: list[SkippedClip]


def collate(items: list[PosedClip | SkippedClip]) -> PosedBatch:
    """Make one batch of items of PosedClips; it lists the skipped clips."""
    read = [item for item in items if isinstance(item, PosedClip)]
    return PosedBatch(
        _stacked([clip.video for clip in read]),
        _stacked([clip.places for clip in read]),
        _stacked([clip.scores for clip in read]),
        torch.tensor([clip.label for clip in read], dtype=torch.int64),
        sum(clip.found == 0 and clip.places is not None for clip in read),
        [clip.file for clip in read],
        [item for item in items if isinstance(item, SkippedClip)],
    )


def _stacked(tensors: list[Tensor | None]) -> Tensor | None:
    given = [tensor for tensor in tensors if tensor is not None]
    return torch.stack(given) if given else None


@dataclass(frozen=True)
class Seen:
    """How a network sees clips."""

    sampling: views.Sampling
    sees_rgb: bool
    sees_poses: bool
    persons: int
    swap: str
    """A name of joints.SWAPS."""

    @classmethod
    def of(cls, settings: Integralaction, mode: str) -> Seen:
        """As the settings say, in a mode."""
        return cls(
            sampling_of(settings),
            mode != "pose_only",
            mode != "rgb_only",
            settings.persons,
            "first" if "swap" in settings.as_released else "all",
        )


def sampling_of(settings: Integralaction) -> views.Sampling:
    """Frames, distances and sizes of a view."""
    return views.Sampling(
        frames=settings.frames,
        interval=settings.interval,
        factor=settings.frame_factor,
        side=settings.size,
        short_side=settings.short_side,
    )


class PosedClips(TrainingItems[PosedBatch]):
    """Data set whose items are PosedClip or SkippedClip by (number, epoch)."""

    def __init__(
        self,
        clips: Sequence[ClipRow],
        labels: Sequence[str],
        source: FrameReader,
        poses: PoseSource | None,
        seen: Seen,
        found_on: str,
        seed: int,
    ) -> None:
        """`poses`: None where the network sees none; `found_on`: occluded or clean."""
        self.clips, self.source, self.poses = clips, source, poses
        self.seen, self.found_on, self.seed = seen, found_on, seed
        self.positions = {label: position for position, label in enumerate(labels)}
        self._sizes: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.clips)

    collate = staticmethod(collate)

    def __getitem__(self, key: tuple[int, int]) -> PosedClip | SkippedClip:
        number, epoch = key
        clip = self.clips[number]
        try:
            return self._view(clip, epoch)
        except Exception as error:
            return SkippedClip(clip.file, str(as_item_error(error)))

    def _view(self, clip: ClipRow, epoch: int) -> PosedClip:
        size = self._size(clip)
        drawn = random.Random(uniform_integer(self.seed, clip.file, "view", str(epoch)))
        view = views.drawn_view(drawn, clip.frames, size, self.seen.sampling)
        video = places = scores = None
        found = 0
        if self.seen.sees_rgb:
            frames = self.source.of(clip.file, view.frames)
            video = torch.from_numpy(views.warped(frames, view))
        if self.poses is not None:
            persons = self.poses.of(clip, self.found_on, size)
            one = joints.of_view(persons, view, self.seen.persons, swap=self.seen.swap)
            places, scores = torch.from_numpy(one.places), torch.from_numpy(one.scores)
            found = one.found
        return PosedClip(video, places, scores, found, self.positions[clip.label], clip.file)

    def _size(self, clip: ClipRow) -> tuple[int, int]:
        if clip.file not in self._sizes:
            self._sizes[clip.file] = picture_size(self.source.root / clip.file)
        return self._sizes[clip.file]


def pose_sources_of(clip: ClipRow) -> tuple[str, ...]:
    """On which clips the poses of a clip are found: both where it has a clean twin, else itself."""
    return POSE_SOURCES if clip.scale > 0 else POSE_SOURCES[:1]  # nan: a clip of a list


class PosedViews(NamedTuple):
    """All V views of a clip; see PosedClip for the units."""

    video: Tensor | None
    """float32 (V, T, side, side, 3)."""
    places: list[Tensor]
    """float32 (V, F, P, J, 2) for each source of poses that the clip has; empty for rgb_only."""
    scores: list[Tensor]
    """float32 (V, F, P, J) for each of them."""
    found: list[int]
    """Persons with a pose, over all views and frames, for each of them."""
    reasons: list[str | None]
    """Why there are no poses, of core.errors.REASONS, for each of them."""


class EvaluationViews(Dataset):
    """Data set whose items are PosedViews or SkippedClip."""

    def __init__(
        self,
        clips: Sequence[ClipRow],
        source: FrameReader,
        poses: PoseSource | None,
        seen: Seen,
        number: int,
    ) -> None:
        """`poses`: None where the network sees none; `number`: of views."""
        self.clips, self.source, self.poses = clips, source, poses
        self.seen, self.number = seen, number

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> PosedViews | SkippedClip:
        clip = self.clips[number]
        try:
            return self._views(clip)
        except Exception as error:
            return SkippedClip(clip.file, str(as_item_error(error)))

    def _views(self, clip: ClipRow) -> PosedViews:
        path = self.source.root / clip.file
        size = picture_size(path)
        count = clip.frames or count_frames(path)
        every = views.central_views(count, size, self.seen.sampling, self.number)
        found = [self.poses.of(clip, s, size) for s in pose_sources_of(clip)] if self.poses else []
        seen = [
            [joints.of_view(persons, view, self.seen.persons) for view in every]
            for persons in found
        ]
        return PosedViews(
            self._video(clip, every) if self.seen.sees_rgb else None,
            [torch.from_numpy(np.stack([one.places for one in each])) for each in seen],
            [torch.from_numpy(np.stack([one.scores for one in each])) for each in seen],
            [sum(one.found for one in each) for each in seen],
            [persons.reason for persons in found],
        )

    def _video(self, clip: ClipRow, every: list[views.View]) -> Tensor:
        numbers = sorted({number for view in every for number in view.frames})
        read = dict(zip(numbers, self.source.of(clip.file, numbers), strict=True))
        warped = [views.warped(np.stack([read[n] for n in v.frames]), v) for v in every]
        return torch.from_numpy(np.stack(warped))
