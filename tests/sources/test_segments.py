"""OccludeNet-S: exact cuts, and a message for every mistake."""

from __future__ import annotations

import argparse
from fractions import Fraction

import av
import numpy as np
import pytest

from occludenet_build.config import Config
from occludenet_build.config.sources import Segments
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.media.video import cut as cutting
from occludenet_build.media.video.cut import cut_video
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.source import open_video, to_rgb
from occludenet_build.media.video.synth import write_video
from occludenet_build.release.csv_format import SingleView, read_csv
from occludenet_build.sources.segments import table
from occludenet_build.sources.segments.command import run as run_stage
from occludenet_build.sources.segments.cutting import (
    segment_clip_name,
    segment_clip_names,
)
from occludenet_build.sources.video_folder import VideoFolder

ENCODING = Encoding("libx264", 18, "ultrafast", "avx2", keyframe_seconds=1)
RATE = 16_000


def numbered(count):
    """Pictures that say their number: eight blocks, black or white."""
    for number in range(count):
        picture = np.full((32, 128, 3), 90, np.uint8)
        for bit in range(8):
            picture[4:28, 16 * bit + 2 : 16 * bit + 14] = 230 if number >> bit & 1 else 20
        yield picture


def number_of(picture):
    levels = [picture[12:20, 16 * bit + 5 : 16 * bit + 11].mean() for bit in range(8)]
    return sum(1 << bit for bit, level in enumerate(levels) if level > 128)


def sweep(seconds):
    """A tone that rises, so that no two moments sound alike."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.4 * np.sin(2 * np.pi * (200 + 60 * time) * time)).astype(np.float32)


def long_video(path, frames=140, fps=Fraction(10), sound=True, **options):
    if sound:
        seconds = frames / float(fps)
        options["audio"], options["sample_rate"] = sweep(seconds), RATE
    write_video(path, numbered(frames), fps, options={"g": "25"}, **options)
    return path


def frames_of(path):
    """[(exact seconds from the first frame, number)]."""
    with open_video(path) as source:
        found = [(frame.pts, number_of(to_rgb(frame))) for frame in source]
        return [((pts - found[0][0]) * source.time_base, number) for pts, number in found]


def sound_of(path):
    """(time of the first sample, samples float (N,)) as players hear it."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.audio[0]))
        start = frames[0].pts * frames[0].time_base
        return start, np.concatenate([f.to_ndarray()[0] for f in frames]).astype(np.float64)


SOURCES = [
    ("plain.mp4", {}),
    ("ntsc.mp4", {"fps": Fraction(30000, 1001), "frames": 255}),
    ("late.mp4", {"pts": [3 + n for n in range(140)]}),
    ("variable.mkv", {"sound": False, "time_base": Fraction(1, 1000),
                      "pts": [100 * n + 37 * (n % 3) for n in range(140)]}),
    ("silent.avi", {"sound": False, "codec": "mpeg4"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), SOURCES, ids=[name for name, _ in SOURCES])
def test_a_cut_has_the_frames_of_the_stretch_at_their_times(tmp_path, name, options):
    path = long_video(tmp_path / name, **options)
    start, end = Fraction("3.25"), Fraction("7.4")
    piece = cut_video(path, start, end, tmp_path / "cut.mp4", ENCODING)
    wanted = [(at, number) for at, number in frames_of(path) if start <= at < end]
    assert frames_of(tmp_path / "cut.mp4") == [(at - wanted[0][0], number) for at, number in wanted]
    assert (piece.frames, piece.start_seconds) == (len(wanted), wanted[0][0])


def test_a_jump_to_a_key_frame_changes_nothing(tmp_path, monkeypatch):
    path = long_video(tmp_path / "long.mp4")
    cut_video(path, Fraction(6), Fraction(10), tmp_path / "jumped.mp4", ENCODING)
    monkeypatch.setattr(cutting, "_SEEKS", ("nothing",))
    cut_video(path, Fraction(6), Fraction(10), tmp_path / "whole.mp4", ENCODING)
    assert (tmp_path / "jumped.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_copied_sound_is_the_same_to_the_sample(tmp_path):
    path = long_video(tmp_path / "long.mp4")
    piece = cut_video(path, Fraction("3.25"), Fraction("7.4"), tmp_path / "cut.mp4", ENCODING)
    assert piece.sound == "copied"
    begin, whole = sound_of(path)
    at, part = sound_of(tmp_path / "cut.mp4")
    assert at == 0
    first = round((piece.start_seconds - begin) * RATE)
    # the last packet may reach beyond the last picture
    assert 0 <= len(part) / RATE - 4.1 < 0.15
    np.testing.assert_array_equal(part, whole[first : first + len(part)])


@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_other_sound_is_cut_to_the_sample_and_encoded(tmp_path, codec):
    path = long_video(tmp_path / "long.mkv", audio_codec=codec)
    piece = cut_video(path, Fraction(5), Fraction(9), tmp_path / "cut.mp4", ENCODING)
    assert piece.sound == "encoded"
    at, part = sound_of(tmp_path / "cut.mp4")
    assert at == 0 and abs(len(part) / RATE - 4) < 0.1
    true = sweep(14)[5 * RATE : 9 * RATE].astype(np.float64)
    # where it correlates best with the truth says how far it is off
    middle = part[RATE : 3 * RATE]
    shifts = range(-80, 81)
    fits = [float(middle @ true[RATE + s : 3 * RATE + s]) for s in shifts]
    assert abs(shifts[int(np.argmax(fits))]) <= 16  # matroska's times are whole milliseconds


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [("12", "20", "outside_video"), ("30", "39", "outside_video"), ("13.5", "14.09", None)],
)
def test_a_stretch_beyond_the_end_is_refused(tmp_path, start, end, reason):
    path, out = long_video(tmp_path / "long.mp4", sound=False), tmp_path / "cut.mp4"
    if reason is None:
        assert cut_video(path, Fraction(start), Fraction(end), out, ENCODING).frames == 5
        return
    with pytest.raises(ItemError) as error:
        cut_video(path, Fraction(start), Fraction(end), out, ENCODING)
    assert error.value.reason == reason


def test_damage_in_the_stretch_is_refused_and_elsewhere_is_not(tmp_path):
    path = long_video(tmp_path / "long.mkv", sound=False)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    assert cut_video(path, Fraction(1), Fraction(3), tmp_path / "a.mp4", ENCODING).frames == 20
    with pytest.raises(ItemError):
        cut_video(path, Fraction(4), Fraction(12), tmp_path / "b.mp4", ENCODING)


HEAD = "video,start_seconds,end_seconds,class,split"
MISTAKES = [
    ("video,start,end,class,split\n", "line 1, column 'start_seconds'"),
    (f"{HEAD},desicion\n", "line 1, column 6: wanted the header"),
    (f"{HEAD}\na,1,9,fighting\n", "line 2, column 'split': wanted 5 columns, got 4"),
    (f"{HEAD}\na,1;5,9,fighting,val\n", "line 2, column 'start_seconds': wanted seconds"),
    (f"{HEAD}\na,-1,9,fighting,val\n", "line 2, column 'start_seconds': wanted seconds"),
    (f"{HEAD}\na,9,1,fighting,val\n", "line 2, column 'end_seconds': wanted more than"),
    (f"{HEAD}\n,1,9,fighting,val\n", "line 2, column 'video': wanted a text"),
    (f"{HEAD}\na,1,9,fighting,dev\n", "line 2, column 'split': wanted train, val or test"),
    (f"{HEAD},decision\na,1,9,fighting,val,yes\n", "line 2, column 'decision': wanted accept"),
    (f"{HEAD}\na,1,9,fighting,val\nb,1,9,x,val\na,1,9,fighting,test\n", "line 4, column 'video'"),
    (f'{HEAD}\n"a,1,9,fighting,val\n', "wanted CSV"),
    ("", "line 1, column 'video'"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_names_line_and_column(text, message):
    with pytest.raises(UserError, match=r"table\.csv, line") as error:
        table.parse_segments(text, "table.csv")
    assert message in str(error.value)


def test_all_mistakes_are_told_at_once_and_spreadsheets_are_understood(tmp_path):
    text = f"{HEAD}\na,x,9,fighting,val\n\nb,1,9,fighting,dev\n"
    with pytest.raises(UserError) as error:
        table.parse_segments(text, "t")
    assert [line.split(",")[1] for line in str(error.value).split("\n")] == [" line 2", " line 4"]
    path = tmp_path / "sheet.csv"
    path.write_bytes(f"\ufeff{HEAD},decision\r\n a ,1.5,10,Fighting,VAL,Accept\r\n"
                     "b,1,9,x,val,reject\r\nc,1,9,x,val,\r\n".encode())  # fmt: skip
    (row,) = table.read_segments(path)
    assert (row.video, row.start, row.split) == ("a", Fraction(3, 2), "val")


def test_names_of_clips_differ():
    rows = "a/x.mp4,1,9,fighting,val\nb/x.mp4,1,9,fighting,val\nx,1.5,9,fighting,val\n"
    names = segment_clip_names(table.parse_segments(f"{HEAD}\n{rows}", "t"))
    assert len(set(names)) == 3 and names[2] == "x_000001.500_000009"
    assert segment_clip_name("../../etc/passwd", Fraction(1), Fraction(9)) == "passwd_000001_000009"
    assert len(segment_clip_name("ä" * 300, Fraction(1), Fraction(9)).encode()) < 200


def test_videos_are_found_by_any_of_their_names(tmp_path):
    for name in ("Abuse/one.mp4", "Robbery/one.mp4", "Abuse/one.txt", "deep/er/two.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    videos = VideoFolder(tmp_path, "segments.videos")
    assert str(videos.find("two", "x")) == "deep/er/two.avi"
    assert str(videos.find("er/two.avi", "x")) == "deep/er/two.avi"
    assert str(videos.find("one", "robbery")) == "Robbery/one.mp4"
    assert str(videos.find("Abuse/one", "robbery")) == "Abuse/one.mp4"
    with pytest.raises(ItemError, match="ambiguous"):
        videos.find("one.mp4", "stealing")
    for name in ("../secret.mp4", "/etc/passwd", "three"):
        with pytest.raises(ItemError, match="missing"):
            videos.find(name, "x")


TABLE = f"""{HEAD}
cam1,1,9.5,Robbery,train
cam1.mp4,4.25,13.25,robbery,test
cam1,2,5,robbery,test
cam1,1,13,robbery,test
cam1,8,16.5,robbery,test
cam1,1,9,arson,test
cam9,1,9,robbery,test
noise,1,9,robbery,test
"""


def run(folder, text=TABLE):
    (folder / "table.csv").write_text(text)
    args = argparse.Namespace(
        videos=folder / "videos",
        table=folder / "table.csv",
        root=folder / "build",
        out=folder / "build/segments/clips.parquet",
        threads=1,
    )
    run_stage(args, Config(segments=Segments()))
    return {row["clip"]: row for row in tables.read_rows(args.out)}


def made(folder):
    return {p.name: p.stat().st_mtime_ns for p in (folder / "build").rglob("*.mp4")}


def test_the_stage_cuts_resumes_and_says_why_not(tmp_path):
    (tmp_path / "videos/Robbery").mkdir(parents=True)
    long_video(tmp_path / "videos/Robbery/cam1.mp4")
    (tmp_path / "videos/noise.mp4").write_bytes(b"\0" * 5000)
    rows = run(tmp_path)
    assert [row["reason"] for row in rows.values()] == [
        *(None, None, "too_short", "too_long", "outside_video", "unknown_class", "missing"),
        "not_a_video",
    ]
    one, two = list(rows.values())[:2]
    assert one["file"] == "OccludeNet-S/train/robbery/cam1_000001_000009.500.mp4"
    assert (two["frames"], two["duration_seconds"], two["cut_seconds"]) == (90, 9.0, 4.3)
    kind, records = read_csv(tmp_path / "build/OccludeNet-S/annotations/test_s.csv")
    assert kind is SingleView
    assert records == [SingleView("robbery", "cam1_000004.250_000013.250.mp4", 10.0, 9.0)]
    before = made(tmp_path)
    run(tmp_path)
    assert made(tmp_path) == before and len(before) == 2
    # another order and one row less: nothing is cut again, and one clip is gone
    lines = TABLE.splitlines()
    rows = run(tmp_path, "\n".join([lines[0], lines[3], lines[1]]) + "\n")
    assert made(tmp_path) == {"cam1_000001_000009.500.mp4": before["cam1_000001_000009.500.mp4"]}
    assert read_csv(tmp_path / "build/OccludeNet-S/annotations/test_s.csv")[1] == []
    assert not list((tmp_path / "build").rglob(".*.part*"))
