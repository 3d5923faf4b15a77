"""Transfer of sound from a source to its outputs, whole or trimmed to a segment.

Packets in a codec that MP4 supports are copied; other sound is decoded and encoded again as AAC.
Sound that changes on the way, from mono to stereo or in its rate, is encoded and goes on in its
first format. Where the clock of copied sound steps back, what overlaps is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from occludenet_build.media.video.source import VideoSource
from occludenet_build.media.video.writer import TwinWriter, is_copied

PREROLL = Fraction(1, 10)
"""Sound stored before a segment, in seconds, so that its first packet decodes as in the source."""


class SoundQueue:
    """Callback for `VideoSource.packets` that queues sound packets until their receiver exists.

    Sound may precede the first frame, and outputs are opened when the first frame is known.
    """

    def __init__(self) -> None:
        self._early: list[av.Packet] = []
        self._sink: Callable[[av.Packet], None] | None = None

    def __call__(self, packet: av.Packet) -> None:
        if packet.stream.type != "audio":
            return
        if self._sink is None:
            self._early.append(packet)
        else:
            self._sink(packet)

    def send_to(self, sink: Callable[[av.Packet], None]) -> None:
        """Send the queued packets, and all later ones, to `sink`."""
        self._sink = sink
        for packet in self._early:
            sink(packet)
        self._early.clear()


def sound_transfer(source: VideoSource) -> str:
    """How the sound of a source is transferred: copied, encoded (if any stream must be) or none."""
    copied = [is_copied(source, stream) for stream in source.audio]
    return ("copied" if all(copied) else "encoded") if copied else "none"


def decode_sound(packet: av.Packet) -> list[Any]:
    """Decode a sound packet; a damaged packet gives no frames, which leaves a short silence."""
    try:
        return list(packet.decode())
    except FFmpegError:
        return []


_OVERLAP = Fraction(5, 1000)
"""Seconds by which sound may begin before the end of the sound before it: rounding of times."""

_MISJUDGED = Fraction(1, 2)
"""Seconds for which sound that seems to overlap goes on: where the rate changed, demuxers misjudge
the times of packets until the file states the next one."""


class SteadySound:
    """Decodes the packets of one sound stream to frames of one format, that of the first frame.

    Where the clock steps back, as where two recordings were joined, sound that overlaps is left
    out.
    """

    def __init__(self) -> None:
        self._due: Fraction | None = None
        self._in_time = Fraction(0)
        self._first: Any = None
        self._base = Fraction(1)
        self._resampler: Any = None
        self._resampled: Any = None

    def decode(self, packet: av.Packet) -> list[Any]:
        """The frames of a packet; a damaged one gives none, which leaves a short silence."""
        frames = (part for frame in decode_sound(packet) for part in self._steady(frame))
        return [frame for frame in frames if self._goes_on(frame)]

    def _goes_on(self, frame: Any) -> bool:
        """Whether a frame has sound after the end of the one before; its pts is moved there."""
        if frame.pts is None:
            return True
        at, length = frame.pts * frame.time_base, Fraction(frame.samples, frame.sample_rate)
        if self._due is None or at >= self._due - _OVERLAP:
            self._in_time = at
        else:
            if at + length <= self._due and self._due - self._in_time > _MISJUDGED:
                return False
            frame.pts = round(self._due / frame.time_base)
            at = frame.pts * frame.time_base
        self._due = at + length
        return True

    def _steady(self, frame: Any) -> list[Any]:
        kind = _format_of(frame)
        if self._first is None:
            self._first, self._base = kind, frame.time_base
        if kind == self._first:
            return [frame]
        if kind != self._resampled:
            name, layout, rate = self._first
            self._resampler = av.AudioResampler(format=name, layout=layout, rate=rate)
            self._resampled = kind
        parts = list(self._resampler.resample(frame))
        for part in parts:
            part.pts = round(part.pts * part.time_base / self._base)
            part.time_base = self._base
        return parts


def _format_of(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


class _GoesOn:
    """Whether a packet begins after the one before it of its stream, in ticks of MP4.

    Muxers refuse other packets; damaged and joined files have them.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def __call__(self, packet: av.Packet) -> bool:
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return False
        context: Any = packet.stream.codec_context
        at = round(stamp * packet.time_base * (context.sample_rate or 44_100))
        last = self._last.get(packet.stream.index)
        if last is not None and at <= last:
            return False
        self._last[packet.stream.index] = at
        if packet.pts is not None and packet.pts < stamp:
            packet.pts = stamp
        return True


class SharedSound:
    """Callback that passes sound packets to all writers.

    Sound in a codec that MP4 does not support is decoded once. `how`: copied, encoded or none.
    """

    def __init__(self, writers: list[TwinWriter], source: VideoSource) -> None:
        self.writers = writers
        self.how = sound_transfer(source)
        encoded = [s.index for s in source.audio if not is_copied(source, s)]
        self._decoders = {index: SteadySound() for index in encoded}
        self._goes_on = _GoesOn()

    def __call__(self, packet: av.Packet) -> None:
        write = self.write_of(packet)
        if write is not None:
            for writer in self.writers:
                write(writer)

    def write_of(self, packet: av.Packet) -> Callable[[TwinWriter], None] | None:
        """The function that writes a packet to one writer; None where nothing is to be written.

        It may be called later, once for each writer. The packets must come in their order.
        """
        index, is_end = packet.stream.index, packet.dts is None  # the last packet of a stream
        if index in self._decoders:
            decoded = self._decoders[index].decode(packet)
            frames = [*decoded, *([None] if is_end else [])]
            return lambda writer: writer.encode_sound(index, frames)
        if is_end or not self._goes_on(packet):
            return None
        return lambda writer: writer.copy_packet(index, packet)


class TrimmedSound:
    """Callback that writes the sound of a segment; it takes all sound packets of a source in order.

    `begin`, `end`: limits of the segment, in seconds of the container's clock. `how`: copied,
    encoded or none.
    """

    def __init__(
        self, writer: TwinWriter, source: VideoSource, begin: Fraction, end: Fraction
    ) -> None:
        self._writer, self._begin, self._end = writer, begin, end
        self._open = {stream.index for stream in source.audio}
        self.how = sound_transfer(source)
        encoded = [s.index for s in source.audio if not is_copied(source, s)]
        self._decoders = {index: SteadySound() for index in encoded}
        self._goes_on = _GoesOn()
        self._trims: dict[int, av.filter.Graph] = {}

    @property
    def done(self) -> bool:
        """Whether every stream has reached the end of the segment."""
        return not self._open

    def __call__(self, packet: av.Packet) -> None:
        stream: Any = packet.stream
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:  # the last packet of a stream
            return
        at = stamp * packet.time_base
        if at >= self._end:
            self._open.discard(stream.index)
        elif stream.index in self._decoders:
            self._encode(stream.index, self._decoders[stream.index].decode(packet))
        elif self._goes_on(packet):
            self._copy(packet, at, _length(packet))

    def _copy(self, packet: av.Packet, at: Fraction, length: Fraction) -> None:
        if at + length <= self._begin - max(PREROLL, length):
            return
        index, shift = packet.stream.index, round(self._begin / packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        self._writer.copy_packet(index, packet)

    def _trim(self, like: Any) -> av.filter.Graph:
        """A filter that cuts frames like this one to the segment."""
        graph = av.filter.Graph()
        first, last = round(self._begin * like.sample_rate), round(self._end * like.sample_rate)
        limits = f"start_pts={first}:end_pts={last}"  # in samples, not ticks
        source = graph.add_abuffer(
            format=like.format.name,
            sample_rate=like.sample_rate,
            layout=like.layout.name,
            time_base=like.time_base,
        )
        graph.link_nodes(source, graph.add("atrim", limits), graph.add("abuffersink")).configure()
        return graph

    def _encode(self, index: int, frames: list[Any]) -> None:
        for frame in frames:
            graph = self._trims.get(index) or self._trims.setdefault(index, self._trim(frame))
            graph.push(frame)
            for part in _pulled(graph):
                part.pts -= round(self._begin / part.time_base)
                self._writer.encode_sound(index, [part])

    def finish(self) -> None:
        """Flush the sound encoders."""
        for index in self._decoders:
            self._writer.encode_sound(index, [None])


def _length(packet: av.Packet) -> Fraction:
    context: Any = packet.stream.codec_context
    if packet.duration:
        return packet.duration * packet.time_base
    return Fraction(context.frame_size or 1024, context.sample_rate or 44_100)


def _pulled(graph: av.filter.Graph) -> list[Any]:
    frames: list[Any] = []
    while True:
        try:
            frames.append(graph.pull())
        except (FFmpegError, BlockingIOError, EOFError):
            return frames
