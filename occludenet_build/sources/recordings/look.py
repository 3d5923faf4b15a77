"""One look at a finished clip: its exposure, blur, frozen pictures and sound, and a strip of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from occludenet_build.config.recordings import RecordingChecks
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging.picture_quality import blur, exposure, is_same
from occludenet_build.media.imaging.sheets import jpeg, side_by_side
from occludenet_build.media.imaging.thumbnails import letterboxed
from occludenet_build.media.video.sample import resize_short_side, small_grey
from occludenet_build.media.video.soundtrack import has_sound, sound_pieces
from occludenet_build.media.video.source import open_video, to_rgb

COUNT = 6
"""Pictures of a strip, at even times."""
_SMALL = (32, 18)
"""Width and height to which all frames are reduced for the comparison, pixels: encoding changes the
mean of such a block of a frozen picture by 1 of 255 at most, a moving hand by more."""
_SHORT_SIDE = 360
"""Shorter side of the pictures whose blur is measured, pixels: about what networks see."""
_THUMBNAIL = (240, 135)
"""Width and height of a picture of a strip, pixels."""
_SAMPLE_RATE = 48_000
"""Samples per second at which the sound is measured."""
_SILENCE = -200.0
"""Level of sound whose samples are all zero, dB."""
MEASURES = ("dark", "bright", "blur", "frozen_seconds", "sound_db")
"""Fields of Look that are columns."""
_QUALITY = 80
"""JPEG quality of a strip."""


@dataclass(frozen=True)
class Look:
    """What a clip looks and sounds like."""

    dark: float
    """Share of the pixels that are black, 0 to 1, mean over the pictures of the strip."""
    bright: float
    """Share of the pixels that are white."""
    blur: float
    """Blur, 0 to 1, median over these pictures."""
    frozen_seconds: float
    """Longest time without a change of the picture, seconds, over all frames."""
    sound_db: float | None
    """Level of the sound, dB of full scale; None without sound."""
    strip: bytes
    """The pictures side by side, JPEG."""

    @property
    def columns(self) -> dict[str, float | None]:
        """The measures, as columns."""
        return {name: getattr(self, name) for name in MEASURES}


def look_at(path: Path, seconds: Fraction) -> Look:
    """Look at a clip that is `seconds` long: one pass over its frames and one over its sound.

    Raises ItemError: the reasons of opening a video, zero_frames.
    """
    moments = [(2 * part + 1) * seconds / (2 * COUNT) for part in range(COUNT)]
    pictures: list[np.ndarray] = []
    exposures: list[tuple[float, float]] = []
    frozen = _Frozen()
    for at, picture, small in _frames(path, moments):
        frozen.add(float(at), small)
        if picture is not None:
            pictures.append(picture)
            exposures.append(exposure(picture))
    if not pictures:
        raise ItemError("zero_frames")
    dark, bright = np.mean(exposures, axis=0).tolist()
    return Look(
        dark,
        bright,
        float(np.median([_blur(picture) for picture in pictures])),
        frozen.longest,
        sound_level(path),
        _strip(pictures),
    )


def _frames(
    path: Path, moments: list[Fraction]
) -> Iterator[tuple[Fraction, np.ndarray | None, np.ndarray]]:
    """Yield (seconds, picture, small grey picture) of each frame.

    The picture, uint8 (H, W, 3), is that of the first frame at or after each moment, else None.
    """
    due = list(moments)
    with open_video(path) as source:
        zero = None
        for frame in source:
            assert frame.pts is not None  # VideoSource sets a pts for every frame
            zero = frame.pts if zero is None else zero
            at = (frame.pts - zero) * source.time_base
            picture = None
            if due and at >= due[0]:
                due.pop(0)
                picture = to_rgb(frame)
            yield at, picture, small_grey(frame, *_SMALL)


class _Frozen:
    """Finds the longest time in which nothing new is shown: one frame, or several that are alike.

    A camera that stops leaves out frames, or repeats one.
    """

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._since = 0.0
        self.longest = 0.0
        """Seconds, so far."""

    def add(self, at: float, small: np.ndarray) -> None:
        """Add the next frame: its time in seconds, and a grey picture, uint8 (H, W)."""
        if self._first is None:
            self._first, self._since = small, at
        self.longest = max(self.longest, at - self._since)  # shown until now, whatever comes
        if not is_same(self._first, small):
            self._first, self._since = small, at


def sound_level(path: Path) -> float | None:
    """Level of the first sound stream, dB of full scale (root mean square); None without sound.

    A full-scale sine has -3 dB. Raises ItemError: the reasons of opening a video.
    """
    if not has_sound(path):
        return None
    squares, count = 0.0, 0
    for samples in sound_pieces(path, _SAMPLE_RATE):
        squares += float(np.square(samples, dtype=np.float64).sum())
        count += samples.size
    mean = squares / count if count else 0.0
    return max(_SILENCE, 10 * math.log10(mean)) if mean > 0 else _SILENCE


def _blur(picture: np.ndarray) -> float:
    """Blur of a picture uint8 (H, W, 3), at the size at which it matters."""
    small = min(picture.shape[:2]) <= _SHORT_SIDE
    return blur(picture if small else resize_short_side(picture, _SHORT_SIDE))


def _strip(pictures: list[np.ndarray]) -> bytes:
    black = np.zeros_like(pictures[0])
    shown = [*pictures, *[black] * (COUNT - len(pictures))]
    return jpeg(side_by_side([letterboxed(one, _THUMBNAIL) for one in shown]), _QUALITY)


def findings(look: Look, checks: RecordingChecks) -> dict[str, str]:
    """Checks that a clip fails -> what was wanted and what is; see RecordingChecks."""
    found = {}
    if look.sound_db is None:
        found["no_sound"] = "wanted a sound stream, got none"
    elif look.sound_db < checks.silent_db:
        found["silent"] = f"{look.sound_db:.1f} dB, wanted at least {checks.silent_db:g}"
    for name, got, most in (
        ("too_dark", look.dark, checks.dark),
        ("too_bright", look.bright, checks.bright),
    ):
        if got > most:
            found[name] = f"{got:.0%} of the picture, wanted at most {most:.0%}"
    if look.blur > checks.blur:
        found["blurred"] = f"blur {look.blur:.2f}, wanted at most {checks.blur:g}"
    if look.frozen_seconds >= checks.frozen_seconds:
        found["frozen"] = (
            f"{look.frozen_seconds:.2f} s without a change, wanted less than "
            f"{checks.frozen_seconds:g}"
        )
    return found
