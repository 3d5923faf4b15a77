"""The data set of a training: clips of K frames, with their targets.

A view is a function of (seed, video, first frame, epoch), so neither workers nor processes change
it, and an interrupted training goes on as if it had not been. It does not depend on the set either:
a network that is trained on occluded videos sees the same frames and crops as one on clean ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from occludenet_build.action_detection.augment import Augmentation, draw
from occludenet_build.action_detection.clip import (
    bgr,
    clip_tubes,
    network_input,
    resized_boxes,
    resized_masks,
)
from occludenet_build.action_detection.network import DOWN
from occludenet_build.action_detection.targets import AttentionTarget, Targets, make_targets
from occludenet_build.action_detection.truth import TubeSet, TubeVideo
from occludenet_build.config.moc import Moc
from occludenet_build.core.errors import UserError, as_item_error
from occludenet_build.core.seeds import rng, uniform_integer
from occludenet_build.recognition.datasets import SkippedClip
from occludenet_build.recognition.learner import TrainingItems


class TrainingClip(NamedTuple):
    """A view of K successive frames."""

    pictures: Tensor
    """float32 (K, 3, size, size), BGR, normalised."""
    targets: Targets
    file: str
    """Set, video and first frame, from 0."""


class ClipBatch(NamedTuple):
    """A batch of training clips."""

    pictures: Tensor | None
    """float32 (K, N, 3, size, size); None where no clip could be read."""
    targets: Targets | None
    files: list[str]
    skipped: list[SkippedClip]


def collate(items: list[TrainingClip | SkippedClip]) -> ClipBatch:
    """Make one batch of items; it lists the skipped clips."""
    read = [item for item in items if isinstance(item, TrainingClip)]
    return ClipBatch(
        torch.stack([clip.pictures for clip in read], dim=1) if read else None,
        Targets.stacked([clip.targets for clip in read]) if read else None,
        [clip.file for clip in read],
        [item for item in items if isinstance(item, SkippedClip)],
    )


@dataclass(frozen=True)
class Seen:
    """How a network sees clips, and what it shall say of them."""

    classes: int
    frames: int
    """K."""
    size: int
    """Side of the input, pixels."""
    attention: AttentionTarget | None
    augment: bool
    shared_seeds: bool
    """Whether every worker draws the same views in each epoch, as released."""

    @classmethod
    def of(cls, settings: Moc, network: str, classes: int) -> Seen:
        """As the settings say, for a name of config.moc.NETWORKS."""
        boxes: AttentionTarget = "released" if "mask_boxes" in settings.as_released else "box"
        targets: dict[str, AttentionTarget | None] = {"moc": None, "stado": "visible"}
        return cls(
            classes,
            settings.frames,
            settings.size,
            targets.get(network, boxes),
            settings.augment,
            "worker_seeds" in settings.as_released,
        )


class ClipsOfTubes(TrainingItems[ClipBatch]):
    """Data set whose items are TrainingClip or SkippedClip by (number, epoch)."""

    def __init__(self, sets: Sequence[TubeSet], seen: Seen, starts: int, seed: int) -> None:
        """`sets`: each epoch draws from which of them a video comes; `starts`: clips of each video
        in an epoch, which it draws; 0: all.

        Raises UserError where no video has K frames in a tube.
        """
        self.seen, self.starts, self.seed = seen, starts, seed
        versions: dict[str, list[tuple[str, TubeVideo]]] = {}
        for one in sets:
            for video in one.videos:
                versions.setdefault(video.name, []).append((one.name, video))
        self.versions = versions
        self.firsts = {
            name: found
            for name, ((_, video), *_) in sorted(versions.items())
            if (found := video.starts(seen.frames))
        }
        self.items = [
            (name, number)
            for name, firsts in self.firsts.items()
            for number in range(starts or len(firsts))
        ]
        if not self.items:
            raise UserError(
                f"moc.frames: wanted videos with a person in {seen.frames} consecutive frames, got "
                f"none of {len(versions)}; make it smaller"
            )
        self._epoch, self._random = -1, Random()

    def __len__(self) -> int:
        return len(self.items)

    collate = staticmethod(collate)

    def __getitem__(self, key: tuple[int, int]) -> TrainingClip | SkippedClip:
        number, epoch = key
        name, at = self.items[number]
        set_, video = self._version(name, epoch)
        first = self._first(name, at, epoch)
        file = f"{set_}/{name}, frame {first}"
        try:
            random = self._random_of(name, at, first, epoch)
            return self._view(video, first, random, file)
        except Exception as error:
            return SkippedClip(file, str(as_item_error(error)))

    def _version(self, name: str, epoch: int) -> tuple[str, TubeVideo]:
        several = self.versions[name]
        drawn = uniform_integer(self.seed, name, "set", str(epoch))
        return several[drawn % len(several)]

    def _first(self, name: str, at: int, epoch: int) -> int:
        firsts = self.firsts[name]
        if not self.starts:
            return firsts[at]
        drawn = rng(self.seed, name, "first frames", str(epoch))
        # without repeats, as far as there are enough
        order = np.concatenate(
            [drawn.permutation(firsts) for _ in range(-(-at // len(firsts)) + 1)]
        )
        return int(order[at])

    def _random_of(self, name: str, at: int, first: int, epoch: int) -> Random:
        if not self.seen.shared_seeds:
            return Random(uniform_integer(self.seed, name, f"view {at} {first}", str(epoch)))
        if self._epoch != epoch:
            self._epoch, self._random = epoch, Random(self.seed)
        return self._random

    def _view(self, video: TubeVideo, first: int, random: Random, file: str) -> TrainingClip:
        seen, size = self.seen, (video.height, video.width)
        numbers = range(first, first + seen.frames)
        tubes = clip_tubes(video.tubes, first + 1, seen.frames)
        view = draw(random, tubes, size) if seen.augment else Augmentation()
        pictures = view.pictures(bgr(video.pictures.read(numbers)))
        height, width = pictures[0].shape[:2]
        cells = seen.size // DOWN
        targets = make_targets(
            resized_boxes(view.tubes(tubes, size), (height, width), cells),
            classes=seen.classes,
            frames=seen.frames,
            cells=cells,
            attention=seen.attention,
            visible=self._visible(video, numbers, view, cells),
        )
        return TrainingClip(network_input(pictures, size=seen.size), targets, file)

    def _visible(
        self, video: TubeVideo, numbers: Sequence[int], view: Augmentation, cells: int
    ) -> np.ndarray | None:
        """What is seen of the people, bool (K, cells, cells)."""
        if self.seen.attention != "visible":
            return None
        nobody = np.zeros((video.height, video.width), bool)
        masks = [video.visible(number) for number in numbers]
        known = np.stack([nobody if mask is None else mask for mask in masks])
        return resized_masks(view.masks(known), cells)
