"""The program ffmpeg, which imageio-ffmpeg brings along, and files with a display matrix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def run_ffmpeg(*words: object) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg, which has to succeed."""
    command = [FFMPEG, "-hide_banner", "-y", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:].decode(errors="replace")
    return done


def ffmpeg(*words: object) -> str:
    """Run ffmpeg; returns what it says."""
    return run_ffmpeg(*words).stderr.decode(errors="replace")


def with_matrix(source: Path, out: Path, matrix: list[int]) -> Path:
    """The pictures of a file, not encoded again, under a display matrix; writes `out`."""
    with av.open(str(source)) as read, av.open(str(out), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        stream.set_display_matrix(matrix)
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return out
