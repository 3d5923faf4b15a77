"""The seam between the stage poses and its backends: a clip of one set, and the poses in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from occludenet_build.core.poses import JOINT_COUNT
from occludenet_build.media.video import source

Picture = tuple[int, np.ndarray]
"""(frame number, displayed picture uint8 (H, W, 3), RGB)."""


class FramePoses(NamedTuple):
    """The N poses of one frame."""

    frame: int
    """From 0, display order."""
    joints: np.ndarray
    """float32 (N, 18, 3): x and y in pixels of the displayed picture, score 0 to 1."""
    boxes: np.ndarray
    """float32 (N, 4): the people, x1 y1 x2 y2 in pixels."""


@dataclass(frozen=True)
class GivenPoses:
    """The N poses of one clip in one set, from the user's file, ordered by frame."""

    frames: np.ndarray
    """int64 (N,): frame numbers from 0, ascending."""
    joints: np.ndarray
    """float32 (N, 18, 3), as in FramePoses."""

    def digest_text(self) -> str:
        """Text that identifies the poses, for ledger keys."""
        return f"{self.frames.tobytes().hex()} {self.joints.tobytes().hex()}"


def no_poses() -> GivenPoses:
    """Of a clip that a file has, without a person."""
    return GivenPoses(np.zeros(0, np.int64), np.zeros((0, JOINT_COUNT, 3), np.float32))


@dataclass(frozen=True)
class PosedClip:
    """A clip of one set."""

    path: Path
    sha256: str
    """Hash of the file; the frames of another file are refused."""
    size: tuple[int, int]
    """Width and height of the displayed picture, pixels."""
    given: GivenPoses | None = None
    """The user's poses, for backends that read them."""
    occluder: Mapping[int, bytes] = field(default_factory=dict)
    """Frame -> mask of the occluder, COCO RLE counts; empty on the clean twin."""

    def pictures(self) -> Iterator[Picture]:
        """Yields every frame: number, displayed picture uint8 (H, W, 3).

        Raises ItemError where the file is not the one that was made, or cannot be read.
        """
        source.check_indexed(self.path, self.sha256)
        yield from source.rgb_frames(self.path)


class Poser(Protocol):
    """A backend of poses, used for many clips, one after the other.

    A network in `config.backends` is constructed once, as `cls(settings, threads)`; any other once
    per clip, in worker processes, as `cls(settings)`.
    """

    def poses(self, clip: PosedClip) -> Iterator[FramePoses]:
        """Yields the poses of the frames in which somebody is found, in the order of the frames."""
        ...
