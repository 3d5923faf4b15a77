"""Outputs of odd sources: sound that changes, sound that nobody decodes, mirrored pictures."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from conftest import moving_square
from support.render import CLEAN, OCCLUDED, job_of, with_gap

from occludenet_build.config.occlusion import Composite
from occludenet_build.media.video.cut import cut_video
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.source import Display, display_of, open_video, rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.render import render

FRAMES, SIZE = 50, (96, 64)
SETTINGS = Composite(preset="ultrafast", scales=(0.25, 0.75))


def ffmpeg(*words: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, words)]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.mkv"
    tone = (0.3 * np.sin(np.arange(2 * 16_000) * 0.2)).astype(np.float32)
    write_video(path, moving_square(FRAMES), 25, options={"crf": "1"}, audio=tone)
    return path


def changing(raw: Path, folder: Path, codec: str) -> Path:
    """A recording whose sound changes from mono to stereo, and in its rate, after a second."""
    for name, *sound in (("a.ts", "-ac", 1, "-ar", 48000), ("b.ts", "-ac", 2, "-ar", 44100)):
        late = ("-output_ts_offset", 1) if name == "b.ts" else ()
        ffmpeg("-i", raw, "-t", 1, "-c:v", "libx264", "-c:a", codec, *sound, *late, folder / name)
    out = folder / "changing.ts"
    out.write_bytes((folder / "a.ts").read_bytes() + (folder / "b.ts").read_bytes())
    return out


def loudness(path: Path) -> tuple[float, list[float]]:
    """Seconds of sound, and the mean level of each half."""
    with av.open(str(path)) as container:
        parts = [f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    sound = np.abs(np.concatenate(parts))
    return len(sound) / rate, [float(half.mean()) for half in np.array_split(sound, 2)]


def test_sound_that_changes_goes_on(raw, tmp_path):
    path = changing(raw, tmp_path, "mp2")
    result = render(job_of(path, tmp_path / "build", FRAMES, with_gap(FRAMES, SIZE)), SETTINGS)
    assert result.sound == "encoded"
    seconds, halves = loudness(tmp_path / "build" / CLEAN.file)
    assert seconds == pytest.approx(2, abs=0.1)
    assert halves[1] == pytest.approx(halves[0], rel=0.3)


def test_a_segment_of_sound_that_changes(raw, tmp_path):
    out = tmp_path / "cut.mp4"
    path = changing(raw, tmp_path, "mp2")
    cut_video(path, Fraction(1, 2), Fraction(3, 2), out, Encoding.of(SETTINGS))
    seconds, halves = loudness(out)
    assert seconds == pytest.approx(1, abs=0.1)
    assert halves[1] == pytest.approx(halves[0], rel=0.3)


def test_sound_that_nobody_decodes_is_left_out(raw, tmp_path):
    path = tmp_path / "two.mov"
    ffmpeg("-i", raw, "-i", raw, "-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:v", "libx264",
           "-c:a:0", "aac", "-c:a:1", "pcm_s16le", path)  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"sowt", b"zzzz"))
    render(job_of(path, tmp_path / "build", FRAMES, with_gap(FRAMES, SIZE)), SETTINGS)
    with av.open(str(tmp_path / "build" / CLEAN.file)) as container:
        assert len(container.streams.audio) == 1
    cut_video(path, Fraction(1, 2), Fraction(3, 2), tmp_path / "cut.mp4", Encoding.of(SETTINGS))


@pytest.mark.parametrize("rotation", [0, 90])
def test_mirrored_pictures_are_occluded_where_players_show_the_actor(raw, tmp_path, rotation):
    display, path = Display(*SIZE, rotation, mirrored=True), tmp_path / "selfie.mp4"
    ffmpeg("-i", raw, "-an", "-c:v", "libx264", tmp_path / "plain.mp4")
    with av.open(str(tmp_path / "plain.mp4")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_matrix(display.matrix)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    boxes = with_gap(FRAMES, display.size)
    render(job_of(path, tmp_path / "build", FRAMES, boxes), SETTINGS)
    with open_video(tmp_path / "build" / OCCLUDED[1].file) as source:
        assert display_of(next(iter(source))) == display
    shown = dict(rgb_frames(tmp_path / "build" / OCCLUDED[1].file))
    before = dict(rgb_frames(path))
    changed = np.abs(shown[0].astype(int) - before[0]).sum(axis=2) > 60
    rows, columns = np.nonzero(changed)
    x1, y1, x2, y2 = boxes[0].box
    centre = (columns.mean(), rows.mean())
    assert centre == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2), abs=4)
