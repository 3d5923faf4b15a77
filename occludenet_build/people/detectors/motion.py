"""The backend motion: boxes around what moves in front of a fixed camera.

It needs no weights and serves surveillance videos and the demo. The empty scene is the median of
frames spread over the whole clip, so a person who stands still for less than about half of the clip
is still detected. A person who stays in one place for longer becomes part of the scene. A moving
camera changes the whole picture; such frames get no box. Everything that moves counts as a person.

Memory: SAMPLES downscaled pictures. The file is decoded twice, the first time for the scene.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detectors.interface import FrameDetections, Frames, IndexedClip

SAMPLES = 32
"""Frames whose median is the scene."""
LONGER_SIDE = 320
"""Pictures are compared at this size at most, pixels."""
LEAST_STEP = 16.0
"""Smallest difference from the scene that counts, grey levels of 255; coding noise is less."""
NOISES = 6.0
"""Smallest difference from the scene that counts, standard deviations of the noise."""
SHADOW = 0.6
"""A pixel darkened equally in all colours, but not below this share, lies in a shadow."""
EVERYTHING = 0.7
"""Share of the picture above which a change is due to the camera or the light."""
_NEAR = 0.06
"""Regions closer to each other than this share of the picture's height are one person."""


class Motion:
    """The `interface.Detector` for a fixed camera."""

    def __init__(self, settings: Detect) -> None:
        self.settings = settings

    def find(self, clip: IndexedClip, frames: Frames) -> Iterator[FrameDetections]:
        """Yields boxes float32 (N, 4), pixels, around what moves in each frame.

        Scores, float32 (N,), are each region's `contrast` to the scene, 0 to 1.
        """
        scene = EmptyScene(_sample(clip))
        for number, picture in frames:
            mask, difference = scene.moving(downscaled(picture))
            boxes, scores = self._people(mask, difference, scene.threshold)
            scale = np.float32(np.array(picture.shape[1::-1]) / mask.shape[::-1])
            yield FrameDetections(number, boxes * np.tile(scale, 2), scores)

    def _people(
        self, mask: np.ndarray, difference: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes float32 (N, 4) in pixels of the mask (H, W), and scores float32 (N,)."""
        if np.count_nonzero(mask) > EVERYTHING * mask.size:
            return geometry.empty(), np.zeros(0, np.float32)
        reach = max(1, round(_NEAR * mask.shape[0] / 2))
        joined = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
        boxes, scores = [], []
        for label in range(1, count):
            x, y, w, h, _ = stats[label]
            part = mask[y : y + h, x : x + w] * (labels[y : y + h, x : x + w] == label)
            if np.count_nonzero(part) < self.settings.min_area_share * mask.size:
                continue
            left, top, width, height = cv2.boundingRect(part)
            mean = cv2.mean(difference[y : y + h, x : x + w], part)[0]
            scores.append(contrast(mean, threshold))
            boxes.append((x + left, y + top, x + left + width, y + top + height))
        keep = np.array(scores, np.float32) >= min(self.settings.low_score, self.settings.score)
        return np.array(boxes, np.float32).reshape(-1, 4)[keep], np.array(scores, np.float32)[keep]


def contrast(mean_difference: float, threshold: float) -> float:
    """The score of a region: 0 at the threshold, 0.5 at twice the threshold, below 1.

    >>> contrast(40, 20)
    0.5
    """
    return max(0.0, 1 - threshold / max(mean_difference, 1e-6))


class EmptyScene:
    """The empty scene and its noise, from downscaled pictures."""

    def __init__(self, samples: np.ndarray) -> None:
        """samples: pictures uint8 (T, H, W, 3) of one clip, RGB, as `downscaled` returns them."""
        # The upper of the two middle values: an integer, and much faster than their mean.
        middle = len(samples) // 2
        self.picture = np.partition(samples, middle, axis=0)[middle].astype(np.int16)
        # Most pixels show the scene most of the time, so the median difference is noise.
        away = np.abs(samples[:, ::2, ::2] - self.picture[::2, ::2])
        self.threshold = max(LEAST_STEP, NOISES * 1.4826 * float(np.median(away)))
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))

    def moving(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What moves in a downscaled picture uint8 (H, W, 3).

        Returns the mask uint8 (H, W), 0 or 1, and the largest difference from the scene over the
        colours, int16 (H, W), grey levels.
        """
        current = picture.astype(np.int16)
        current -= _light_change(current, self.picture)
        red, green, blue = cv2.split(cv2.absdiff(current, self.picture))
        difference = cv2.max(cv2.max(red, green), blue)
        mask = (difference > self.threshold).view(np.uint8)
        self._take_out_shadow(mask, current)
        clean = cv2.morphologyEx(mask, cv2.MORPH_OPEN, self._kernel)
        return cv2.morphologyEx(clean, cv2.MORPH_CLOSE, self._kernel, iterations=2), difference

    def _take_out_shadow(self, mask: np.ndarray, current: np.ndarray) -> None:
        """Clear the mask uint8 (H, W) where the picture int16 (H, W, 3) shows a shadow."""
        rows, columns = np.nonzero(mask)
        lit = self.picture[rows, columns].astype(np.float32)
        share = (current[rows, columns] + np.float32(4)) / (lit + 4)
        low, high = share.min(axis=1), share.max(axis=1)
        shadow = (low >= SHADOW) & (high <= 1) & (high - low < 0.08)
        mask[rows[shadow], columns[shadow]] = 0


def _light_change(current: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Change of exposure per colour, int16 (3,), grey levels: the median over the pixels."""
    step = current[::4, ::4] - scene[::4, ::4]
    return np.median(step.reshape(-1, 3), axis=0).astype(np.int16)


def downscaled(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W, 3), scaled to a longer side of LONGER_SIDE at most, and blurred."""
    height, width = picture.shape[:2]
    factor = LONGER_SIDE / max(height, width)
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(picture, (3, 3), 0)


def _sample(clip: IndexedClip) -> np.ndarray:
    """Downscaled pictures uint8 (T, H, W, 3), T <= SAMPLES, evenly spaced over the clip."""
    count = min(SAMPLES, clip.frames)
    sampled = set(np.linspace(0, clip.frames - 1, count).round().astype(int).tolist())
    return np.stack([downscaled(p) for number, p in rgb_frames(clip.path) if number in sampled])
