"""Chosen frames from the nearest keyframe on, numbered as if every frame had been decoded.

The packets of a file say without decoding which frames it has: one packet a frame, in the order of
pts. Only the packets from a wanted frame's keyframe to the frame itself go to the decoder, and of
H.264 only those that others are predicted from, so the pictures are the same:

    decode order    I0 P4 B2 b1 b3 P8 B6 b5 b7 | I9 P13 B11 b10 b12 ...
    wanted 3, 11    ^^ ^^ ^^    ^^             | ^^ ^^  ^^

Where packets do not tell the frames for certain, nothing is guessed: `Unsure` is raised, and the
video is to be read from its beginning. Damage of what is not decoded goes unseen, and a packet that
would not decode counts as a frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import av
from av.error import FFmpegError

from occludenet_build.media.video.source import Source

_ONE_PACKET_A_FRAME = {"h264", "hevc", "vp9", "av1"}
"""Others have packets without a frame to show."""
_TRUE_TIMES = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"}
"""Containers that store when a packet is shown; AVI has none, and what is guessed is wrong."""
_REORDER = 32
"""More packets than any frame of these codecs comes before one that is shown earlier (16)."""


class Unsure(Exception):
    """The packets do not say which frames they are."""


def from_keyframes(source: Source, numbers: set[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """(number, frame) of the wanted frames, upwards.

    Raises Unsure, also in the middle: then what was given before does not count.
    """
    packets = _packets(source, max(numbers))
    shown = [place for place, packet in enumerate(packets) if not packet.is_discard]
    shown.sort(key=lambda place: _pts(packets[place]))
    if max(numbers) >= len(shown):
        raise Unsure
    number_of = {_pts(packets[shown[number]]): number for number in numbers}
    for first, last in _stretches(packets, [shown[number] for number in sorted(numbers)]):
        found = 0
        for frame in _decoded(source, packets[first : last + 1], number_of):
            if frame.is_corrupt:
                raise Unsure  # how it is patched up hangs on what was decoded before
            if frame.pts in number_of:
                found += 1
                yield number_of[frame.pts], frame
        if found < sum(_pts(packet) in number_of for packet in packets[first : last + 1]):
            raise Unsure


def _packets(source: Source, last: int) -> list[av.Packet]:
    """In decode order, as many as decide which one shows frame `last`."""
    codec = source.stream.codec_context.codec.canonical_name
    if codec not in _ONE_PACKET_A_FRAME or source.container.format.name not in _TRUE_TIMES:
        raise Unsure
    packets: list[av.Packet] = []
    shown = 0
    try:
        for packet in source.container.demux(source.stream):
            if packet.size:  # the last is empty
                packets.append(packet)
                shown += not packet.is_discard
            if shown > last + _REORDER:
                break
    except FFmpegError as error:
        raise Unsure from error
    times = [packet.pts for packet in packets]
    if not packets or None in times or len(set(times)) < len(times):
        raise Unsure
    if any(packet.is_corrupt for packet in packets):
        raise Unsure  # with others lost before it
    if not packets[0].is_keyframe or min(map(_pts, packets)) < _pts(packets[0]):
        raise Unsure  # a decoder drops what is shown before its first keyframe
    return packets


def _pts(packet: av.Packet) -> int:
    assert packet.pts is not None  # `_packets` has looked
    return packet.pts


def _stretches(packets: Sequence[av.Packet], wanted: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) of the runs of packets to decode, each from a keyframe."""
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    runs: dict[int, int] = {}
    for place in wanted:
        at = bisect_right(keys, place) - 1
        if _pts(packets[place]) < _pts(packets[keys[at]]):
            at -= 1  # shown before its keyframe, it is predicted from the frames before that too
        runs[keys[at]] = max(place, runs.get(keys[at], 0))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs.items()):
        if merged and first <= merged[-1][1]:
            first, last = merged[-1][0], max(last, merged.pop()[1])
        merged.append((first, last))
    return merged


def _decoded(
    source: Source, packets: Sequence[av.Packet], wanted: dict[int, int]
) -> Iterator[av.VideoFrame]:
    """Frames of a run that begins with a keyframe, the unneeded passed over."""
    context = source.stream.codec_context
    context.flush_buffers()
    for packet in packets:
        skips = context.codec.canonical_name == "h264" and packet.pts not in wanted
        context.skip_frame = "NONREF" if skips else "DEFAULT"
        yield from source.decoded(packet)
    yield from source.decoded(None)
    if source.decode_errors:
        raise Unsure
