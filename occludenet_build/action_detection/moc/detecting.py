"""Detections of a network in videos: every start frame, the flip test, and its attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from occludenet_build.action_detection.clip import bgr, network_input
from occludenet_build.action_detection.decode import (
    Tubelets,
    decode,
    probabilities,
    to_tubelets,
    with_mirrored,
)
from occludenet_build.action_detection.network import ActionDetector, PictureFeatures
from occludenet_build.action_detection.truth import TubeVideo
from occludenet_build.config.moc import Moc
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.progress import progress
from occludenet_build.recognition.datasets import make_loader

AT_ONCE = 16
"""Frames, and clips, that go through the network together."""


@dataclass(frozen=True)
class Asked:
    """How a network is asked."""

    size: int
    """Side of the input, pixels."""
    step: int
    """Distance between start frames."""
    objects: int
    """Tubelets per clip."""
    flip: bool
    released_flip: bool
    """Whether the movements of the mirrored clip do not count."""
    device: str
    workers: int

    @classmethod
    def of(cls, trained: Moc, asked: Moc, device: str) -> Asked:
        """`trained`: settings of the training; `asked`: those of the evaluation."""
        return cls(
            trained.size,
            asked.test_step,
            asked.objects,
            asked.flip_test,
            "flip" in asked.as_released,
            device,
            asked.workers,
        )


class Part(NamedTuple):
    """Successive frames of a video."""

    video: int
    frames: range


class VideoParts(Dataset):
    """Data set whose items are the pictures of Parts, float32 (T, 3, size, size), or ItemError."""

    def __init__(self, videos: Sequence[TubeVideo], size: int) -> None:
        self.videos, self.size = videos, size
        self.parts = [
            Part(number, range(first, min(first + AT_ONCE, video.frames)))
            for number, video in enumerate(videos)
            for first in range(0, video.frames, AT_ONCE)
        ]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> tuple[Part, Tensor | ItemError]:
        part = self.parts[number]
        try:
            pictures = bgr(self.videos[part.video].pictures.read(part.frames))
            return part, network_input(pictures, size=self.size)
        except Exception as error:
            return part, as_item_error(error)


@dataclass
class Detections:
    """What a network finds in a video."""

    tubelets: Tubelets
    attention: list[np.ndarray] = field(default_factory=list)
    """float32 (h, w) per frame; empty without attention."""


def detect(
    network: ActionDetector, videos: Sequence[TubeVideo], asked: Asked
) -> Iterator[tuple[TubeVideo, Detections | ItemError]]:
    """Each video with what is found in it, or with the reason why it cannot be read."""
    network.eval()
    data = VideoParts(videos, asked.size)
    batches = [[number] for number in range(len(data))]
    loader = make_loader(data, batches, asked.workers, asked.device, collate=list)
    items = progress((item for (item,) in loader), len(data), "part")
    for number, parts in groupby(items, key=lambda item: item[0].video):
        yield videos[number], _of_video(network, videos[number], parts, asked)


@torch.no_grad()
def _of_video(
    network: ActionDetector,
    video: TubeVideo,
    parts: Iterator[tuple[Part, Tensor | ItemError]],
    asked: Asked,
) -> Detections | ItemError:
    starts = _starts(video.frames, network.frames, asked.step)
    if not starts:
        detail = f"{video.frames} frames, a clip has {network.frames}"
        return ItemError("too_few_frames", detail)
    window, mirrored = _Window(), _Window()
    found: list[Tubelets] = []
    attention: list[np.ndarray] = []
    for _, pictures in parts:
        if isinstance(pictures, ItemError):
            return pictures
        pictures = pictures.to(asked.device)
        seen = _features(network, pictures)
        if seen.mgan is not None:
            attention += list(seen.mgan[:, 0].float().cpu().numpy())
        window.add(seen)
        if asked.flip:
            mirrored.add(_features(network, pictures.flip(-1)))
        ready = [start for start in starts if start + network.frames <= window.end]
        starts = starts[len(ready) :]
        for at in range(0, len(ready), AT_ONCE):
            chosen = ready[at : at + AT_ONCE]
            found += _tubelets(network, video, chosen, window, mirrored, asked)
        for one in (window, mirrored):
            one.drop_before(starts[0] if starts else video.frames)
    return Detections(Tubelets.of(found), attention)


def _starts(frames: int, length: int, step: int) -> list[int]:
    """Start frames, from 0; the last one is there whatever the step.

    >>> _starts(20, 7, 5), _starts(6, 7, 1)
    ([0, 5, 10, 13], [])
    """
    last = frames - length
    return sorted({*range(0, last + 1, step), last}) if last >= 0 else []


def _features(network: ActionDetector, pictures: Tensor) -> PictureFeatures:
    return network.branch.of_picture(network.backbone(pictures))


class _Window:
    """Features of successive frames, as long as a clip may still need them."""

    def __init__(self) -> None:
        self.begin = 0
        self.kept: PictureFeatures | None = None

    @property
    def end(self) -> int:
        """Number of the frame after the last one."""
        return self.begin + (0 if self.kept is None else len(self.kept.seen))

    def add(self, more: PictureFeatures) -> None:
        """Add the next frames."""
        old = self.kept
        if old is None:
            self.kept = more
            return
        self.kept = PictureFeatures(
            torch.cat([old.seen, more.seen]), torch.cat([old.wh, more.wh]), None
        )

    def drop_before(self, frame: int) -> None:
        """Forget the frames before this one."""
        drop = min(frame, self.end) - self.begin
        if self.kept is not None and drop > 0:
            seen, sizes = self.kept.seen[drop:].clone(), self.kept.wh[drop:].clone()
            self.begin, self.kept = self.begin + drop, PictureFeatures(seen, sizes, None)

    def clips(self, starts: Sequence[int], length: int) -> list[PictureFeatures]:
        """The K frames of N clips, each with a first axis N."""
        assert self.kept is not None  # starts are among the frames
        at = torch.tensor(starts, device=self.kept.seen.device) - self.begin
        return [
            PictureFeatures(self.kept.seen[at + k], self.kept.wh[at + k], None)
            for k in range(length)
        ]


def _tubelets(
    network: ActionDetector,
    video: TubeVideo,
    starts: Sequence[int],
    window: _Window,
    mirrored: _Window,
    asked: Asked,
) -> list[Tubelets]:
    def heads(one: _Window) -> dict[str, Tensor]:
        return probabilities(network.branch.of_clip(one.clips(starts, network.frames)))

    maps = heads(window)
    if asked.flip:
        maps = with_mirrored(maps, heads(mirrored), asked.released_flip)
    cells, picture = tuple(maps["hm"].shape[-2:]), (video.height, video.width)
    rows = decode(maps, asked.objects)
    return [
        to_tubelets(own, start, cells, picture)  # type: ignore[arg-type]
        for own, start in zip(rows, starts, strict=True)
    ]
