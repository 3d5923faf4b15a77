"""Reading, probing and twinning videos, on self-made files with known truth and the real clips."""

from __future__ import annotations

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import moving_square

from occludenet_build.core.errors import ItemError
from occludenet_build.core.video import source as reader
from occludenet_build.core.video.display import Display
from occludenet_build.core.video.encoder import Encoding, Picture, formats
from occludenet_build.core.video.joined import RunEncoder
from occludenet_build.core.video.planes import in_format, working_format
from occludenet_build.core.video.probe import probe
from occludenet_build.core.video.sound import SharedSound
from occludenet_build.core.video.writer import TwinWriter

ENCODING = Encoding("libx264", 18, "ultrafast", "avx2", keyframe_seconds=1)
LIMITS = {"max_decode_errors": 0, "max_pixels": 10**7}


def stamps(path):
    """Exact times of all frames, seconds."""
    with reader.reading(path) as source:
        return [frame.pts * source.time_base for frame in source]


def sound(path):
    """(time in seconds, bytes) of every sound packet."""
    with reader.opened(path) as container:
        if not container.streams.audio:
            return []
        packets = container.demux(container.streams.audio)
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.dts is not None]


def twin(path, out):
    """Pass a clip through decoder and encoder as the compositor does."""
    with reader.reading(path) as source:
        early, share = [], None
        packets = source.packets(lambda p: share(p) if share else early.append(p))
        first = next(packets)
        like = in_format(first, working_format(first, formats("libx264")))
        rate, aspect = source.stream.average_rate, source.stream.sample_aspect_ratio
        picture = Picture(like, source.time_base, Fraction(rate or 25), Fraction(aspect or 1))
        rotation = reader.display_of(first).rotation
        with TwinWriter(out, source, picture, ENCODING, rotation) as writer:
            share, shown = SharedSound([writer], source), []
            encoder = RunEncoder(picture, ENCODING, [writer], shown, 0)
            for packet in early:
                share(packet)
            for frame in [first, *packets]:
                shown.append(frame.pts)
                encoder.encode(in_format(frame, like.format.name), frame.pts)
            encoder.finish()
    return out


SOURCES = [
    ("plain.mp4", {"sound": True}),
    ("ntsc.mp4", {"fps": Fraction(30000, 1001), "sound": True}),
    ("silent.mp4", {}),
    ("mkv.mkv", {"sound": True, "audio_codec": "libopus"}),
    ("webm.webm", {"codec": "libvpx-vp9", "sound": True}),
    ("avi.avi", {"codec": "mpeg4"}),
    (
        "variable.mkv",
        {"pts": [0, 40, 80, 200, 240, 555], "time_base": Fraction(1, 1000), "frames": 6},
    ),
    (
        "late.mp4",
        {"pts": [1001 * (n + 3) for n in range(8)], "time_base": Fraction(1, 30000), "frames": 8},
    ),
    ("one.mp4", {"frames": 1}),
    ("tall.mp4", {"size": (64, 128)}),
    ("full.mp4", {"pix_fmt": "yuv444p"}),
    ("deep.mp4", {"pix_fmt": "yuv420p10le"}),
    ("odd.mkv", {"size": (95, 63), "pix_fmt": "yuv444p"}),
]


@pytest.mark.parametrize(("name", "options"), SOURCES, ids=[name for name, _ in SOURCES])
def test_a_twin_has_the_times_geometry_and_sound_of_its_source(make_clip, tmp_path, name, options):
    path = make_clip(name, **options)
    out = twin(path, tmp_path / "twin.mp4")
    assert stamps(out) == stamps(path)
    assert sound(out) == sound(path)
    before, after = probe(path, **LIMITS), probe(out, **LIMITS)
    for fact in ("display", "sample_aspect", "frames", "pix_fmt", "audio_codec", "variable_rate"):
        assert getattr(after, fact) == getattr(before, fact), fact


def test_twins_of_the_real_clips(real_data, tmp_path):
    for path in sorted((real_data / "videos").iterdir()):
        if path.stat().st_size > 700_000:
            continue
        out = twin(path, tmp_path / "twin.mp4")
        assert stamps(out) == stamps(path), path.name
        assert [data for _, data in sound(out)] == [data for _, data in sound(path)], path.name


def test_sound_that_mp4_cannot_carry_is_encoded_again(make_clip, tmp_path):
    path = make_clip("pcm.mkv", frames=48, sound=True, audio_codec="pcm_s16le")
    out = twin(path, tmp_path / "twin.mp4")
    assert probe(out, **LIMITS).audio_codec == "aac"
    assert abs(probe(out, **LIMITS).audio_seconds - 2) < 0.1


def rotated(path, out, degrees):
    """The same file with a display rotation (counterclockwise) in its header."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_kept_and_inverted(make_clip, tmp_path, degrees):
    upright = make_clip("upright.mp4", frames=3)
    path = rotated(upright, tmp_path / "turned.mp4", degrees)
    plain = [picture for _, picture in reader.rgb_frames(upright)]
    turned = [picture for _, picture in reader.rgb_frames(path)]
    np.testing.assert_array_equal(turned[0], np.rot90(plain[0], degrees // 90))
    info = probe(twin(path, tmp_path / "twin.mp4"), **LIMITS)
    assert info.display == Display(96, 64, degrees)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_rectangle_maps_to_the_pixels_it_shows(rotation):
    display = Display(12, 8, rotation)
    coded = np.zeros((8, 12), bool)
    width, height = display.size
    rect = (2, 1, 3, 4)
    assert rect[0] + rect[2] <= width and rect[1] + rect[3] <= height
    x, y, w, h = display.rect_to_coded(*rect)
    coded[y : y + h, x : x + w] = True
    rows, columns = np.nonzero(display.upright(coded))
    assert (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1) == rect
    np.testing.assert_array_equal(display.to_coded(display.upright(coded)), coded)


def damaged(tmp_path, make_clip, kind):
    path = tmp_path / f"{kind}.mp4"
    clip = make_clip("clip.mp4", frames=120, sound=True)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is not a video\n" * 100)
    elif kind == "headless":  # cut before the index at the end of the file
        path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    elif kind == "cut_mkv":
        path = tmp_path / "cut.mkv"
        whole = make_clip("whole.mkv", frames=240, sound=True)
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    elif kind == "noise":
        data = bytearray(clip.read_bytes())
        where = data.index(b"mdat") + 2000
        data[where : where + 4000] = np.random.default_rng(0).bytes(4000)
        path.write_bytes(data)
    elif kind == "sound_only":
        path = tmp_path / "sound.mp4"
        with av.open(str(clip)) as source, av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    elif kind == "playlist":
        path.write_text(f"ffconcat version 1.0\nfile {clip}\n")
    return path


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("missing", {"missing"}),
        ("empty", {"empty_file"}),
        ("text", {"not_a_video"}),
        ("playlist", {"not_a_video"}),
        ("headless", {"truncated"}),
        ("cut_mkv", {"truncated"}),
        ("sound_only", {"not_a_video"}),
        ("noise", {"corrupt"}),
    ],
)
def test_damage_has_a_reason(tmp_path, make_clip, kind, reasons):
    with pytest.raises(ItemError) as caught:
        probe(damaged(tmp_path, make_clip, kind), **LIMITS)
    assert caught.value.reason in reasons, caught.value


def test_too_large_is_refused_before_decoding(make_clip):
    with pytest.raises(ItemError, match="too_large"):
        probe(make_clip("clip.mp4"), max_decode_errors=0, max_pixels=96 * 64 - 1)


def test_a_name_is_never_a_protocol(make_clip, tmp_path, monkeypatch):
    clip = make_clip("clip.mp4")
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, tmp_path / "concat:clip.mp4")
    assert probe("concat:clip.mp4", **LIMITS).frames == 24
    with pytest.raises(ItemError, match="missing"):
        probe("http://127.0.0.1:9/clip.mp4", **LIMITS)


def test_facts_of_the_real_clips(real_data):
    """Frames, rotation and sound against the table that came with the clips."""
    import csv

    with open(real_data / "PROVENANCE.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"].startswith("videos/")]
    assert len(rows) > 20
    for row in rows:
        path = real_data / row["file"]
        if path.stat().st_size > 700_000:
            continue
        info = probe(path, **LIMITS)
        assert info.frames == int(row["frames"]), row["file"]
        assert abs(info.display.rotation) % 360 == int(row["rotation"] or 0) % 360, row["file"]
        assert (info.audio_codec is not None) == (row["has_audio"] not in ("no", "")), row["file"]


def test_frames_are_what_was_drawn(make_clip):
    drawn = moving_square(24)
    for number, picture in reader.rgb_frames(make_clip("clip.mp4", options={"crf": "1"})):
        assert np.abs(picture.astype(int) - drawn[number]).mean() < 4
