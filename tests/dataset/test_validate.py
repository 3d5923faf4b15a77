"""validate on tiny files with one fault each, on two releases side by side, on the real release."""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import REPO
from support.release import CASES, FILES, GONE_B, LINES, edited, other_split, write

from occludenet_build.config import load_part
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.dataset.validate import COMPARISON, FINDINGS
from occludenet_build.dataset.validate.checks import CHECKS, read_label_map, run_checks
from occludenet_build.dataset.validate.command import add_arguments
from occludenet_build.dataset.validate.command import run as run_stage
from occludenet_build.dataset.validate.release import read_release
from occludenet_build.release.terms import parse_clip_file_name, parse_listed_path


def run(*arguments: str | Path, **settings) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run_stage(parser.parse_args([str(argument) for argument in arguments]), load_part(settings))


def told(folder: Path, check: str) -> list[tuple]:
    found = CHECKS[check](read_release([folder]))
    return [(f.severity, f.split, f.subject, f.sources, f.clips, f.detail) for f in found]


@pytest.mark.parametrize(("check", "edits", "wanted"), CASES)
def test_a_check_finds_its_fault(tmp_path: Path, check: str, edits: dict, wanted: list) -> None:
    found = told(write(tmp_path, edited(edits)), check)
    assert [row[:-1] for row in found] == [row[:-1] for row in wanted]
    assert all(one[-1] in other[-1] for one, other in zip(wanted, found, strict=True)), found


def test_every_check_is_tried_and_good_files_have_no_fault(tmp_path: Path) -> None:
    assert {case[0] for case in CASES} == set(CHECKS)
    found = run_checks(read_release([write(tmp_path, FILES)]))
    assert {f.severity for some in found.values() for f in some} == {"note"}


def test_two_splits_share_an_occluder_and_a_source(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    write(folder, other_split(FILES, "test", ("d.png", "own.png"), ("_b.mp4", "_c.mp4")))
    assert told(folder, "occluder_in_two_splits") == [
        ("error", None, "e.png", 2, 4, "source clips: 1 in val, 1 in test")
    ]
    assert told(folder, "source_in_two_places") == [
        ("error", None, "a", 1, 4, "one source in test/abseil, val/abseil")
    ]
    assert read_release([folder]).splits == ["val", "test"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("map.txt", "zumba\nabseil\n", "id 0 in the lists, 1 in the label map"),
        ("map.csv", "id,name\n1,abseil\n0,zumba\n", "id 0 in the lists, 1 in the label map"),
        ("map.csv", "abseil,3\nzumba,1\n", "id 0 in the lists, 3 in the label map"),
        ("map.json", '{"abseil": 7, "zumba": 1}', "id 0 in the lists, 7 in the label map"),
        ("map.json", '["zumba", "abseil"]', "id 0 in the lists, 1 in the label map"),
        ("map.txt", "archery\nzumba\n", "id 0 in the lists, the class is not in the label map"),
    ],
)
def test_label_maps(tmp_path: Path, name: str, text: str, said: str) -> None:
    write(tmp_path, FILES | {name: text})
    release = read_release([tmp_path])
    release.label_map = read_label_map(tmp_path / name)
    first = next(iter(CHECKS["label_ids"](release)))
    assert (first.severity, first.subject, first.detail) == ("error", "abseil", said)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("map.txt", "", "wanted class names, each once, got none"),
        ("map.txt", "a\na\n", "got one twice"),
        ("map.csv", "a;1\n", "line 1: wanted name,id or id,name"),
        ("map.csv", "a,1\nb,c\n", "line 2: wanted name,id or id,name"),
        ("map.json", "{", "wanted JSON"),
        ("map.json", '{"a": "x"}', "wanted {name: id} or [name, ...]"),
    ],
)
def test_label_maps_that_are_none(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        read_label_map(tmp_path / name)
    assert said in str(caught.value)


def test_against_another_release(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    changed = edited({"val_d.csv": [
        (LINES[1], LINES[1].replace("d.png", "x.png").replace("04.00", "04.10")),
        (LINES[2], LINES[2].replace("10.00", "10.11")),
        (LINES[4], LINES[4].replace("_b", "_c")),
    ]})  # fmt: skip
    ours = write(tmp_path / "ours", changed | other_split(FILES, "train"))
    theirs = write(tmp_path / "theirs", FILES)
    run(ours, "--against", theirs, "--out", tmp_path / "out")
    assert pq.read_schema(tmp_path / "out/comparison.parquet").equals(COMPARISON)
    rows = tables.read_rows(tmp_path / "out/comparison.parquet")
    assert [(r["clip"], r["scale"], r["status"], r["differs"]) for r in rows] == [
        ("a", 0.25, "both", True),
        ("a", 0.5, "both", True),
        ("b", 0.25, "both", False),
        ("b", 0.5, "missing_here", None),
        ("c", 0.5, "missing_there", None),
    ]
    assert json.loads((tmp_path / "out/summary.json").read_text())["against"] == {
        "splits": ["val"], "common": 3, "missing_here": 1, "missing_there": 1,
        "other_label": 0, "other_category": 0, "other_occluder": 1, "other_fps": 0,
        "duration": {"differing": 1, "beyond": 1, "median_seconds": 0.0, "max_seconds": 0.11},
        "occlusion": {"differing": 1, "beyond": 0, "median_seconds": 0.0, "max_seconds": 0.1},
    }  # fmt: skip
    assert "val a at 0.25: occluder x.png, there d.png, occlusion" in capsys.readouterr().out
    select = {"assignment": "published", "published": str(theirs)}
    run(ours, "--out", tmp_path / "again", select=select)
    assert tables.read_rows(tmp_path / "again/comparison.parquet") == rows
    run(ours, "--out", tmp_path / "again")
    assert not (tmp_path / "again/comparison.parquet").exists()


def test_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write(tmp_path / "in", edited({"val_d.csv": [("04.00", "00.00")]}))
    run(*sorted(folder.iterdir()), "--out", tmp_path / "out")
    report = capsys.readouterr().out
    assert report == (tmp_path / "out/report.txt").read_text()
    assert (
        "not_occluded            1 error (1 source, 2 clips), 1 note\n    error: val a: " in report
    )
    assert pq.read_schema(tmp_path / "out/findings.parquet").equals(FINDINGS)
    rows = tables.read_rows(tmp_path / "out/findings.parquet")
    with open(tmp_path / "out/findings.csv", newline="") as stream:
        assert [row["subject"] for row in csv.DictReader(stream)] == [r["subject"] for r in rows]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["findings"]["error"] == 1
    assert summary["splits"]["val"] == {
        "annotated_clips": 4, "annotated_sources": 2, "listed_clips": 4, "listed_sources": 2,
        "classes": 2, "occluders": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "arguments", "status", "said"),
    [
        (FILES, ["in", "--strict"], 0, "0 errors"),
        (edited(GONE_B), ["in"], 0, "in all: 1 error,"),
        (edited(GONE_B), ["in", "--strict"], 2, "wanted a release without errors, got 1"),
        (FILES, ["in/val_d.csv", "elsewhere"], 2, "elsewhere does not exist"),
        ({"mine.csv": "x\n"}, ["in"], 2, "in, got none; name a folder"),
        ({"mine.csv": "x\n"}, ["in/mine.csv"], 2, "got in/mine.csv; name it so"),
        (FILES, ["in", "in/../in"], 2, "wanted one val_25.csv, got"),
    ],
)
def test_the_command_line(
    tmp_path: Path, files: dict, arguments: list, status: int, said: str
) -> None:
    write(tmp_path / "in", files)
    command = [sys.executable, "-m", "occludenet_build", "validate", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(REPO)}
    )
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["0.25_a", "0.2_a.mp4", "25_a.mp4", "0.25_.mp4", "x/0.25_a.mp4"])
def test_names_that_no_clip_has(name: str) -> None:
    with pytest.raises(UserError, match=r"wanted a clip's name such as 0.25_<source>\.mp4"):
        parse_clip_file_name(name)


def test_a_listed_path_is_taken_apart() -> None:
    path = parse_listed_path("val_12.5percent/zumba (fast)/0.12_-_x_1.mp4")
    assert (path.split, path.percent, path.class_folder) == ("val", "12.5", "zumba (fast)")
    assert parse_clip_file_name(path.file_name) == (0.12, "-_x_1")


RELEASE = [
    folder / "shared/reference/annotations"
    for folder in Path(__file__).resolve().parents
    if (folder / "shared/reference/annotations/val_d.csv").is_file()
]
"""The release's own files, where a checkout has them."""


@pytest.mark.skipif(not RELEASE, reason="the release's files are not here")
def test_the_release_has_the_faults_that_the_survey_found() -> None:
    release = read_release(RELEASE[:1])
    found = run_checks(release)
    assert (len(release.annotated), len(release.entries)) == (3 * 4796, 3 * 4793)
    faults = {
        name: (len(bad), sum(f.sources for f in bad), sum(f.clips for f in bad))
        for name, some in found.items()
        if (bad := [f for f in some if f.severity != "note"])
    }
    assert faults == {
        "listed_not_annotated": (1, 1, 3),  # F7
        "annotated_not_listed": (4, 4, 12),  # F7
        "not_occluded": (67, 67, 201),  # F4
        "label_ids": (5, 60, 180),  # F8
    }
    assert {f.subject: int(f.detail.split()[1]) for f in found["label_ids"]} == {
        "drinking beer": 100, "drinking shots": 101, "drinking": 102,
        "smoking hookah": 316, "smoking": 317,
    }  # fmt: skip
    notes = {f.subject: f.detail for some in found.values() for f in some if f.severity == "note"}
    assert notes["occluded < 10% of the time"] == "363 of 4796 source clips"
    assert notes["occluded >= 99% of the time"] == "1408 of 4796 source clips"
    assert notes["occluders"].startswith("816 distinct occluders")  # F5
    assert notes["usual quota"].startswith("399 of 400 classes have 3 source clips of each type")
    assert notes["ice fishing"] == "off it: handbag 2, backpack 2, suitcase 2, dog 2"  # F3
    assert notes["handbag"].endswith("000000379343_0056308_77.21.png in 40 of them")
    assert notes["fps"] == "fps from 6.00 to 30.00"
    assert notes["spaces"].startswith("320 of 400 class folders")  # F9
