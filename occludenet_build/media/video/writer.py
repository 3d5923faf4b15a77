"""Writing MP4 files with the pts, rotation, pixel aspect, colour tags and sound of their source.

A `TwinWriter` takes frames as encoded packets, because several outputs of a clip share packets. A
`RunEncoder` encodes one run of frames and passes the packets to all outputs that contain the run.

The encoder of a run does not know the frames before it, so its decoding times (dts) start anew.
They are replaced by the times that x264 assigns in a whole clip: the k-th packet of a stream is
decoded when frame k - delay is displayed, and the first packets correspondingly earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
from av.error import FFmpegError, PatchWelcomeError

from occludenet_build.core.errors import DISK_FULL, ItemError
from occludenet_build.media.video.encoder import (
    JOINABLE_ENCODERS,
    Encoder,
    Encoding,
    FrameFormat,
    configure_encoder,
)
from occludenet_build.media.video.source import Display, VideoSource

MP4_AUDIO = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus")
"""Sound codecs that are copied to MP4; other sound is encoded again as AAC."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""Number of channels -> layout in AAC; stereo for other numbers."""


_TOO_LONG = "a frame or packet lasts 2^31 ticks of its clock or more, which MP4 cannot hold"


class _EncoderErrors:
    """Context manager that converts errors of an encoder or muxer to ItemError("encode_failed").

    A full disk raises OSError, because it concerns the whole job. The class is written by hand
    instead of with contextlib for speed: it is entered for every packet.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FFmpegError):
            if error.errno in DISK_FULL:
                raise OSError(error.errno, "no space left for videos") from error
            if isinstance(error, PatchWelcomeError):
                raise ItemError("encode_failed", _TOO_LONG) from error
            raise ItemError("encode_failed", error.strerror or str(error)) from error


ENCODER_ERRORS = _EncoderErrors()


def frame_format_of(source: VideoSource, like: av.VideoFrame) -> FrameFormat:
    """Format of an output of `source` whose frames have the size and tags of the frame `like`."""
    stream = source.stream
    rate, aspect = stream.average_rate or 25, stream.sample_aspect_ratio or 1
    return FrameFormat(like, source.time_base, Fraction(rate), Fraction(aspect))


def open_mp4(path: Path, source: VideoSource) -> Any:
    """Open an MP4 file for writing whose clock can hold the times of a source."""
    # Edit lists use the timescale of the movie: milliseconds would round the first pts.
    ticks = source.time_base.denominator
    muxer = {"fflags": "+bitexact", "movie_timescale": str(ticks * -(-1000 // ticks))}
    return av.open(str(path), "w", format="mp4", options=muxer)


def set_display(stream: av.VideoStream, display: Display) -> None:
    """State in an output stream how its frames are turned and mirrored."""
    if display.mirrored:
        stream.set_display_matrix(display.matrix)
    elif display.rotation:
        stream.set_display_rotation(display.rotation)


class TwinWriter:
    """Writer of one output of a clip; use it as a context manager.

    The methods raise ItemError("encode_failed") if the muxer or the sound encoder reports an error.
    """

    def __init__(
        self,
        path: Path,
        source: VideoSource,
        picture: FrameFormat,
        encoding: Encoding,
        display: Display,
    ) -> None:
        self.container = open_mp4(path, source)
        # The encoder of the stream gets no frames; its options determine the header.
        self.stream = cast(av.VideoStream, self.container.add_stream(encoding.codec, picture.rate))
        configure_encoder(self.stream.codec_context, picture, encoding)
        self.stream.time_base = picture.time_base
        set_display(self.stream, display)
        self._sound = {s.index: self._sound_stream(source, s) for s in source.audio}

    def _sound_stream(self, source: VideoSource, stream: av.AudioStream) -> av.AudioStream:
        if is_copied(source, stream):
            output = self.container.add_stream_from_template(stream)
        else:
            output = self.container.add_stream("aac", **_nearest_aac(stream))
        if "language" in stream.metadata:
            output.metadata["language"] = stream.metadata["language"]
        return output

    def picture_packet(self, packet: av.Packet) -> None:
        """Write an encoded frame; packets must come in decoding order."""
        packet.stream = self.stream
        self._mux(lambda: packet)

    def copy_packet(self, index: int, packet: av.Packet) -> None:
        """Copy a packet of the source's sound stream `index`."""
        packet.stream = self._sound[index]
        self._mux(lambda: packet)

    def encode_sound(self, index: int, frames: list[av.AudioFrame | None]) -> None:
        """Encode decoded sound of the source's stream `index`; None flushes the encoder."""
        for frame in frames:
            self._mux(partial(self._sound[index].encode, frame))

    def _mux(self, packets: Callable[[], av.Packet | list[av.Packet]]) -> None:
        with ENCODER_ERRORS:
            self.container.mux(packets())

    def __enter__(self) -> TwinWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is None:
            with ENCODER_ERRORS:
                self.container.close()
            return
        try:
            self.container.close()
        except FFmpegError:
            pass  # the first error is more informative


def _nearest_aac(stream: av.AudioStream) -> dict[str, Any]:
    """Rate and layout of a stream, or the most similar ones that AAC supports."""
    rates = av.Codec("aac", "w").audio_rates or [stream.rate]
    rate = min(rates, key=lambda rate: abs(rate - stream.rate))
    return {"rate": rate, "layout": _LAYOUTS.get(stream.layout.nb_channels, "stereo")}


def is_copied(source: VideoSource, stream: av.AudioStream) -> bool:
    """Whether a sound stream is copied to MP4; other sound is encoded again as AAC."""
    return stream.codec_context.name in MP4_AUDIO and stream.index not in source.changing_audio


class RunEncoder:
    """Encoder of one run of frames, which writes the packets to all outputs that contain the run.

    `shown`: pts of the clip's frames in display order; the list grows while frames are encoded.
    `start`: number of the run's first frame.
    """

    def __init__(
        self,
        picture: FrameFormat,
        encoding: Encoding,
        writers: Sequence[TwinWriter],
        shown: Sequence[int],
        start: int,
    ) -> None:
        with ENCODER_ERRORS:
            self._encoder = Encoder(picture, encoding)
        self._writers, self._shown, self._next = writers, shown, start
        self._retimed = encoding.codec in JOINABLE_ENCODERS
        self.beginning = b""
        """The header and the first packet, which contain the version of the encoder."""

    def encode(self, frame: av.VideoFrame, pts: int) -> None:
        """Encode one frame, in display order; `pts` in ticks of the source's time base."""
        with ENCODER_ERRORS:
            packets = self._encoder.encode(frame, pts)
        self._write(packets)

    def write_sound(self, writes: Sequence[Callable[[TwinWriter], None]]) -> None:
        """Write sound to all outputs of the run."""
        for write in writes:
            for writer in self._writers:
                write(writer)

    def finish(self) -> None:
        """Flush the encoder and write the remaining packets."""
        with ENCODER_ERRORS:
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
        """Time from decoding to display of the clip's first frame, in ticks."""
        shown, delay = self._shown, self._encoder.delay
        if len(shown) > delay:
            return shown[delay] - shown[0]
        # The first run ended before `delay` frames; more frames may follow.
        return delay * (shown[-1] - shown[0])
