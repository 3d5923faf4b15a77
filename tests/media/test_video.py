"""Reading and probing videos: generated files with known content, and the real clips."""

from __future__ import annotations

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import moving_square

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video import source as reader
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.media.video.source import Display

LIMITS = Limits(max_pixels=10**7)


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
def test_rotation_is_applied(make_clip, tmp_path, degrees):
    upright = make_clip("upright.mp4", frames=3)
    path = rotated(upright, tmp_path / "turned.mp4", degrees)
    plain = [picture for _, picture in reader.rgb_frames(upright)]
    turned = [picture for _, picture in reader.rgb_frames(path)]
    np.testing.assert_array_equal(turned[0], np.rot90(plain[0], degrees // 90))
    assert probe(path, LIMITS).display == Display(96, 64, degrees)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_rectangle_maps_to_the_pixels_it_shows(rotation, mirrored):
    display = Display(12, 8, rotation, mirrored)
    coded = np.zeros((8, 12), bool)
    width, height = display.size
    rect = (2, 1, 3, 4)
    assert rect[0] + rect[2] <= width and rect[1] + rect[3] <= height
    x, y, w, h = display.rect_to_coded(*rect)
    coded[y : y + h, x : x + w] = True
    rows, columns = np.nonzero(display.upright(coded))
    assert (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1) == rect
    np.testing.assert_array_equal(display.to_coded(display.upright(coded)), coded)
    assert display.rect_to_displayed(x, y, w, h) == rect


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
        probe(damaged(tmp_path, make_clip, kind), LIMITS)
    assert caught.value.reason in reasons, caught.value


def test_too_large_is_refused_before_decoding(make_clip):
    with pytest.raises(ItemError, match="too_large"):
        probe(make_clip("clip.mp4"), Limits(max_pixels=96 * 64 - 1))


def test_a_name_is_never_a_protocol(make_clip, tmp_path, monkeypatch):
    clip = make_clip("clip.mp4")
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, tmp_path / "concat:clip.mp4")
    assert probe("concat:clip.mp4", LIMITS).frames == 24
    with pytest.raises(ItemError, match="missing"):
        probe("http://127.0.0.1:9/clip.mp4", LIMITS)


def test_facts_of_the_real_clips(real_data):
    """Frames, rotation and sound against the table of the real clips."""
    import csv

    with open(real_data / "PROVENANCE.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"].startswith("videos/")]
    assert len(rows) > 20
    for row in rows:
        path = real_data / row["file"]
        if path.stat().st_size > 700_000:
            continue
        info = probe(path, LIMITS)
        assert info.frames == int(row["frames"]), row["file"]
        assert abs(info.display.rotation) % 360 == int(row["rotation"] or 0) % 360, row["file"]
        assert (info.audio_codec is not None) == (row["has_audio"] not in ("no", "")), row["file"]


def test_frames_are_what_was_drawn(make_clip):
    drawn = moving_square(24)
    for number, picture in reader.rgb_frames(make_clip("clip.mp4", options={"crf": "1"})):
        assert np.abs(picture.astype(int) - drawn[number]).mean() < 4


def test_a_large_frame_after_a_small_one_is_never_allocated(tmp_path):
    """16,000 x 16,000 pixels would take 384 MB, in a file of 4 MB."""
    import io
    import resource

    from PIL import Image

    with av.open(str(tmp_path / "grow.mov"), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for number, side in enumerate((64, 16_000)):
            jpeg = io.BytesIO()
            Image.new("L", (side, side), 90).save(jpeg, "JPEG")
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = stream.time_base or Fraction(1, 25), True
            out.mux(packet)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ItemError) as caught:
        probe(tmp_path / "grow.mov", LIMITS)
    assert caught.value.reason in ("corrupt", "unreadable", "too_large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
