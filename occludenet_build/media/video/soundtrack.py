"""Sound of a video as a stream of samples on the clock of its picture.

Time 0 is the first frame, as in `cut`. Sound that begins later, or has gaps, is filled with zeros;
sound before the first frame is left out. Containers state the time of sound and picture apart: in
recordings of telephones they differ by up to some tenths of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from occludenet_build.media.video.sound import SteadySound
from occludenet_build.media.video.source import VideoSource, open_video

_STEP = 0.01
"""Seconds by which stated times may differ from the count of samples: rounding in the container."""


def has_sound(path: Path | str) -> bool:
    """Whether a video has a sound stream whose codec is known.

    Raises ItemError: the reasons of opening a video.
    """
    with open_video(path) as source:
        return bool(source.audio)


def sound_pieces(path: Path | str, rate: int) -> Iterator[np.ndarray]:
    """Yield the sound of the first stream from the first frame on, in order, without gaps.

    Pieces are mono, float32 (N,), in [-1, 1], at `rate` samples per second; N differs. Of the
    picture only the first frame is decoded. Nothing is yielded without a sound stream or a frame.
    Sound that does not decode is silence. Raises ItemError: the reasons of opening a video.
    """
    with open_video(path) as source:
        if not source.audio:
            return
        timeline = _Timeline(rate)
        for zero, packets in _after_first_frame(source):
            for packet in packets:
                yield from timeline.pieces(packet, zero)


def _after_first_frame(source: VideoSource) -> Iterator[tuple[Fraction, list[av.Packet]]]:
    """Yield (time of the first frame, sound packets), all in the order of the file."""
    zero: Fraction | None = None
    early: list[av.Packet] = []
    index = source.audio[0].index
    for packet in source.demuxed():
        if packet is None:
            return
        if packet.stream.index == index and packet.dts is not None:
            early.append(packet)
        elif zero is None and packet.stream is source.stream:
            frame = next(source.decoded(packet), None)
            zero = None if frame is None else (frame.pts or 0) * source.time_base
        if zero is not None and early:
            yield zero, early
            early = []


class _Timeline:
    """Decodes packets and places their samples by time."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sound = SteadySound()
        self._resampler: Any = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        self._next = 0
        """Number of the sample that comes next."""

    def pieces(self, packet: av.Packet, zero: Fraction) -> Iterator[np.ndarray]:
        for frame in self._sound.decode(packet):
            for part in self._resampler.resample(frame):
                yield from self._placed(part, zero)

    def _placed(self, part: Any, zero: Fraction) -> Iterator[np.ndarray]:
        samples = np.asarray(part.to_ndarray()[0], np.float32)
        first = self._next
        if part.pts is not None:
            first = round((part.pts * part.time_base - zero) * self._rate)
        gap = first - self._next
        if self._next and abs(gap) <= _STEP * self._rate:
            gap = 0
        if gap > 0:
            yield from self._silence(gap)
        samples = samples[max(-gap, 0) :]
        if len(samples):
            self._next += len(samples)
            yield samples

    def _silence(self, count: int) -> Iterator[np.ndarray]:
        self._next += count
        while count > 0:
            piece = min(count, 60 * self._rate)
            yield np.zeros(piece, np.float32)
            count -= piece
