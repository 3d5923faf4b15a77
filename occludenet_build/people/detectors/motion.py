"""The backend motion: boxes around the people who move, without weights.

It compares each picture with the empty scene, the median of pictures spread over the shot
(`scenes`). A camera that shakes, turns or zooms is compensated first; where that fails there is no
answer. Tracks count only if what moves shows a person's way to move (`person_evidence`). Close-ups,
people who sit and most clips of a fast camera are refused. A clip of which nothing is left is
refused with the reason

    camera_moves           most of the clip shows no scene: the camera moves in a way that cannot be
                           compensated, or something fills the picture
    no_person_like_motion  something moves, and nothing that moves is told to be a person

A clip in which nothing moves at all has no box, and so no actor.

Memory: KEPT downscaled pictures, and the silhouettes. The file is decoded twice, the first time for
the cuts and the scenes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detectors.camera_motion import IDENTITY, laid_on, transformed
from occludenet_build.people.detectors.empty_scene import LONGER_SIDE, downscaled
from occludenet_build.people.detectors.interface import FrameDetections, Frames, IndexedClip
from occludenet_build.people.detectors.person_evidence import Sighting, doubt, outline, silhouette
from occludenet_build.people.detectors.scenes import (
    BRIEF,
    CAMERA,
    SAMPLES,
    Part,
    evenly,
    parts_of,
)
from occludenet_build.people.tracking.actor import actor_rules, qualifies
from occludenet_build.people.tracking.shots import CutFinder
from occludenet_build.people.tracking.tracks import Track, track_rules, tracks_by_shot

KEPT = 256
"""Pictures of a clip that are kept, for the scenes of its shots."""
EVERYTHING = 0.7
"""Share of the picture above which a change is due to the camera or the light."""
ADVICE = "give a detector with weights, detect.backend yolo or torchvision"
_NEAR = 0.06
"""Regions closer to each other than this share of the picture's height are one person."""


@dataclass(frozen=True)
class _Seen:
    """What moves in one frame."""

    found: FrameDetections
    sightings: list[Sighting]
    """One per box."""


@dataclass(frozen=True)
class _Moving:
    """What differs from the scene in one frame, in the frame's own place."""

    mask: np.ndarray
    """uint8 (H, W), 0 or 1."""
    difference: np.ndarray
    """int16 (H, W), grey levels."""
    grey: np.ndarray
    """uint8 (H, W): the picture."""
    scene: np.ndarray
    """uint8 (H, W): the scene, as the picture shows it."""
    to_frame: np.ndarray
    """float64 (2, 3): maps points of the scene into the picture."""


class Motion:
    """The `interface.Detector` for people who move before a scene."""

    def __init__(self, settings: Detect) -> None:
        self.settings = settings

    def find(self, clip: IndexedClip, frames: Frames) -> Iterator[FrameDetections]:
        """Yields boxes float32 (N, 4), pixels, around who moves in each frame.

        Scores, float32 (N,), are each region's `contrast` to the scene, 0 to 1. Boxes of tracks too
        short for an actor are kept unjudged. Raises ItemError: camera_moves,
        no_person_like_motion.
        """
        cuts, parts = survey(clip)
        seen = list(self.search(parts, frames))
        tracks = self._long_tracks(clip, cuts, seen)
        doubts = {t.number: self.doubt(clip, t, seen) for t in tracks}
        if all(doubts.values()):
            _refuse(parts, clip, Counter(d for d in doubts.values() if d))
        refused = _boxes_of([t for t in tracks if doubts[t.number]])
        for frame in seen:
            yield _without(frame.found, refused)

    def _long_tracks(
        self, clip: IndexedClip, cuts: list[int], seen: Sequence[_Seen]
    ) -> list[Track]:
        """The tracks that could be the actor's."""
        shots = tracks_by_shot([s.found for s in seen], cuts, track_rules(clip, self.settings))
        lengths = np.diff([0, *cuts, clip.frames]).tolist()
        rules = actor_rules(clip, self.settings)
        return [
            track
            for tracks, length in zip(shots, lengths, strict=True)
            for track in tracks
            if qualifies(track, length, rules)
        ]

    def doubt(self, clip: IndexedClip, track: Track, seen: Sequence[_Seen]) -> str | None:
        """Why a track may be no person; None where it is one."""
        size = _small_size(clip.width, clip.height)
        return doubt(sightings_of(track, seen), size, clip.fps)

    def search(self, parts: list[Part], frames: Frames) -> Iterator[_Seen]:
        """Yields what moves in each frame, whatever it is."""
        todo, number_of_part, transform = iter(enumerate(parts)), -1, IDENTITY
        part: Part | None = None
        for number, picture in frames:
            while part is None or number >= part.end:
                number_of_part, part = next(todo)
                transform = IDENTITY
            small = downscaled(picture)
            moving = _moving(part, small, transform)
            if moving is None:
                yield _Seen(_no_boxes(number), [])
                continue
            transform = moving.to_frame
            threshold = part.scene.threshold if part.scene is not None else 0.0
            scale = np.float32(np.array(picture.shape[1::-1]) / small.shape[1::-1])
            yield self._people(number, number_of_part, moving, threshold, np.tile(scale, 2))

    def _people(
        self, number: int, scene: int, moving: _Moving, threshold: float, scale: np.ndarray
    ) -> _Seen:
        """The regions of one frame; scale float32 (4,): from the mask's pixels to the picture's."""
        boxes, scores, sightings = [], [], []
        least = np.float32(min(self.settings.low_score, self.settings.score))
        for place, part in self._regions(moving.mask):
            score = np.float32(contrast(cv2.mean(moving.difference[place], part)[0], threshold))
            if score >= least:
                boxes.append(_box(place, part))
                scores.append(score)
                sightings.append(_sighting(number, scene, moving, place, part))
        found = np.array(boxes, np.float32).reshape(-1, 4) * scale
        return _Seen(FrameDetections(number, found, np.array(scores, np.float32)), sightings)

    def _regions(self, mask: np.ndarray) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """Yields the regions of a mask uint8 (H, W): rows and columns, and the mask in them."""
        if np.count_nonzero(mask) > EVERYTHING * mask.size:
            return
        reach = max(1, round(_NEAR * mask.shape[0] / 2))
        joined = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
        for label in range(1, count):
            x, y, w, h, _ = stats[label].tolist()
            place = slice(y, y + h), slice(x, x + w)
            part = mask[place] * (labels[place] == label)
            if np.count_nonzero(part) >= self.settings.min_area_share * mask.size:
                yield place, part


def _box(place: tuple[slice, slice], part: np.ndarray) -> np.ndarray:
    """The box around a region, float32 (4,), pixels of the mask."""
    left, top, width, height = cv2.boundingRect(part)
    x, y = place[1].start + left, place[0].start + top
    return np.array([x, y, x + width, y + height], np.float32)


def _sighting(
    number: int, scene: int, moving: _Moving, place: tuple[slice, slice], part: np.ndarray
) -> Sighting:
    left, top, width, height = cv2.boundingRect(part)
    box = _box(place, part)
    return Sighting(
        number,
        box,
        _place(box, moving.to_frame),
        scene,
        silhouette(part[top : top + height, left : left + width]),
        outline(part, moving.grey[place], moving.scene[place]),
    )


def _moving(part: Part, small: np.ndarray, guess: np.ndarray) -> _Moving | None:
    """What moves in a downscaled picture; None where the scene behind it is not known.

    guess: the transform of the frame before.
    """
    if part.scene is None:
        return None
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    if part.reference is None:
        return _Moving(*part.scene.moving(small), grey, part.scene.grey, IDENTITY)
    here = part.reference.register(grey, guess)
    if here is None or not here.holds:
        return None
    shown = laid_on(np.full(grey.shape, 255, np.uint8), here.transform)
    mask, difference = part.scene.moving(laid_on(small, here.transform))
    mask &= (cv2.erode(shown, np.ones((5, 5), np.uint8)) == 255).view(np.uint8)
    mask, difference, scene = (
        cv2.warpAffine(values, here.transform, grey.shape[::-1], flags=cv2.INTER_NEAREST)
        for values in (mask, difference, part.scene.grey)
    )
    return _Moving(mask, difference, grey, scene, here.transform)


def _place(box: np.ndarray, to_frame: np.ndarray) -> tuple[float, float]:
    feet = np.array([[(box[0] + box[2]) / 2, box[3]]], np.float64)
    x, y = transformed(feet, cv2.invertAffineTransform(to_frame))[0].tolist()
    return x, y


def sightings_of(track: Track, seen: Sequence[_Seen]) -> list[Sighting]:
    """The sightings of a track's boxes; `seen` holds all frames from 0."""
    found = []
    for frame, box in zip(track.frames.tolist(), track.boxes, strict=True):
        rows = (seen[frame].found.boxes == box).all(axis=1)
        found.append(seen[frame].sightings[int(np.argmax(rows))])
    return found


def _boxes_of(tracks: Sequence[Track]) -> dict[int, list[np.ndarray]]:
    """Frame -> the boxes float32 (4,) of tracks."""
    boxes: dict[int, list[np.ndarray]] = {}
    for track in tracks:
        for frame, box in zip(track.frames.tolist(), track.boxes, strict=True):
            boxes.setdefault(frame, []).append(box)
    return boxes


def _without(found: FrameDetections, refused: dict[int, list[np.ndarray]]) -> FrameDetections:
    keep = np.ones(len(found.boxes), bool)
    for box in refused.get(found.frame, ()):
        keep &= (found.boxes != box).any(axis=1)
    return FrameDetections(found.frame, found.boxes[keep], found.scores[keep])


def _no_boxes(number: int) -> FrameDetections:
    return FrameDetections(number, geometry.empty(), np.zeros(0, np.float32))


def _refuse(parts: Sequence[Part], clip: IndexedClip, doubts: Counter[str]) -> None:
    """Raise ItemError where no track counts, unless nothing moves before a scene that is seen."""
    unseen = sum(part.end - part.start for part in parts if part.why == CAMERA)
    brief = sum(part.end - part.start for part in parts if part.why == BRIEF)
    if unseen > clip.frames / 2 or (unseen and not doubts):
        raise ItemError(
            "camera_moves",
            f"in {unseen} of {clip.frames} frames the camera moves too much, or something fills "
            f"the picture; {ADVICE}",
        )
    if doubts:
        said = ", ".join(f"{count} {what}" for what, count in doubts.most_common())
        raise ItemError(
            "no_person_like_motion",
            f"tracks that may be no person: {said}; {ADVICE}",
        )
    if brief > clip.frames / 2:
        raise ItemError("no_person_like_motion", f"too few frames to tell what moves; {ADVICE}")


def contrast(mean_difference: float, threshold: float) -> float:
    """The score of a region: 0 at the threshold, 0.5 at twice the threshold, below 1.

    >>> contrast(40, 20)
    0.5
    """
    return max(0.0, 1 - threshold / max(mean_difference, 1e-6))


def survey(clip: IndexedClip) -> tuple[list[int], list[Part]]:
    """The cuts of a clip, and the parts of all its shots with their scenes."""
    finder, kept = CutFinder(), set(evenly(clip.frames, KEPT)) | set(evenly(clip.frames, SAMPLES))
    pictures = {
        number: downscaled(picture)
        for number, picture in finder.watch(rgb_frames(clip.path))
        if number in kept
    }
    cuts = finder.cuts
    bounds = pairwise([0, *cuts, clip.frames])
    # With one shot: the pictures that show the whole clip evenly.
    return cuts, [p for start, end in bounds for p in parts_of(pictures, start, end, clip.fps)]


def _small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the downscaled picture of a picture of this size, pixels."""
    factor = min(1.0, LONGER_SIDE / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))
