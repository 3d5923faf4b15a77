"""Whole videos of all kinds of containers, which mutators then damage.

An actor walks through each picture (demo/world), so that detection and composite have work to do.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from demo.world.clips import SAMPLE_RATE, render, sound
from demo.world.plan import Clip, Settings
from occludenet_build.media.video.synth import write_video

SETTINGS = Settings(seconds=1.5)
CLIP = Clip("train", "waving hand", "fuzz", "gym")

KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "mp4": (".mp4", {"codec": "libx264"}),
    "mp4-front": (".mp4", {"codec": "libx264"}),
    "mkv": (".mkv", {"codec": "libx264", "audio_codec": "libopus"}),
    "webm": (".webm", {"codec": "libvpx-vp9"}),
    "avi": (".avi", {"codec": "mpeg4"}),
    "mov-rot90": (".mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "ts": (".ts", {"codec": "mpeg2video"}),
}
"""Kind of file -> suffix, and options of write_video."""

_MATRIX = (0, 1 << 16, 0, -1 << 16, 0, 0, SETTINGS.height << 16, 0, 1 << 30)
"""Display matrix of a quarter turn clockwise (ISO/IEC 14496-12, 8.3.2): 16.16, last column 2.30."""


def write_sources(folder: Path) -> dict[str, Path]:
    """Write one whole video of each kind; kind -> file."""
    frames, _ = render(SETTINGS, CLIP)
    track = sound(SETTINGS, CLIP)
    files = {}
    for kind, (suffix, options) in KINDS.items():
        path = files[kind] = folder / f"{kind}{suffix}"
        twice = 2 if suffix == ".ts" else 1  # MPEG-2 has 24 frames per second, and not 12
        shown = np.repeat(frames, twice, axis=0)
        if kind == "mov-rot90":
            shown = np.rot90(shown, axes=(1, 2))
        rest = {"sample_rate": 48_000 if "opus" in str(options) or suffix == ".webm" else 16_000}
        audio = np.repeat(track, rest["sample_rate"] // SAMPLE_RATE)
        write_video(path, shown, Fraction(twice * SETTINGS.fps), audio=audio, **options, **rest)
    _move_moov_to_front(files["mp4-front"])
    _rotate(files["mov-rot90"])
    return files


def _move_moov_to_front(path: Path) -> None:
    """Remux with the index before the pictures, as files for the web have it."""
    source = path.with_name(f"end{path.suffix}")
    path.rename(source)
    with av.open(str(source)) as old:
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as new:
            streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
            for packet in old.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    new.mux(packet)
    source.unlink()


def _rotate(path: Path) -> None:
    """Write a display matrix of 90 degrees into the first track header."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44  # version 0: 40 bytes of fields after fourcc
    content[start : start + 36] = np.array(_MATRIX, ">i4").tobytes()
    path.write_bytes(content)
