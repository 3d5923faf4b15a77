"""Cutting a stretch out of a long video, frame by frame, with its sound.

`seconds` count from the video's first frame. What is exact:

- the pictures are those whose time t has start <= t < end, decoded as when the video is read from
  its beginning, and encoded again;
- their pts are the source's, in the source's own time base, less those of the first of them;
- sound that MP4 carries is copied packet by packet, and moves against the pictures by no more than
  half a tick of its own clock (11 us in MP4 at 44.1 kHz, 0.5 ms in Matroska). It begins with the
  first picture: PREROLL of sound before it is there for the decoder, and the edit list has players
  pass over it, so that what is heard is what is heard in the video. It ends with the
  packet (1/40 s) in which the wanted end lies, while the last picture may be shown beyond that;
- other sound is cut to the sample and encoded as AAC.

Sound that does not decode is left as it is; pictures that do not decode are an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.encoder import Encoding, Picture, formats
from occludenet_build.media.video.planes import in_format, working_format
from occludenet_build.media.video.sound import SoundQueue, TrimmedSound
from occludenet_build.media.video.source import Source, display_of, reading
from occludenet_build.media.video.writer import RunEncoder, TwinWriter, picture_of

TOLERANCE = Fraction(1, 10)
"""A stretch may end so much later than the video, seconds: lengths are often rounded up."""
_MARGIN = 2
"""Decoding starts at a key frame at least so much before the stretch, seconds."""
_SEEKS = ("mov", "matroska")
"""Containers that hold every frame's pts: after a jump the times are those of a whole pass."""
_LAG = 5
"""Sound is looked for in so many seconds of file after the last picture."""


@dataclass(frozen=True)
class Piece:
    """What was cut. Times are pts of the source."""

    frames: int
    first_pts: int
    last_pts: int
    time_base: Fraction
    start_seconds: Fraction
    """Of its first picture, from the video's first frame."""
    sound: str
    """copied, encoded or none."""


def cut(
    path: Path | str,
    start: Fraction,
    end: Fraction,
    out: Path,
    encoding: Encoding,
    pix_fmt: str = "source",
) -> Piece:
    """Write the stretch as MP4 to `out`.

    Raises ItemError: what `reading` raises, zero_frames, outside_video, corrupt, unreadable,
    encode_failed.
    """
    with reading(path) as source:
        zero = next((pts for pts, _ in _timed(iter(source))), None)
        if zero is None:
            raise ItemError("zero_frames", source.first_error)
        jumps = start > _MARGIN and source.container.format.name.startswith(_SEEKS)
    for jump in (True, False) if jumps else (False,):
        with reading(path) as source:
            stretch = _Stretch(source, zero, start, end)
            if jump and not stretch.jump():
                continue
            return stretch.write(out, encoding, pix_fmt)
    raise AssertionError("the pass without a jump returns")


Timed = tuple[int, av.VideoFrame]
"""A frame with its pts, which encoding changes in the frame itself."""


class _Stretch:
    """One pass over the source."""

    def __init__(self, source: Source, zero: int, start: Fraction, end: Fraction) -> None:
        self.source, self.zero, self.base = source, zero, source.time_base
        self.begin, self.end = zero + start / self.base, zero + end / self.base
        self._packets = SoundQueue()
        self._frames = _timed(source.packets(self._packets))
        self._held: list[Timed] = []
        self._shown: list[int] = []  # pts, those of the first picture taken off
        self._stop = zero

    def jump(self) -> bool:
        """Go to a key frame before the stretch; False where that does not lead there."""
        target = int(self.begin - _MARGIN / self.base)
        try:
            self.source.container.seek(target, stream=self.source.stream)
            self._held = [next(self._frames)]
        except (FFmpegError, StopIteration):
            return False
        return self._held[0][0] <= target

    def write(self, out: Path, encoding: Encoding, pix_fmt: str) -> Piece:
        frames = chain(self._held, self._frames)
        first = next((timed for timed in frames if timed[0] >= self.begin), None)
        if first is None:
            raise ItemError("outside_video", "the video ends before the segment starts")
        if first[0] >= self.end:
            raise ItemError("outside_video", "no frame between start and end")
        errors = self.source.decode_errors
        picture = self._picture(first[1], encoding, pix_fmt)
        rotation = display_of(first[1]).rotation
        with TwinWriter(out, self.source, picture, encoding, rotation) as writer:
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

    def _picture(self, first: av.VideoFrame, encoding: Encoding, pix_fmt: str) -> Picture:
        wanted = working_format(first, formats(encoding.codec), pix_fmt)
        return picture_of(self.source, in_format(first, wanted))

    def _encode(
        self, first: Timed, frames: Iterator[Timed], encoder: RunEncoder, pixels: str
    ) -> Timed | None:
        """The first frame beyond the stretch, if there is one."""
        size, zero = (first[1].width, first[1].height), first[0]
        timed: Timed | None = first
        while timed is not None and timed[0] < self.end:
            pts, frame = timed
            self._check(pts, frame, size)
            self._shown.append(pts - zero)
            self._stop = pts + (frame.duration or self._step())
            plain = in_format(frame, pixels)
            plain.pict_type = PictureType.NONE  # the source's key frames are not ours
            encoder.encode(plain, pts - zero)
            timed = next(frames, None)
        encoder.finish()
        if timed is None:
            self._check_end()
        return timed

    def _check(self, pts: int, frame: av.VideoFrame, size: tuple[int, int]) -> None:
        if (frame.width, frame.height) != size:
            raise ItemError("unreadable", f"picture size changes at {self._at(pts):.2f} s")
        if frame.is_corrupt:
            raise ItemError("corrupt", f"a damaged picture at {self._at(pts):.2f} s")

    def _step(self) -> int:
        """Ticks from one picture to the next, where the file does not say."""
        if len(self._shown) > 1:
            return self._shown[-1] - self._shown[-2]
        return round(1 / (self.base * Fraction(self.source.stream.average_rate or 25)))

    def _check_end(self) -> None:
        if (self.end - self._stop) * self.base > TOLERANCE:
            detail = self.source.first_error or f"the video ends at {self._at(self._stop):.2f} s"
            raise ItemError("outside_video", detail)

    def _read_on(self, timed: Timed | None, frames: Iterator[Timed], sound: TrimmedSound) -> None:
        """Sound may come later in the file than its pictures."""
        limit = self.end + _LAG / self.base
        while timed is not None and timed[0] < limit and not sound.done:
            timed = next(frames, None)

    def _at(self, pts: int) -> float:
        """Seconds from the video's first frame."""
        return float((pts - self.zero) * self.base)

    def _piece(self, first_pts: int, sound: str) -> Piece:
        return Piece(
            frames=len(self._shown),
            first_pts=first_pts,
            last_pts=first_pts + self._shown[-1],
            time_base=self.base,
            start_seconds=(first_pts - self.zero) * self.base,
            sound=sound,
        )


def _timed(frames: Iterator[av.VideoFrame]) -> Iterator[Timed]:
    for frame in frames:
        assert frame.pts is not None  # the source sees to it
        yield frame.pts, frame
