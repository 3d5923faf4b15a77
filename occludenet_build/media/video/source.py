"""Decoding of videos. Only the package media.video decodes, so that all stages number frames alike.

Frame k is the k-th frame that the decoder returns, in display order, from 0. A packet that does not
decode is skipped and counted. Times (pts) are strictly increasing; the module `clock` corrects them
where those of the file are not what a player shows.

Of several video streams the default one counts, never a cover picture. Sound in a codec that nobody
decodes is left out.

A display matrix in the file distinguishes the coded frame, as stored, from the displayed frame.
Boxes and masks refer to the displayed frame; pixels are edited in the coded frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from occludenet_build.core.errors import ItemError, as_item_error, is_outage
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.clock import FrameClock, PacketClock
from occludenet_build.media.video.sound_format import ANNOUNCING, SoundFormats

_DISPLAY_MATRIX = SideData.DISPLAYMATRIX


@dataclass(frozen=True)
class Display:
    """Geometry of a frame: the mapping between the coded and the displayed frame.

    coded_width, coded_height: size as stored, in pixels. rotation: degrees, counterclockwise, from
    the coded to the displayed frame, one of 0, 90, 180, 270. mirrored: whether the coded frame is
    mirrored, left for right, before it is rotated.
    """

    coded_width: int
    coded_height: int
    rotation: int = 0
    mirrored: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the displayed frame, in pixels."""
        if self.rotation % 180:
            return self.coded_height, self.coded_width
        return self.coded_width, self.coded_height

    def upright(self, coded: np.ndarray) -> np.ndarray:
        """Turn a coded array (H, W, ...), any dtype, to the displayed orientation: a view."""
        return np.rot90(coded[:, ::-1] if self.mirrored else coded, self.rotation // 90)

    def to_coded(self, displayed: np.ndarray) -> np.ndarray:
        """Turn a displayed array (H, W, ...), any dtype, to the coded orientation: a view.

        The array may be a patch of the frame.
        """
        turned = np.rot90(displayed, -self.rotation // 90)
        return turned[:, ::-1] if self.mirrored else turned

    def rect_to_displayed(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """Convert a rectangle (left, top, width, height) from coded to displayed pixels."""
        x = self.coded_width - x - w if self.mirrored else x
        return {
            0: (x, y, w, h),
            90: (y, self.coded_width - x - w, h, w),
            180: (self.coded_width - x - w, self.coded_height - y - h, w, h),
            270: (self.coded_height - y - h, x, h, w),
        }[self.rotation]

    def rect_to_coded(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """Convert a rectangle (left, top, width, height) from displayed to coded pixels."""
        width, height = self.size
        left, top, w, h = {
            0: (x, y, w, h),
            90: (height - y - h, x, h, w),
            180: (width - x - w, height - y - h, w, h),
            270: (y, width - x - w, h, w),
        }[self.rotation]
        return (self.coded_width - left - w if self.mirrored else left), top, w, h

    @property
    def matrix(self) -> list[int]:
        """The display matrix of FFmpeg, 9 numbers, for a mirrored frame."""
        one = 1 << 16
        right, down = {0: (1, 0), 90: (0, -1), 180: (-1, 0), 270: (0, 1)}[self.rotation]
        mirror = -1 if self.mirrored else 1
        return [
            *(mirror * right * one, mirror * down * one, 0),
            *(-down * one, right * one, 0),
            *(0, 0, 1 << 30),
        ]


# Playlists, concat scripts and subtitles may refer to other files or addresses. Only containers
# with their own data are opened, and only from disk.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,m4v,ogg,asf,ivf,nut,3gp",
}
MAX_PIXELS = 1 << 26
"""Pixels of a frame, width x height, above which no decoder allocates it."""


@contextmanager
def open_container(
    path: Path | str, max_pixels: int = MAX_PIXELS
) -> Iterator[av.container.InputContainer]:
    """Open a local video file; its decoders refuse frames of more than `max_pixels`.

    Raises ItemError: missing, no_permission, unreachable, empty_file, not_a_video, truncated.
    """
    path = Path(path)
    with outages_as_reasons(path):
        size = path.stat().st_size
    if size == 0:
        raise ItemError("empty_file")
    try:
        # Without the prefix, a name such as "concat:a" would be parsed as a protocol.
        container = av.open(
            f"file:{path.resolve()}",
            # of the container, and of the decoders that look for the facts of its streams
            options={**_OPTIONS, "max_pixels": str(max_pixels)},
            metadata_errors="ignore",
        )
    except FFmpegError as error:
        reason = "truncated" if _is_mp4_without_index(path) else "not_a_video"
        raise ItemError(reason, error.strerror or str(error)) from error
    with container:
        if not _picture_streams(container):
            raise ItemError("not_a_video", "no video stream")
        yield container


@contextmanager
def outages_as_reasons(path: Path | str) -> Iterator[None]:
    """Turn errors of the operating system at reading a file into reasons.

    Raises ItemError: missing (also for a link that leads nowhere), no_permission, unreachable.
    """
    try:
        yield
    except OSError as error:
        reason, text = as_item_error(error).reason, error.strerror or str(error)
        raise ItemError(reason, text if reason == "missing" else f"{text}: {path}") from error


def check_indexed(path: Path | str, sha256: str) -> None:
    """Check that a file has the sha256 that was indexed.

    Raises ItemError: missing, no_permission, unreachable, source_changed.
    """
    with outages_as_reasons(path):
        actual = sha256_file(path)
    if actual != sha256:
        raise ItemError("source_changed")


def _is_mp4_without_index(path: Path) -> bool:
    """Whether a file that does not open begins like MP4: it was cut off before its index."""
    with outages_as_reasons(path), open(path, "rb") as stream:
        return stream.read(12)[4:8] == b"ftyp"


def _picture_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams in the order of the file, without cover pictures."""
    return [s for s in container.streams.video if not _has(s, Disposition.attached_pic)]


def _has(stream: av.VideoStream, disposition: Disposition) -> bool:
    return bool(stream.disposition & disposition)


def _decoded_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The video stream that is decoded: the first of those that are played by default, else the
    first. Raises ItemError no_decoder."""
    streams = _picture_streams(container)
    stream = next((s for s in streams if _has(s, Disposition.default)), streams[0])
    # PyAV gives no context for a codec that its libraries do not know
    if stream.codec_context is None:
        raise ItemError("no_decoder", f"video stream {stream.index} has an unknown codec")
    return stream


class VideoSource:
    """One pass over an open video: iteration yields frames, a callback receives sound packets.

    Valid after the pass: `frame_count`, `decode_errors` (number of packets that do not decode),
    `first_error`, and `is_plain` (whether the frames are those of the first video stream, at the
    times of the file). `time_base`: seconds per tick of a frame's pts. `threads`: decoder threads;
    `max_pixels`: of a frame.
    `audio`: the sound streams whose codec is known; `unknown_audio`: the number of others. Raises
    ItemError no_decoder where the video's codec is not known.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        threads: int = 1,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.container = container
        self.stream = _decoded_stream(container)
        # The libraries refuse a larger frame before they allocate it.
        self.stream.codec_context.options = {"max_pixels": str(max_pixels)}
        self.stream.codec_context.thread_count = threads
        self.stream.codec_context.thread_type = "AUTO" if threads != 1 else "NONE"
        self.audio = [s for s in container.streams.audio if s.codec_context is not None]
        self.unknown_audio = len(container.streams.audio) - len(self.audio)
        self.time_base = Fraction(self.stream.time_base or 1)
        self.frame_count = 0
        self.decode_errors = 0
        self.first_error = ""
        self._path = container.name.removeprefix("file:")
        self._packet_clock = PacketClock(container, self.stream)
        self._frame_clock = FrameClock(container, self.stream)

    @property
    def is_plain(self) -> bool:
        """Whether no time was corrected, and the stream is the first one."""
        is_first = _picture_streams(self.container)[0].index == self.stream.index
        return is_first and not self._packet_clock.shift and self._frame_clock.is_plain

    @property
    def shift(self) -> Fraction:
        """Seconds that are added to the times of the file, so far."""
        return self._packet_clock.shift

    @cached_property
    def changing_audio(self) -> frozenset[int]:
        """Numbers of the sound streams whose format changes on the way; found in a pass of its
        own."""
        if self.container.format.name not in ANNOUNCING:
            return frozenset()
        formats = SoundFormats()
        with open_container(self._path) as container:
            try:
                for packet in container.demux(container.streams.audio):
                    formats(packet)
            except FFmpegError:
                pass  # the pass over the pictures notes it
        return frozenset(formats.changing)

    def packets(
        self, on_packet: Callable[[av.Packet], None] | None = None, *, all_streams: bool = False
    ) -> Iterator[av.VideoFrame]:
        """Yield decoded frames in display order; `on_packet` receives every packet, sound included.

        `all_streams`: read the packets of subtitles and data too.
        """
        for packet in self.demuxed(sound=on_packet is not None, all_streams=all_streams):
            if packet is None:
                yield from self.decoded(None)
                return
            if packet.stream is self.stream:
                yield from self.decoded(packet)
            if on_packet is not None:
                on_packet(packet)

    def demuxed(
        self, *, sound: bool = True, all_streams: bool = False
    ) -> Iterator[av.Packet | None]:
        """Yield the packets, with corrected times; None where the file cannot be read further.

        `sound`: of the sound streams too. `all_streams`: of every stream. Raises ItemError
        unreachable.
        """
        chosen: list[Any] = [self.stream, *self.audio] if sound else [self.stream]
        known = self.container.streams.get() if all_streams else chosen
        packets = self.container.demux(known)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except IndexError:
                # PyAV knows the streams of the start only: one that a damaged or joined transport
                # stream begins later is left out, and reading goes on behind its packet.
                packets = self.container.demux(known)
                continue
            except FFmpegError as error:
                self._check_reachable(error)
                self._note(error)
                yield None
                return
            self._packet_clock.correct(packet)
            yield packet

    def _check_reachable(self, error: FFmpegError) -> None:
        """Raises ItemError where the file itself cannot be read: FFmpeg also says EIO of damage."""
        if is_outage(error):
            with outages_as_reasons(self._path):
                sha256_file(self._path)

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
            frame.pts = self._frame_clock.pts(frame)
            self.frame_count += 1
            yield frame

    def _note(self, error: FFmpegError) -> None:
        self.decode_errors += 1
        self.first_error = self.first_error or f"{error.strerror} after frame {self.frame_count}"


@contextmanager
def open_video(path: Path | str, threads: int = 1) -> Iterator[VideoSource]:
    """Open a video for one pass and yield its VideoSource: `for frame in source: ...`.

    Raises ItemError: missing, no_permission, unreachable, empty_file, not_a_video, no_decoder,
    truncated.
    """
    with open_container(path) as container:
        yield VideoSource(container, threads)


def display_of(frame: av.VideoFrame) -> Display:
    """Geometry of a decoded frame; its rotation is rounded to a multiple of 90 degrees."""
    data: Any = frame.side_data.get(_DISPLAY_MATRIX)  # type: ignore[call-overload]
    if data is None:
        return Display(frame.width, frame.height)
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).tolist()
    mirrored = a * d - b * c < 0
    right, down = (-a, -b) if mirrored else (a, b)
    turned = round(math.degrees(math.atan2(-down, right)) / 90) % 4 * 90
    return Display(frame.width, frame.height, turned, mirrored)


def to_rgb(
    frame: av.VideoFrame,
    converter: VideoReformatter | None = None,
    display: Display | None = None,
) -> np.ndarray:
    """Convert a frame to the displayed image: uint8 (H, W, 3), RGB, contiguous.

    `converter`: pass the same object to convert many frames; creating it takes as long as
    converting a small frame. `display`: the geometry, of a frame that was converted and lost it.
    """
    # The converter uses the colour matrix and range of the frame.
    converter = VideoReformatter() if converter is None else converter
    coded = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    display = display_of(frame) if display is None else display
    return np.ascontiguousarray(display.upright(coded))


def rgb_frames(path: Path | str, threads: int = 1) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (frame number, displayed frame as RGB, uint8 (H, W, 3)) for every frame of a file."""
    with open_video(path, threads) as source:
        for number, frame in enumerate(source):
            yield number, to_rgb(frame)
