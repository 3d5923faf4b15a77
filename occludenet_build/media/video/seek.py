"""Decoding of selected frames from the nearest key frame on, with exact frame numbers.

The packets of a file identify its frames without decoding: one packet per frame, ordered by pts.
Only the packets from the key frame of a requested frame to that frame are decoded, and of H.264
only those from which others are predicted; the decoded frames are the same:

    decoding order     I0 P4 B2 b1 b3 P8 B6 b5 b7 | I9 P13 B11 b10 b12 ...
    requested 3, 11    ^^ ^^ ^^    ^^             | ^^ ^^  ^^

If the packets do not identify the frames with certainty, `UncertainFrames` is raised and the video
must be decoded from its beginning. Damage in packets that are not decoded is not detected, and such
a packet counts as a frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import av
from av.error import FFmpegError

from occludenet_build.media.video.source import VideoSource

_ONE_PACKET_A_FRAME = {"h264", "hevc", "vp9", "av1"}
"""Codecs with one packet per displayed frame; others have packets without a displayed frame."""
_TRUE_TIMES = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"}
"""Containers that store presentation times; those that FFmpeg derives for AVI are wrong."""
_REORDER = 32
"""Packets to read beyond a frame; more than the maximum reordering of these codecs (16)."""


class UncertainFrames(Exception):
    """The packets of a video do not identify its frames with certainty."""


def from_keyframes(source: VideoSource, numbers: set[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (number, frame) of the requested frames, in ascending order.

    Raises UncertainFrames, also after some frames; those are then invalid.
    """
    packets = _packets(source, max(numbers))
    shown = [place for place, packet in enumerate(packets) if not packet.is_discard]
    shown.sort(key=lambda place: _pts(packets[place]))
    if max(numbers) >= len(shown):
        raise UncertainFrames
    number_of = {_pts(packets[shown[number]]): number for number in numbers}
    for first, last in _runs(packets, [shown[number] for number in sorted(numbers)]):
        count = 0
        for frame in _decoded(source, packets[first : last + 1], number_of):
            if frame.is_corrupt:
                raise UncertainFrames  # its concealment depends on the frames decoded before
            if frame.pts in number_of:
                count += 1
                yield number_of[frame.pts], frame
        if count < sum(_pts(packet) in number_of for packet in packets[first : last + 1]):
            raise UncertainFrames


def _packets(source: VideoSource, last: int) -> list[av.Packet]:
    """Packets in decoding order, as many as needed to identify frame `last`."""
    codec = source.stream.codec_context.codec.canonical_name
    if codec not in _ONE_PACKET_A_FRAME or source.container.format.name not in _TRUE_TIMES:
        raise UncertainFrames
    packets: list[av.Packet] = []
    shown = 0
    try:
        for packet in source.container.demux(source.stream):
            if packet.size:  # the last packet is empty
                packets.append(packet)
                shown += not packet.is_discard
            if shown > last + _REORDER:
                break
    except FFmpegError as error:
        raise UncertainFrames from error
    times = [packet.pts for packet in packets]
    if not packets or None in times or len(set(times)) < len(times):
        raise UncertainFrames
    if any(packet.is_corrupt for packet in packets):
        raise UncertainFrames  # packets before it may be missing
    if not packets[0].is_keyframe or min(map(_pts, packets)) < _pts(packets[0]):
        raise UncertainFrames  # decoders drop frames before the first key frame
    return packets


def _pts(packet: av.Packet) -> int:
    assert packet.pts is not None  # checked by _packets
    return packet.pts


def _runs(packets: Sequence[av.Packet], requested: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) index of each run of packets to decode; a run starts at a key frame."""
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    starts: dict[int, int] = {}
    for place in requested:
        at = bisect_right(keys, place) - 1
        if _pts(packets[place]) < _pts(packets[keys[at]]):
            at -= 1  # displayed before its key frame: also predicted from the frames before that
        starts[keys[at]] = max(place, starts.get(keys[at], 0))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(starts.items()):
        if merged and first <= merged[-1][1]:
            first, last = merged[-1][0], max(last, merged.pop()[1])
        merged.append((first, last))
    return merged


def _decoded(
    source: VideoSource, packets: Sequence[av.Packet], requested: dict[int, int]
) -> Iterator[av.VideoFrame]:
    """Decode a run of packets that starts with a key frame, skipping frames that are not needed."""
    context = source.stream.codec_context
    context.flush_buffers()
    for packet in packets:
        skips = context.codec.canonical_name == "h264" and packet.pts not in requested
        context.skip_frame = "NONREF" if skips else "DEFAULT"
        yield from source.decoded(packet)
    yield from source.decoded(None)
    if source.decode_errors:
        raise UncertainFrames
