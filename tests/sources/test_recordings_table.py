"""OccludeNet-I and -M: who and what a recording shows, from a table or from its name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import PurePosixPath

import pytest

from occludenet_build.config.recordings import RecordingSet
from occludenet_build.core.errors import UserError
from occludenet_build.sources.recordings.outputs import table_rows
from occludenet_build.sources.recordings.pattern import match_files, pattern_regex
from occludenet_build.sources.recordings.table import parse_recordings
from occludenet_build.sources.recordings.takes import takes_of, view_numbers

HEAD = "file,class,subject,take"
VIEWS = f"{HEAD},view"


def one_set(folder=".", **values):
    return RecordingSet(**{"name": "I", "folder": str(folder), **values})


def parsed(text, **values):
    return parse_recordings(text, "t.csv", one_set(**values))


MISTAKES = [
    ("file,class,subject\n", {}, "line 1, column 'take': wanted the header"),
    (f"{HEAD},viwe\n", {}, "line 1, column 5: wanted the header"),
    (f"{HEAD}\na,walk,P1\n", {}, "line 2, column 'take': wanted 4 columns, got 3"),
    (f"{HEAD}\na,,P1,1\n", {}, "line 2, column 'class': wanted a text"),
    (f"{HEAD}\na,jump/high,P1,1\n", {}, "line 2, column 'class': wanted a class that can name"),
    (f"{HEAD}\na,walk,P1;,1\n", {}, "line 2, column 'subject': wanted a person"),
    (f"{HEAD}\na,walk,,1\n", {}, "line 2, column 'subject': wanted a person"),
    (f"{HEAD},split\na,walk,P1,1,dev\n", {}, "line 2, column 'split': wanted train, val or test"),
    (f"{HEAD},offset_seconds\na,walk,P1,1,1s\n", {}, "line 2, column 'offset_seconds'"),
    (f"{HEAD},start_seconds,end_seconds\na,walk,P1,1,9,3\n", {}, "'end_seconds': wanted more than"),
    (f"{HEAD}\na,walk,P1,1\n", {"layout": "views"}, "line 2, column 'view': wanted a view"),
    (f"{VIEWS}\na,walk,P1,1,up\n", {"views": ("left",)}, "column 'view': wanted one of left"),
    (f"{HEAD}\na,walk,P1,1\nb,walk,p1,2\n", {}, "line 3, column 'subject': wanted one spelling"),
    (f"{HEAD}\na,hop,P1,1\nb,Hop,P2,1\n", {}, "line 3, column 'class': wanted one spelling"),
    (f"{HEAD}\na,walk,P1,1\nb,walk,P1,1\n", {}, "line 3, column 'take': wanted one recording"),
    (f"{VIEWS}\na,walk,P1,1,x\nb,walk,P1,1,x\n", {}, "each view 'x' of take '1', got b and a"),
    (f"{HEAD}\na,walk,P1,1\na,walk,P1,1\n", {}, "line 3, column 'file': wanted another"),
    (f"{HEAD}\na,walk,P1,1\na,armed,P1,1\n", {}, "line 3, column 'class': wanted Walk as in"),
    (f"{VIEWS}\na,walk,P1,1,x\nb,armed,P2,1,y\n", {"takes": "set"}, "wanted Walk as in line 2"),
    (f"{VIEWS},split\na,walk,P1,1,x,val\nb,walk,P1,1,y,test\n", {}, "line 3, column 'split'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values", "message"), MISTAKES)
def test_a_mistake_names_line_and_column(text, values, message):
    with pytest.raises(UserError, match=r"t\.csv, line") as error:
        parsed(text, **values)
    assert message in str(error.value)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_table():
    text = f"{HEAD},split\na,walk,P1,1,\nb,walk,P1,1,\nc,walk,P2,1,dev\n"
    with pytest.raises(UserError) as error:
        parsed(text)
    assert [line.split(",")[1] for line in str(error.value).split("\n")] == [" line 3", " line 4"]


def test_a_table_is_read_and_written_back_with_the_splits():
    text = (
        f"{VIEWS},camera,session,start_seconds,end_seconds,offset_seconds,note\n"
        "b.mp4,bike ride,P2; P1,7,left,NIR,day 1,,,-0.25,x\n"
        "a.mp4,BikeRide,P1;P2,7,front,,day 1,1.5,12,,\n"
        "a.mp4,Bike_Ride,P1+P2,7,front,,day 1,20,,,\n"
    )
    one = one_set()
    (take,) = takes_of(parse_recordings(text, "t", one), one)
    assert (take.id, take.label, take.people) == (
        "Bike_Ride_P1-P2_7_day-1",
        "Bike_Ride",
        ("P1", "P2"),
    )
    front, left = take.views
    assert (front.file, front.number, front.offset) == ("a.mp4", 1, None)
    assert front.parts == ((Fraction(3, 2), Fraction(12)), (Fraction(20), None))
    assert (left.camera, left.number, left.offset) == ("NIR", 2, Fraction(-1, 4))
    rows = table_rows([take], {take.key: "val"})
    assert rows[0] == [
        "a.mp4",
        "Bike_Ride",
        "P1;P2",
        "7",
        "front",
        "",
        "day 1",
        "val",
        "1.5",
        "12",
        "",
    ]
    lines = [",".join(row) for row in rows]
    again = "\n".join(
        [f"{VIEWS},camera,session,split,start_seconds,end_seconds,offset_seconds", *lines]
    )
    (same,) = takes_of(parse_recordings(again, "t", one), one)
    assert (same.views, same.split) == (take.views, "val")


def test_what_a_take_is_named_by():
    text = f"{VIEWS}\na,walk,P1,1,x\nb,walk,P2,1,y\n"
    assert len(takes_of(parsed(text), one_set())) == 2
    (take,) = takes_of(parsed(text, takes="set"), one_set(takes="set"))
    assert take.people == ("P1", "P2") and len(take.views) == 2
    # names that a file system, or the rules of names, take for one
    text = f"{HEAD}\na,hop,P/1,1\nb,hop,P-1,1\nc,hop,..,1\n"
    ids = [take.id for take in takes_of(parsed(text, name="X"), one_set(name="X"))]
    assert len(set(ids)) == 3 and all("/" not in id and ".." not in id for id in ids)


@pytest.mark.parametrize(
    ("found", "order", "numbers"),
    [
        ({"view3", "view1"}, (), {"view1": 1, "view3": 3}),
        ({"cam 02", "cam 10"}, (), {"cam 02": 2, "cam 10": 10}),
        ({"left", "front"}, (), {"front": 1, "left": 2}),
        ({"left", "front"}, ("left", "front"), {"left": 1, "front": 2}),
        ({"a1", "b1"}, (), {"a1": 1, "b1": 2}),
        ({""}, (), {}),
    ],
)
def test_numbers_of_views(found, order, numbers):
    assert view_numbers(found, order) == numbers


PATTERN = "{class}/{subject}_{take}_{view}.mp4"
NAMES = [
    (PATTERN, "walk/P1_2_left.mp4", ("walk", "P1", "2", "left")),
    (PATTERN, "walk/P1+P2_2_left.MP4", ("walk", "P1+P2", "2", "left")),
    (PATTERN, "walk/P1_2.mp4", None),
    (PATTERN, "walk/P1_2_3_left.mp4", None),
    (PATTERN, "deep/walk/P1_2_left.mp4", None),
    (PATTERN, "walk/P1_2_left.mkv", None),
    ("{class}_{subject}_take{take}", "Bike_Ride_P1_take03.mov", ("Bike_Ride", "P1", "03", None)),
    ("{class}_{subject}_take{take}", "bike ride_P1_take03.mov", ("bike ride", "P1", "03", None)),
    ("{class}_{subject}_take{take}", "high_jump_P1_take03.mov", None),
    ("{subject}/v.1/{take}-{class}", "P1/V.1/3-hop up.ts", ("hop up", "P1", "3", None)),
    ("{subject}/v.1/{take}-{class}", "P1/vx1/3-hop.ts", None),
]


@pytest.mark.parametrize(("pattern", "name", "fields"), NAMES)
def test_names_of_files(pattern, name, fields):
    found = pattern_regex(pattern).fullmatch(name)
    groups = found.groupdict() if found else {}
    got = tuple(groups.get(field) for field in ("class", "subject", "take", "view"))
    assert (got if found else None) == fields


def test_files_are_matched_and_mistakes_name_the_file():
    paths = [PurePosixPath(name) for name in ("walk/P1_1_a.mp4", "walk/P1_1_b.mp4", "x.mp4")]
    found, unmatched = match_files(paths, one_set(pattern=PATTERN, layout="views"))
    assert [row.view for row in found] == ["a", "b"] and unmatched == [paths[2]]
    with pytest.raises(UserError, match=r"wanted videos named .* got 1 others, such as x\.mp4"):
        match_files(paths[2:], one_set(pattern=PATTERN))
    paths.append(PurePosixPath("walk/p1_2_a.mp4"))
    with pytest.raises(UserError, match=r"walk/p1_2_a\.mp4, \{subject\}: wanted one spelling"):
        match_files(paths, one_set(pattern=PATTERN))


SETTINGS = [
    ({"pattern": "{class}_{take}"}, "with each field once"),
    ({"pattern": "{class}{subject}_{take}"}, r"wanted a text between \{class\} and \{subject\}"),
    ({"pattern": "{class}_{subject}_{take}_{no}"}, "as fields of the pattern, got {no}"),
    ({"pattern": "{class"}, "wanted a pattern such as"),
    ({"pattern": PATTERN, "table": "t.csv"}, "wanted a table or a pattern, got both"),
    ({"name": "S"}, "but D, S and leaks, got 'S'"),
    ({"name": "my set"}, "wanted a name of letters"),
    ({"dataset": "a/b"}, "wanted a dataset that can name a folder"),
    ({"size": "1080p"}, "wanted a size such as 1920x1080"),
]


@pytest.mark.parametrize(("values", "message"), SETTINGS)
def test_settings_of_a_set(values, message):
    with pytest.raises(UserError, match=message):
        one_set(**values)
