"""Outputs of odd sources: sound that changes or steps back, sound that nobody decodes, mirrored and
interlaced pictures."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import moving_square
from support.ffmpeg import ffmpeg, with_matrix
from support.render import CLEAN, ERASED, OCCLUDED, job_of, with_gap

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.cut import cut_video
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.media.video.source import Display, display_of, open_video, rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.render import render
from occludenet_build.sources.index.facts import video_columns

FRAMES, SIZE = 50, (96, 64)
SETTINGS = Composite(preset="ultrafast", scales=(0.25, 0.75))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.mkv"
    tone = (0.3 * np.sin(np.arange(2 * 16_000) * 0.2)).astype(np.float32)
    write_video(path, moving_square(FRAMES), 25, options={"crf": "1"}, audio=tone)
    return path


CHANGING = [("mp2", "ts"), ("aac", "ts"), ("aac", "flv")]
"""Codec and container of sound that changes."""
_FLV_HEADER = 13


def changing(raw: Path, folder: Path, codec: str, kind: str) -> Path:
    """A recording whose sound changes from mono to stereo, and in its rate, after a second."""
    first, second = folder / f"a.{kind}", folder / f"b.{kind}"
    for path, *sound in ((first, "-ac", 1, "-ar", 44100), (second, "-ac", 2, "-ar", 22050)):
        late = ("-output_ts_offset", 1) if path == second else ()
        ffmpeg("-i", raw, "-t", 1, "-c:v", "libx264", "-c:a", codec, *sound, *late, path)
    out = folder / f"changing.{kind}"
    skipped = _FLV_HEADER if kind == "flv" else 0
    out.write_bytes(first.read_bytes() + second.read_bytes()[skipped:])
    return out


def loudness(path: Path) -> tuple[float, list[float]]:
    """Seconds of sound, and the mean level of each half."""
    with av.open(str(path)) as container:
        parts = [f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    sound = np.abs(np.concatenate(parts))
    return len(sound) / rate, [float(half.mean()) for half in np.array_split(sound, 2)]


@pytest.mark.parametrize(("codec", "kind"), CHANGING)
def test_sound_that_changes_goes_on(raw, tmp_path, codec, kind):
    path = changing(raw, tmp_path, codec, kind)
    assert probe(path, Limits()).sound_changes == (codec == "aac"), "other sound is never copied"
    result = render(job_of(path, tmp_path / "build", FRAMES, with_gap(FRAMES, SIZE)), SETTINGS)
    assert result.sound == "encoded"
    seconds, halves = loudness(tmp_path / "build" / CLEAN.file)
    assert seconds == pytest.approx(2, abs=0.15)  # each piece begins and ends with padding
    assert halves[1] == pytest.approx(halves[0], rel=0.3)


def test_sound_that_stays_the_same_is_copied(raw, tmp_path):
    path = tmp_path / "same.ts"
    ffmpeg("-i", raw, "-c:v", "libx264", "-c:a", "aac", path)
    assert not probe(path, Limits()).sound_changes
    result = render(job_of(path, tmp_path / "build", FRAMES, with_gap(FRAMES, SIZE)), SETTINGS)
    assert result.sound == "copied"


@pytest.mark.parametrize(("codec", "kind"), CHANGING)
def test_a_segment_of_sound_that_changes(raw, tmp_path, codec, kind):
    out = tmp_path / "cut.mp4"
    path = changing(raw, tmp_path, codec, kind)
    cut_video(path, Fraction(1, 2), Fraction(3, 2), out, Encoding.of(SETTINGS))
    seconds, halves = loudness(out)
    assert seconds == pytest.approx(1, abs=0.1)
    assert halves[1] == pytest.approx(halves[0], rel=0.3)


def stepping_back(raw: Path, path: Path) -> Path:
    """A file whose packets of sound come twice, as after a disturbed transmission."""
    ffmpeg("-i", raw, "-c:v", "libx264", "-c:a", "aac", path)
    data, tags, at = path.read_bytes(), [], _FLV_HEADER
    while at < len(data):
        size = 11 + int.from_bytes(data[at + 1 : at + 4], "big") + 4
        tags.append(data[at : at + size])
        at += size
    sound = [tag for tag in tags if tag[0] == 8 and tag[12] == 1]
    half = tags.index(sound[len(sound) // 2])
    path.write_bytes(data[:_FLV_HEADER] + b"".join([*tags[:half], *sound[5:10], *tags[half:]]))
    return path


def test_sound_that_steps_back_leaves_out_what_overlaps(raw, tmp_path):
    path = stepping_back(raw, tmp_path / "twice.flv")
    frames = probe(path, Limits()).frames
    result = render(job_of(path, tmp_path / "build", frames, with_gap(frames, SIZE)), SETTINGS)
    assert result.sound == "copied"
    cut_video(path, Fraction(1, 2), Fraction(3, 2), tmp_path / "cut.mp4", Encoding.of(SETTINGS))
    # five packets of 64 ms came twice
    assert loudness(tmp_path / "build" / CLEAN.file)[0] == pytest.approx(2, abs=0.15)
    assert loudness(tmp_path / "cut.mp4")[0] == pytest.approx(1, abs=0.15)


def fields_of(path: Path) -> tuple[str, set[str]]:
    """Field order that the file states, and the marks of its frames: T, B or P."""
    said = ffmpeg("-i", path, "-vf", "showinfo", "-f", "null", "-")
    stated = re.search(r"(top|bottom) .*first|progressive", said.split("Stream mapping")[0])
    assert stated is not None
    return stated[0].split()[0], set(re.findall(r" i:([TBP]) ", said))


INTERLACED = {
    "top.mp4": ("tff", "libx264", "top", {"T"}),
    "bottom.mkv": ("bff", "libx264", "bottom", {"B"}),
    "top.mpg": ("tff", "mpeg2video", "top", {"T"}),
    "bottom.ts": ("bff", "mpeg2video", "bottom", {"B"}),
    "plain.mp4": ("", "libx264", "progressive", {"P"}),
}


@pytest.mark.parametrize("file", INTERLACED)
def test_fields_are_kept(raw, tmp_path, file):
    order, codec, stated, marks = INTERLACED[file]
    words = ("-vf", f"setfield={order}", "-flags", "+ildct+ilme") if order else ()
    ffmpeg("-i", raw, "-an", *words, "-c:v", codec, tmp_path / file)
    info = probe(tmp_path / file, Limits())
    assert info.interlaced == bool(order)
    assert (video_columns(info)["reading"] is None) == (not order), "interlaced clips are remade"
    erased = {"masks": {}, "erasure": Erasure("zero", 0), "outputs": (*OCCLUDED, CLEAN, *ERASED)}
    boxes = with_gap(info.frames, SIZE)
    render(job_of(tmp_path / file, tmp_path / "b", info.frames, boxes, **erased), SETTINGS)
    cut_video(tmp_path / file, Fraction(1, 2), Fraction(3, 2), tmp_path / "cut.mp4",
              Encoding.of(SETTINGS))  # fmt: skip
    made = [tmp_path / "b" / out.file for out in (OCCLUDED[1], CLEAN, ERASED[0])]
    for path in (*made, tmp_path / "cut.mp4"):
        assert fields_of(path) == (stated, marks)


def test_a_size_that_no_two_fields_share_is_coded_whole(raw, tmp_path):
    path = tmp_path / "odd.mkv"
    ffmpeg("-i", raw, "-an", "-vf", "crop=96:62:0:0,setfield=tff", "-c:v", "ffv1", path)
    boxes = with_gap(FRAMES, (96, 62))
    render(job_of(path, tmp_path / "build", FRAMES, boxes), SETTINGS)
    assert fields_of(tmp_path / "build" / CLEAN.file) == ("progressive", {"P"})


def test_a_frame_of_another_size_is_a_reason(raw, tmp_path):
    small, path = tmp_path / "small.ts", tmp_path / "two.ts"
    ffmpeg("-i", raw, "-an", "-c:v", "mpeg2video", path)
    ffmpeg("-i", raw, "-an", "-vf", "scale=64:48", "-c:v", "mpeg2video", small)
    path.write_bytes(path.read_bytes() + small.read_bytes())
    for read in (
        lambda: probe(path, Limits(max_decode_errors=1000)),
        lambda: render(job_of(path, tmp_path / "b", FRAMES, with_gap(FRAMES, SIZE)), SETTINGS),
    ):
        with pytest.raises(ItemError, match="frame size changes") as caught:
            read()
        assert caught.value.reason == "unreadable"


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
    with_matrix(tmp_path / "plain.mp4", path, display.matrix)
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
