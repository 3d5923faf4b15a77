"""Facts of a video, from decoding each of its frames once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.sound_format import SoundFormats
from occludenet_build.media.video.source import (
    MAX_PIXELS,
    Display,
    VideoSource,
    display_of,
    open_container,
)


@dataclass(frozen=True)
class VideoInfo:
    """Facts of one video. pts are in ticks of `time_base` seconds, durations in seconds."""

    container: str
    codec: str
    pix_fmt: str
    display: Display
    sample_aspect: Fraction
    frames: int
    time_base: Fraction
    first_pts: int
    duration: Fraction
    fps: Fraction
    variable_rate: bool
    pts_hash: str
    audio_codec: str | None
    audio_streams: int
    audio_seconds: float
    audio_unknown: int
    decode_errors: int
    corrupt_frames: int
    interlaced: bool
    sound_changes: bool
    is_plain: bool
    """Whether the frames are those of the first video stream, at the times of the file."""


@dataclass(frozen=True)
class Limits:
    """What a video may be, at most; the fields of the section `index` of the same names."""

    max_decode_errors: int = 0
    max_corrupt_frames: float = 1.0
    """Share of the frames."""
    max_pixels: int = MAX_PIXELS
    """Width x height of a frame."""
    min_fps: float = 0.0
    max_fps: float = math.inf
    max_gap: float = math.inf
    """Longest time from frame to frame, as a multiple of the median."""

    @classmethod
    def of(cls, settings: Any) -> Limits:
        """Create it from settings with fields of the same names."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def probe(path: Path | str, limits: Limits) -> VideoInfo:
    """Decode the whole file and return its facts.

    Raises ItemError: missing, no_permission, unreachable, empty_file, not_a_video, no_decoder,
    unreadable, zero_frames, truncated, corrupt, too_large, bad_times.
    """
    with open_container(path, limits.max_pixels) as container:
        source = VideoSource(container, max_pixels=limits.max_pixels)
        stated = _stated(source)
        _check_size(source, limits.max_pixels)
        seen = _decode(source)
        _check(source, seen, stated, limits.max_decode_errors)
        info = _info(container, source, seen)
    _check_corrupt(info, limits)
    _check_times(info, np.diff(np.array(seen.pts, np.int64)), limits)
    return info


def _check_size(source: VideoSource, max_pixels: int) -> None:
    width, height = source.stream.codec_context.width, source.stream.codec_context.height
    if width * height > max_pixels:
        raise ItemError("too_large", f"{width}x{height} is over {max_pixels} pixels")


def _check_corrupt(info: VideoInfo, limits: Limits) -> None:
    """Raises ItemError corrupt where the decoder concealed damage in too many frames."""
    if info.corrupt_frames > limits.max_corrupt_frames * info.frames:
        raise ItemError(
            "corrupt",
            f"{info.corrupt_frames} of {info.frames} frames are concealed damage, wanted at most "
            f"{limits.max_corrupt_frames:.0%}",
        )


def _check_times(info: VideoInfo, steps: np.ndarray, limits: Limits) -> None:
    """Raises ItemError bad_times; `steps`: int64 (frames - 1,), ticks from frame to frame."""
    if not limits.min_fps <= info.fps <= limits.max_fps:
        raise ItemError(
            "bad_times",
            f"{info.frames} frames in {float(info.duration):.6g} s, {float(info.fps):.4g} frames "
            f"per second; wanted {limits.min_fps:g} to {limits.max_fps:g}",
        )
    if len(steps) and steps.max() > limits.max_gap * np.median(steps):
        gap = float(steps.max() * info.time_base)
        raise ItemError(
            "bad_times",
            f"{gap:.4g} s without a frame, {steps.max() / np.median(steps):.0f} times the median; "
            f"wanted at most {limits.max_gap:g} times",
        )


def skim(path: Path | str) -> None:
    """Check that a file is a complete video: read all packets, but decode only the first frame.

    Raises ItemError: missing, empty_file, not_a_video, unreadable, zero_frames, truncated.
    """
    with open_container(path) as container:
        source = VideoSource(container)
        stated, seen = _stated(source), _Seen(source)
        # The last packet of each stream is empty, which flushes the decoder.
        for packet in source.demuxed():
            if packet is None:
                raise ItemError("unreadable", source.first_error)
            seen.packet(packet)
            if packet.stream is source.stream and not seen.pts:
                for frame in source.decoded(packet):
                    seen.frame(frame)
        _check(source, seen, stated, max_errors=source.decode_errors)


class _Seen:
    """Facts that one pass over a video collects."""

    def __init__(self, source: VideoSource) -> None:
        self.index = source.stream.index
        self.pts: list[int] = []
        self.last_duration = 0
        self.corrupt = 0
        self.interlaced = False
        self.sound_formats = SoundFormats()
        self.packets = 0
        self.ends: dict[int, float] = {}
        self.display: Display | None = None
        self.pix_fmt = ""

    def packet(self, packet: av.Packet) -> None:
        self.sound_formats(packet)
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        if packet.stream.index == self.index:
            self.packets += 1
        end = float((stamp + (packet.duration or 0)) * packet.time_base)
        index = packet.stream.index
        self.ends[index] = max(end, self.ends.get(index, 0.0))

    def frame(self, frame: av.VideoFrame) -> None:
        if self.display is None:
            self.display, self.pix_fmt = display_of(frame), frame.format.name
        elif (frame.width, frame.height) != (self.display.coded_width, self.display.coded_height):
            raise ItemError("unreadable", f"frame size changes at frame {len(self.pts)}")
        self.pts.append(frame.pts or 0)
        self.last_duration = frame.duration or 0
        self.corrupt += bool(frame.is_corrupt)
        self.interlaced = self.interlaced or bool(frame.interlaced_frame)


def _decode(source: VideoSource) -> _Seen:
    seen = _Seen(source)
    # Subtitles too: what a header states may end with them.
    for frame in source.packets(seen.packet, all_streams=True):
        seen.frame(frame)
    return seen


def _stated(source: VideoSource) -> tuple[int, float]:
    """(frames, end in seconds) that the header states; 0 for a value that it does not state."""
    container = source.container
    seconds = container.duration / av.time_base if container.duration else 0.0
    start = (container.start_time or 0) / av.time_base
    # AVI counts dropped frames, which have no packet.
    frames = 0 if container.format.name == "avi" else source.stream.frames
    # Matroska states the end, on a clock that need not begin at zero.
    states_end = container.format.name == "matroska,webm"
    if source.shift:
        end = seconds + (0.0 if states_end else start) + float(source.shift)
    else:
        end = seconds + (0.0 if states_end else max(start, 0.0))
    return frames, end if seconds else 0.0


def _check(source: VideoSource, seen: _Seen, stated: tuple[int, float], max_errors: int) -> None:
    frames, seconds = stated
    end = max(seen.ends.values(), default=0.0)
    # Headers may round durations up: differences below 0.5 s or 2 % do not count.
    cut = seen.packets < 0.98 * frames - 1 or end < seconds - max(0.5, 0.02 * seconds)
    if cut and (frames or seconds):
        raise ItemError(
            "truncated", f"{seen.packets} of {frames or '?'} packets, {end:.2f} of {seconds:.2f} s"
        )
    if not seen.pts:
        raise ItemError("zero_frames", source.first_error)
    if source.decode_errors > max_errors:
        raise ItemError("corrupt", f"{source.decode_errors} errors, {source.first_error}")


def _info(container: av.container.InputContainer, source: VideoSource, seen: _Seen) -> VideoInfo:
    steps = np.diff(np.array(seen.pts, np.int64))
    usual = int(np.median(steps)) if len(steps) else 0
    last = seen.last_duration or usual or round(1 / (source.time_base * 25))
    duration = (seen.pts[-1] - seen.pts[0] + last) * source.time_base
    audio = source.audio[0] if source.audio else None
    assert seen.display is not None
    return VideoInfo(
        container=container.format.name,
        codec=source.stream.codec_context.name,
        pix_fmt=seen.pix_fmt,
        display=seen.display,
        sample_aspect=Fraction(source.stream.sample_aspect_ratio or 1),
        frames=len(seen.pts),
        time_base=source.time_base,
        first_pts=seen.pts[0],
        duration=duration,
        fps=_rate(source, seen, duration),
        variable_rate=_is_variable(steps, source.time_base),
        pts_hash=pts_digest(seen.pts),
        audio_codec=audio.codec_context.name if audio else None,
        audio_streams=len(source.audio),
        audio_seconds=seen.ends.get(audio.index, 0.0) if audio else 0.0,
        audio_unknown=source.unknown_audio,
        decode_errors=source.decode_errors,
        corrupt_frames=seen.corrupt,
        interlaced=seen.interlaced,
        sound_changes=bool(seen.sound_formats.changing),
        is_plain=source.is_plain,
    )


def pts_digest(pts: Sequence[int]) -> str:
    """The `pts_hash` of frames with these pts, in display order."""
    return hashlib.blake2b(np.array(pts, np.int64).tobytes(), digest_size=16).hexdigest()


def _is_variable(steps: np.ndarray, time_base: Fraction) -> bool:
    """Whether frame intervals differ by more than rounding to ticks (or milliseconds) explains."""
    return bool(len(steps)) and float(np.ptp(steps) * time_base) > max(0.0015, float(time_base))


def _rate(source: VideoSource, seen: _Seen, duration: Fraction) -> Fraction:
    """Average frames per second: the stated rate if it agrees with the measured one.

    Otherwise the measured rate.
    """
    measured = Fraction(len(seen.pts)) / duration
    stated = source.stream.average_rate
    if stated and abs(stated / measured - 1) < Fraction(2, 100):
        return Fraction(stated)
    return measured.limit_denominator(1_000_000)
