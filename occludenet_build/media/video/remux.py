"""Copying a whole recording into an MP4 file, packet by packet, without loss.

The pictures are those of the recording to the bit, at its times minus the time of the first frame;
sound is transferred as in a cut (module cut). `copy_video` copies only what MP4 certainly holds as
it is, and checks the result by decoding it; otherwise the caller encodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.cut import CutSegment
from occludenet_build.media.video.probe import Limits, VideoInfo, probe, pts_digest
from occludenet_build.media.video.sound import TrimmedSound
from occludenet_build.media.video.source import VideoSource, open_video
from occludenet_build.media.video.writer import TwinWriter, open_mp4, set_display

COPIED = ("h264", "hevc", "av1")
"""Video codecs that MP4 holds and that its readers know."""


class CopyWriter(TwinWriter):
    """Writer of an MP4 file with the coded frames of a source; `info`: its facts."""

    def __init__(self, path: Path, source: VideoSource, info: VideoInfo) -> None:
        self.container = open_mp4(path, source)
        stream = self.container.add_stream_from_template(source.stream)
        self.stream = cast(av.VideoStream, stream)
        self.stream.time_base = source.time_base
        set_display(self.stream, info.display)
        self._sound = {s.index: self._sound_stream(source, s) for s in source.audio}


class _NotCopied(Exception):
    """A packet cannot be copied as it is."""


def copy_video(path: Path | str, info: VideoInfo, out: Path) -> CutSegment | None:
    """Copy a recording to `out`; None, and no file, where MP4 cannot hold it as it is.

    `info`: the facts of the recording. Raises ItemError: the reasons of opening a video,
    encode_failed.
    """
    if info.codec not in COPIED or not info.is_plain or info.decode_errors or info.corrupt_frames:
        return None
    try:
        with open_video(path) as source:
            piece = _copy(source, info, out)
    except _NotCopied:
        out.unlink(missing_ok=True)
        return None
    return piece


def _copy(source: VideoSource, info: VideoInfo, out: Path) -> CutSegment:
    zero, base = info.first_pts, info.time_base
    shown: list[int] = []
    with CopyWriter(out, source, info) as writer:
        sound = TrimmedSound(writer, source, zero * base, zero * base + info.duration)
        for packet in _packets(source):
            if packet.stream is not source.stream:
                sound(packet)
                continue
            if packet.pts is None or packet.dts is None:
                raise _NotCopied
            shown.append(packet.pts)
            packet.pts, packet.dts = packet.pts - zero, packet.dts - zero
            writer.picture_packet(packet)
        sound.finish()
    shown.sort()
    # A packet that no frame shows, as before an edit list's start, would be one in the copy.
    if pts_digest(shown) != info.pts_hash or not _decodes(out, info, shown):
        raise _NotCopied
    return CutSegment(info.frames, zero, shown[-1], base, Fraction(0), sound.how)


def _packets(source: VideoSource) -> Iterator[av.Packet]:
    """The packets of a source without the empty last ones. Raises _NotCopied where it breaks."""
    for packet in source.demuxed():
        if packet is None:
            raise _NotCopied
        if packet.size:
            yield packet


def _decodes(out: Path, info: VideoInfo, shown: list[int]) -> bool:
    """Whether a copy decodes to frames at these pts minus the first one, turned in the same way."""
    try:
        copied = probe(out, Limits())
    except ItemError:
        return False
    ticks = info.time_base / copied.time_base  # MP4 may count in a finer clock
    times = pts_digest([int((pts - shown[0]) * ticks) for pts in shown])
    return ticks.denominator == 1 and copied.display == info.display and copied.pts_hash == times
