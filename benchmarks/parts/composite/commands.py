"""Commands that make three occluded clips from a source, all with the same encoder settings.

`stage` (composite on a shard), `plain` (ffmpeg without an occluder), `rival` (OpenCV), `overlay`
(ffmpeg's overlay filter)
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from occludenet_build import config as cfg
from occludenet_build.config.occlusion import Composite
from occludenet_build.occlusion.geometry import ActorBox, Rect
from occludenet_build.occlusion.patches import read_occluder
from occludenet_build.occlusion.placement import ClipGeometry, Placement
from parts.composite.shard_tables import SPLIT, Shard
from parts.composite.synthetic_clips import FPS, Clip


def stage(
    shard: Shard, settings: Composite, root: Path, *, erased: bool = False
) -> list[str | Path]:
    """The command of composite for a shard, with one worker."""
    words = [sys.executable, "-m", "occludenet_build", "composite", "--clips", shard.table]
    words += ["--boxes", shard.boxes, "--bank", shard.cutout.parent, "--root", root]
    words += ["--out", root / "composite" / "000.parquet"]
    if erased:
        words += ["--masks", shard.masks, "--erased", root / "counterfactual" / "000.parquet"]
    settings_given = {"composite": dataclasses.asdict(settings)}
    settings_given |= {"counterfactual": {"splits": [SPLIT] if erased else []}}
    return [*words, "--settings", cfg.canonical(settings_given)]


def plain(clip: Clip, settings: Composite, folder: Path) -> list[str | Path]:
    """The plain floor: one ffmpeg that decodes once and encodes once per scale, no occluder."""
    words = [*_ffmpeg(), "-i", clip.path]
    for scale in settings.scales:
        words += ["-map", "0:v", "-map", "0:a", *encoder(settings), folder / f"plain-{scale}.mp4"]
    return words


def rival(shard: Shard, clip: Clip, settings: Composite, folder: Path) -> list[str | Path]:
    """The OpenCV implementation: one process per clip, one pass per scale."""
    boxes = folder / f"{clip.name}.npy"
    np.save(boxes, np.array(list(clip.boxes.values()), np.float32))
    words = [
        sys.executable,
        "-m",
        "parts.composite.opencv_rival",
        clip.path,
        boxes,
        shard.cutout,
        folder,
    ]
    words += ["--scales", *map(str, settings.scales), "--ffmpeg", *_ffmpeg()[:1]]
    return [*words, "--", *encoder(settings)]


def overlay(shard: Shard, clip: Clip, settings: Composite, folder: Path) -> list[str | Path]:
    """ffmpeg's overlay filter, moved and resized by a file of commands; one output per scale."""
    commands = folder / f"{clip.name}.txt"
    placement = _placement(shard, clip, settings)
    commands.write_text("\n".join(_commands(placement, settings)) + "\n")
    scales = range(len(settings.scales))
    first = [_rect(placement, 0, scale) for scale in settings.scales]
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


def _commands(placement: Placement, settings: Composite) -> Iterator[str]:
    for number in placement.frames:
        changes = []
        for i, scale in enumerate(settings.scales):
            rect = _rect(placement, number, scale)
            changes += [f"scale@s{i} w {rect.w}", f"scale@s{i} h {rect.h}"]
            changes += [f"overlay@p{i} x {rect.x}", f"overlay@p{i} y {rect.y}"]
        yield f"{max(0.0, (number - 0.5) / FPS):.4f} {', '.join(changes)};"


def _placement(shard: Shard, clip: Clip, settings: Composite) -> Placement:
    boxes = {number: ActorBox(box) for number, box in clip.boxes.items()}
    geometry = ClipGeometry(clip.name, clip.size, clip.frames, FPS, boxes, seed=0)
    height, width = read_occluder(shard.cutout).shape[:2]
    return Placement(geometry, [(width, height)], settings)


def _rect(placement: Placement, number: int, scale: float) -> Rect:
    """Rectangle of the clip's only occluder in a frame."""
    ((_, rect),) = placement.rects(number, scale)
    return rect


def encoder(settings: Composite) -> list[str]:
    """ffmpeg's options for an output like that of TwinWriter: one thread, sound copied."""
    gop = str(round(settings.keyframe_seconds * FPS))
    words = ["-c:v", "libx264", "-preset", settings.preset, "-crf", f"{settings.crf:g}", "-g", gop]
    return [*words, "-threads", "1", "-x264-params", "asm=avx2", "-pix_fmt", "yuv420p", *_COPY]


_COPY = ["-c:a", "copy", "-fps_mode", "passthrough"]


def _ffmpeg() -> list[str]:
    """The ffmpeg command, with one thread for filters and decoder."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    return [program, "-y", "-nostdin", "-loglevel", "error", "-filter_threads", "1", *_DECODER]


_DECODER = ["-threads", "1"]
