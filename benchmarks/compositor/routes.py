"""The ways from a source to its three occluded clips. All use the same encoder settings.

Inside a running worker:  `ours`, and `same_content`, the floor that knows the pixels before
Programs of their own:    `room` (a whole shard), `plain` (no occluder), `rival`, `overlay`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import imageio_ffmpeg
import numpy as np

from compositor.clips import FPS, Clip, Shard
from occludenet_build import config as cfg
from occludenet_build.compositing import render as render_module
from occludenet_build.compositing.cutout import read_rgba
from occludenet_build.compositing.geometry import Rect, place
from occludenet_build.compositing.render import ClipJob, render
from occludenet_build.config import Composite
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.core.video.planes import layout_of, new_frame, views
from occludenet_build.core.video.source import reading
from occludenet_build.core.video.writer import SharedSound, TwinWriter


def ours(job: ClipJob, settings: Composite) -> None:
    """What a worker of the room does for a clip, ground truth and hashes included."""
    tables.digest(render(job, settings).truth.table())
    for name in job.outputs:
        sha256_file(job.root / name)


class _Recorder(TwinWriter):
    """An encoder that keeps a copy of every frame it gets, by name of its output."""

    kept: dict[str, list]

    def __init__(self, path: Path, *arguments, **options) -> None:
        super().__init__(path, *arguments, **options)
        self._mine = self.kept.setdefault(path.name, [])

    def frame(self, frame, pts: int) -> None:
        copy, layout = new_frame(frame), layout_of(frame)
        for mine, theirs in zip(views(copy, layout), views(frame, layout), strict=True):
            np.copyto(mine, theirs)
        self._mine.append(copy)
        super().frame(frame, pts)


@contextmanager
def _recorded(kept: dict[str, list]) -> Iterator[None]:
    recorder = type("Recorder", (_Recorder,), {"kept": kept})
    with mock.patch.object(render_module, "TwinWriter", recorder):
        yield


class SameContent:
    """Decode, and the same three encodes of the already composited frames, in one process."""

    def __init__(self, job: ClipJob, settings: Composite, folder: Path) -> None:
        self._job, self._settings, self._folder = job, settings, folder
        self._frames: dict[str, list] = {}
        with _recorded(self._frames):
            render(job, settings)
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self) -> None:
        with reading(self._job.source) as source, ExitStack() as stack:
            writers = []
            for name, frames in self._frames.items():
                writer = stack.enter_context(self._writer(self._folder / name, source, frames[0]))
                writers.append((writer, frames))
            sound = SharedSound([writer for writer, _ in writers], source)
            for number, frame in enumerate(source.packets(sound)):
                for writer, frames in writers:
                    writer.frame(frames[number], frame.pts)

    def _writer(self, path: Path, source, like) -> TwinWriter:
        settings = self._settings
        gop = round(settings.keyframe_seconds * FPS)
        return TwinWriter(
            path, source, like, rotation=0, crf=settings.crf, preset=settings.preset, gop=gop
        )

    def check(self) -> None:
        """The floor must have made the very files that ours are."""
        for output, floor in zip(self._job.outputs, self._frames, strict=True):
            mine = (self._job.root / output).read_bytes()
            if mine != (self._folder / floor).read_bytes():
                raise RuntimeError(f"{output} differs from the floor's: they are not comparable")


def room(shard: Shard, settings: Composite, root: Path, workers: int = 1) -> list[str | Path]:
    """The command of the room over a shard."""
    words = [sys.executable, "-m", "occludenet_build.composite", "--clips", shard.table]
    words += ["--boxes", shard.folder / "detect", "--bank", shard.cutout.parent, "--root", root]
    words += ["--out", root / "composite" / "000.parquet", "--threads", str(workers)]
    return [*words, "--settings", cfg.canonical({"composite": vars(settings)})]


def plain(clip: Clip, settings: Composite, folder: Path) -> list[str | Path]:
    """The plain floor: one ffmpeg decodes once and encodes as often, without an occluder."""
    words = [*_ffmpeg(), "-i", clip.path]
    for scale in settings.scales:
        words += ["-map", "0:v", "-map", "0:a", *encoder(settings), folder / f"plain-{scale}.mp4"]
    return words


def rival(shard: Shard, clip: Clip, settings: Composite, folder: Path) -> list[str | Path]:
    """What people write, once per scale, in one process for a clip."""
    boxes = folder / f"{clip.name}.npy"
    np.save(boxes, np.array(clip.boxes, np.float32))
    words = [sys.executable, "-m", "compositor.rival", clip.path, boxes, shard.cutout, folder]
    words += ["--scales", *map(str, settings.scales), "--ffmpeg", *_ffmpeg()[:1]]
    return [*words, "--", *encoder(settings)]


def overlay(shard: Shard, clip: Clip, settings: Composite, folder: Path) -> list[str | Path]:
    """ffmpeg's overlay filter, moved and resized by a file of commands; three outputs."""
    commands = folder / f"{clip.name}.txt"
    commands.write_text("\n".join(_commands(shard, clip, settings)) + "\n")
    scales = range(len(settings.scales))
    first = [_place(shard, clip.boxes[0], scale, settings) for scale in settings.scales]
    graph = [f"[0:v]sendcmd=f={commands},split={len(scales)}" + "".join(f"[v{i}]" for i in scales)]
    graph.append(f"[1:v]format=rgba,split={len(scales)}" + "".join(f"[c{i}]" for i in scales))
    for i, rect in enumerate(first):
        graph.append(f"[c{i}]scale@s{i}={rect.w}:{rect.h}[o{i}]")
        graph.append(f"[v{i}][o{i}]overlay@p{i}={rect.x}:{rect.y}:shortest=1[r{i}]")
    words = [*_ffmpeg(), "-i", clip.path, "-loop", "1", "-framerate", str(FPS)]
    words += ["-i", shard.cutout, "-filter_complex_threads", "1", "-filter_complex"]
    words.append(";".join(graph))
    for i in scales:
        words += ["-map", f"[r{i}]", "-map", "0:a", *encoder(settings), folder / f"overlay-{i}.mp4"]
    return words


def _commands(shard: Shard, clip: Clip, settings: Composite) -> Iterator[str]:
    for number, box in enumerate(clip.boxes):
        said = []
        for i, scale in enumerate(settings.scales):
            rect = _place(shard, box, scale, settings)
            said += [f"scale@s{i} w {rect.w}", f"scale@s{i} h {rect.h}"]
            said += [f"overlay@p{i} x {rect.x}", f"overlay@p{i} y {rect.y}"]
        yield f"{max(0.0, (number - 0.5) / FPS):.4f} {', '.join(said)};"


def _place(shard: Shard, box: tuple, scale: float, settings: Composite) -> Rect:
    height, width = read_rgba(shard.cutout).shape[:2]
    rect = place((width, height), box, scale, settings.scale_mode)
    if rect is None:
        raise ValueError(f"a box of the benchmark has no area: {box}")
    return rect


def encoder(settings: Composite) -> list[str]:
    """ffmpeg's options for an output as TwinWriter makes it: one thread, sound copied."""
    gop = str(round(settings.keyframe_seconds * FPS))
    words = ["-c:v", "libx264", "-preset", settings.preset, "-crf", f"{settings.crf:g}", "-g", gop]
    return [*words, "-threads", "1", "-x264-params", "asm=avx2", "-pix_fmt", "yuv420p", *_COPY]


_COPY = ["-c:a", "copy", "-fps_mode", "passthrough"]


def _ffmpeg() -> list[str]:
    """ffmpeg with one thread for the decoder that follows."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    return [program, "-y", "-nostdin", "-loglevel", "error", "-filter_threads", "1", *_DECODER]


_DECODER = ["-threads", "1"]
