"""Times, streams and displays of files as cameras, recorders and old tools write them.

The reference for times is the program ffmpeg, which imageio-ffmpeg brings along.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import moving_square
from support.ffmpeg import FFMPEG, ffmpeg, with_matrix

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video import source as reader
from occludenet_build.media.video.probe import Limits, VideoInfo, probe
from occludenet_build.media.video.source import Display, display_of, open_video
from occludenet_build.media.video.synth import write_video

FRAMES, FPS = 50, 25


def shown_by_ffmpeg(path: Path) -> list[float]:
    """Times of the frames that ffmpeg shows, in seconds from the first."""
    said = ffmpeg("-i", path, "-map", "0:v:0", "-vf", "showinfo", "-f", "null", "-")
    times = [float(time) for time in re.findall(r"pts_time:([-\d.]+)", said)]
    return [time - times[0] for time in times]


def shown_here(path: Path) -> list[float]:
    with open_video(path) as source:
        times = [float(frame.pts * source.time_base) for frame in source]
    return [time - times[0] for time in times]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures, not compressed, with sound."""
    path = tmp_path_factory.mktemp("raw") / "raw.mkv"
    tone = 0.2 * np.sin(np.arange(2 * 16_000) * 0.1).astype(np.float32)
    write_video(path, moving_square(FRAMES), FPS, options={"crf": "1"}, audio=tone)
    return path


CONTAINERS = {
    "h264.mp4": ("libx264", "-bf", 3),
    "h264.mov": ("libx264", "-bf", 3),
    "h264.mkv": ("libx264", "-bf", 3),
    "h264.ts": ("libx264", "-bf", 3),
    "h264.flv": ("libx264", "-bf", 2, "-ar", 44100),
    "hevc.mp4": ("libx265", "-x265-params", "log-level=error"),
    "xvid.avi": ("mpeg4", "-bf", 2, "-vtag", "XVID"),
    "plain.avi": ("mpeg4", "-bf", 0, "-an"),  # sound that begins late would leave a hole
    "h264.avi": ("libx264", "-bf", 2),
    "mjpeg.avi": ("mjpeg", "-pix_fmt", "yuvj420p", "-an"),
    "vfw.mkv": ("mpeg4", "-bf", 2, "-vtag", "XVID"),
    "asp.mkv": ("mpeg4", "-bf", 2),
    "asp.mp4": ("mpeg4", "-bf", 2),
    "mpeg2.mpg": ("mpeg2video", "-bf", 2),
    "mpeg2.ts": ("mpeg2video", "-bf", 2),
    "vp9.webm": ("libvpx-vp9", "-c:a", "libopus", "-cpu-used", 8),
    "vp8.mkv": ("libvpx", "-cpu-used", 8),
    "wmv.asf": ("wmv2",),
    "h263.3gp": ("h263", "-s", "128x96", "-ar", 8000),
    "theora.ogv": ("libtheora", "-c:a", "libvorbis"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_times_are_those_that_ffmpeg_shows(raw, tmp_path, name):
    path, (codec, *options) = tmp_path / name, CONTAINERS[name]
    known = subprocess.run([FFMPEG, "-encoders"], capture_output=True, text=True).stdout
    if f" {codec} " not in known:
        pytest.skip(f"this ffmpeg has no encoder {codec}")
    ffmpeg("-i", raw, "-c:v", codec, *options, path)
    here, there = shown_here(path), shown_by_ffmpeg(path)
    assert len(here) == len(there)
    assert here == pytest.approx(there, abs=0.0011)  # containers round to milliseconds
    steps = [b - a for a, b in pairwise(here)]
    assert max(steps) - min(steps) < 0.0021, "even, as drawn"
    info = probe(path, Limits(min_fps=1, max_fps=240, max_gap=100))
    assert abs(float(info.fps) - FPS) < 0.01 and not info.variable_rate


def joined(raw: Path, out: Path) -> None:
    piece = out.with_name("piece.ts")
    ffmpeg("-i", raw, "-t", 1, "-c:v", "libx264", "-c:a", "mp2", "-ar", 44100, piece)
    out.write_bytes(piece.read_bytes() * 3)


def late_piece(raw: Path, out: Path) -> None:
    ffmpeg("-i", raw, "-c:v", "libx264", "-g", 25, "-f", "segment", "-segment_time", 1,
           out.with_name("piece%d.mkv"))  # fmt: skip
    out.with_name("piece1.mkv").rename(out)


def wall_clock(raw: Path, out: Path) -> None:
    ffmpeg("-i", raw, "-c:v", "libx264", "-output_ts_offset", 1_760_000_000, out)


def wrapped(raw: Path, out: Path) -> None:
    """The clock of a transport stream has 33 bits; this one wraps after a second."""
    offset = 2**33 / 90_000 - 1 - 1.4  # the muxer adds 1.4 s
    ffmpeg("-i", raw, "-c:v", "libx264", "-c:a", "mp2", "-ar", 44100,
           "-output_ts_offset", offset, out)  # fmt: skip


def negative(raw: Path, out: Path) -> None:
    ffmpeg("-i", raw, "-c:v", "libx264", "-output_ts_offset", -50, "-avoid_negative_ts", 0, out)


def long_subtitles(raw: Path, out: Path) -> None:
    text = out.with_name("text.srt")
    text.write_text("1\n00:00:00,500 --> 00:00:09,000\nlonger than the pictures\n")
    ffmpeg("-i", raw, "-i", text, "-map", 0, "-map", 1, "-c:v", "libx264", "-c:s", "srt", out)


def dropped_chunks(raw: Path, out: Path) -> None:
    """An AVI whose recorder left out frames: chunks without bytes."""
    keep = "not(eq(mod(n\\,10)\\,7))"
    ffmpeg("-i", raw, "-an", "-vf", f"select='{keep}'", "-fps_mode", "passthrough",
           "-c:v", "mpeg4", "-bf", 0, out)  # fmt: skip


ODD: dict[str, tuple[Callable[[Path, Path], None], str, int, float]] = {
    "joined with cat": (joined, "x.ts", 75, 3.0),
    "late piece": (late_piece, "x.mkv", 25, 1.0),
    "wall clock": (wall_clock, "x.mkv", 50, 2.0),
    "wrapped clock": (wrapped, "x.ts", 50, 2.0),
    "before zero": (negative, "x.mkv", 50, 2.0),
    "long subtitles": (long_subtitles, "x.mkv", 50, 2.0),
    "dropped chunks": (dropped_chunks, "x.avi", 45, 2.0),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_clocks_are_right_and_complete(raw, tmp_path, name):
    make, file, frames, seconds = ODD[name]
    make(raw, tmp_path / file)
    info = probe(tmp_path / file, Limits(min_fps=1, max_fps=240, max_gap=100))
    assert (info.frames, float(info.duration)) == (frames, pytest.approx(seconds, abs=0.05))
    if name != "dropped chunks":
        assert abs(float(info.fps) - FPS) < 0.01 and not info.variable_rate
    here = shown_here(tmp_path / file)
    # MP4 holds 31 bits of ticks
    assert 0 <= info.first_pts < 2**30 and len(here) == frames


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_mirroring_matrix_shows_what_players_show(raw, tmp_path, rotation):
    display, path = Display(96, 64, rotation, mirrored=True), tmp_path / "selfie.mp4"
    ffmpeg("-i", raw, "-an", "-c:v", "libx264", tmp_path / "plain.mp4")
    with_matrix(tmp_path / "plain.mp4", path, display.matrix)
    with av.open(str(path)) as container:
        assert display_of(next(container.decode(video=0))) == display
    _, picture = next(iter(reader.rgb_frames(path)))
    height, width = picture.shape[:2]
    ffmpeg("-i", path, "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "rgb24", tmp_path / "raw")
    shown = np.fromfile(tmp_path / "raw", np.uint8).reshape(height, width, 3)
    assert np.abs(picture.astype(int) - shown).mean() < 2


def two_pictures(path: Path, default: int | None, cover: bool = False) -> None:
    """A file with a small red picture first and the video second."""
    kind = av.stream.Disposition.attached_pic if cover else av.stream.Disposition.default
    with av.open(str(path), "w") as out:
        first: Any = out.add_stream("mjpeg", rate=1)
        first.width, first.height, first.pix_fmt = 32, 32, "yuvj420p"
        second: Any = out.add_stream("libx264", rate=FPS)
        second.width, second.height, second.pix_fmt = 96, 64, "yuv420p"
        for number, stream in enumerate((first, second)):
            stream.disposition = kind if number == default else av.stream.Disposition(0)
        red = np.full((32, 32, 3), (255, 0, 0), np.uint8)
        out.mux(first.encode(av.VideoFrame.from_ndarray(red)))
        out.mux(first.encode(None))
        for picture in moving_square(FRAMES):
            out.mux(second.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(second.encode(None))


@pytest.mark.parametrize(
    ("file", "default", "cover", "frames"),
    [("preview.mov", 1, False, FRAMES), ("first.mkv", 0, False, 1), ("cover.mp4", 0, True, FRAMES)],
)
def test_the_default_stream_counts(tmp_path, file, default, cover, frames):
    two_pictures(tmp_path / file, default, cover)
    info = probe(tmp_path / file, Limits())
    assert info.frames == frames
    assert info.is_plain != (file == "preview.mov"), "other streams have other keys"


def renamed(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path


def test_an_unknown_picture_codec_is_a_reason(raw, tmp_path):
    path = tmp_path / "x.mp4"
    ffmpeg("-i", raw, "-c:v", "libx264", path)
    with pytest.raises(ItemError) as caught:
        probe(renamed(path, b"avc1", b"zzzz"), Limits())
    assert caught.value.reason == "no_decoder"


def test_sound_that_nobody_decodes_is_left_out(raw, tmp_path):
    path = tmp_path / "x.mov"
    ffmpeg("-i", raw, "-i", raw, "-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:v", "libx264",
           "-c:a:0", "aac", "-c:a:1", "pcm_s16le", path)  # fmt: skip
    info = probe(renamed(path, b"sowt", b"zzzz"), Limits())
    assert (info.frames, info.audio_streams, info.audio_unknown) == (FRAMES, 1, 1)


def make_absurd(path: Path, pts: list[int], base: Fraction) -> VideoInfo:
    write_video(path, moving_square(len(pts)), 25, pts=pts, time_base=base)
    return probe(path, Limits(min_fps=1, max_fps=240, max_gap=100))


@pytest.mark.parametrize(
    ("pts", "base"),
    [
        ([0, 500_000], Fraction(1, 1000)),
        (list(range(50)), Fraction(1, 1000)),
        ([*range(25), 5000, 5001], Fraction(1, 25)),
    ],
    ids=["too slow", "too fast", "a gap"],
)
def test_absurd_times_are_a_reason(tmp_path, pts, base):
    with pytest.raises(ItemError) as caught:
        make_absurd(tmp_path / "x.mp4", pts, base)
    assert caught.value.reason == "bad_times"


def test_concealed_damage_has_a_gate(raw, tmp_path):
    path = tmp_path / "x.ts"
    noisy = "scale=480:320,noise=alls=40:allf=t"
    ffmpeg("-i", raw, "-an", "-vf", noisy, "-c:v", "libx264", "-g", 50, path)
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    path.write_bytes(b"".join(p for n, p in enumerate(packets) if n % 9 or n < 20))
    loose = Limits(max_decode_errors=1000)
    found = probe(path, loose)
    assert found.corrupt_frames > 5
    with pytest.raises(ItemError, match="concealed") as caught:
        probe(path, Limits(max_decode_errors=1000, max_corrupt_frames=0.05))
    assert caught.value.reason == "corrupt"
