"""One clip from its source to all its outputs: decoded once, everything in one pass.

A clip falls into segments (`segments`): stretches without an occluder, which are encoded once and
shared, and the others. Of each frame: copy it to the frame buffer, encode it for the outputs that
show it as it is, then for every scale paste the occluder, encode, and put the pixels back; the same
again with the actor erased. Sound packets are passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

from occludenet_build.compositing.erasing import Eraser, sampled_frames
from occludenet_build.compositing.frame_buffer import FrameBuffer
from occludenet_build.compositing.ground_truth import TruthRows
from occludenet_build.compositing.jobs import ClipJob, Rendered
from occludenet_build.compositing.patch_prefetch import Paste, PatchPrefetch
from occludenet_build.compositing.patches import Cutout, read_rgba
from occludenet_build.compositing.placement import ClipGeometry, Placement
from occludenet_build.compositing.segments import Segment, contents, segments_of
from occludenet_build.compositing.target import solve
from occludenet_build.config import Composite
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import replacing
from occludenet_build.core.video.encoder import (
    JOINS,
    Encoding,
    formats,
    group_size,
    version,
)
from occludenet_build.core.video.joined import RunEncoder
from occludenet_build.core.video.planes import in_format, views, working_format
from occludenet_build.core.video.sound import SharedSound, SoundQueue, how_passed
from occludenet_build.core.video.source import Source, check_indexed, display_of, reading
from occludenet_build.core.video.writer import TwinWriter, picture_of


def render(job: ClipJob, settings: Composite) -> Rendered:
    """Write all outputs of a clip, each whole or not at all.

    Raises ItemError: the reasons of reading, source_changed, encode_failed, target_missed,
    no_occluded_frame.
    """
    with ExitStack() as targets:
        paths = [targets.enter_context(replacing(job.root / out.file)) for out in job.outputs]
        with reading(job.source) as source:
            if job.sha256 is not None:  # after opening: what is no video has its own reason
                check_indexed(job.source, job.sha256)
            clip = _Clip(job, settings, source)
            with clip.writing(paths):
                clip.write()
        if source.frame_count != job.frames:
            raise ItemError(
                "source_changed", f"{source.frame_count} frames, {job.frames} when indexed"
            )
        rendered = clip.rendered()
        counts = rendered.truth.occluded_frames()
        if counts and not min(counts.values()):
            raise ItemError("no_occluded_frame", f"occluded frames by scale: {counts}")
    return rendered


ByScale = dict[float | None, RunEncoder]
"""Scale of the occluder (None: none is there) -> what encodes the pictures that show it."""


class _Clip:
    """The state of one pass over a clip."""

    def __init__(self, job: ClipJob, settings: Composite, source: Source) -> None:
        self.job, self.settings, self.source = job, settings, source
        self.encoding = Encoding.of(settings)
        self._packets = SoundQueue()
        self._frames = source.packets(self._packets)
        self._first = next(self._frames, None)
        if self._first is None:
            raise ItemError("zero_frames", source.first_error)
        self.display = display_of(self._first)
        wanted = working_format(self._first, formats(settings.codec), settings.pix_fmt)
        self.buffer = FrameBuffer(self._first, wanted)
        self._place()
        self._shown: list[int] = []  # pts
        self._truth = TruthRows(job.clip, job.scales)
        self._erased: FrameBuffer | None = None
        self._eraser: Eraser | None = None
        if any(out.erased for out in job.outputs):
            self._erased = FrameBuffer(self._first, wanted)
            self._eraser = _eraser(job, self.buffer, self.display)

    def _place(self) -> None:
        """Where the occluders stand: known before any pixel is decoded."""
        job, settings, layout = self.job, self.settings, self.buffer.layout
        aspect = float(self.source.stream.sample_aspect_ratio or 1)
        cutouts = [Cutout(read_rgba(p), layout, self.display, aspect) for p in job.cutouts]
        geometry = ClipGeometry(
            job.clip, self.display.size, job.frames, job.fps, job.boxes, job.seed
        )
        self._placement = Placement(geometry, [cutout.size for cutout in cutouts], settings)
        self.factors, self.shares = {s: s for s in job.scales}, {}
        if settings.scale_mode == "target":
            tolerance = settings.target_tolerance
            found = solve(self._placement, cutouts, job.masks, job.scales, tolerance)
            self.factors = {scale: solution.factor for scale, solution in found.items()}
            self.shares = {scale: solution.share for scale, solution in found.items()}
        self._patches = PatchPrefetch(self._placement, cutouts, layout, self.display, self.factors)

    def _segments(self) -> list[Segment]:
        frames = range(self.job.frames)
        largest = max(self.factors.values(), default=0)  # covers what smaller ones touch
        pasted = [bool(self._placement.rects(n, largest)) for n in frames]
        masked = self.job.masks if self._eraser is not None else {}
        least = self.settings.share_frames if self.encoding.codec in JOINS else 0
        group = group_size(self.encoding, self._picture.rate)
        return segments_of(pasted, [n in masked for n in frames], least, group)

    def writing(self, paths: list[Path]) -> ExitStack:
        """Open the outputs; closing the stack finishes the files."""
        self._picture = picture_of(self.source, self.buffer.frame)
        stack = ExitStack()
        try:
            self.writers = [stack.enter_context(self._writer(path)) for path in paths]
        except BaseException:
            stack.close()
            raise
        self._packets.send_to(SharedSound(self.writers, self.source))
        return stack

    def _writer(self, path: Path) -> TwinWriter:
        return TwinWriter(path, self.source, self._picture, self.encoding, self.display.rotation)

    def write(self) -> None:
        """All segments, one after the other."""
        frames = chain([self._first], self._frames)
        segments = self._segments()
        self.encoder = ""
        for segment in segments:
            plain, erased = self._encoders(segment)
            # more frames than were indexed are an error that is raised at the end
            length = None if segment is segments[-1] else segment.stop - segment.start
            for frame in islice(frames, length):
                self._write_frame(frame, plain, erased)
            for encoder in (*plain.values(), *erased.values()):
                encoder.finish()
                self.encoder = self.encoder or version(self.encoding.codec, encoder.beginning)
            plain.clear()  # their pictures would stay beside the next segment's
            erased.clear()

    def _encoders(self, segment: Segment) -> tuple[ByScale, ByScale]:
        """What encodes the clip in a segment, and what the clip without its actor."""
        found: tuple[ByScale, ByScale] = ({}, {})
        outputs = [(out.scale, out.erased) for out in self.job.outputs]
        for (scale, erased), members in contents(segment, outputs).items():
            writers = [self.writers[number] for number in members]
            encoder = RunEncoder(self._picture, self.encoding, writers, self._shown, segment.start)
            found[erased][scale] = encoder
        return found

    def _write_frame(self, frame, plain: ByScale, erased: ByScale) -> None:
        number = len(self._shown)
        self._shown.append(frame.pts)
        pastes = self._patches.at(number)
        facts = {scale: paste.facts for scale, paste in pastes.items()}
        self._truth.add(frame.pts, float(frame.pts * self.source.time_base), facts)
        self.buffer.load(frame)
        _encode(self.buffer, plain, pastes, frame.pts)
        if erased:
            assert self._erased is not None and self._eraser is not None
            self._erased.copy(self.buffer)
            self._eraser.erase(number, self._erased.planes)
            _encode(self._erased, erased, pastes, frame.pts)

    def rendered(self) -> Rendered:
        return Rendered(
            truth=self._truth,
            pix_fmt=self.buffer.frame.format.name,
            sound=how_passed(self.source),
            encoder=self.encoder,
            factors=self.factors,
            shares=self.shares,
        )


def _encode(
    buffer: FrameBuffer, encoders: ByScale, pastes: Mapping[float, Paste], pts: int
) -> None:
    """Give one picture to its encoders, to each with its occluder."""
    shown = {s: p for s, p in pastes.items() if s in encoders}
    changes = {s: buffer.blended(p.patch, p.x, p.y) for s, p in shown.items()}
    for scale, encoder in encoders.items():
        on_top = changes.get(scale, []) if scale is not None else []
        buffer.show(on_top)
        encoder.encode(buffer.frame, pts)
        buffer.hide(on_top)


def _eraser(job: ClipJob, buffer: FrameBuffer, display) -> Eraser:
    """The clip's eraser; the median looks at the clip in a pass of its own."""
    assert job.erasure is not None
    eraser = Eraser(job.erasure, job.masks, buffer.layout, display)
    if job.erasure.fill == "median":
        wanted, pixels = sampled_frames(job.frames), buffer.frame.format.name
        with reading(job.source) as again:
            for number, frame in enumerate(again):
                if number in wanted:
                    eraser.look(number, views(in_format(frame, pixels), buffer.layout))
    return eraser
