"""Decoding of videos. Only the package media.video decodes, so that all stages number frames alike.

Frame k is the k-th frame that the decoder returns, in display order, from 0. A packet that does not
decode is skipped and counted. Times (pts) are made strictly increasing, which they are except in
damaged files.

A rotation flag in the file distinguishes the coded frame, as stored, from the displayed frame.
Boxes and masks refer to the displayed frame; pixels are edited in the coded frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file


@dataclass(frozen=True)
class Display:
    """Geometry of a frame: the mapping between the coded and the displayed frame.

    coded_width, coded_height: size as stored, in pixels. rotation: degrees, counterclockwise, from
    the coded to the displayed frame, one of 0, 90, 180, 270.
    """

    coded_width: int
    coded_height: int
    rotation: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the displayed frame, in pixels."""
        if self.rotation % 180:
            return self.coded_height, self.coded_width
        return self.coded_width, self.coded_height

    def upright(self, coded: np.ndarray) -> np.ndarray:
        """Rotate a coded array (H, W, ...), any dtype, to the displayed orientation: a view."""
        return np.rot90(coded, self.rotation // 90)

    def to_coded(self, displayed: np.ndarray) -> np.ndarray:
        """Rotate a displayed array (H, W, ...), any dtype, to the coded orientation: a view.

        The array may be a patch of the frame.
        """
        return np.rot90(displayed, -self.rotation // 90)

    def rect_to_displayed(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """Convert a rectangle (left, top, width, height) from coded to displayed pixels."""
        return {
            0: (x, y, w, h),
            90: (y, self.coded_width - x - w, h, w),
            180: (self.coded_width - x - w, self.coded_height - y - h, w, h),
            270: (self.coded_height - y - h, x, h, w),
        }[self.rotation]

    def rect_to_coded(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """Convert a rectangle (left, top, width, height) from displayed to coded pixels."""
        width, height = self.size
        return {
            0: (x, y, w, h),
            90: (height - y - h, x, h, w),
            180: (width - x - w, height - y - h, w, h),
            270: (y, width - x - w, h, w),
        }[self.rotation]


# Playlists, concat scripts and subtitles may refer to other files or addresses. Only containers
# with their own data are opened, and only from disk.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,m4v,ogg,asf,ivf,nut,3gp",
}


@contextmanager
def open_container(path: Path | str) -> Iterator[av.container.InputContainer]:
    """Open a local video file.

    Raises ItemError: missing, empty_file, not_a_video, truncated.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ItemError("missing", error.strerror or str(error)) from error
    if size == 0:
        raise ItemError("empty_file")
    try:
        # Without the prefix, a name such as "concat:a" would be parsed as a protocol.
        container = av.open(f"file:{path.resolve()}", options=_OPTIONS, metadata_errors="ignore")
    except FFmpegError as error:
        reason = "truncated" if _is_mp4_without_index(path) else "not_a_video"
        raise ItemError(reason, error.strerror or str(error)) from error
    with container:
        if not _picture_streams(container):
            raise ItemError("not_a_video", "no video stream")
        yield container


def check_indexed(path: Path | str, sha256: str) -> None:
    """Check that a file has the sha256 that was indexed.

    Raises ItemError: missing, source_changed.
    """
    try:
        actual = sha256_file(path)
    except OSError as error:
        raise ItemError("missing", error.strerror or str(error)) from error
    if actual != sha256:
        raise ItemError("source_changed")


def _is_mp4_without_index(path: Path) -> bool:
    """Whether a file that does not open begins like MP4: it was cut off before its index."""
    with open(path, "rb") as stream:
        return stream.read(12)[4:8] == b"ftyp"


def _picture_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    return [s for s in container.streams.video if not _is_cover(s)]


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


class VideoSource:
    """One pass over an open video: iteration yields frames, a callback receives sound packets.

    Valid after the pass: `frame_count`, `decode_errors` (number of packets that do not decode) and
    `first_error`. `time_base`: seconds per tick of a frame's pts. `threads`: decoder threads.
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
        """Yield decoded frames in display order; `on_packet` receives every packet, sound included.

        `all_streams`: read the sound packets also without a callback.
        """
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
        """Decode one packet, or flush the decoder with None; errors are counted, not raised."""
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
def open_video(path: Path | str, threads: int = 1) -> Iterator[VideoSource]:
    """Open a video for one pass and yield its VideoSource: `for frame in source: ...`.

    Raises ItemError: missing, empty_file, not_a_video, truncated.
    """
    with open_container(path) as container:
        yield VideoSource(container, threads)


def display_of(frame: av.VideoFrame) -> Display:
    """Geometry of a decoded frame; its rotation is rounded to a multiple of 90 degrees."""
    return Display(frame.width, frame.height, round(frame.rotation / 90) % 4 * 90)


def to_rgb(frame: av.VideoFrame, converter: VideoReformatter | None = None) -> np.ndarray:
    """Convert a frame to the displayed image: uint8 (H, W, 3), RGB, contiguous.

    `converter`: pass the same object to convert many frames; creating it takes as long as
    converting a small frame.
    """
    # The converter uses the colour matrix and range of the frame.
    converter = VideoReformatter() if converter is None else converter
    coded = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(display_of(frame).upright(coded))


def rgb_frames(path: Path | str, threads: int = 1) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (frame number, displayed frame as RGB, uint8 (H, W, 3)) for every frame of a file."""
    with open_video(path, threads) as source:
        for number, frame in enumerate(source):
            yield number, to_rgb(frame)
