"""Renders one clip: decodes the source once and writes all outputs in the same pass.

A clip is split into segments with and without an occluder (`split_segments`). Where no occluder is
pasted, every scale and the clean twin show the same pictures, which are encoded once; this holds
for 30 % of the frames of the release. Each segment is encoded separately and starts with a key
frame, so short ones are not split off.

Frames are copied to frame buffers, a batch at a time, and encoded for the outputs that show them
unchanged. Then, for every scale, the occluders are pasted, the frames encoded and the pixels
restored. The same steps follow with the actor erased. Sound packets are copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, groupby, islice, pairwise
from pathlib import Path
from typing import NamedTuple, cast

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import replacing
from occludenet_build.media.video.encoder import (
    JOINABLE_ENCODERS,
    Encoding,
    encoder_version,
    group_size,
    pixel_formats,
)
from occludenet_build.media.video.planes import in_format, plane_arrays, working_format
from occludenet_build.media.video.sound import SharedSound, SoundQueue
from occludenet_build.media.video.source import VideoSource, check_indexed, display_of, open_video
from occludenet_build.media.video.writer import RunEncoder, TwinWriter, frame_format_of
from occludenet_build.occlusion.counterfactual import Eraser, median_frames
from occludenet_build.occlusion.frame_batch import (
    BatchFrame,
    ByScale,
    SoundWrite,
    batch_length,
    encode_batch,
)
from occludenet_build.occlusion.frame_buffer import FrameBuffer
from occludenet_build.occlusion.ground_truth import TruthRows
from occludenet_build.occlusion.jobs import ClipJob, RenderResult
from occludenet_build.occlusion.patches import (
    ClipCutout,
    PatchPrefetch,
    check_occluder,
    read_occluder,
)
from occludenet_build.occlusion.placement import ClipGeometry, Placement
from occludenet_build.occlusion.target_size import factors_and_shares

Content = tuple[float | None, bool]
"""Content of a picture: the scale of its occluder (None: no occluder), and whether the actor is
erased."""


def render(job: ClipJob, settings: Composite, leave: bool = False) -> RenderResult:
    """Write all outputs of a clip; none is left incomplete.

    With `leave` the complete files keep their temporary names, for files.publish_all.
    Raises ItemError: source_changed, occluder_changed, encode_failed, target_missed,
    no_occluded_frame, and the reasons of media.video.source.reading.
    """
    with ExitStack() as targets:
        final = [job.root / out.file for out in job.outputs]
        paths = [targets.enter_context(replacing(path, leave=leave)) for path in final]
        with open_video(job.source) as source:
            if job.sha256 is not None:  # after opening: a file that is no video has its own reason
                check_indexed(job.source, job.sha256)
            clip = _ClipRenderer(job, settings, source)
            with clip.writing(paths):
                clip.write()
        if source.frame_count != job.frames:
            raise ItemError(
                "source_changed", f"{source.frame_count} frames, {job.frames} when indexed"
            )
        rendered = clip.result(paths if leave else final)
        counts = rendered.truth.occluded_frames()
        if counts and not min(counts.values()):
            raise ItemError("no_occluded_frame", f"occluded frames by scale: {counts}")
    return rendered


class RenderSegment(NamedTuple):
    """Frames from `start` to `stop` - 1, and whether any of them has a paste or an erased actor."""

    start: int
    stop: int
    pasted: bool
    erased: bool


def split_segments(
    pasted: Sequence[bool], erased: Sequence[bool], least: int, group: int
) -> list[RenderSegment]:
    """Split a clip into alternating segments with and without an occluder.

    `pasted`, `erased`: per frame. `least`: minimum length of a segment without an occluder, frames;
    0 gives one segment. `group`: frames between key frames. No segment ends in a key frame, since
    consecutive key frames of two encoders can have the same number, which H.264 forbids.

    Erased frames do not split a segment: the bytes of the occluded clips are the same for all
    masks, with and without counterfactuals.
    """
    frames = len(pasted)
    if least == 0 or group < 3:
        return [_segment(0, frames, pasted, erased)]
    borders = _borders(pasted, max(least, 4))
    for at in range(1, len(borders) - 1):
        if _ends_in_key_frame(borders[at] - borders[at - 1], group):
            # moves one frame from the segment without an occluder to the other one
            borders[at] += 1 if pasted[borders[at] - 1] else -1
    return [_segment(a, b, pasted, erased) for a, b in pairwise(borders)]


def _ends_in_key_frame(length: int, group: int) -> bool:
    return length % group == 1


def _borders(pasted: Sequence[bool], least: int) -> list[int]:
    """First frames of the segments, and the number of frames of the clip."""
    borders, at = [0], 0
    for is_pasted, members in groupby(pasted):
        length = sum(1 for _ in members)
        if not is_pasted and length >= least:
            borders += [at, at + length]
        at += length
    return sorted({*borders, at})


def _segment(
    start: int, stop: int, pasted: Sequence[bool], erased: Sequence[bool]
) -> RenderSegment:
    return RenderSegment(start, stop, any(pasted[start:stop]), any(erased[start:stop]))


def group_outputs(segment: RenderSegment, outputs: Sequence[Content]) -> dict[Content, list[int]]:
    """Content of each encode of a segment -> numbers of the outputs that share the encode."""
    groups: dict[Content, list[int]] = {}
    for number, (scale, erased) in enumerate(outputs):
        content = (scale if segment.pasted else None, erased and segment.erased)
        groups.setdefault(content, []).append(number)
    return groups


class _ClipRenderer:
    """The state of one pass over a clip."""

    def __init__(self, job: ClipJob, settings: Composite, source: VideoSource) -> None:
        self.job, self.settings, self.source = job, settings, source
        self.encoding = Encoding.of(settings)
        self._packets = SoundQueue()
        self._frames = source.packets(self._packets)
        self._first = next(self._frames, None)
        if self._first is None:
            raise ItemError("zero_frames", source.first_error)
        self.display = display_of(self._first)
        pixel_format = working_format(self._first, pixel_formats(settings.codec), settings.pix_fmt)
        self._new_buffer = partial(FrameBuffer, self._first, pixel_format)
        self.buffer = self._new_buffer()
        self._place_occluders()
        self._pts: list[int] = []  # of the frames written so far
        self._truth = TruthRows(job.clip, job.scales)
        self._batch = batch_length(self._first.width, self._first.height)
        self._buffers: dict[tuple[int, bool], FrameBuffer] = {(0, False): self.buffer}
        self._writes: list[SoundWrite] = []  # sound since the last frame
        self._eraser: Eraser | None = None
        if any(out.erased for out in job.outputs):
            self._eraser = _eraser(job, self.buffer, self.display)

    def _place_occluders(self) -> None:
        """Compute all rectangles, before any pixel is decoded."""
        job, settings, layout = self.job, self.settings, self.buffer.layout
        aspect = float(self.source.stream.sample_aspect_ratio or 1)
        for path, sha256 in zip(job.cutouts, job.cutout_hashes, strict=False):
            check_occluder(path, sha256)
        cutouts = [ClipCutout(read_occluder(p), layout, self.display, aspect) for p in job.cutouts]
        geometry = ClipGeometry(
            job.clip, self.display.size, job.frames, job.fps, job.boxes, job.seed
        )
        self._placement = Placement(geometry, [cutout.size for cutout in cutouts], settings)
        self.factors, self.shares = factors_and_shares(
            self._placement, cutouts, job.masks, job.scales, settings
        )
        self._patches = PatchPrefetch(self._placement, cutouts, layout, self.display, self.factors)

    def _segments(self) -> list[RenderSegment]:
        frames = range(self.job.frames)
        largest = max(self.factors.values(), default=0)  # covers the frames of all smaller ones
        pasted = [bool(self._placement.rects(n, largest)) for n in frames]
        masked = self.job.masks if self._eraser is not None else {}
        least = self.settings.share_frames if self.encoding.codec in JOINABLE_ENCODERS else 0
        group = group_size(self.encoding, self._picture.rate)
        return split_segments(pasted, [n in masked for n in frames], least, group)

    def writing(self, paths: list[Path]) -> ExitStack:
        """Open the outputs; closing the returned stack finishes the files."""
        self._picture = frame_format_of(self.source, self.buffer.frame)
        stack = ExitStack()
        try:
            self.writers = [stack.enter_context(self._writer(path)) for path in paths]
        except BaseException:
            stack.close()
            raise
        self._sound = SharedSound(self.writers, self.source)
        self._packets.send_to(self._keep_sound)
        return stack

    def _keep_sound(self, packet) -> None:
        write = self._sound.write_of(packet)
        if write is not None:
            self._writes.append(write)

    def _writer(self, path: Path) -> TwinWriter:
        return TwinWriter(path, self.source, self._picture, self.encoding, self.display)

    def write(self) -> None:
        """Encode all segments in turn."""
        frames = chain([self._first], self._frames)
        segments = self._segments()
        self.encoder = ""
        for segment in segments:
            plain, erased = self._encoders(segment)
            # frames beyond the indexed number are read too; `render` raises the error at the end
            length = None if segment is segments[-1] else segment.stop - segment.start
            self._write_batches(islice(frames, length), plain, erased)
            for encoder in (*plain.values(), *erased.values()):
                encoder.write_sound(self._writes)
                encoder.finish()
                self.encoder = self.encoder or encoder_version(
                    self.encoding.codec, encoder.beginning
                )
            self._writes.clear()
            plain.clear()  # releases their pictures before the next segment
            erased.clear()

    def _encoders(self, segment: RenderSegment) -> tuple[ByScale, ByScale]:
        """The encoders of a segment: of the clip, and of the clip with the actor erased."""
        encoders: tuple[ByScale, ByScale] = ({}, {})
        outputs = [(out.scale, out.erased) for out in self.job.outputs]
        for (scale, erased), members in group_outputs(segment, outputs).items():
            writers = [self.writers[number] for number in members]
            encoder = RunEncoder(self._picture, self.encoding, writers, self._pts, segment.start)
            encoders[erased][scale] = encoder
        return encoders

    def _write_batches(self, frames: Iterator, plain: ByScale, erased: ByScale) -> None:
        """Encode the frames of a segment."""
        while True:
            prepared: list[list[BatchFrame]] = [[], []]
            for at, frame in enumerate(islice(frames, self._batch)):
                self._prepare(at, frame, (plain, erased), prepared)
            if not prepared[0]:
                return
            encode_batch(prepared[0], plain)
            encode_batch(prepared[1], erased)

    def _prepare(
        self,
        at: int,
        frame,
        encoders: tuple[ByScale, ByScale],
        prepared: list[list[BatchFrame]],
    ) -> None:
        """Add the next frame of the clip, number `at` of its batch, as it is and erased."""
        number, pts = len(self._pts), cast(int, frame.pts)
        self._pts.append(pts)
        pastes = self._patches.pastes_at(number)
        truth = {scale: paste.truth for scale, paste in pastes.items()}
        tick = self.source.time_base
        # without Fractions, which are slow
        self._truth.add(pts, pts * tick.numerator / tick.denominator, truth)
        buffer = self._buffer(at, False)
        buffer.load(frame)
        prepared[0].append(BatchFrame(buffer, pts, sound=self._writes))
        if encoders[1]:
            assert self._eraser is not None
            other = self._buffer(at, True)
            other.copy(buffer)
            self._eraser.erase(number, other.planes)
            prepared[1].append(BatchFrame(other, pts, sound=self._writes))
        for frames, members in zip(prepared, encoders, strict=True):
            for one in frames[at:]:
                one.blend(pastes, members)
        self._writes = []

    def _buffer(self, at: int, erased: bool) -> FrameBuffer:
        """The buffer of frame `at` of a batch; short segments need few."""
        found = self._buffers.get((at, erased))
        if found is None:
            found = self._buffers[at, erased] = self._new_buffer()
        return found

    def result(self, paths: Sequence[Path]) -> RenderResult:
        return RenderResult(
            truth=self._truth,
            pix_fmt=self.buffer.frame.format.name,
            sound=self._sound.how,
            encoder=self.encoder,
            factors=self.factors,
            shares=self.shares,
            written={out.file: path for out, path in zip(self.job.outputs, paths, strict=True)},
        )


def _eraser(job: ClipJob, buffer: FrameBuffer, display) -> Eraser:
    """The clip's eraser; the fill `median` reads the clip in a separate pass."""
    assert job.erasure is not None
    eraser = Eraser(job.erasure, job.masks, buffer.layout, display)
    if job.erasure.fill == "median":
        sampled, pixel_format = median_frames(job.frames), buffer.frame.format.name
        with open_video(job.source) as frames:
            for number, frame in enumerate(frames):
                if number in sampled:
                    eraser.add_to_median(
                        number, plane_arrays(in_format(frame, pixel_format), buffer.layout)
                    )
    return eraser
