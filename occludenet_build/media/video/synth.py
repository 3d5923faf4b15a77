"""Writing a video from arrays, for the demo and for tests.

One encoder thread and a bit-exact muxer make the output reproducible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter

from occludenet_build.core.files import replacing

CODEC_DEFAULTS: dict[str, dict[str, str]] = {
    # Without macroblock trees the output does not depend on AVX-512.
    "libx264": {"preset": "veryfast", "crf": "20", "x264-params": "mbtree=0"},
    "mpeg4": {"b": "4000000"},
    "libvpx": {"crf": "12", "b": "2000000", "deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8"},
}
"""Encoder -> default options; the caller may override each key."""

AUDIO_CODEC = {".webm": "libopus", ".avi": "pcm_s16le", ".ogv": "libvorbis"}
"""Container suffix -> sound codec; AAC for all others. AVI gets PCM, because the initial padding of
other codecs would shift its frames by one."""

_SMPTE170M, _LIMITED = 6, 1
"""BT.601 and limited range: the output of the RGB to YUV conversion below."""


def write_video(
    path: Path | str,
    frames_rgb: Iterable[np.ndarray],
    fps: Fraction | int,
    *,
    audio: np.ndarray | None = None,
    sample_rate: int = 16_000,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    audio_codec: str | None = None,
    audio_start: Fraction = Fraction(0),
) -> int:
    """Encode frames, uint8 (H, W, 3) RGB of equal size, and return their number.

    `audio`: samples, float32 (N,) mono or (N, 2) stereo, in [-1, 1], from the time `audio_start` in
    seconds, rounded down to a sample. `pts`: time of each frame in ticks of `time_base` (default:
    one frame period), strictly increasing, for variable frame rates or a late start. The
    container follows from the suffix: mp4, mov, mkv, webm, avi. The file is written atomically.
    Raises ValueError for wrong `pts`, no frames, or an odd size in 4:2:0.
    """
    first, frames = _peek(frames_rgb)
    _check_pts(pts)
    base = Fraction(time_base) if time_base is not None else 1 / Fraction(fps)
    target = Path(path)
    with replacing(target) as temporary:
        with av.open(str(temporary), "w", options=_muxer_options(target, base)) as container:
            video = _add_video(container, first, Fraction(fps), base, codec, pix_fmt, options)
            sound = None
            if audio is not None:
                name = audio_codec or AUDIO_CODEC.get(target.suffix.lower(), "aac")
                sound = _add_audio(container, name, sample_rate, _layout(audio))
            container.metadata.clear()
            count = _encode_video(container, video, frames, pts, base)
            if sound is not None:
                samples = np.asarray(audio, np.float32)
                _encode_audio(container, sound, samples, sample_rate, audio_start)
    return count


def _layout(audio: np.ndarray) -> str:
    return "mono" if audio.ndim == 1 else "stereo"


def _muxer_options(target: Path, base: Fraction) -> dict[str, str]:
    options = {"fflags": "+bitexact"}
    if target.suffix.lower() in {".mp4", ".mov", ".m4v"}:
        # Edit lists use the timescale of the movie: milliseconds would round the first pts.
        ticks = base.denominator
        options["movie_timescale"] = str(ticks * -(-1000 // ticks))
    return options


def _peek(frames_rgb: Iterable[np.ndarray]) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    iterator = iter(frames_rgb)
    try:
        first = next(iterator)
    except StopIteration:
        raise ValueError("wanted at least one frame, got none") from None
    return first, chain([first], iterator)


def _check_pts(pts: Sequence[int] | None) -> None:
    if pts is not None and any(b <= a for a, b in pairwise(pts)):
        raise ValueError("pts must strictly increase")


def _add_video(
    container: OutputContainer,
    first: np.ndarray,
    fps: Fraction,
    base: Fraction,
    codec: str,
    pix_fmt: str,
    options: dict[str, str] | None,
) -> av.VideoStream:
    height, width = first.shape[:2]
    if pix_fmt.startswith("yuv420") and (height % 2 or width % 2):
        raise ValueError(f"{pix_fmt} needs an even width and height, got {width}x{height}")
    wanted = CODEC_DEFAULTS.get(codec, {}) | (options or {})
    if container.format.name == "avi" and codec == "libx264":
        wanted.setdefault("bf", "0")  # AVI stores no pts, so frames must not be reordered
    stream = cast(av.VideoStream, container.add_stream(codec, rate=fps, options=wanted))
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
    stream.time_base = context.time_base = base
    context.thread_count = 1
    if pix_fmt.startswith("yuv"):
        context.colorspace = context.color_primaries = context.color_trc = _SMPTE170M
        context.color_range = _LIMITED
    return stream


def _add_audio(
    container: OutputContainer, name: str, sample_rate: int, layout: str
) -> av.AudioStream:
    stream = cast(av.AudioStream, container.add_stream(name, rate=sample_rate, layout=layout))
    stream.codec_context.thread_count = 1
    return stream


def _encode_video(
    container: OutputContainer,
    stream: av.VideoStream,
    frames: Iterator[np.ndarray],
    pts: Sequence[int] | None,
    base: Fraction,
) -> int:
    count, convert = 0, VideoReformatter().reformat
    for count, picture in enumerate(frames, start=1):
        if pts is not None and count > len(pts):
            raise ValueError(f"pts holds {len(pts)} times, but there are more frames")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = convert(frame, format=stream.pix_fmt, dst_colorspace=_SMPTE170M, threads=1)
        frame.time_base = base
        frame.pts = pts[count - 1] if pts is not None else count - 1
        frame.duration = _ticks_shown(pts, count - 1)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    if pts is not None and count < len(pts):
        raise ValueError(f"pts holds {len(pts)} times, but there are {count} frames")
    return count


def _ticks_shown(pts: Sequence[int] | None, index: int) -> int:
    """Duration of a frame in ticks; the last frame has that of the frame before it."""
    if pts is None or len(pts) < 2:
        return 1
    index = min(index, len(pts) - 2)
    return pts[index + 1] - pts[index]


def _encode_audio(
    container: OutputContainer,
    stream: av.AudioStream,
    samples: np.ndarray,
    sample_rate: int,
    start: Fraction,
) -> None:
    """Resample the sound to the rate, format and frame size of the encoder, and encode it."""
    context, layout = stream.codec_context, _layout(samples)
    channels = np.ascontiguousarray(samples.reshape(len(samples), -1).T)
    frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
    frame.sample_rate = sample_rate
    frame.time_base = Fraction(1, sample_rate)
    frame.pts = int(start * sample_rate)
    resampler = av.AudioResampler(
        format=context.format, layout=layout, rate=context.rate, frame_size=context.frame_size
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))
