"""The ground truth of action detection: videos with tubes, their pictures and their masks.

`TubeSet` is the one interface for training and evaluation, whatever the truth comes from: a build
(`build_truth.build_sets`), or the `*-GT.pkl` of UCF101-24 and JHMDB (`pickle_truth.pickle_set`);
`static_occluder.occluded` puts STADO's occluders on either. `to_pickle` writes the same pickle.

Numbers of frames: the rows of tubes count from 1, as the pickles do; every argument called `number`
or `numbers` counts from 0. Boxes in tubes are x1, y1, x2, y2 in pixels of the displayed picture,
float32, where x2 and y2 are the last column and row (media.tubes). Masks are COCO RLE counts of the
displayed picture. Everything here can be pickled, for the processes of a loader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.tubes import SHORTEST, TubeTruth, half_open

Tubes = Mapping[int, Sequence[np.ndarray]]
"""Label -> tubes, float32 (N, 5): frame from 1, x1, y1, x2, y2 in pixels, sorted by frame."""


class Pictures(Protocol):
    """Reads the frames of one video."""

    def read(self, numbers: Sequence[int]) -> np.ndarray:
        """The frames `numbers` (from 0, repeats allowed), uint8 (T, H, W, 3), RGB.

        Raises ItemError where one of them cannot be read.
        """
        ...

    @property
    def identity(self) -> str:
        """What identifies the pixels, for keys."""
        ...


class ActorMasks(NamedTuple):
    """The masks of one frame, COCO RLE counts; None: not known, or no occluder."""

    visible: bytes | None
    """What is seen of the actor; an empty mask where they are hidden."""
    occluder: bytes | None
    """What is seen of the occluder."""


class Masks(Protocol):
    """Reads the masks of one video."""

    def of(self, number: int) -> ActorMasks:
        """The masks of a frame, from 0."""
        ...


@dataclass(frozen=True)
class TubeVideo:
    """A video with its tubes."""

    name: str
    """Unique in its set: the source clip of a build, `<class>/<video>` of a pickle."""
    split: str
    """train, val or test."""
    group: str
    """Videos of one group are not independent (same people and place): what a bootstrap draws."""
    frames: int
    height: int
    """Of the displayed picture, pixels."""
    width: int
    tubes: Tubes
    pictures: Pictures
    masks: Masks | None = None
    """None: no mask is known."""
    masked: int | None = None
    """How many tubes of each label, the first ones, are of the actor whom `masks` show; None: all.
    In S, I and M masks show the actor only, and everybody has a tube."""

    def boxes(self, number: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """(label, position of the tube, box float32 (4,)) of the tubes that have frame `number`."""
        for label, tubes in sorted(self.tubes.items()):
            for position, tube in enumerate(tubes):
                for row in tube[tube[:, 0] == number + 1]:
                    yield label, position, row[1:]

    def starts(self, length: int = SHORTEST) -> list[int]:
        """First frames (from 0) of the clips of `length` frames that can be trained on.

        They lie inside a tube, and no tube begins or ends within them (ACT, MOC-Detector).
        """
        inside = [self._frames_of(tube) for tubes in self.tubes.values() for tube in tubes]
        counts = np.array([np.convolve(one, np.ones(length, int), "valid") for one in inside])
        if not counts.size:
            return []
        whole, none = counts == length, counts == 0
        return np.flatnonzero((whole | none).all(axis=0) & whole.any(axis=0)).tolist()

    def _frames_of(self, tube: np.ndarray) -> np.ndarray:
        present = np.zeros(self.frames, int)
        present[tube[:, 0].astype(int) - 1] = 1
        return present

    def visible(self, number: int) -> np.ndarray | None:
        """What is seen of the people with a tube, bool (H, W): the target of STADO's mask.

        Their masks; of who has none, the box without the occluder. None where nobody has a box.
        """
        found = [(at, box) for _, at, box in self.boxes(number)]
        if not found:
            return None
        known = self.masks.of(number) if self.masks is not None else ActorMasks(None, None)
        target = np.zeros((self.height, self.width), bool)
        for at, box in found:
            if known.visible is None or (self.masked is not None and at >= self.masked):
                fill_box(target, box)
        if known.occluder is not None:
            target &= ~rle.decode(known.occluder, self.height, self.width)
        if known.visible is not None:
            target |= rle.decode(known.visible, self.height, self.width)
        return target

    def actor(self, number: int) -> np.ndarray | None:
        """What is seen of the actor by their mask, bool (H, W); None where it is not known."""
        counts = self.masks.of(number).visible if self.masks is not None else None
        return None if counts is None else rle.decode(counts, self.height, self.width)

    def occluder(self, number: int) -> np.ndarray | None:
        """What is seen of the occluder, bool (H, W); None where there is none."""
        counts = self.masks.of(number).occluder if self.masks is not None else None
        return None if counts is None else rle.decode(counts, self.height, self.width)

    @property
    def identity(self) -> str:
        """Hash of pixels and tubes, for keys."""
        tubes = [f"{k} {tube.tobytes().hex()}" for k, v in sorted(self.tubes.items()) for tube in v]
        return short_hash(self.name, self.split, self.pictures.identity, *tubes)


def fill_box(mask: np.ndarray, box: np.ndarray) -> None:
    """Set the pixels of a box (4,), whose x2, y2 are the last column and row, in bool (H, W)."""
    x1, y1, x2, y2 = np.rint(half_open(box)).astype(int).clip(0).tolist()
    mask[y1:y2, x1:x2] = True


@dataclass(frozen=True)
class TubeSet:
    """A set of videos with one list of labels."""

    name: str
    """clean, D-25, D-50, D-75, S, I, M, or that of a pickle."""
    labels: tuple[str, ...]
    """Class names; their positions are the label ids of the tubes and of a network's heat maps."""
    videos: tuple[TubeVideo, ...]
    """Sorted by split and name."""
    left_out: Mapping[str, ItemError] = field(default_factory=dict)
    """Name -> why a video has no tube."""

    def of_split(self, split: str) -> list[TubeVideo]:
        """The videos of train, val or test."""
        return [video for video in self.videos if video.split == split]

    def digest(self, split: str) -> str:
        """Hash of labels, pixels and tubes of a split, for keys."""
        return short_hash(*self.labels, *(video.identity for video in self.of_split(split)))

    def to_pickle(self, other: str = "test") -> TubeTruth:
        """The set as a `*-GT.pkl`: one split, train and `other` in the place of test.

        Label folders are part of the names: `<class>/<video>`, the class of the first tube.
        """
        chosen = {split: self.of_split(split) for split in ("train", other)}
        names = {v.name: self._named(v) for videos in chosen.values() for v in videos}
        every = [video for videos in chosen.values() for video in videos]
        return TubeTruth(
            labels=list(self.labels),
            train_videos=[[names[v.name] for v in chosen["train"]]],
            test_videos=[[names[v.name] for v in chosen[other]]],
            nframes={names[v.name]: v.frames for v in every},
            resolution={names[v.name]: (v.height, v.width) for v in every},
            gttubes={names[v.name]: {k: list(t) for k, t in v.tubes.items()} for v in every},
            gt_visible={names[v.name]: seen for v in every if (seen := _visible(v))},
        )

    def _named(self, video: TubeVideo) -> str:
        label = self.labels[min(video.tubes)]
        return video.name if "/" in video.name else f"{label}/{video.name}"


def _visible(video: TubeVideo) -> dict[int, str]:
    """Frame from 1 -> what is seen of the actor, of the frames in which that is known."""
    if video.masks is None:
        return {}
    found = {number + 1: video.masks.of(number).visible for number in range(video.frames)}
    return {number: counts.decode("ascii") for number, counts in found.items() if counts}
