"""Kinetics: which clips are wanted, which file is which clip, mirrors in any layout, the tables."""

from __future__ import annotations

import csv
import logging
import shutil
from collections import Counter

import pytest
from support.kinetics import (
    CLIPS,
    HEADER,
    LABELS,
    KineticsStage,
    clip,
    list_bytes,
    video,
    write_list,
)
from support.server import instead, status

from occludenet_build import config as cfg
from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.release.class_lists import CLASS_LISTS
from occludenet_build.sources.kinetics import candidates
from occludenet_build.sources.kinetics.annotations import (
    MAX_MALFORMED,
    read_annotation_csv,
    read_lists,
    select_clips,
)
from occludenet_build.sources.kinetics.clip import (
    ClipNames,
    KineticsClip,
    ParsedName,
    parse_clip_name,
)
from occludenet_build.sources.kinetics.command import PRESENCE

# lists -------------------------------------------------------------------------------------------

LINES = {
    "official": ("label,youtube_id,time_start,time_end,split", "abseiling,-_k-000001x,12,22,train"),
    "quoted, with more": (
        "label,youtube_id,time_start,time_end,split,is_cc",
        '"abseiling","-_k-000001x",12,22,train,0',
    ),
    "another order": (
        "youtube_id,split,time_end,time_start,label",
        "-_k-000001x,train,22,12,abseiling",
    ),
    "other names": ("id, Start Time,end-time,CLASS,subset", "-_k-000001x,12.0,22,abseiling,TRAIN"),
    "semicolons": (
        "label;youtube_id;time_start;time_end;split",
        "abseiling;-_k-000001x;12;22;train",
    ),
    "tabs": (
        "youtube_id\ttime_start\ttime_end\tlabel\tsplit",
        "-_k-000001x\t12\t22\tabseiling\ttrain",
    ),
    "JSON": (
        '{"-_k-000001x": {"annotations": {"label": "abseiling", "segment": [12.0, 22.0]},',
        '"duration": 10.0, "subset": "train", "url": "https://youtube.invalid/-_k-000001x"}}',
    ),
    "from Windows": (
        "\ufefflabel,youtube_id,time_start,time_end,split\r",
        "abseiling,-_k-000001x,12,22,train\r",
    ),
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES.keys())
def test_lists_are_read_by_their_header(tmp_path, lines):
    path = tmp_path / "list.csv"
    path.write_bytes("\n".join([*lines, "", ""]).encode())
    assert list(read_annotation_csv(path)) == [
        KineticsClip("-_k-000001x", 12, 22, "train", "abseiling")
    ]


def test_splits_and_labels_that_a_list_does_not_tell(tmp_path):
    path = tmp_path / "kinetics-400_val.csv"
    path.write_text("youtube_id,time_start,time_end\n-_k-000001x,12,22\n")
    assert list(read_annotation_csv(path)) == [
        KineticsClip("-_k-000001x", 12, 22, "val", "unlabelled")
    ]
    path.write_text("youtube_id,time_start,time_end,split\n-_k-000001x,12,22,validate\n")
    assert [c.split for c in read_annotation_csv(path)] == ["val"]


MALFORMED_LINES = {
    "what Excel makes of -abc": "abseiling,#NAME?,12,22,train",
    "columns are missing": "abseiling,-_k-000002x",
    "no number": "abseiling,-_k-000002x,twelve,22,train",
    "negative": "abseiling,-_k-000002x,-12,22,train",
    "ends before it starts": "abseiling,-_k-000002x,22,12,train",
    "no split": "abseiling,-_k-000002x,12,22,trains",
    "a class that climbs": "..,../../../etc,12,22,train",
    "a class with an escape": "a\x1b[2J,-_k-000002x,12,22,train",
}


@pytest.mark.parametrize("line", MALFORMED_LINES.values(), ids=MALFORMED_LINES.keys())
def test_a_malformed_line_is_passed_over_and_many_are_not(tmp_path, caplog, line):
    path = write_list(tmp_path / "a.csv", CLIPS[:2])
    head, *good = path.read_text().splitlines()
    path.write_text("\n".join([head, line, *good]))
    assert list(read_annotation_csv(path)) == CLIPS[:2]
    assert f"{path}, line 2" in caplog.text
    path.write_text("\n".join([head, *good, *[line] * (MAX_MALFORMED + 1)]))
    with pytest.raises(UserError, match=r"a\.csv, line 14: .*10 lines before"):
        list(read_annotation_csv(path))
    path.write_text("\n".join([head, line]))
    with pytest.raises(UserError, match="none of its lines is a clip"):
        list(read_annotation_csv(path))


def test_what_is_no_list_is_one_line(tmp_path):
    path = tmp_path / "a.csv"
    for content in (
        b"<!DOCTYPE html>",
        b"",
        b'{"a": ',
        b'{"a": 5}',
        b"{" * 50_000,
        b"label,youtube_id,time_start,split\n",
        b"\xff\xfe",
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.csv: wanted a list of Kinetics"):
            list(read_annotation_csv(path))


def settings(**kinetics) -> cfg.Kinetics:
    return cfg.load_part({"kinetics": kinetics}).kinetics


def test_selection():
    assert select_clips(CLIPS, settings(), 0) == sorted(CLIPS, key=lambda c: c.name)
    some = select_clips(CLIPS, settings(splits=["val", "test"], classes=[LABELS[1]]), 0)
    assert {(c.split, c.label) for c in some} == {("val", LABELS[1]), ("test", LABELS[1])}
    few = select_clips(CLIPS, settings(per_class=1), 7)
    groups = {(c.split, c.label) for c in CLIPS}
    assert len(few) == len(groups) == 9
    for one in few:
        group = [c for c in CLIPS if (c.split, c.label) == (one.split, one.label)]
        assert one == min(group, key=lambda c: seeds.selection_key(7, c.name))
    assert set(few) <= set(select_clips(CLIPS, settings(per_class=2), 7)), "more holds less"
    assert select_clips(CLIPS[::-1], settings(per_class=1), 7) == few


def test_a_list_of_classes_stands_for_its_classes():
    names = CLASS_LISTS["mini_kinetics_200"].names
    clips = [
        KineticsClip(f"{number:011d}", 0, 10, "val", name)
        for number, name in enumerate([*names, "zumba"])
    ]
    chosen = select_clips(clips, settings(classes=["mini_kinetics_200"]), 0)
    assert {clip.label for clip in chosen} == set(names)
    with pytest.raises(UserError, match="got 'yoga'"):
        select_clips(clips[:-2], settings(classes=["mini_kinetics_200"]), 0)


def test_an_unknown_class_names_close_ones():
    with pytest.raises(UserError, match="got 'drinking_bear'; did you mean 'drinking beer'"):
        select_clips(CLIPS, settings(classes=["drinking_bear"]), 0)
    with pytest.raises(UserError, match="wanted clips of val, the lists have 12 clips of train"):
        select_clips(CLIPS[:12], settings(splits=["val"]), 0)


def test_lists_are_fetched_once_and_clips_told_once(site, tmp_path, monkeypatch):
    other = KineticsClip(CLIPS[0].youtube_id, CLIPS[0].start, CLIPS[0].end, "val", "another")
    site.put("/train.csv", list_bytes(CLIPS[:12]), status(503))
    site.put("/val/train.csv", list_bytes([*CLIPS[12:], CLIPS[0], other]))
    stage = KineticsStage(
        tmp_path, {"annotations": [site.url("/train.csv"), site.url("/val/train.csv")]}
    )
    config = cfg.load_part(stage.values())
    lists = read_lists(config, stage.folder)
    assert list(lists.listed) == CLIPS and len(site.seen) == 3
    offline = cfg.load_part(stage.values(offline=True))
    assert read_lists(offline, stage.folder) == lists and len(site.seen) == 3
    with pytest.raises(UserError, match=r"train\.csv: wanted the list .*switched off"):
        read_lists(offline, tmp_path / "elsewhere")


def test_a_page_instead_of_a_list_is_not_kept(site, tmp_path):
    site.put("/train.csv", list_bytes(CLIPS), instead(b"<!DOCTYPE html>"))
    config = cfg.load_part(
        KineticsStage(tmp_path, {"annotations": [site.url("/train.csv")]}).values()
    )
    with pytest.raises(UserError, match="wanted a list of Kinetics"):
        read_lists(config, tmp_path)
    assert len(read_lists(config, tmp_path).listed) == len(CLIPS)
    config = cfg.load_part(KineticsStage(tmp_path, {"annotations": [site.url("/no.csv")]}).values())
    with pytest.raises(UserError, match=r"no\.csv: not fetched: not_found"):
        read_lists(config, tmp_path)


# names -------------------------------------------------------------------------------------------

NAMES = {
    "3caPS4FHFF8_000036_000046.mp4": ParsedName("3caPS4FHFF8", 36, 46),
    "3caPS4FHFF8_36_46.webm": ParsedName("3caPS4FHFF8", 36, 46),
    "3caPS4FHFF8.mp4": ParsedName("3caPS4FHFF8"),
    "3caPS4FHFF8.MP4": ParsedName("3caPS4FHFF8"),
    "3caPS4FHFF8_000036_000046.mp4.mkv": ParsedName("3caPS4FHFF8", 36, 46),
    "-_-a_1_2-_9_000036_000046.mp4": ParsedName("-_-a_1_2-_9", 36, 46),
    "v_abcdefghi.mp4": ParsedName("v_abcdefghi"),
    "_12_22_3_44_000001_000011.mp4": ParsedName("_12_22_3_44", 1, 11),
    "._3caPS4FHFF8_000036_000046.mp4": None,
    "3caPS4FHFF8_000036_000046": None,
    "3caPS4FHFF8_000036_000046.mp4.part": None,
    "3caPS4FHFF8_000036.mp4": None,
    "3caPS4FHFF8_000036_000046_1.mp4": None,
    "3caPS4FHF.mp4": None,
    "\u0663caPS4FHFF8_\u0663_\u0664.mp4": None,
    "readme.txt": None,
    "": None,
}


@pytest.mark.parametrize(("name", "said"), NAMES.items())
def test_what_a_name_says(name, said):
    assert parse_clip_name(name) == said


def test_times_decide_and_an_id_alone_where_it_stands_for_one_clip():
    one = KineticsClip("aaaaaaaaaaa", 1, 11, "train", "abseiling")
    later = KineticsClip("aaaaaaaaaaa", 30, 40, "train", "drinking beer")
    val = KineticsClip("bbbbbbbbbbb", 1, 11, "val", "abseiling")
    names = ClipNames([one, later, val])
    assert names.clip("aaaaaaaaaaa_1_11.mp4") == one
    assert names.clip("train/abseiling/aaaaaaaaaaa_30_40.mp4") == later, "folders may be wrong"
    assert names.clip("aaaaaaaaaaa_1_12.mp4") is None
    assert names.clip("aaaaaaaaaaa.mp4") is None
    assert names.clip("train/drinking_beer/aaaaaaaaaaa.mp4") == later
    assert names.clip("bbbbbbbbbbb.mp4") == names.clip("val_256/x/bbbbbbbbbbb.mkv") == val
    assert names.clip("train/abseiling/bbbbbbbbbbb.mp4") is None, "another split's"
    assert names.clip("training dog/bbbbbbbbbbb.mp4") == val, "that is a class"


# mirrors -----------------------------------------------------------------------------------------


def plain_class(one: KineticsClip) -> str:
    return one.label.replace(" ", "_")


LAYOUTS = {
    "<split>/<class>/<name>": lambda c: f"{c.split}/{c.label}/{c.name}.mp4",
    "<split>/<name>": lambda c: f"{c.split}/{c.name}.mp4",
    "<class>/<name>": lambda c: f"{c.label}/{c.name}.mp4",
    "flat": lambda c: f"{c.name}.mp4",
    "short times": lambda c: f"{c.youtube_id}_{c.start}_{c.end}.webm",
    "ids": lambda c: f"{c.split}/{c.youtube_id}.mp4",
    "ids by class": lambda c: f"{plain_class(c)}/{c.youtube_id}.mkv",
    "train_256/<class_>": lambda c: f"{c.split}_256/{plain_class(c)}/{c.name}.mp4",
    "videos_val": lambda c: f"videos_{c.split}/{c.name}.mp4",
    "compress/train_256": lambda c: f"compress/{c.split}_256/{plain_class(c)}/{c.name}.mp4",
    "class in the name": lambda c: f"{plain_class(c)}_{c.youtube_id}_{c.start}_{c.end}.mp4",
    "other marks": lambda c: f"all/v_{c.youtube_id}-{c.start}.0-{c.end}.0_00.webm",
    "k700, nested": lambda c: f"k700-2020/{c.split}/part_0/{plain_class(c)}/{c.name}.MKV",
    "twice a suffix": lambda c: f"{c.split}/{c.label}/{c.name}.mp4.mkv",
}


@pytest.fixture
def mirror(tmp_path):
    """mirror(layout) -> KineticsStage with a mirror of the first clips, one of them missing."""

    def make(
        layout=LAYOUTS["<split>/<class>/<name>"], clips=CLIPS[:13], **kinetics
    ) -> KineticsStage:
        root = tmp_path / "mirror"
        for number, one in enumerate(clips):
            path = root / layout(one)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(video(number))
        listed = write_list(tmp_path / "list.csv", CLIPS[:14])
        own = {"route": "mirror", "mirror": str(root), "annotations": [str(listed)]}
        return KineticsStage(tmp_path, own | kinetics)

    return make


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_mirror_of_any_layout(mirror, layout):
    stage = mirror(layout)
    (stage.root / "mirror/._x.mp4").write_bytes(b"mac")
    (stage.root / "mirror/classes.csv").write_text("x")
    rows = stage.run()
    assert list(rows) == sorted(c.name for c in CLIPS[:14])
    for number, one in enumerate(CLIPS[:13]):
        row, path = rows[one.name], stage.root / "mirror" / layout(one)
        assert (row["status"], row["path"], row["reason"]) == ("present", str(path), None)
        assert (row["bytes"], row["origin"]) == (len(video(number)), str(stage.root / "mirror"))
        assert (row["label"], row["split"], row["start_seconds"]) == (
            *(one.label, one.split, one.start),
        )
    lacking = rows[CLIPS[13].name]
    assert (lacking["status"], lacking["reason"], lacking["path"]) == ("missing", "missing", None)


def test_of_several_files_a_sound_one_then_the_replacement_then_the_first(mirror):
    stage = mirror(clips=CLIPS[:1])
    root, one = stage.root / "mirror", CLIPS[0]
    first = root / LAYOUTS["<split>/<class>/<name>"](one)

    def put(name: str, content: bytes):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def taken() -> tuple[str, str]:
        row = stage.run()[one.name]
        return row["status"], row["path"]

    a = put(f"a/{one.name}.mp4", video(3))
    assert taken() == ("present", str(a))
    new = put(f"replacement_for_corrupted_k400/{one.name}.mp4", video(4))
    assert taken() == ("replaced", str(new))
    new.write_bytes(video(4)[:500])
    assert taken() == ("present", str(a))
    a.write_bytes(b"")
    assert taken() == ("present", str(first))
    first.write_bytes(video(0)[:500])
    assert taken() == ("corrupt", str(new))
    new.unlink()
    row = stage.run()[one.name]
    assert (row["status"], row["reason"], row["path"]) == ("corrupt", "empty_file", str(a))


def test_links_to_folders_are_followed_and_circles_are_not(mirror):
    stage = mirror()
    shutil.move(stage.root / "mirror", stage.root / "disk")
    (stage.root / "mirror").mkdir()
    (stage.root / "mirror/train").symlink_to(stage.root / "disk/train")
    (stage.root / "mirror/train/again").symlink_to(stage.root / "mirror")
    stage.run()
    assert Counter(stage.statuses().values()) == {"present": 12, "missing": 2}


def test_a_second_run_reads_nothing_and_writes_the_same(mirror, monkeypatch):
    stage = mirror()
    path = stage.root / "mirror" / LAYOUTS["<split>/<class>/<name>"](CLIPS[2])
    path.write_bytes(b"no video")
    rows = stage.run()
    first = stage.out.read_bytes(), stage.out.with_name("classes.csv").read_bytes()
    looked_at = []
    skim = candidates.skim
    monkeypatch.setattr(candidates, "skim", lambda p: looked_at.append(p) or skim(p))
    assert stage.run() == rows and looked_at == []
    assert (stage.out.read_bytes(), stage.out.with_name("classes.csv").read_bytes()) == first
    looked_at.clear()
    path.write_bytes(video(2))
    stage.settings["splits"] = ["train"]
    assert stage.run()[CLIPS[2].name]["status"] == "present" and looked_at == [path]
    stage.settings["splits"] = ["train", "val"]
    looked_at.clear()
    assert len(stage.run()) == 14 and looked_at == [], "what another selection asked for is known"


def test_many_files_are_looked_at_by_processes(mirror, monkeypatch):
    monkeypatch.setattr(candidates, "_FILES_PER_PROCESS", 1)
    alone = mirror().run()
    shutil.rmtree(mirror().folder / "checks")
    stage = mirror()
    stage.threads = 2
    assert stage.run() == alone


def test_a_folder_that_is_no_mirror_is_one_line(mirror):
    stage = mirror(lambda c: f"{c.label}/clip{c.start}.mp4")
    with pytest.raises(UserError, match=r"has 13 files and none is of a listed clip \(abs"):
        stage.run()
    shutil.rmtree(stage.root / "mirror")
    with pytest.raises(UserError, match="mirror"):
        stage.run()


# tables ------------------------------------------------------------------------------------------


def test_the_table_and_the_shortfall(mirror, caplog):
    caplog.set_level(logging.INFO)
    stage = mirror()
    (stage.root / "mirror" / LAYOUTS["<split>/<class>/<name>"](CLIPS[5])).write_bytes(b"")
    stage.run(failure_budget=0.01)
    table = tables.read_table(stage.out)
    assert table.schema.equals(PRESENCE) and len(table) == 14
    with open(stage.out.with_name("classes.csv"), newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        *("split", "class", "listed", "present", "replaced", "corrupt", "missing", "share"),
    ]
    assert list(rows[0].values()) == ["train", LABELS[1], "4", "3", "0", "1", "0", "0.7500"]
    assert list(rows[1].values()) == ["val", LABELS[0], "2", "1", "0", "0", "1", "0.5000"]
    assert sum(int(row["listed"]) for row in rows) == 14
    assert "train: 11 of 12 present (91.7 %): 11 present, 0 replaced, 1 corrupt" in caplog.text
    assert f"most missing: train/{LABELS[1]}, 3 of 4 present" in caplog.text
    assert "2 of 14 selected clips (14.3 %) are not present" in caplog.text
    caplog.clear()
    stage.run(failure_budget=0.5)
    assert "wanted clips" not in caplog.text


def test_a_list_in_another_order_makes_the_same_bytes(mirror):
    stage = mirror()
    stage.run()
    first = stage.out.read_bytes()
    write_list(stage.root / "list.csv", CLIPS[:14][::-1], HEADER[::-1])
    stage.run()
    assert stage.out.read_bytes() == first


def test_no_route_is_one_line(mirror):
    with pytest.raises(UserError, match=r"kinetics\.route: wanted one of archives, youtube"):
        mirror(route="none").run()


def test_a_clip_of_a_class_with_a_slash_stays_in_its_folder():
    assert clip(1, label="a/b").file.split("/")[1] == "a_b"
