"""The framework of export: names, label maps, what is left alone, removed, or refused."""

from __future__ import annotations

import errno
import importlib
import json
import shutil
import string
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import write_groups
from support.export import (
    LABELS,
    OCCLUDER,
    SECOND,
    SOURCES,
    ExportBuild,
    contents,
    named,
    problems,
    read_csv,
    summary,
)

from occludenet_build.config import load_part
from occludenet_build.config.export import FORMATS, Export
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.dataset.annotate import CLIPS, FRAMES
from occludenet_build.dataset.clips import Build
from occludenet_build.dataset.export import mmaction2
from occludenet_build.dataset.export.ava import label_map_text
from occludenet_build.dataset.export.integralaction import file_names
from occludenet_build.dataset.export.job import Job, safe_names
from occludenet_build.dataset.export.labels import ids_of_reader, joined, read_label_map
from occludenet_build.dataset.export.mmaction2 import label_lines
from occludenet_build.dataset.export.separators import choose_separator
from occludenet_build.media.imaging import masks
from occludenet_build.people.detect import BOXES
from occludenet_build.stages import STAGES

FEW = tuple(replace(one, frames=4) for one in SOURCES if one.name not in ("odd (1)",))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> ExportBuild:
    """Tests leave it as it is; those that export give a folder of their own."""
    return ExportBuild(tmp_path_factory.mktemp("export"), FEW, scales=(0.25,)).write()


@pytest.fixture
def build(made, tmp_path) -> ExportBuild:
    """A copy, of hard links where the file system has them."""
    shutil.copytree(made.root, tmp_path / "build")
    return ExportBuild(tmp_path / "build", FEW, (0.25,), rows=made.rows)


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Path -> (inode, time of the last change, content) of every file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns,
                                        path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }  # fmt: skip


def test_every_format_has_a_module_that_writes():
    for name in FORMATS:
        assert callable(importlib.import_module(f"{STAGES['export'].module}.{name}").write)


@pytest.mark.parametrize("format", ["mmaction2", "mmaction2_frames"])
def test_a_second_export_changes_nothing_and_another_has_the_same_bytes(made, tmp_path, format):
    folder = made.export(format, tmp_path / "one", sets=["clean"])
    before = state(folder)
    made.export(format, folder, sets=["clean"])
    assert state(folder) == before
    again = made.export(format, tmp_path / "two", sets=["clean"], threads=1)
    assert contents(again) == contents(folder)


def test_what_an_earlier_export_left_is_removed_within_the_folder_only(made, tmp_path):
    beside = tmp_path / "kept.txt"
    beside.write_text("mine")
    folder = made.export("mmaction2", tmp_path / "x")
    (folder / "clean" / ".half.part.mp4").write_bytes(b"of a killed export")
    made.export("mmaction2", folder, sets=["clean"])
    assert not (folder / "D-25").exists() and beside.exists()
    assert contents(folder) == contents(made.export("mmaction2", tmp_path / "y", sets=["clean"]))


def test_a_folder_with_other_files_is_refused(made, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(UserError, match="wanted a folder that is new"):
        made.export("mmaction2", tmp_path / "x")
    assert (tmp_path / "x" / "holiday.mp4").exists()
    folder = made.export("slowfast", tmp_path / "y")
    with pytest.raises(UserError, match="with slowfast"):
        made.export("mmaction2", folder)


def test_an_export_that_fails_does_not_look_finished(made, tmp_path, monkeypatch):
    folder = made.export("mmaction2", tmp_path / "x", sets=["clean"])

    def dies(job):
        job.place(job.clips[0], job.video(job.clips[0]))
        raise KeyboardInterrupt

    monkeypatch.setattr(mmaction2, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        made.export("mmaction2", folder, sets=["D-25"])
    assert not (folder / "export.json").exists()


@pytest.mark.parametrize("files", ["link", "copy"])
def test_clips_are_links_or_copies(made, tmp_path, files):
    folder = made.export("kinetics_folder", tmp_path / "x", files=files, sets=["D-25"])
    rows = named(folder)
    assert len(rows) == len(FEW)
    for name, row in rows.items():
        exported, source = folder / name, made.root / row["file"]
        assert exported.samefile(source) == (files == "link")
        assert exported.read_bytes() == source.read_bytes()
    other = {"link": "copy", "copy": "link"}[files]
    made.export("kinetics_folder", folder, files=other, sets=["D-25"])
    assert all((folder / n).samefile(made.root / r["file"]) == (other == "link")
               for n, r in rows.items())  # fmt: skip


def test_a_disk_without_links_gets_copies_once(made, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", fails)
    folder = made.export("kinetics_folder", tmp_path / "x", sets=["D-25"])
    before = state(folder)
    made.export("kinetics_folder", folder, sets=["D-25"])
    assert state(folder) == before and len(named(folder)) == len(FEW)


def test_names_map_back_to_clips(made, tmp_path):
    folder = made.export("mmaction2", tmp_path / "x")
    rows = named(folder)
    allowed = set(string.ascii_letters + string.digits + "-_/")
    assert {row["file"] for row in rows.values()} == {row["file"] for row in made.rows}
    for name, row in rows.items():
        assert set(name.removesuffix(".mp4")) <= allowed
        assert name.startswith(f"{row['set']}/{row['split']}/")
    released = named(made.export("mmaction2", tmp_path / "y", names="release"))
    assert "D-25/train/catching (or) throwing/0.25_-Gx_jHapF_0_000061_000063.mp4" in released


@settings(max_examples=50)
@given(st.lists(st.text("aAb1é日._- ", max_size=4), max_size=8))
def test_safe_names_are_safe_and_different(texts):
    names = safe_names(texts)
    assert set(names) == set(texts)
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(name and set(name) <= set(string.ascii_letters + string.digits + "-_")
               for name in names.values())  # fmt: skip


@pytest.mark.parametrize("format", ["mmaction2_frames", "ava"])
def test_without_pixels_there_is_no_video_and_no_frame(made, tmp_path, format):
    """For lists; test_export_masks.py and test_export_hub.py have the other formats."""
    folder = made.export(format, tmp_path / format, pixels=False)
    found = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert not found - {"", ".csv", ".txt", ".json", ".pbtxt"}
    assert len(read_csv(folder / "names.csv")) == len(made.rows)


def test_licences_are_those_of_all_occluders_that_the_exported_clips_show(build, tmp_path):
    (build.root / next(row["file"] for row in build.rows if row["set"] == "D-25")).unlink()
    folder = build.export("kinetics_folder", tmp_path / "x")
    first, second = read_csv(folder / "licences.csv")
    assert first == {
        "occluder": OCCLUDER, "category": "dog", "photo": "42.jpg", "licence": "CC BY-NC 2.0",
        "licence_url": "http://creativecommons.org/licenses/by-nc/2.0/", "clips": f"{len(FEW) - 1}",
    }  # fmt: skip
    assert (second["occluder"], second["licence"], second["clips"]) == (
        SECOND, "", f"{len(FEW) - 1}",
    )  # fmt: skip
    assert summary(folder)["licences_restrict"] == {"no commercial use": 1}
    clean = build.export("kinetics_folder", tmp_path / "y", sets=["clean"])
    assert read_csv(clean / "licences.csv") == []


def test_annotations_of_a_clip_that_select_does_not_have_are_one_line(build):
    path = build.root / "select/clips.parquet"
    tables.write_table(tables.read_table(path).slice(1), path)
    with pytest.raises(UserError, match="got none for -Gx_jHapF_0_000061_000063; run annotate"):
        build.export("mmaction2")


def test_clips_that_are_away_or_changed_are_rows_with_a_reason(build, tmp_path):
    away, changed = build.rows[0], build.rows[5]
    (build.root / away["file"]).unlink()
    (build.root / changed["file"]).write_bytes(b"another clip")
    args = {"failures": {"outage_share": {"export": 0.9}}}
    folder = build.export("mmaction2_frames", tmp_path / "x", config=args)
    assert problems(folder) == {
        (away["set"], away["clip"]): "missing",
        (changed["set"], changed["clip"]): "clip_changed",
    }
    assert summary(folder)["left_out_reasons"] == {"missing": 1, "clip_changed": 1}
    assert len(named(folder)) == len(build.rows) - 2
    # the next start of the workflow tries again
    assert (tmp_path / "retry" / "x").read_text() == "1\n"


def test_a_clip_with_other_frames_than_stated_is_left_out(build, tmp_path):
    rows = tables.read_rows(build.root / "annotate/clips.parquet")
    rows[3]["frames"] += 1
    tables.write_table(tables.from_rows(rows, CLIPS), build.root / "annotate/clips.parquet")
    folder = build.export("mmaction2_frames", tmp_path / "x")
    assert problems(folder) == {(rows[3]["set"], rows[3]["clip"]): "other_frames"}
    listed = (folder / rows[3]["set"] / f"{rows[3]['split']}.txt").read_text()
    assert "0xreS8KFbrw_000417" not in listed and not list(folder.rglob("*.part"))


def test_most_clips_away_is_an_error(build, tmp_path):
    for row in build.rows[4:]:
        (build.root / row["file"]).unlink()
    with pytest.raises(UserError, match=r"failures\.outage_share\.export"):
        build.export("mmaction2", tmp_path / "x")
    assert not (tmp_path / "x" / "export.json").exists()


def test_a_format_that_can_hold_no_clip_is_an_error(made, tmp_path):
    with pytest.raises(UserError, match="none of 14, the first for too_few_frames"):
        made.export("ibm", tmp_path / "x")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"sets": ["D-99"]}, r"export.sets: wanted sets of this build \(D-25, clean\), got D-99"),
        ({"formats": ["mmaction2", "mmaction2"]}, "different formats"),
        ({"formats": ["nothing"]}, "export.formats"),
        ({"names": "nice"}, "export.names"),
    ],
)
def test_wrong_settings_are_one_line(made, tmp_path, values, text):
    with pytest.raises(UserError, match=text) as error:
        made.export("mmaction2", tmp_path / "x", **values)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_build_is_one_line(tmp_path):
    (tmp_path / "annotate").mkdir()
    with pytest.raises(UserError, match=r"wanted annotate/clips.parquet or measure"):
        ExportBuild(tmp_path).export("mmaction2")


# --- label maps -----------------------------------------------------------------------------------

K400 = ["yoga", "abseiling", "catching or throwing", "jumping jacks", "tai chi's", "zumba"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.txt", "\n".join(K400) + "\n"),
        ("map.txt", "\ufeff" + "\r\n".join(K400) + "\r\n\r\n"),
        ("map.json", json.dumps({name: number for number, name in enumerate(K400)})),
        ("map.json", "\ufeff" + json.dumps({f'"{n}"': i for i, n in enumerate(K400)})),
        ("map.json", json.dumps(K400)),
    ],
)
def test_label_maps_are_read_as_they_are_published(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_label_map(tmp_path / name) == {name: i for i, name in enumerate(K400)}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("map.txt", "a\nb\na\n", "different names, got a twice"),
        ("map.txt", "a\n\nb\n", "an empty line"),
        ("map.txt", "", "a class per line"),
        ("map.json", '{"a": 0, "b": 0}', "different ids, got 0 twice"),
        ("map.json", '{"a": -1}', "ids from 0"),
        ("map.json", '{"a": true}', "ids from 0"),
        ("map.json", '{"a": ', "wanted JSON"),
        ("map.json", "3", "name: id"),
    ],
)
def test_broken_label_maps_are_one_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_label_map(tmp_path / name)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_the_lists_have_the_ids_of_the_reading_program(made, tmp_path):
    file = tmp_path / "label_map_k400.txt"
    file.write_text("\n".join(K400).replace("jumping jacks", "Jumping_Jacks"))
    maps = [{"format": "mmaction2", "file": str(file)}]
    folder = made.export("mmaction2", tmp_path / "x", label_maps=maps)
    found = {line.split("/")[1]: int(line.split()[1]) for line in
             (folder / "D-25" / "train.txt").read_text().splitlines()}  # fmt: skip
    assert found == {"catching_or_throwing": 2, "jumping_jacks": 3, "tai_chi_s": 4}
    lines = (folder / "D-25" / "label_map.txt").read_text().splitlines()
    assert lines == ["yoga", "abseiling", "catching (or) throwing", "jumping jacks", *K400[4:]]
    about = summary(folder)
    assert about["label_map"] == "label_map_k400.txt" and len(about["label_map_sha256"]) == 64
    assert "label_map_sha256" in about and str(tmp_path) not in json.dumps(about)


def test_classes_that_are_not_in_the_map_are_all_named(made, tmp_path):
    file = tmp_path / "map.txt"
    file.write_text("yoga\nabseiling\n")
    maps = [{"format": "mmaction2", "file": str(file)}]
    with pytest.raises(
        UserError, match=r"none for jumping jacks, catching \(or\) throwing, tai chi's; add"
    ) as error:
        made.export("mmaction2", tmp_path / "x", label_maps=maps)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="the same for run, run!"):
        ids_of_reader(["run", "run!"], {"run": 0}, "x")


def test_torchvision_takes_no_label_map(tmp_path):
    (tmp_path / "map.txt").write_text("a\n")
    maps = [{"format": "kinetics_folder", "file": str(tmp_path / "map.txt")}]
    with pytest.raises(UserError, match="numbers the classes itself"):
        load_part({"export": {"label_maps": maps}})


def test_label_lines_need_all_ids():
    assert label_lines({"b": 0, "a": 1}) == "b\na\n"
    assert label_lines({"b": 0, "a": 2}) is None
    assert label_map_text({'say "hi"': 0}) == "item {\n  name: \"say 'hi'\"\n  id: 1\n}\n"


def test_one_map_of_several_spaces_keeps_the_first_ids():
    assert joined([LABELS, LABELS]) == LABELS
    assert joined([]) == {}
    assert joined([{"a": 5}, {"b": 0, "a": 1}]) == {"a": 5, "b": 6}


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "allowed", "wanted"),
    [
        (["a/b.mp4"], " ,;", " "),
        (["a b/c.mp4"], " ,;", ","),
        (["a\u00a0b/c.mp4"], " ,;", ","),  # str.split() splits there
        (["a b/c,d.mp4"], " ,;", ";"),
        (["it's/(x).mp4"], " ", " "),
        (["a b/c,d;e.mp4"], " ,;", "a b/c,d;e.mp4"),
        (["a\nb.mp4"], " ,;", "line"),
        (["a\x85b.mp4"], ",", "splits lines"),
        (['"a".mp4'], ",", "splits lines"),
    ],
)
def test_separators(paths, allowed, wanted):
    if len(wanted) > 1:
        with pytest.raises(UserError, match=r"set export.names to safe"):
            choose_separator(paths, tuple(allowed), "x")
    else:
        assert choose_separator(paths, tuple(allowed), "x") == wanted


def test_frames_with_spaces_in_the_names_are_refused(made, tmp_path):
    with pytest.raises(UserError, match="mmaction2_frames: wanted names without space"):
        made.export("mmaction2_frames", tmp_path / "x", names="release")


def test_integralaction_names_are_unique_without_their_times(made):
    with Build(made.root) as build:
        clips = build.clips(["clean"])
        job = Job(build, clips, made.labels, made.root / "x", Export())
        names = file_names(job, clips)
    assert names["clean/0xreS8KFbrw_000417_000427"] == "0xreS8KFbrw_000417_000427"
    assert names["clean/0xreS8KFbrw_000500_000510"] == "0xreS8KFbrw-2_000500_000510"


# --- S, I, M --------------------------------------------------------------------------------------


def measured(build: ExportBuild) -> list[dict]:
    """Write two clips of I as the stages recordings, detect and measure do; only one has people."""
    folder, (away, walk) = build.root / "measure" / "I", build.rows[:2]
    rows = [away | {"set": "I", "label": "abseiling", "clip": "empty", "scale": float("nan")}]
    rows.append(walk | {"set": "I", "label": "Walk", "clip": "walk", "scale": float("nan")})
    tables.write_table(tables.from_rows(rows, CLIPS), folder / "clips.parquet")
    write_json(folder / "labels.json", {"Walk": 0, "abseiling": 1})
    sizes = pa.schema([("file", pa.string()), ("width", pa.int32()), ("height", pa.int32())])
    cut = [{"file": row["file"], "width": 96, "height": 64} for row in rows]
    tables.write_table(tables.from_rows(cut, sizes), build.root / "recordings/clips.parquet")
    mask = masks.encode(np.eye(64, 96, dtype=bool))
    seen = {"clip": "walk", "set": "I", "actor_rle": mask, "visible_rle": mask}
    found = [seen | {"frame": 2, "pts": 7, "actor_hidden": 0.5, "actor_area": 64}]
    found.append(seen | {"frame": 3, "pts": 8})  # the whole actor is not known
    write_groups(folder / "frames/001.parquet", [tables.from_rows(found, FRAMES)], FRAMES)
    sides = {"x1": 1.0, "y1": 2.0, "x2": 30.0, "y2": 40.0, "actor": True, "filled": False}
    boxes = [{"clip": "walk", "frame": 2, "track": 0, "shot": 0} | sides]
    boxes.append(boxes[0] | {"track": 1, "x1": 50.0, "x2": 60.0, "actor": False})
    write_groups(
        folder / "detect/store/001/detail.parquet", [tables.from_rows(boxes, BOXES)], BOXES
    )
    manifest = pa.schema([("clip", pa.string())])
    tables.write_table(
        tables.from_rows([{"clip": "walk"}], manifest), folder / "detect/001.parquet"
    )
    return rows


def test_measured_sets_have_label_ids_of_their_own(build, tmp_path):
    measured(build)
    exported = build.export("mmaction2", tmp_path / "x", sets=["clean", "I"])
    assert (exported / "I" / "label_map.txt").read_text() == "Walk\nabseiling\n"
    lines = (exported / "I" / "train.txt").read_text().splitlines()
    assert sorted(line.rsplit(" ", 1)[1] for line in lines) == ["0", "1"]
    assert summary(exported)["labels"] == LABELS | {"Walk": max(LABELS.values()) + 1}
    only = build.export("mmaction2", tmp_path / "y", sets=["I"])
    assert summary(only)["labels"] == {"Walk": 0, "abseiling": 1}


@pytest.mark.parametrize("format", ["huggingface", "webdataset", "croissant"])
def test_label_ids_are_those_of_the_map_beside_them(build, tmp_path, format):
    """Of two sets that number their classes each."""
    measured(build)
    folder = build.export(format, tmp_path / format, sets=["clean", "I"], pixels=False)
    for set in ("clean", "I"):
        own = folder / set / "labels.json"
        labels = json.loads((own if own.exists() else folder / "labels.json").read_text())
        rows = {
            "huggingface": lambda: tables.read_rows(folder / "annotations/clips-train.parquet"),
            "croissant": lambda: read_csv(folder / "clips.csv"),
            "webdataset": lambda s=set: _in_tar(folder / s / "train-000000.tar"),
        }[format]()
        found = {row["label"]: int(row["label_id"]) for row in rows if row["set"] == set}
        assert found and found == {name: labels[name] for name in found}


def _in_tar(path: Path) -> list[dict]:
    with tarfile.open(path) as tar:
        names = [name for name in tar.getnames() if name.count(".") == 1 and name.endswith("json")]
        return [json.loads(tar.extractfile(name).read()) for name in names]


def test_measured_sets_have_boxes_and_frames(build):
    measured(build)
    with Build(build.root) as opened:
        empty, walk = sorted(opened.clips(["I"]), key=lambda clip: clip.clip)
        assert (walk.width, walk.height) == (96, 64)
        facts = opened.frames(walk)
        assert [one.box is not None for one in facts] == [False, False, True, False]
        assert facts[2].box.tolist() == [1, 2, 30, 40]
        assert {k: v.tolist() for k, v in opened.others(walk).items()} == {2: [[50, 2, 60, 40]]}
        assert opened.others(empty) == {}
        assert (facts[2].pts, facts[2].actor_hidden) == (7, 0.5) and facts[2].actor_rle
        assert facts[3].visible_rle and facts[3].actor_rle is None
        assert (facts[3].box_hidden, facts[3].actor_hidden) == (None, None)
        assert all(one.box is None and one.pts is None for one in opened.frames(empty))


def test_a_measured_clip_that_nobody_cut_is_one_line(build):
    measured(build)
    (build.root / "recordings/clips.parquet").unlink()
    with pytest.raises(UserError, match="run measure again"), Build(build.root) as opened:
        opened.clips()
