"""Outputs of the compositor against their source: times, geometry, colours and sound, exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from conftest import moving_square
from support.render import (
    CLEAN,
    OCCLUDED,
    Made,
    Sound,
    job_of,
    look,
    opaque,
    picture_packets,
    with_gap,
    write_png,
)

from occludenet_build.config.occlusion import Composite
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.occlusion.render import render

SETTINGS = Composite(scales=(0.25, 0.75), crf=26.0, smooth_seconds=0.0)
FRAMES = 60
NTSC = Fraction(30000, 1001)
FACTS = ("times", "colours", "display", "aspect", "pixels")


def assert_twins(source, outputs, *, sound="copied"):
    """Check that all facts of the outputs equal those of the source, and copied sound its bytes."""
    wanted = look(source)
    for path in outputs:
        got = look(path)
        for fact in FACTS:
            assert getattr(got, fact) == getattr(wanted, fact), (source.name, path, fact)
        assert len(got.sounds) == len(wanted.sounds), source.name
        for mine, theirs in zip(got.sounds, wanted.sounds, strict=True):
            assert mine.language == theirs.language, source.name
            if sound == "copied":
                assert_same_sound(mine, theirs, source.name)
    return wanted


def assert_same_sound(mine, theirs, name):
    assert mine[:4] == theirs[:4], name
    assert [data for _, data in mine.packets] == [data for _, data in theirs.packets], name
    # a container that counts in milliseconds does not hit the samples
    tick = Fraction(1, 2 * theirs.rate)
    pairs = zip(mine.packets, theirs.packets, strict=True)
    assert all(abs(one[0] - other[0]) <= tick for one, other in pairs), name


def assert_shared(outputs):
    """Check that all outputs share the packets of the run without an occluder, in valid order."""
    streams = [picture_packets(path) for path in outputs]
    packets = [{packet.data for packet in stream} for stream in streams]
    common = set.intersection(*packets)
    assert common and all(common < own for own in packets)
    for stream in streams:
        assert all(one.dts < other.dts for one, other in pairwise(stream))
        assert all(packet.dts <= packet.pts for packet in stream)


def outputs_of(job):
    return [job.root / out.file for out in job.outputs]


STAMPS = [n * 40 + (n % 3) * 11 + (400 if n > 30 else 0) for n in range(FRAMES)]
SOURCES = [
    ("plain.mp4", {"sound": True}),
    ("ntsc.mp4", {"fps": NTSC, "sound": True}),
    ("silent.mp4", {}),
    ("mkv.mkv", {"sound": True, "audio_codec": "libopus"}),
    ("webm.webm", {"codec": "libvpx-vp9", "sound": True}),
    ("silent.avi", {"codec": "mpeg4"}),
    ("ntsc.avi", {"codec": "mpeg4", "fps": NTSC, "sound": True, "audio_codec": "libmp3lame"}),
    ("variable.mkv", {"pts": STAMPS, "time_base": Fraction(1, 1000)}),
    ("variable.mp4", {"pts": STAMPS, "time_base": Fraction(1, 1000), "sound": True}),
    ("late.mp4", {"pts": [1001 * (n + 33) for n in range(FRAMES)], "time_base": 1 / NTSC / 1001}),
    ("late.mkv", {"pts": [n + 9 for n in range(FRAMES)], "sound": True}),
    ("odd.mkv", {"size": (95, 63), "pix_fmt": "yuv444p"}),
    ("odd rows.mp4", {"size": (96, 63), "pix_fmt": "yuv422p"}),
    ("444.mp4", {"pix_fmt": "yuv444p"}),
    ("422.mp4", {"pix_fmt": "yuv422p"}),
    ("10 bit.mp4", {"pix_fmt": "yuv420p10le"}),
    ("422 10 bit.mp4", {"pix_fmt": "yuv422p10le"}),
    ("444 10 bit.mp4", {"pix_fmt": "yuv444p10le"}),
    ("yuvj.mp4", {"pix_fmt": "yuvj420p"}),
    ("motion jpeg.avi", {"pix_fmt": "yuvj422p", "codec": "mjpeg"}),
    ("portrait.mp4", {"size": (64, 128), "sound": True}),
]


@pytest.mark.parametrize(("name", "options"), SOURCES, ids=[name for name, _ in SOURCES])
def test_outputs_are_twins_of_their_source(make_clip, tmp_path, name, options):
    source = make_clip(name, FRAMES, **options)
    boxes = with_gap(FRAMES, options.get("size", (96, 64)))
    job = job_of(source, tmp_path / "build", FRAMES, boxes)
    rendered = render(job, SETTINGS)
    assert rendered.sound == ("copied" if options.get("sound") else "none")
    seen = assert_twins(source, outputs_of(job))
    assert rendered.pix_fmt.replace("yuvj", "yuv") == seen.pixels
    assert_shared(outputs_of(job))
    if "pts" in options:
        base = options.get("time_base", Fraction(1, 24))
        assert seen.times == [pts * base for pts in options["pts"]] or name == "late.mkv"
        assert seen.times[0] > 0 or not name.startswith("late")


MADE = [
    ("full range.mp4", Made(full_range=True)),
    ("full range 10 bit.mp4", Made(full_range=True, pix_fmt="yuv420p10le", matrix=1)),
    ("bt709.mp4", Made(matrix=1, primaries=1, transfer=1)),
    ("bt470.mp4", Made(matrix=5, primaries=5, transfer=4)),
    ("smpte240m.mp4", Made(matrix=7, primaries=7, transfer=7)),
    ("hdr.mp4", Made(pix_fmt="yuv420p10le", matrix=9, primaries=9, transfer=16)),
    ("full range.webm", Made(codec="libvpx-vp9", full_range=True, matrix=1)),
    ("anamorphic.mp4", Made(aspect=Fraction(64, 51))),
    ("anamorphic.mkv", Made(aspect=Fraction(640, 639))),
    ("turned 90.mp4", Made(rotation=90)),
    ("turned 180.mp4", Made(rotation=180)),
    ("turned 270.mov", Made(rotation=270, fps=NTSC)),
    ("turned wide.mp4", Made(rotation=90, aspect=Fraction(4, 3))),
    ("surround.mp4", Made(sounds=(Sound("ac3", layout="5.1"),))),
    ("two.mkv", Made(sounds=(Sound("libopus", language="eng"), Sound("aac", language="deu")))),
    (
        "two.mp4",
        Made(
            sounds=(
                Sound("aac", 44_100, "stereo", "fra", clicks=(0.2,)),
                Sound("aac", 16_000, "mono", "eng", clicks=(0.7,)),
            )
        ),
    ),
    ("ticks.mkv", Made(sounds=(Sound("libmp3lame", 44_100, "stereo"),))),
]


@pytest.mark.parametrize(("name", "made"), MADE, ids=[name for name, _ in MADE])
def test_tags_geometry_and_sound_streams_stay(tmp_path, name, made):
    source = made.write(tmp_path / name, moving_square(FRAMES))
    turned = made.rotation % 180 != 0
    boxes = with_gap(FRAMES, (64, 96) if turned else (96, 64))
    job = job_of(source, tmp_path / "build", FRAMES, boxes)
    render(job, SETTINGS)
    seen = assert_twins(source, outputs_of(job))
    assert_shared(outputs_of(job))
    tags = (2 if made.full_range else 1, made.matrix, made.primaries, made.transfer)
    assert seen.colours == {tags} and seen.aspect == made.aspect
    assert seen.display.rotation == made.rotation
    languages = [sound.language or "und" for sound in made.sounds]
    assert [heard.language for heard in seen.sounds] == languages
    if name.endswith((".mp4", ".mov")):  # it states a rate of its own
        assert {look(path).rate for path in outputs_of(job)} == {made.fps}


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_the_shortest_clips(make_clip, tmp_path, frames):
    source = make_clip("short.mp4", frames, sound=True)
    job = job_of(source, tmp_path / "build", frames, with_gap(frames, (96, 64)))
    truth = render(job, SETTINGS).truth
    assert len(truth.table()) == 2 * frames
    assert len(assert_twins(source, outputs_of(job)).times) == frames


def test_h265_has_the_same_times_and_tags(tmp_path):
    made = Made(fps=NTSC, matrix=1, primaries=1, transfer=1, sounds=(Sound("aac"),))
    source = made.write(tmp_path / "a.mp4", moving_square(FRAMES))
    job = job_of(source, tmp_path / "build", FRAMES, with_gap(FRAMES, (96, 64)))
    rendered = render(job, replace(SETTINGS, codec="libx265", preset="ultrafast"))
    assert rendered.encoder.startswith("libx265 x265 (build ")
    assert_twins(source, outputs_of(job))
    with av.open(str(job.root / CLEAN.file)) as container:
        assert container.streams.video[0].codec_context.name == "hevc"
    packets = picture_packets(job.root / CLEAN.file)
    assert all(one.dts < other.dts for one, other in pairwise(packets))
    assert all(packet.dts <= packet.pts for packet in packets)


ENCODED = [
    ("pcm.mkv", (Sound("pcm_s16le", 44_100, "stereo", "eng"),)),
    ("pcm.mov", (Sound("pcm_s16le", 16_000, "mono"),)),
    ("pcm.avi", (Sound("pcm_s16le", 22_050, "stereo"),)),
    ("vorbis.webm", (Sound("vorbis", 44_100, "stereo"),)),
    ("surround.mkv", (Sound("flac", 48_000, "5.1"),)),
    ("studio.mkv", (Sound("pcm_s24le", 192_000, "stereo"),)),
    ("telephone.mkv", (Sound("pcm_s16le", 6_000, "mono"),)),
    ("mixed.mkv", (Sound("libopus", language="eng"), Sound("pcm_s16le", language="deu"))),
]


@pytest.mark.parametrize(("name", "sounds"), ENCODED, ids=[name for name, _ in ENCODED])
def test_sound_that_mp4_does_not_carry_is_encoded_again(tmp_path, name, sounds):
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(name.split(".")[1], "libx264")
    source = Made(codec, sounds=sounds).write(tmp_path / name, moving_square(FRAMES))
    job = job_of(source, tmp_path / "build", FRAMES, with_gap(FRAMES, (96, 64)))
    assert render(job, SETTINGS).sound == "encoded"
    wanted = assert_twins(source, outputs_of(job), sound="encoded")
    for path in outputs_of(job):
        for number, (mine, theirs) in enumerate(zip(look(path).sounds, wanted.sounds, strict=True)):
            if theirs.codec in ("opus", "libopus"):
                assert_same_sound(mine, theirs, name)
                continue
            assert (mine.codec, mine.channels) == ("aac", theirs.channels)
            assert mine.rate == theirs.rate or name in ("studio.mkv", "telephone.mkv")
            clicks, end = heard(path, number)
            assert end == pytest.approx(2.4, abs=1 / 25 + 1024 / mine.rate)
            assert clicks == pytest.approx([0.51, 1.11, 1.91], abs=0.002)


def heard(path, number):
    """The middles of the clicks and the end of a sound stream, seconds."""
    loud, end = [], 0.0
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        for frame in container.decode(stream):
            begin = float(frame.pts * frame.time_base)
            samples = np.abs(frame.to_ndarray()[0])
            end = begin + samples.size / stream.rate
            loud += (begin + np.flatnonzero(samples > 0.25) / stream.rate).tolist()
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > 0.1) + 1)
    return [(group[0] + group[-1]) / 2 for group in groups], end


def soft(frames, width=96, height=64):
    """Frames of smooth colours, of which chroma subsampling loses almost nothing."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 110 * np.sin(columns / 17 + k) * np.cos(rows / 13 - k) for k in range(3)]
    return [np.roll(np.stack(waves, axis=2), n, 1).astype(np.uint8) for n in range(frames)]


PLAIN = [
    ("10 bit.mp4", Made(pix_fmt="yuv420p10le", matrix=1)),
    ("422.mp4", Made(pix_fmt="yuv422p")),
    ("444.mp4", Made(pix_fmt="yuv444p")),
    ("full.mp4", Made(full_range=True)),
    ("full 444.mp4", Made(full_range=True, pix_fmt="yuv444p", matrix=1)),
    ("full 10 bit.mp4", Made(full_range=True, pix_fmt="yuv420p10le")),
    ("hdr 444.mp4", Made(pix_fmt="yuv444p10le", matrix=9)),
    ("12 bit.mkv", Made(codec="ffv1", pix_fmt="yuv420p12le")),
    ("rgb.mkv", Made(codec="ffv1", pix_fmt="bgr0", matrix=0, full_range=True)),
    ("screen.mkv", Made(codec="libx264rgb", pix_fmt="bgr24", matrix=0, full_range=True)),
]


@pytest.mark.parametrize("pix_fmt", ["source", "yuv420p"])
@pytest.mark.parametrize(("name", "made"), PLAIN, ids=[name for name, _ in PLAIN])
def test_colours_are_right_in_the_source_s_format_and_in_the_plain_one(
    tmp_path, name, made, pix_fmt
):
    source = made.write(tmp_path / name, soft(4))
    boxes = {n: with_gap(4, (96, 64))[0] for n in range(4)}
    job = job_of(source, tmp_path / "build", 4, boxes)
    rendered = render(job, replace(SETTINGS, pix_fmt=pix_fmt, crf=4.0))
    assert rendered.pix_fmt == "yuv420p" or pix_fmt == "source" or made.full_range
    clean = dict(rgb_frames(job.root / CLEAN.file))
    for number, picture in rgb_frames(source):
        assert np.abs(picture.astype(float) - clean[number]).mean() < 3
    # the tag must name the matrix of the samples
    tags = look(job.root / CLEAN.file).colours
    assert tags == {(2 if made.full_range else 1, made.matrix or 6, 6, 6)}
    for _, picture in rgb_frames(job.root / OCCLUDED[1].file):
        assert picture[30:34, 38:42].reshape(-1, 3).mean(axis=0) == pytest.approx(
            [20, 200, 60], abs=4
        )


@pytest.mark.parametrize("matrix", [1, 2, 4, 5, 6, 7, 9])
def test_the_occluder_has_its_colour_in_every_matrix(tmp_path, matrix):
    """Compare decoded colours; a wrong matrix changes them by 10 levels or more."""
    source = Made(matrix=matrix).write(tmp_path / "a.mp4", soft(2))
    for number, colour in enumerate([(230, 30, 40), (20, 200, 60), (40, 50, 220)]):
        cutout = write_png(tmp_path / f"{number}.png", opaque(colour=colour))
        boxes = {n: with_gap(2, (96, 64))[0] for n in range(2)}
        job = job_of(source, tmp_path / "build", 2, boxes, cutouts=(cutout,))
        render(job, replace(SETTINGS, crf=2.0))
        picture = dict(rgb_frames(job.root / OCCLUDED[1].file))[0]
        assert picture[30:34, 38:42].reshape(-1, 3).mean(axis=0) == pytest.approx(colour, abs=4)


def check_real(folder, tmp_path, smallest, largest):
    """Check the outputs of the real clips of `smallest` to `largest` bytes; return their number."""
    paths = [p for p in folder.iterdir() if smallest <= p.stat().st_size < largest]
    for path in sorted(paths):
        seen = look(path)
        frames = len(seen.times)
        boxes = with_gap(frames, seen.display.size)
        outputs = (OCCLUDED[1], CLEAN)
        job = job_of(path, tmp_path / path.name, frames, boxes, scales=(0.75,), outputs=outputs)
        render(job, replace(SETTINGS, scales=(0.75,), preset="ultrafast", crf=30.0))
        assert_twins(path, outputs_of(job))
        if frames >= 48:
            assert_shared(outputs_of(job))
    return len(paths)


def test_outputs_of_the_small_real_clips(real_data, tmp_path):
    assert check_real(real_data / "videos", tmp_path, 0, 520_000) >= 10


@pytest.mark.slow
def test_outputs_of_the_large_real_clips(real_data, tmp_path):
    assert check_real(real_data / "videos", tmp_path, 520_000, 1 << 40) >= 10
