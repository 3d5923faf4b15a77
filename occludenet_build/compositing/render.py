"""One clip from its source to all its outputs: decoded once, every scale in one pass.

Of each frame: copy it to the canvas, erase the actor if asked to, encode the clean twin, then for
every scale lay the occluder on, encode, and put the pixels back. Sound packets are passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.compositing.ahead import Ahead
from occludenet_build.compositing.canvas import Canvas
from occludenet_build.compositing.cutout import Cutout, read_rgba
from occludenet_build.compositing.erase import Eraser, Erasure, sampled_frames
from occludenet_build.compositing.geometry import Box
from occludenet_build.compositing.truth import TruthRows
from occludenet_build.config import Composite
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import replacing
from occludenet_build.core.video.display import Display
from occludenet_build.core.video.planes import in_format, views, working_format
from occludenet_build.core.video.source import Source, display_of, reading
from occludenet_build.core.video.writer import SharedSound, TwinWriter


@dataclass(frozen=True)
class ClipJob:
    """All that makes the outputs of one source clip."""

    clip: str
    source: Path
    frames: int
    boxes: dict[int, tuple[Box, bool]]
    """Frame -> the actor's box and whether it was interpolated; other frames stay as they are."""
    cutout: Path
    root: Path
    """The build's folder."""
    targets: dict[float, str]
    """Scale -> the file that is written, relative to root."""
    clean: str | None
    """The twin without an occluder, relative to root."""
    erasure: Erasure | None = None

    @property
    def outputs(self) -> list[str]:
        return [*self.targets.values(), *([self.clean] if self.clean else [])]


@dataclass(frozen=True)
class Rendered:
    truth: TruthRows
    pix_fmt: str
    sound: str
    """copied, encoded or none."""


def render(job: ClipJob, settings: Composite) -> Rendered:
    """Write all outputs of a clip, each whole or not at all.

    Raises ItemError: the reasons of reading, source_changed, encode_failed.
    """
    with ExitStack() as targets:
        paths = {s: targets.enter_context(replacing(job.root / n)) for s, n in job.targets.items()}
        clean = targets.enter_context(replacing(job.root / job.clean)) if job.clean else None
        with reading(job.source) as source:
            clip = _Clip(job, settings, source)
            with clip.writing(paths, clean):
                for number, frame in enumerate(clip.frames()):
                    clip.write(number, frame)
        if source.frame_count != job.frames:
            raise ItemError(
                "source_changed", f"{source.frame_count} frames, {job.frames} when indexed"
            )
    return clip.rendered()


class _Clip:
    """The state of one pass over a clip."""

    def __init__(self, job: ClipJob, settings: Composite, source: Source) -> None:
        self.job, self.settings, self.source = job, settings, source
        self._packets = source.packets(self._sound_packet)
        self._early: list = []  # sound that comes before the first frame
        self._sound: SharedSound | None = None
        self._first = next(self._packets, None)
        if self._first is None:
            raise ItemError("zero_frames", source.first_error)
        self.display = display_of(self._first)
        self.canvas = Canvas(self._first, working_format(self._first))
        aspect = float(source.stream.sample_aspect_ratio or 1)
        cutout = Cutout(read_rgba(job.cutout), self.canvas.layout, self.display, aspect)
        scales = tuple(job.targets)
        self._ahead = Ahead(job.boxes, cutout, self.display, scales, settings.scale_mode)
        self._facts: list[tuple[int, dict[float, dict]]] = []  # pts and facts by scale, per frame
        self.eraser: Eraser | None = None
        if job.erasure is not None:
            path, frames = job.source, job.frames
            self.eraser = _eraser(job.erasure, path, frames, self.canvas, self.display)

    def _sound_packet(self, packet) -> None:
        if self._sound is None:
            self._early.append(packet)
        else:
            self._sound(packet)

    def frames(self) -> Iterator:
        yield self._first
        yield from self._packets

    def writing(self, paths: dict[float, Path], clean: Path | None) -> ExitStack:
        """Open an encoder per output; closing the stack finishes the files."""
        stack = ExitStack()
        try:
            self.writers = {s: stack.enter_context(self._writer(p)) for s, p in paths.items()}
            self.clean = stack.enter_context(self._writer(clean)) if clean else None
        except BaseException:
            stack.close()
            raise
        writers = [*self.writers.values(), *([self.clean] if self.clean else [])]
        self._sound = SharedSound(writers, self.source)
        for packet in self._early:
            self._sound(packet)
        return stack

    def _writer(self, path: Path) -> TwinWriter:
        rate = float(self.source.stream.average_rate or 25)
        return TwinWriter(
            path,
            self.source,
            self.canvas.frame,
            rotation=self.display.rotation,
            crf=self.settings.crf,
            preset=self.settings.preset,
            gop=max(1, round(self.settings.keyframe_seconds * rate)),
        )

    def write(self, number: int, frame) -> None:
        self.canvas.load(frame)
        if self.eraser is not None:
            self.eraser.erase(number, self.canvas.planes)
        if self.clean is not None:
            self.clean.frame(self.canvas.frame, frame.pts)
        pastes = self._ahead.at(number)
        changes = {s: self.canvas.blended(p.patch, p.x, p.y) for s, p in pastes.items()}
        for scale, writer in self.writers.items():
            with self.canvas.showing(changes.get(scale, [])):
                writer.frame(self.canvas.frame, frame.pts)
        self._facts.append((frame.pts, {scale: p.facts for scale, p in pastes.items()}))

    def rendered(self) -> Rendered:
        sound = self._sound.how if self._sound else "none"
        return Rendered(self._truth(), self.canvas.frame.format.name, sound)

    def _truth(self) -> TruthRows:
        rows = TruthRows(self.job.clip)
        for number, (pts, facts) in enumerate(self._facts):
            seconds = float(pts * self.source.time_base)
            for scale in self.job.targets:
                rows.add(scale, number, pts, seconds, **facts.get(scale, {}))
        return rows


def _eraser(
    erasure: Erasure, source: Path, frames: int, canvas: Canvas, display: Display
) -> Eraser:
    """The clip's eraser; the median looks at the clip in a pass of its own."""
    eraser = Eraser(erasure, canvas.layout, display)
    if erasure.fill == "median":
        wanted, pixels = sampled_frames(frames), canvas.frame.format.name
        with reading(source) as again:
            for number, frame in enumerate(again):
                if number in wanted:
                    eraser.look(number, views(in_format(frame, pixels), canvas.layout))
    return eraser
