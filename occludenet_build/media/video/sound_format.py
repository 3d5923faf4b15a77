"""Sound whose channels or rate change within one stream, as where two recordings were joined.

MP4 states the format of AAC once, so such sound cannot be copied. Transport streams repeat it in
the header of each packet (ADTS, ISO/IEC 14496-3, 1.A.3.2); FLV sends it anew where it changes.
"""

from __future__ import annotations

from typing import Final

import av

ANNOUNCING = ("mpegts", "flv")
"""Containers in which the format of AAC can change."""
_NEW_EXTRADATA: Final = "new_extradata"


class SoundFormats:
    """Callback for packets: `changing` has the numbers of the streams whose AAC changes."""

    def __init__(self) -> None:
        self.changing: set[int] = set()
        self._stated: dict[int, bytes] = {}

    def __call__(self, packet: av.Packet) -> None:
        stream = packet.stream
        if not isinstance(stream, av.AudioStream) or stream.codec_context is None:
            return
        if stream.codec_context.name != "aac":
            return
        if packet.has_sidedata(_NEW_EXTRADATA):
            stated = bytes(packet.get_sidedata(_NEW_EXTRADATA))
            first = bytes(stream.codec_context.extradata or stated)
        else:
            stated = _of_adts(packet)
            first = self._stated.setdefault(stream.index, stated) if stated else b""
        if stated != first:
            self.changing.add(stream.index)


def _of_adts(packet: av.Packet) -> bytes:
    """The format in the header of a packet; empty if it has none."""
    head = bytes(memoryview(packet)[:4])
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return b""
    # profile, rate and channels, without the private bit and the bits of copyright
    return bytes((head[2] & 0xFD, head[3] & 0xC0))
