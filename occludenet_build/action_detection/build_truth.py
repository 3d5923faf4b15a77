"""Ground truth of action detection from a build: the tubes of its clips.

D and its clean twins: the actor, with the clip's label. S, I and M: everybody with a track, with
the clip's label, as it is not known who of them does it; with detect.actor: all the group counts as
one more person. A tube has a box in each of K = 7 or more consecutive frames; a clip without one is
left out, with its reason.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from occludenet_build.action_detection.truth import ActorMasks, Masks, TubeSet, TubeVideo
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.dataset.clips import Build, ExportClip
from occludenet_build.dataset.tubes import people_tubes
from occludenet_build.media.tubes import SHORTEST
from occludenet_build.media.video.sample import sample_frames
from occludenet_build.release.groups import derived_group
from occludenet_build.release.terms import CLEAN

_KEPT = 64
"""Videos whose masks a process keeps, some hundred kB each."""


@dataclass(frozen=True)
class VideoPictures:
    """The frames of a video file."""

    file: Path
    file_hash: str
    """sha256."""

    def read(self, numbers: Sequence[int]) -> np.ndarray:
        """As truth.Pictures, uint8 (T, H, W, 3); the reasons are those of media.video.sample."""
        return sample_frames(self.file, numbers)

    @property
    def identity(self) -> str:
        """The hash of the file."""
        return self.file_hash


@dataclass(frozen=True, eq=False)
class BuildMasks:
    """The masks of a clip of a build; each process opens the tables itself."""

    root: Path
    clip: ExportClip

    def of(self, number: int) -> ActorMasks:
        """As truth.Masks."""
        return _masks(self)[number]


@lru_cache(maxsize=2)
def _opened(root: Path, process: int) -> Build:
    return Build(root)


@lru_cache(maxsize=_KEPT)
def _masks(one: BuildMasks) -> list[ActorMasks]:
    frames = _opened(one.root, os.getpid()).frames(one.clip)
    return [ActorMasks(frame.visible_rle, frame.occluder_rle) for frame in frames]


def build_sets(
    root: Path, sets: Sequence[str], splits: Sequence[str] = (), setting: str = "sets"
) -> dict[str, TubeSet]:
    """Name -> set of a build, for the named sets and splits (none: all splits).

    Raises UserError if there are no annotations, a set has no clip (the message names `setting`),
    or nothing of a set has a tube.
    """
    with Build(root) as build:
        clips = build.clips(sets, setting)
        spaces = build.label_spaces(sets)
        found: dict[str, TubeSet] = {}
        tubes: dict[tuple[str, str], tuple[list[np.ndarray], int]] = {}
        for name in sets:
            labels = sorted(spaces[name], key=spaces[name].__getitem__)
            chosen = [c for c in clips if c.set == name and (not splits or c.split in splits)]
            found[name] = _tube_set(build, name, labels, chosen, tubes)
    return found


def _tube_set(
    build: Build,
    name: str,
    labels: Sequence[str],
    clips: Sequence[ExportClip],
    tubes: dict[tuple[str, str], tuple[list[np.ndarray], int]],
) -> TubeSet:
    """`tubes`: those of clips that were read; all sets of D share them."""
    videos, left_out = [], {}
    for clip in clips:
        key = (clip.set if build.is_measured(clip) else CLEAN, clip.clip)
        if key not in tubes:
            tubes[key] = _tubes(build, clip)
        if tubes[key][0]:
            videos.append(_video(build, clip, labels.index(clip.label), *tubes[key]))
        else:
            detail = f"a tube takes {SHORTEST} consecutive frames with a box"
            reason = "too_few_frames" if len(build.people(clip)) else "no_actor"
            left_out[clip.clip] = ItemError(reason, detail)
    if not videos:
        raise UserError(
            f"wanted clips of {name} with a person in {SHORTEST} consecutive frames, got none of "
            f"{len(clips)}; look at detect's rows, or name another set"
        )
    order = sorted(videos, key=lambda video: (video.split, video.name))
    return TubeSet(name, tuple(labels), tuple(order), left_out)


def _tubes(build: Build, clip: ExportClip) -> tuple[list[np.ndarray], int]:
    boxes = build.people(clip)
    wrong = boxes.frames[~np.isfinite(boxes.xyxy).all(axis=1)]
    if len(wrong):
        raise UserError(
            f"wanted finite boxes of {clip.name}, got another one in frame {wrong[0]}; run detect "
            "again"
        )
    return people_tubes(boxes if build.is_measured(clip) else boxes.actor)


def _video(
    build: Build, clip: ExportClip, label: int, tubes: list[np.ndarray], masked: int
) -> TubeVideo:
    known = clip.shard if build.is_measured(clip) else _has_masks(build.root, clip.set)
    masks: Masks | None = BuildMasks(build.root, clip) if known else None
    return TubeVideo(
        name=clip.clip,
        split=clip.split,
        group=derived_group(clip.clip),
        frames=clip.frames,
        height=clip.height,
        width=clip.width,
        tubes={label: tubes},
        pictures=VideoPictures(build.root / clip.file, clip.file_hash),
        masks=masks,
        masked=masked if build.is_measured(clip) else None,
    )


def _has_masks(root: Path, set_: str) -> bool:
    """Whether a set of D has masks; those of occluders need no masker."""
    return set_ != CLEAN or (root / "actor_masks" / "store").is_dir()
