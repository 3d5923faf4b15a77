"""Replaying the selection of a release: matches, missing clips and messages."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest
from conftest import REFERENCE
from support.select import bank, choose, indexed

from occludenet_build import config as cfg
from occludenet_build.core import versions
from occludenet_build.core.errors import UserError
from occludenet_build.occlusion.select import CLIPS as SELECTED
from occludenet_build.release import csv_format, published
from occludenet_build.sources.index.command import mark_published

VAL = REFERENCE / "annotations" / "val_d.csv"
"""A CSV file of the release, which is not part of the project."""

SCALES = (0.25, 0.5, 0.75)
CLIPS = [("a", "val", "run"), ("b", "val", "run"), ("c", "train", "walk"), ("d", "test", "run")]
CHOICE = [("run", "a", "dog", "dogtrain0.png"), ("walk", "b", "backpack", "backpackval1.png")]


def released(path: Path, choice, scales=SCALES) -> Path:
    """Write a CSV file of a release for (class, source, occluder type, occluder)."""
    rows = [
        csv_format.Overall(
            label, f"{s:.2f}_{source}.mp4", category, name, 61.04, s, 1.5, 10.01, 29.97, 14.62
        )
        for label, source, category, name in choice
        for s in scales
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv_format.format_csv(csv_format.Overall, rows))
    return path


def replaying(path: Path, **settings) -> cfg.Config:
    return cfg.load_part({"select": {"assignment": "published", "published": str(path)} | settings})


def replay(
    folder: Path, path: Path, clips=CLIPS, *, failed=None, actors=None, more=(), **settings
) -> dict[str, dict]:
    """The stages index and select on clips (name, split, class); failed: clip -> reason, more:
    cut-outs that are in the bank besides."""
    config = replaying(path, **settings)
    rows = indexed(clips, config)
    for row in rows:
        if row["clip"] in (failed or {}):
            row |= {"status": "failed", "reason": failed[row["clip"]], "detail": "so it is"}
            row |= {"candidate": None}
    mark_published(rows, config.select.published)
    return choose(folder, rows, [*bank(), *more], config, actors)


def test_the_choice_is_replayed(tmp_path: Path) -> None:
    path = released(tmp_path / "val_d.csv", CHOICE)
    rows = replay(tmp_path, path, quota={"val": 1}, occluders_per_clip=3)
    names = ("label", "split", "category", "occluder", "occluder_file", "occluder_sha256")
    assert [rows["a"][n] for n in names] == [
        "run", "val", "dog", "dogtrain0.png", "png/dog/0.png", "dogtrain0",
    ]  # fmt: skip
    assert [rows["b"][n] for n in names[:4]] == ["walk", "val", "backpack", "backpackval1.png"]
    for clip in "ab":
        row = rows[clip]
        assert row["status"] == "ok" and row["detect_shard"] == "000" and row["boxes_hash"]
        assert row["other_occluders"] == row["other_files"] == row["other_sha256"] == []
        assert row["published_occlusion_seconds"] == 1.5
        assert row["published_duration_seconds"] == 10.01
    assert {rows[c]["reason"] for c in "cd"} == {"not_published"}
    assert {rows[c]["published_occlusion_seconds"] for c in "cd"} == {None}


@pytest.mark.parametrize(
    ("choice", "options", "reason", "detail"),
    [
        (("run", "x", "dog", "dogval0.png"), {}, "missing_source", "no video x of class run"),
        (("run", "b", "dog", "other.png"), {}, "missing_occluder", "other.png"),
        (("run", "b", "dog", "dogval0.png"), {"actors": {"b": 0}}, "no_actor", None),
        (
            ("run", "b", "dog", "dogval0.png"),
            {"failed": {"b": "truncated"}},
            "truncated",
            "so it is",
        ),
        (
            ("run", "b", "dog", "dogval0.png"),
            {"actors": {"b": 9}, "min_actor_frames": 10},
            "too_few_actor_frames",
            "9 of 50 frames, wanted 10",
        ),
        (
            ("walk", "a", "dog", "dogval0.png"),
            {},
            "missing_source",
            "no video a of class walk is left: the release names it twice",
        ),
    ],
)
def test_what_is_missing_is_a_row_with_its_reason(
    tmp_path: Path, choice, options, reason, detail
) -> None:
    path = released(tmp_path / "val_d.csv", [CHOICE[0], choice])
    rows = replay(tmp_path, path, **options)
    (row,) = [r for r in rows.values() if r["reason"] not in (None, "not_published")]
    assert (row["status"], row["reason"], row["detail"]) == ("skipped", reason, detail)
    assert (row["label"], row["split"], row["occluder"]) == (choice[0], "val", choice[3])
    assert row["shard"] is None and row["occluder_file"] is None
    assert row["published_duration_seconds"] == 10.01


PHOTO = {"coco_image": 524291, "pixels": 67892, "category": "dog", "split": "train"}


@pytest.mark.parametrize(
    ("name", "category", "cutouts", "found"),
    [
        ("0067892_dog_000000524291_71.25.png", "dog", [{}], True),
        ("0067892_dog_000000524291_71.25.png", "dog", [{"pixels": 67893}], False),
        ("0067892_dog_000000524291_71.25.png", "dog", [{"coco_image": 524292}], False),
        ("0067892_dog_000000524291_71.25.png", "dog", [{"category": "cat"}], False),
        ("0067892_dog_000000524291_71.25.png", "dog", [{}, {"occluder": "twin.png"}], False),
        ("000000524291_0067892_71.25.png", "suitcase", [{"category": "suitcase"}], True),
        ("other.png", "dog", [{}], False),
    ],
)
def test_a_cutout_may_have_another_percent(tmp_path: Path, name, category, cutouts, found) -> None:
    own = {"occluder": "ours_71.46.png", "status": "ok", "file": "png/x", "sha256": "x"}
    more = [own | PHOTO | change for change in cutouts]
    path = released(tmp_path / "val_d.csv", [CHOICE[0], ("run", "b", category, name)])
    row = replay(tmp_path, path, more=more)["b"]
    assert (row["status"], row["occluder"], row["category"]) == (
        ("ok", "ours_71.46.png", category) if found else ("skipped", name, category)
    )


def test_the_name_itself_goes_before_the_photo(tmp_path: Path) -> None:
    name = "0067892_dog_000000524291_71.25.png"
    own = {"status": "ok", "file": "png/x", "sha256": "x"} | PHOTO
    path = released(tmp_path / "val_d.csv", [("run", "b", "dog", name)])
    more = [own | {"occluder": other} for other in ("0067892_dog_000000524291_71.46.png", name)]
    assert replay(tmp_path, path, more=more)["b"]["occluder"] == name


def test_counts_and_differences_are_said(tmp_path: Path, caplog) -> None:
    choice = [*CHOICE, ("run", "c", "dog", "no.png"), ("run", "x", "dog", "no.png")]
    path = released(tmp_path / "val_d.csv", choice)
    with caplog.at_level(logging.INFO):
        replay(tmp_path, path)
    for said in (
        "4 published source clips, 3 among the videos",
        "val: 4 published, 2 found, 1 missing sources, 1 missing occluders, 0 others",
        "1 usable videos are not published",
        "2 published clips have another class among the videos",
        "1 published clips have another split among the videos",
    ):
        assert said in caplog.text


def test_a_folder_holds_several_splits(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    released(folder / "val_d.csv", [("run", "a", "dog", "dogval0.png")])
    released(folder / "test_d.csv", [("run", "c", "dog", "dogval0.png")])
    (folder / "val_25.csv").write_text("file,label\n")
    (folder / "notes_d.csv").write_text("nothing of ours")
    rows = replay(tmp_path, folder)
    chosen = {clip: row["split"] for clip, row in rows.items() if row["status"] == "ok"}
    assert chosen == {"a": "val", "c": "test"}


def test_the_candidates_are_the_published_clips_whatever_the_quota(tmp_path: Path) -> None:
    clips = [(f"c{n}", "val", "run") for n in range(40)]
    path = released(tmp_path / "val_d.csv", [("run", f"c{n}", "dog", "d.png") for n in range(30)])
    config = replaying(path, quota={"val": 1})
    rows = indexed(clips, config)
    mark_published(rows, config.select.published)
    assert {r["clip"] for r in rows if r["candidate"]} == {f"c{n}" for n in range(30)}


def test_our_own_choice_written_as_a_release_comes_back(tmp_path: Path) -> None:
    clips = [(f"c{n}", ("train", "val", "test")[n % 3], f"class{n % 2}") for n in range(60)]
    config = cfg.load_part({"select": {"quota": {"train": 4, "val": 3, "test": 5}}})
    ours = choose(tmp_path, indexed(clips, config), bank(), config)
    chosen = {clip: row for clip, row in ours.items() if row["status"] == "ok"}
    for split in ("train", "val", "test"):
        mine = [r for r in chosen.values() if r["split"] == split]
        names = [(r["label"], r["clip"], r["category"], r["occluder"]) for r in mine]
        released(tmp_path / f"release/{split}_d.csv", names)
    again = replay(tmp_path, tmp_path / "release", clips)
    same = [name for name in SELECTED.names if not name.startswith("published")]
    assert {c: [r[n] for n in same] for c, r in again.items() if r["status"] == "ok"} == {
        clip: [row[n] for n in same] for clip, row in chosen.items()
    }


def video(clip: str, path: str, status="ok", split="val") -> dict:
    return {"clip": clip, "path": path, "status": status, "split": split}


@pytest.mark.parametrize(
    ("label", "source", "videos", "wanted"),
    [
        ("run", "x", [video("x", "/v/run/x.mp4")], "x"),
        ("run", "x", [video("x", "/v/walk/x.webm")], "x"),
        ("run", "x", [video("x-1", "/v/run/x.mp4"), video("X-2", "/v/run/X.mp4")], "x-1"),
        ("run", "x", [video("x-1", "/v/walk/x.mp4"), video("x-2", "/v/run/x.mp4")], "x-2"),
        ("run", "x", [video("x-1", "/v/walk/x.mp4"), video("x-2", "/v/jump/x.mp4")], None),
        ("run", "x-2", [video("x-1", "/v/walk/x.mp4"), video("x-2", "/v/run/x.mp4")], "x-2"),
        (
            "run",
            "x",
            [video("x-1", "/t/run/x.mp4", split="train"), video("x-2", "/v/run/x.mp4")],
            "x-2",
        ),
        (
            "run",
            "x",
            [
                video("x-1", "/v/run/x.mp4", "failed"),
                video("x-2", "/t/run/x.mp4", split="train"),
            ],
            "x-2",
        ),
        ("run", "x", [video("y", "/v/run/y.mp4")], None),
    ],
)
def test_a_source_is_found_by_id_by_stem_and_by_class(label, source, videos, wanted) -> None:
    one = published.PublishedClip(source, "val", label, "dog", "d.png", SCALES, 1.0, 2.0)
    for rows in (videos, videos[::-1]):
        ((_, found),) = published.match_videos([one], rows)
        assert (found and found["clip"]) == wanted


def test_scales_and_times_are_read(tmp_path: Path) -> None:
    path = released(tmp_path / "test_d.csv", CHOICE, (0.25, 0.4))
    first, second = published.read_published(str(path))
    assert first == published.PublishedClip(
        "a", "test", "run", "dog", "dogtrain0.png", (0.25, 0.4), 1.5, 10.01
    )
    assert (second.label, second.source) == ("walk", "b")


HEADER = ",".join(csv_format.header(csv_format.Overall))
ROW = "run,0.25_a.mp4,dog,d.png,75.25,0.25,08.62,10.03,29.92,11.53"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("d.csv", "", "wanted train_d.csv, val_d.csv or test_d.csv, got"),
        ("val_d.csv", "a;b\n", "val_d.csv, line 1, column 1: wanted"),
        ("val_d.csv", f"{HEADER}\n{ROW},1\n", "val_d.csv, line 2"),
        ("val_d.csv", "file,label\n", "wanted the overall annotation"),
        ("val_d.csv", f"{HEADER}\n{ROW.replace('0.25_a', 'a')}\n", "val_d.csv: wanted a clip's"),
        ("val_d.csv", f"{HEADER}\n{ROW.replace('run', '../run')}\n", "got '../run'"),
        ("val_d.csv", f"{HEADER}\n{ROW.replace('run', '..')}\n", "a class that can name a folder"),
        ("val_d.csv", f"{HEADER}\n{ROW.replace('run', 'r' * 200)}\n", "can name a folder"),
        (
            "val_d.csv",
            f"{HEADER}\n{ROW}\n{ROW.replace('0.25_', '0.50_').replace('d.png', 'e.png')}\n",
            "a: wanted one occluder at all scales, got dog d.png and dog e.png",
        ),
        ("val_d.csv", f"{HEADER}\n{ROW}\n".replace("run", "r\udcffn"), "wanted UTF-8"),
    ],
)
def test_what_does_not_read_is_one_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError) as caught:
        published.read_published(str(path))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [None, "empty", "gone/val_d.csv"])
def test_a_place_without_a_release_is_said(tmp_path: Path, place: str | None) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="wanted"):
        published.read_published(place and str(tmp_path / place))


def test_nothing_found_is_one_clear_error(tmp_path: Path) -> None:
    path = released(tmp_path / "val_d.csv", [("run", "x", "dog", "dogval0.png")])
    with pytest.raises(UserError, match=r"none of 1: 1 missing_source \(such as no video x of"):
        replay(tmp_path, path)


@pytest.mark.skipif(not VAL.is_file(), reason="no files of the release: set OCCLUDENET_REFERENCE")
def test_the_release_itself(tmp_path: Path) -> None:
    choice = published.read_published(str(VAL))
    assert len(choice) == len({one.source for one in choice}) == 4796
    assert len({one.label for one in choice}) == 400
    assert len({one.occluder for one in choice}) == 816
    assert {(one.split, one.scales) for one in choice} == {("val", SCALES)}
    with pytest.raises(UserError, match=r"none of 4796: 4796 missing_source"):
        replay(tmp_path, VAL)
    one, two = choice[0], choice[-1]
    clips = [*CLIPS, *((c.source, "train", c.label) for c in (one, two))]
    cutout = bank()[0] | {"occluder": one.occluder, "category": one.category}
    rows = replay(tmp_path, VAL, clips, more=[cutout])
    assert Counter(row["reason"] for row in rows.values()) == {
        "missing_source": 4794,
        "missing_occluder": 1,
        "not_published": 4,
        None: 1,
    }


def test_the_workflow_reads_it_without_a_package() -> None:
    """The workflow imports it and may run in an environment with Snakemake only."""
    assert versions.import_closure("occludenet_build.release.published") <= {
        f"occludenet_build.{name}"
        for name in ("release.published", "release.csv_format", "release.terms", "release.terms")
        + ("core.errors", "core.files")
    }
