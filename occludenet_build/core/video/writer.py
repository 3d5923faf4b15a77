"""Writing the twin of a source: same pts, rotation, pixel aspect, colour tags and sound packets.

H.264 in MP4 through libx264 with one thread per encoder, so that bytes do not depend on the
machine's load; parallel work is by clips.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.source import Source

MP4_AUDIO = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus")
"""Sound that MP4 carries everywhere; other sound is encoded again as AAC."""


@cache
def _x264_params() -> str:
    """Pin the instruction set: with AVX-512 x264 gives other bytes, at some widths at random."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    return "asm=avx2" if " avx2" in flags else ""


class TwinWriter:
    """One output of a clip. Use as a context manager; sound comes through `SharedSound`.

    Raises ItemError("encode_failed") where the encoder or muxer refuses.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        like: av.VideoFrame,
        *,
        rotation: int,
        crf: float,
        preset: str,
        gop: int,
    ) -> None:
        # Edit lists count in the movie's own ticks: milliseconds would round the first pts.
        ticks = source.time_base.denominator
        muxer = {"fflags": "+bitexact", "movie_timescale": str(ticks * -(-1000 // ticks))}
        self.container = av.open(str(path), "w", format="mp4", options=muxer)
        self.stream = self.container.add_stream(
            "libx264",
            rate=source.stream.average_rate or Fraction(25),
            options={
                "crf": f"{crf:g}",
                "preset": preset,
                "threads": "1",
                "g": str(gop),
                "x264-params": _x264_params(),
            },
        )
        self._describe(source, like, rotation)
        self._time_base = source.time_base
        self._sound = {s.index: self._sound_stream(s) for s in source.audio}

    def _sound_stream(self, stream: av.AudioStream) -> av.AudioStream:
        if is_copied(stream):
            return self.container.add_stream_from_template(stream)
        return self.container.add_stream("aac", rate=stream.codec_context.sample_rate)

    def _describe(self, source: Source, like: av.VideoFrame, rotation: int) -> None:
        stream, context = self.stream, self.stream.codec_context
        stream.width, stream.height = like.width, like.height
        stream.pix_fmt = like.format.name
        stream.time_base = context.time_base = source.time_base
        context.color_range = like.color_range
        context.colorspace = like.colorspace
        context.color_primaries = like.color_primaries
        context.color_trc = like.color_trc
        aspect = source.stream.sample_aspect_ratio
        if aspect and aspect != 1:
            context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)

    def frame(self, frame: av.VideoFrame, pts: int) -> None:
        frame.pts, frame.time_base = pts, self._time_base
        self._mux(lambda: self.stream.encode(frame))

    def copy_packet(self, index: int, packet: av.Packet) -> None:
        """Write a packet of the source's sound stream `index` as it is."""
        packet.stream = self._sound[index]
        self._mux(lambda: packet)

    def encode_sound(self, index: int, frames: list[av.AudioFrame | None]) -> None:
        """Encode decoded sound; None flushes."""
        for frame in frames:
            self._mux(partial(self._sound[index].encode, frame))

    def _mux(self, packets: Callable[[], Any]) -> None:
        self._checked(lambda: self.container.mux(packets()))

    @staticmethod
    def _checked(action: Callable[[], None]) -> None:
        try:
            action()
        except FFmpegError as error:
            if error.errno == errno.ENOSPC:  # concerns the job, not the clip
                raise OSError(errno.ENOSPC, "no space left on device") from error
            raise ItemError("encode_failed", error.strerror or str(error)) from error

    def finish(self) -> None:
        self._mux(lambda: self.stream.encode(None))
        self._checked(self.container.close)

    def __enter__(self) -> TwinWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is None:
            self.finish()
            return
        try:
            self.container.close()
        except FFmpegError:
            pass  # the error that brought us here says more


def is_copied(stream: av.AudioStream) -> bool:
    """Whether MP4 carries this sound as it is; if not, it is encoded again as AAC."""
    return stream.codec_context.name in MP4_AUDIO


class SharedSound:
    """Passes the sound of one source to all its outputs; decodes it once, and only if it must."""

    def __init__(self, writers: list[TwinWriter], source: Source) -> None:
        self.writers = writers
        copied = [is_copied(stream) for stream in source.audio]
        self.how = ("copied" if all(copied) else "encoded") if copied else "none"

    def __call__(self, packet: av.Packet) -> None:
        stream = packet.stream
        if stream.type != "audio":
            return
        if not is_copied(stream):
            frames = self._decoded(packet)
            for writer in self.writers:
                writer.encode_sound(stream.index, frames)
        elif packet.dts is not None:  # demux ends each stream with an empty packet
            index = stream.index
            for writer in self.writers:
                writer.copy_packet(index, packet)

    @staticmethod
    def _decoded(packet: av.Packet) -> list[av.AudioFrame | None]:
        try:
            frames: list[Any] = list(packet.decode())
        except FFmpegError:
            return []  # damaged sound: a short silence, not a lost clip
        return frames if packet.dts is not None else [*frames, None]
