"""Writing the twin of a source: same pts, rotation, pixel aspect, colour tags and sound packets.

MP4. A writer takes pictures as packets, since twins may share them.

Runs of pictures, encoded apart, as one stream: decoding times over the whole clip.

A run's encoder knows nothing of the pictures before it, so the decoding times it gives begin
anew. They are given again here as x264 gives them for a whole clip: the k-th packet of a stream is
decoded when the (k - delay)-th picture is shown, the first ones as much earlier as needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
from av.error import FFmpegError

from occludenet_build.core.errors import DISK_FULL, ItemError
from occludenet_build.media.video.encoder import JOINS, Encoder, Encoding, Picture, describe
from occludenet_build.media.video.source import Source

MP4_AUDIO = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus")
"""Sound that MP4 carries everywhere; other sound is encoded again as AAC."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""Channels -> their layout in AAC; other numbers become two."""


class _Refusals:
    """Turns what an encoder or muxer refuses into ItemError("encode_failed").

    A full disk concerns the job, not the clip: OSError. Entered for every packet, so it is plain.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FFmpegError):
            if error.errno in DISK_FULL:
                raise OSError(error.errno, "no space left for videos") from error
            raise ItemError("encode_failed", error.strerror or str(error)) from error


REFUSALS = _Refusals()


def picture_of(source: Source, like: av.VideoFrame) -> Picture:
    """The header of a source's twin, whose pictures are like that frame."""
    stream = source.stream
    rate, aspect = stream.average_rate or 25, stream.sample_aspect_ratio or 1
    return Picture(like, source.time_base, Fraction(rate), Fraction(aspect))


class TwinWriter:
    """One output of a clip. Use as a context manager; sound comes through `SharedSound`.

    Raises ItemError("encode_failed") where the muxer refuses.
    """

    def __init__(
        self, path: Path, source: Source, picture: Picture, encoding: Encoding, rotation: int
    ) -> None:
        # Edit lists count in the movie's own ticks: milliseconds would round the first pts.
        ticks = source.time_base.denominator
        muxer = {"fflags": "+bitexact", "movie_timescale": str(ticks * -(-1000 // ticks))}
        self.container = av.open(str(path), "w", format="mp4", options=muxer)
        # The stream's own encoder gets no picture; what it is told makes the header.
        self.stream = cast(av.VideoStream, self.container.add_stream(encoding.codec, picture.rate))
        describe(self.stream.codec_context, picture, encoding)
        self.stream.time_base = picture.time_base
        if rotation:
            self.stream.set_display_rotation(rotation)
        self._sound = {s.index: self._sound_stream(s) for s in source.audio}

    def _sound_stream(self, stream: av.AudioStream) -> av.AudioStream:
        if is_copied(stream):
            mine = self.container.add_stream_from_template(stream)
        else:
            mine = self.container.add_stream("aac", **_nearest_aac(stream))
        if "language" in stream.metadata:
            mine.metadata["language"] = stream.metadata["language"]
        return mine

    def picture_packet(self, packet: av.Packet) -> None:
        """Write an encoded picture; packets come in decoding order."""
        packet.stream = self.stream
        self._mux(lambda: packet)

    def copy_packet(self, index: int, packet: av.Packet) -> None:
        """Write a packet of the source's sound stream `index` as it is."""
        packet.stream = self._sound[index]
        self._mux(lambda: packet)

    def encode_sound(self, index: int, frames: list[av.AudioFrame | None]) -> None:
        """Encode decoded sound; None flushes."""
        for frame in frames:
            self._mux(partial(self._sound[index].encode, frame))

    def _mux(self, packets: Callable[[], av.Packet | list[av.Packet]]) -> None:
        with REFUSALS:
            self.container.mux(packets())

    def __enter__(self) -> TwinWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is None:
            with REFUSALS:
                self.container.close()
            return
        try:
            self.container.close()
        except FFmpegError:
            pass  # the error that brought us here says more


def _nearest_aac(stream: av.AudioStream) -> dict[str, Any]:
    """The rate and the channels of a stream, or what AAC has that comes nearest."""
    rates = av.Codec("aac", "w").audio_rates or [stream.rate]
    rate = min(rates, key=lambda rate: abs(rate - stream.rate))
    return {"rate": rate, "layout": _LAYOUTS.get(stream.layout.nb_channels, "stereo")}


def is_copied(stream: av.AudioStream) -> bool:
    """Whether MP4 carries this sound as it is; if not, it is encoded again as AAC."""
    return stream.codec_context.name in MP4_AUDIO


class RunEncoder:
    """Encodes one run and writes its packets to every output that has this run in common.

    `shown` is the clip's list of pts, which grows as pictures come; `start`: the run's first one.
    """

    def __init__(
        self,
        picture: Picture,
        encoding: Encoding,
        writers: Sequence[TwinWriter],
        shown: Sequence[int],
        start: int,
    ) -> None:
        with REFUSALS:
            self._encoder = Encoder(picture, encoding)
        self._writers, self._shown, self._next = writers, shown, start
        self._retimed = encoding.codec in JOINS
        self.beginning = b""
        """The header and the first packet."""

    def encode(self, frame: av.VideoFrame, pts: int) -> None:
        with REFUSALS:
            packets = self._encoder.encode(frame, pts)
        self._write(packets)

    def finish(self) -> None:
        with REFUSALS:
            packets = self._encoder.finish()
        self._write(packets)

    def _write(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            self.beginning = self.beginning or self._encoder.header + bytes(packet)
            if self._retimed:
                packet.dts = self._decoding_time()
            self._next += 1
            for writer in self._writers:
                writer.picture_packet(packet)

    def _decoding_time(self) -> int:
        shown, delay, number = self._shown, self._encoder.delay, self._next
        if number >= delay:
            return shown[number - delay]
        return shown[number] - self._early()

    def _early(self) -> int:
        """How long before it is shown the first picture is decoded."""
        shown, delay = self._shown, self._encoder.delay
        if len(shown) > delay:
            return shown[delay] - shown[0]
        # The first run was over before so many pictures came; more may follow.
        return delay * (shown[-1] - shown[0])
