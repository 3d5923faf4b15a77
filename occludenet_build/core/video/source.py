"""Reading videos. Nothing else in the project decodes, so all rooms number frames alike.

Frame k is the k-th frame the decoder gives, in display order, from 0. A packet that does not
decode is passed over and counted; pts are made strictly increasing, which they are but in damaged
files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.video.display import Display

# A file may name other files or addresses (playlists, concat, subtitles): only containers that
# hold their own data are opened, and only from disk.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,m4v,ogg,asf,ivf,nut,3gp",
}


@contextmanager
def opened(path: Path | str) -> Iterator[av.container.InputContainer]:
    """Open a local file for reading. Raises ItemError: missing, empty_file, not_a_video."""
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ItemError("missing", error.strerror or str(error)) from error
    if size == 0:
        raise ItemError("empty_file")
    try:
        # The prefix keeps a name such as "concat:a" from being taken for a protocol.
        container = av.open(f"file:{path.resolve()}", options=_OPTIONS, metadata_errors="ignore")
    except FFmpegError as error:
        reason = "truncated" if _headless(path) else "not_a_video"
        raise ItemError(reason, error.strerror or str(error)) from error
    with container:
        if not _picture_streams(container):
            raise ItemError("not_a_video", "no video stream")
        yield container


def check_indexed(path: Path | str, sha256: str) -> None:
    """Refuse a file whose bytes are not those that were indexed, one of the same length too.

    Raises ItemError: missing, source_changed.
    """
    try:
        found = sha256_file(path)
    except OSError as error:
        raise ItemError("missing", error.strerror or str(error)) from error
    if found != sha256:
        raise ItemError("source_changed")


def _headless(path: Path) -> bool:
    """An MP4 cut before its index: it begins well and does not open."""
    with open(path, "rb") as stream:
        return stream.read(12)[4:8] == b"ftyp"


def _picture_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    return [s for s in container.streams.video if not _is_cover(s)]


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


class Source:
    """One pass over an open video: frames by iteration, sound packets through a callback.

    After the pass: `frame_count`, `decode_errors`, `first_error`.
    """

    def __init__(self, container: av.container.InputContainer, threads: int = 1) -> None:
        self.container = container
        self.stream = _picture_streams(container)[0]
        self.stream.codec_context.thread_count = threads
        self.stream.codec_context.thread_type = "AUTO" if threads != 1 else "NONE"
        self.audio = list(container.streams.audio)
        self.time_base = Fraction(self.stream.time_base or 1)
        self.frame_count = 0
        self.decode_errors = 0
        self.first_error = ""
        self._last_pts: int | None = None

    def packets(
        self, on_packet: Callable[[av.Packet], None] | None = None, *, all_streams: bool = False
    ) -> Iterator[av.VideoFrame]:
        """Decoded frames in display order; `on_packet` sees the other streams' packets."""
        streams = [self.stream, *self.audio] if on_packet or all_streams else [self.stream]
        packets = self.container.demux(streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError as error:
                self._note(error)
                yield from self.decoded(None)
                return
            if packet.stream is self.stream:
                yield from self.decoded(packet)
            if on_packet is not None:
                on_packet(packet)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        return self.packets()

    def decoded(self, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        """What a packet gives, None for what is still in the decoder; an error is counted."""
        try:
            frames = self.stream.codec_context.decode(packet)
        except EOFError:
            return
        except FFmpegError as error:
            self._note(error)
            return
        for frame in frames:
            frame.pts = self._increasing(frame)
            self.frame_count += 1
            yield frame

    def _increasing(self, frame: av.VideoFrame) -> int:
        pts = frame.pts
        if pts is None:
            step = 1 / (self.time_base * (self.stream.average_rate or 25))
            pts = 0 if self._last_pts is None else self._last_pts + max(1, round(step))
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        self._last_pts = pts
        return pts

    def _note(self, error: FFmpegError) -> None:
        self.decode_errors += 1
        self.first_error = self.first_error or f"{error.strerror} after frame {self.frame_count}"


@contextmanager
def reading(path: Path | str, threads: int = 1) -> Iterator[Source]:
    """Open a video for one pass: `with reading(path) as source: for frame in source: ...`"""
    with opened(path) as container:
        yield Source(container, threads)


def display_of(frame: av.VideoFrame) -> Display:
    """The geometry of a decoded frame, rotation snapped to quarter turns."""
    return Display(frame.width, frame.height, round(frame.rotation / 90) % 4 * 90)


def to_rgb(frame: av.VideoFrame, converter: VideoReformatter | None = None) -> np.ndarray:
    """The displayed picture: uint8 (H, W, 3), RGB, contiguous.

    `converter`: kept by who converts many frames; a new one costs as much as a small picture.
    """
    # It converts with the frame's own matrix and range.
    converter = VideoReformatter() if converter is None else converter
    coded = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(display_of(frame).upright(coded))


def rgb_frames(path: Path | str, threads: int = 1) -> Iterator[tuple[int, np.ndarray]]:
    """(frame number, displayed RGB picture uint8 (H, W, 3)) for every frame of a file."""
    with reading(path, threads) as source:
        for number, frame in enumerate(source):
            yield number, to_rgb(frame)
