"""Level of the sound of a video."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from occludenet_build.media.video.sound import decode_sound
from occludenet_build.media.video.source import open_container, open_video

SILENCE = -200.0
"""Level of sound whose samples are all zero, dB."""


def sound_level(path: Path | str) -> float | None:
    """Level of the first sound stream, dB of full scale (root mean square); None without sound.

    A full-scale sine has -3 dB. Packets that do not decode are left out; a stream that decodes to
    nothing counts as SILENCE. Raises ItemError: the reasons of opening a video.
    """
    with open_video(path) as source:
        if not source.audio:
            return None
        number = source.audio[0].index
    squares, count = 0.0, 0
    with open_container(path) as container:
        for packet in container.demux(container.streams[number]):
            for frame in decode_sound(packet):
                samples = _full_scale(frame.to_ndarray())
                squares += float(np.square(samples).sum())
                count += samples.size
    mean = squares / count if count else 0.0
    return max(SILENCE, 10 * math.log10(mean)) if mean > 0 else SILENCE


def _full_scale(samples: np.ndarray) -> np.ndarray:
    """Samples of any type and shape as float64 in [-1, 1]."""
    if np.issubdtype(samples.dtype, np.floating):
        return samples.astype(np.float64)
    limits = np.iinfo(samples.dtype)
    middle = 0 if limits.min < 0 else (limits.max + 1) / 2
    return (samples.astype(np.float64) - middle) / (limits.max - middle + 1)
