"""Facts of a video, from decoding each of its frames once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.source import Display, VideoSource, display_of, open_container


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
    decode_errors: int
    corrupt_frames: int


def probe(path: Path | str, *, max_decode_errors: int, max_pixels: int) -> VideoInfo:
    """Decode the whole file and return its facts.

    `max_pixels`: maximum width x height of a frame.
    Raises ItemError: missing, empty_file, not_a_video, unreadable, zero_frames, truncated,
    corrupt, too_large.
    """
    with open_container(path) as container:
        source = VideoSource(container)
        stated = _stated(source)
        width, height = source.stream.codec_context.width, source.stream.codec_context.height
        if width * height > max_pixels:
            raise ItemError("too_large", f"{width}x{height} is over {max_pixels} pixels")
        seen = _decode(source)
        _check(source, seen, stated, max_decode_errors)
        return _info(container, source, seen)


def skim(path: Path | str) -> None:
    """Check that a file is a complete video: read all packets, but decode only the first frame.

    Raises ItemError: missing, empty_file, not_a_video, unreadable, zero_frames, truncated.
    """
    with open_container(path) as container:
        source = VideoSource(container)
        stated, seen = _stated(source), _Seen()
        try:
            # The last packet of each stream is empty, which flushes the decoder.
            for packet in container.demux([source.stream, *source.audio]):
                seen.packet(packet)
                if packet.stream is source.stream and not seen.pts:
                    for frame in source.decoded(packet):
                        seen.frame(frame)
        except FFmpegError as error:
            raise ItemError("unreadable", error.strerror or str(error)) from error
        _check(source, seen, stated, max_errors=source.decode_errors)


class _Seen:
    """Facts that one pass over a video collects."""

    def __init__(self) -> None:
        self.pts: list[int] = []
        self.last_duration = 0
        self.corrupt = 0
        self.packets = 0
        self.ends: dict[int, float] = {}
        self.display: Display | None = None
        self.pix_fmt = ""

    def packet(self, packet: av.Packet) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        if packet.stream.type == "video":
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


def _decode(source: VideoSource) -> _Seen:
    seen = _Seen()
    for frame in source.packets(seen.packet):
        seen.frame(frame)
    return seen


def _stated(source: VideoSource) -> tuple[int, float]:
    """(frames, seconds) that the header states; 0 for a value that it does not state."""
    seconds = source.container.duration / av.time_base if source.container.duration else 0.0
    start = (source.container.start_time or 0) / av.time_base
    return source.stream.frames, seconds + max(start, 0.0) if seconds else 0.0


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
        pts_hash=hashlib.blake2b(
            np.array(seen.pts, np.int64).tobytes(), digest_size=16
        ).hexdigest(),
        audio_codec=audio.codec_context.name if audio else None,
        audio_streams=len(source.audio),
        audio_seconds=seen.ends.get(audio.index, 0.0) if audio else 0.0,
        decode_errors=source.decode_errors,
        corrupt_frames=seen.corrupt,
    )


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
