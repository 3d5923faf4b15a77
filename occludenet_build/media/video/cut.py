"""Cutting a segment out of a long video, exact to the frame, with its sound.

Times count in seconds from the first frame of the video.

- The frames of a segment are those with start <= t < end, decoded as in a pass from the beginning
  of the video, and encoded again.
- Their pts are those of the source, in its time base, minus the pts of the segment's first frame.
- Sound in a codec that MP4 supports is copied packet by packet. Its offset from the frames changes
  by at most half a tick of its clock (11 us in MP4 at 44.1 kHz, 0.5 ms in Matroska). Playback of
  the sound starts with the first frame: PREROLL seconds of sound before it are stored for the
  decoder, and an edit list makes players skip them. The sound ends with the packet (about 1/40 s)
  that contains the end of the segment, while the last frame may be displayed beyond it.
- Other sound is cut to the sample and encoded as AAC.

Sound that does not decode is copied or skipped; frames that do not decode are an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.encoder import Encoding, FrameFormat, pixel_formats
from occludenet_build.media.video.fields import field_order_of, with_fields
from occludenet_build.media.video.planes import in_format, working_format
from occludenet_build.media.video.sound import SoundQueue, TrimmedSound
from occludenet_build.media.video.source import VideoSource, display_of, open_video
from occludenet_build.media.video.writer import RunEncoder, TwinWriter, frame_format_of

TOLERANCE = Fraction(1, 10)
"""Maximum time by which a segment may end after the video, in seconds: durations are often rounded
up."""
_MARGIN = 2
"""Decoding starts at a key frame at least this long before the segment, in seconds."""
_SEEKS = ("mov", "matroska")
"""Containers that store the pts of every frame: seeking does not change the frame times."""
_LAG = 5
"""Duration after the last frame in which its sound may follow in the file, in seconds."""


@dataclass(frozen=True)
class CutSegment:
    """A segment that was cut; pts are those of the source, in ticks of `time_base`."""

    frames: int
    first_pts: int
    last_pts: int
    time_base: Fraction
    start_seconds: Fraction
    """Time of its first frame, from the first frame of the video."""
    sound: str
    """How sound was transferred: copied, encoded or none."""


Timed = tuple[int, av.VideoFrame]
"""pts and frame. The pts is kept apart because encoding changes it in the frame."""
FrameChange = Callable[[Iterator[Timed]], Iterator[Timed]]
"""What may change the frames of a segment before they are encoded: it takes and gives all of them,
in display order, with their pts. Frames are coded, not displayed ones, in the pixel format that is
encoded (module planes). Those that it gets belong to the decoder: it gives new ones instead."""


def unchanged(frames: Iterator[Timed]) -> Iterator[Timed]:
    """The FrameChange that changes nothing."""
    return frames


def cut_video(
    path: Path | str,
    start: Fraction,
    end: Fraction,
    out: Path,
    encoding: Encoding,
    pix_fmt: str = "source",
    change: FrameChange = unchanged,
) -> CutSegment:
    """Cut the segment from `start` to `end`, in seconds, and write it as MP4 to `out`.

    `change`: what is done to its frames before they are encoded. Raises ItemError: the reasons of
    opening a video, zero_frames, outside_video, corrupt, unreadable, encode_failed.
    """
    with open_video(path) as source:
        zero = next((pts for pts, _ in _timed(iter(source))), None)
        if zero is None:
            raise ItemError("zero_frames", source.first_error)
        can_seek = start > _MARGIN and source.container.format.name.startswith(_SEEKS)
    for seek in (True, False) if can_seek else (False,):
        with open_video(path) as source:
            segment = _SegmentPass(source, zero, start, end, change)
            if seek and not segment.seek():
                continue
            return segment.write(out, encoding, pix_fmt)
    raise AssertionError("the pass without seeking returns")


class _SegmentPass:
    """One pass over the source that cuts one segment."""

    def __init__(
        self,
        source: VideoSource,
        zero: int,
        start: Fraction,
        end: Fraction,
        change: FrameChange,
    ) -> None:
        self.source, self.zero, self.base = source, zero, source.time_base
        self._change = change
        self.begin, self.end = zero + start / self.base, zero + end / self.base
        self._packets = SoundQueue()
        self._frames = _timed(source.packets(self._packets))
        self._held: list[Timed] = []
        self._shown: list[int] = []  # pts minus those of the first frame
        self._stop = zero

    def seek(self) -> bool:
        """Seek to a key frame before the segment; False if seeking fails or ends after it."""
        target = int(self.begin - _MARGIN / self.base)
        try:
            self.source.container.seek(target, stream=self.source.stream)
            self._held = [next(self._frames)]
        except (FFmpegError, StopIteration):
            return False
        return self._held[0][0] <= target

    def write(self, out: Path, encoding: Encoding, pix_fmt: str) -> CutSegment:
        frames = chain(self._held, self._frames)
        first = next((timed for timed in frames if timed[0] >= self.begin), None)
        if first is None:
            raise ItemError("outside_video", "the video ends before the segment starts")
        if first[0] >= self.end:
            raise ItemError("outside_video", "no frame between start and end")
        errors = self.source.decode_errors
        picture = self._picture(first[1], encoding, pix_fmt)
        display = display_of(first[1])
        with TwinWriter(out, self.source, picture, encoding, display) as writer:
            begin, end = first[0] * self.base, self.end * self.base
            sound = TrimmedSound(writer, self.source, begin, end)
            self._packets.send_to(sound)
            encoder = RunEncoder(picture, encoding, [writer], self._shown, 0)
            last = self._encode(first, frames, encoder, picture.like.format.name)
            self._read_on(last, frames, sound)
            sound.finish()
        if self.source.decode_errors > errors:
            raise ItemError("corrupt", self.source.first_error)
        return self._piece(first[0], sound.how)

    def _picture(self, first: av.VideoFrame, encoding: Encoding, pix_fmt: str) -> FrameFormat:
        wanted = working_format(first, pixel_formats(encoding.codec), pix_fmt)
        self._field_order = field_order_of(first)
        like = with_fields(in_format(first, wanted), self._field_order)
        return frame_format_of(self.source, like)

    def _encode(
        self, first: Timed, frames: Iterator[Timed], encoder: RunEncoder, pixels: str
    ) -> Timed | None:
        """Encode the segment; return the first frame after it, or None at the end of the video."""
        after: list[Timed] = []
        for pts, frame in self._change(self._inside(first, frames, pixels, after)):
            self._shown.append(pts - first[0])
            frame.pict_type = PictureType.NONE  # the encoder places key frames itself
            encoder.encode(frame, pts - first[0])
        encoder.finish()
        if not after:
            self._check_end()
        return after[0] if after else None

    def _inside(
        self, first: Timed, frames: Iterator[Timed], pixels: str, after: list[Timed]
    ) -> Iterator[Timed]:
        """Yield the frames of the segment in the format `pixels`; the next one goes to `after`."""
        size = (first[1].width, first[1].height)
        before = None
        for pts, frame in chain([first], frames):
            if pts >= self.end:
                after.append((pts, frame))
                return
            self._check(pts, frame, size)
            self._stop = pts + (frame.duration or self._step(pts, before))
            before = pts
            yield pts, with_fields(in_format(frame, pixels), self._field_order)

    def _check(self, pts: int, frame: av.VideoFrame, size: tuple[int, int]) -> None:
        if (frame.width, frame.height) != size:
            raise ItemError("unreadable", f"frame size changes at {self._at(pts):.2f} s")
        if frame.is_corrupt:
            raise ItemError("corrupt", f"damaged frame at {self._at(pts):.2f} s")

    def _step(self, pts: int, before: int | None) -> int:
        """Duration of a frame in ticks, if the file does not state it; `before`: the last pts."""
        if before is not None:
            return pts - before
        return round(1 / (self.base * Fraction(self.source.stream.average_rate or 25)))

    def _check_end(self) -> None:
        if (self.end - self._stop) * self.base > TOLERANCE:
            detail = self.source.first_error or f"the video ends at {self._at(self._stop):.2f} s"
            raise ItemError("outside_video", detail)

    def _read_on(self, timed: Timed | None, frames: Iterator[Timed], sound: TrimmedSound) -> None:
        """Read on after the last frame: its sound may follow later in the file."""
        limit = self.end + _LAG / self.base
        while timed is not None and timed[0] < limit and not sound.done:
            timed = next(frames, None)

    def _at(self, pts: int) -> float:
        """Time of a pts in seconds from the first frame of the video."""
        return float((pts - self.zero) * self.base)

    def _piece(self, first_pts: int, sound: str) -> CutSegment:
        return CutSegment(
            frames=len(self._shown),
            first_pts=first_pts,
            last_pts=first_pts + self._shown[-1],
            time_base=self.base,
            start_seconds=(first_pts - self.zero) * self.base,
            sound=sound,
        )


def _timed(frames: Iterator[av.VideoFrame]) -> Iterator[Timed]:
    for frame in frames:
        assert frame.pts is not None  # VideoSource sets a pts for every frame
        yield frame.pts, frame
