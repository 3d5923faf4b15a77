"""Files of odd pictures and odd structure: right frames, or a reason."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.ffmpeg import ffmpeg, run_ffmpeg

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.media.video.source import rgb_frames

DRAWN = ("-f", "lavfi", "-i", "nullsrc=s=96x64:r=25:d=0.4,format=gbrp,geq=r=X*2:g=Y*3:b=128+9*N")
FRAMES = 10


PICTURES = {
    "10 bits.mkv": ("libx264", "yuv420p10le"),
    "10 bits, 4:2:2.mkv": ("libx264", "yuv422p10le"),
    "16 bits.mkv": ("ffv1", "yuv444p16le"),
    "rgb, 16 bits.mkv": ("ffv1", "gbrp16le"),
    "grey, 16 bits.mkv": ("ffv1", "gray16le"),
    "palette.avi": ("rawvideo", "pal8"),
    "alpha.mkv": ("ffv1", "yuva420p"),
    "prores 4444.mov": ("prores_ks", "yuva444p10le"),
    "vp9 alpha.webm": ("libvpx-vp9", "yuva420p"),
    "png.mov": ("png", "rgba64be"),
    "xyz.mkv": ("libopenjpeg", "xyz12le"),
    "4:1:1.avi": ("ffv1", "yuv411p"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_any_pixels_are_those_that_ffmpeg_shows(tmp_path, name):
    path, (codec, pixels) = tmp_path / name, PICTURES[name]
    ffmpeg(*DRAWN, "-c:v", codec, "-pix_fmt", pixels, path)
    here = np.stack([picture for _, picture in rgb_frames(path)])
    there = np.frombuffer(
        run_ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-").stdout, np.uint8
    )
    difference = np.abs(here.astype(int) - there.reshape(here.shape))
    assert len(here) == FRAMES and here.std() > 20
    assert difference.mean() < 1, "but for the interpolation of chroma"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    ffmpeg(*DRAWN, "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    return path.read_bytes()


_ONE, _UNIT = 1 << 16, 1 << 30
MATRICES = {
    "zero": [0] * 9,
    "sheared": [_ONE, _ONE // 2, 0, _ONE // 3, _ONE, 0, 0, 0, _UNIT],
    "of rank 1": [_ONE, _ONE, 0, _ONE, _ONE, 0, 0, 0, _UNIT],
    "huge": [-(2**31)] * 9,
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_that_no_player_can_show_is_no_error(plain, tmp_path, name):
    at = plain.index(b"tkhd") + 44
    assert struct.unpack(">9i", plain[at : at + 36]) == (_ONE, 0, 0, 0, _ONE, 0, 0, 0, _UNIT)
    path = tmp_path / "x.mp4"
    path.write_bytes(plain[:at] + struct.pack(">9i", *MATRICES[name]) + plain[at + 36 :])
    assert probe(path, Limits()).frames == FRAMES
    assert len(list(rgb_frames(path))) == FRAMES


@pytest.mark.parametrize("scale", [0, 1, 3, 2**31 - 1, 2**32 - 1])
def test_a_time_scale_out_of_range_is_a_reason(plain, tmp_path, scale):
    at, path = plain.index(b"mdhd") + 16, tmp_path / "x.mp4"
    path.write_bytes(plain[:at] + struct.pack(">I", scale) + plain[at + 4 :])
    with pytest.raises(ItemError) as caught:
        probe(path, Limits(min_fps=1, max_fps=240, max_gap=100))
    assert caught.value.reason in ("bad_times", "truncated", "zero_frames")


def cover(path: Path) -> None:
    """Sound with a cover picture."""
    sound, picture = path.with_name("sound.m4a"), path.with_name("cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", sound)
    ffmpeg(*DRAWN, "-frames:v", 1, picture)
    ffmpeg("-i", sound, "-i", picture, "-map", 0, "-map", 1, "-c", "copy",
           "-disposition:v:0", "attached_pic", path)  # fmt: skip


def no_frames(path: Path) -> None:
    ffmpeg(*DRAWN, "-frames:v", 0, "-c:v", "libx264", "-pix_fmt", "yuv420p", path)


NO_VIDEO: dict[str, Callable[[Path], object]] = {
    "cover.mp4": cover,
    "no frames.mp4": no_frames,
    "text.mp4": lambda path: path.write_text("hello\n" * 100),
    "zeros.mkv": lambda path: path.write_bytes(bytes(5000)),
    "picture.mp4": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(500)),
}


@pytest.mark.parametrize("name", NO_VIDEO)
def test_a_file_without_a_video_is_a_reason(tmp_path, name):
    NO_VIDEO[name](tmp_path / name)
    with pytest.raises(ItemError) as caught:
        probe(tmp_path / name, Limits())
    assert caught.value.reason in ("not_a_video", "zero_frames", "empty_file")


@pytest.mark.parametrize(("name", "times", "frames"), [("x.mp4", 2, FRAMES), ("x.mkv", 2, 20)])
def test_files_joined_with_cat_show_what_ffmpeg_shows(plain, tmp_path, name, times, frames):
    path = tmp_path / name
    ffmpeg(*DRAWN, "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    path.write_bytes(path.read_bytes() * times)
    assert probe(path, Limits()).frames == frames


def test_the_name_does_not_tell_the_container(plain, tmp_path):
    path = tmp_path / "x.avi"
    path.write_bytes(plain)
    assert probe(path, Limits()).container.startswith("mov")
