"""Times of packets and frames where those of the file are not what a player shows.

Frames are shown at FFmpeg's times, with these corrections, which are those of the program ffmpeg:

- AVI, and Matroska tracks in AVI's form (VFW), store no presentation times. The libraries derive
  them wrongly where B-frames are reordered; the decoding time of the packet that releases a frame
  is even (`FrameClock`).
- Transport and program streams joined with cat begin their clock again. A jump back of 0.1 s, or
  ahead of 10 s, continues at the expected time, for all streams of the file (`PacketClock`).
- A clock that begins far from zero (wall-clock recordings, wrapped counters) is moved to zero, as
  MP4 holds times of 31 bits.

Elsewhere times are those of the file, made strictly increasing.
"""

from __future__ import annotations

from fractions import Fraction

import av

_JUMPING = ("mpegts", "mpeg")
"""Containers whose clock may begin again: FFmpeg's AVFMT_TS_DISCONT."""
_BACK, _AHEAD = Fraction(1, 10), Fraction(10)
"""Seconds from which a step of decoding times counts as a jump: ffmpeg's limits."""
_FAR = 1 << 30
"""Ticks of the video's clock from which the start is moved to zero; MP4's edit lists hold twice
that."""
_EARLY = Fraction(-1)
"""Seconds before which the start is moved to zero; sound may begin a little before zero."""
_AVI_FORM = frozenset({"avi"})


class PacketClock:
    """Corrects the times of the packets of one file, in place, in the order of the file."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._jumps = container.format.name in _JUMPING
        self._due: dict[int, Fraction] = {}
        self._last: dict[int, Fraction] = {}
        self.shift = Fraction(0)
        """Seconds that are added to the times of the file."""
        if container.start_time is not None:
            start = Fraction(container.start_time, av.time_base)
            if start < _EARLY or abs(start / Fraction(stream.time_base or 1)) >= _FAR:
                self.shift = -start

    def correct(self, packet: av.Packet) -> None:
        """Move the times of a packet."""
        if self._jumps:
            self._find_jump(packet)
        if self.shift and packet.time_base:
            ticks = round(self.shift / packet.time_base)
            if packet.pts is not None:
                packet.pts += ticks
            if packet.dts is not None:
                packet.dts += ticks

    def _find_jump(self, packet: av.Packet) -> None:
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or not packet.time_base:
            return
        index, at = packet.stream.index, stamp * packet.time_base + self.shift
        due = self._due.get(index)
        if due is not None and (at < self._last[index] - _BACK or abs(at - due) > _AHEAD):
            self.shift += due - at
            at = due
        self._last[index] = at
        self._due[index] = at + (packet.duration or 0) * packet.time_base


class FrameClock:
    """Gives each decoded frame of a stream its pts, strictly increasing."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._step = 1 / (Fraction(stream.time_base or 1) * Fraction(stream.average_rate or 25))
        self._by_decoding = _has_avi_form(container, stream)
        self._last: int | None = None
        self._plain: int | None = None
        self.is_plain = True
        """Whether all times so far are those of the file, made increasing."""

    def pts(self, frame: av.VideoFrame) -> int:
        """The pts of the next frame in display order, in ticks of its stream."""
        stated = frame.dts if self._by_decoding else frame.pts
        self._plain = self._after(self._plain, frame.pts)
        self._last = self._after(self._last, stated)
        self.is_plain = self.is_plain and self._plain == self._last
        return self._last

    def _after(self, last: int | None, stated: int | None) -> int:
        if stated is None:
            stated = 0 if last is None else last + max(1, round(self._step))
        return stated if last is None or stated > last else last + 1


def _has_avi_form(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Whether the container stores decoding times only; VFW tracks of Matroska have a codec tag."""
    if container.format.name in _AVI_FORM:
        return True
    tag = stream.codec_context.codec_tag.strip("\0")
    return container.format.name == "matroska,webm" and bool(tag)
