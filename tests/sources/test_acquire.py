"""acquire: three layouts, names, splits by hash."""

from __future__ import annotations

import pytest

from occludenet_build import config as cfg
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.names import listing_digest
from occludenet_build.sources.acquire import videos

REST = {"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}}
"""Backends without weights."""


def listing(tmp_path, names: list[str], **settings) -> dict[str, dict]:
    for name in names:
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    config = cfg.load_part({"acquire": {"videos": str(tmp_path / "videos")} | settings})
    videos.acquire_videos(config, tmp_path / "out.parquet")
    rows = tables.read_rows(tmp_path / "out.parquet")
    return {row["path"].split("/videos/")[1]: row for row in rows}


LAYOUTS = [
    ("train/run/a.mp4", "kinetics", "run", "train"),
    ("validate/run fast/b.mp4", "kinetics", "run fast", "val"),
    ("valid/run/b.mp4", "kinetics", "run", "val"),
    ("Training/run/a.mp4", "kinetics", "run", "train"),
    ("training dog/c.mp4", "classes", "training dog", None),
    ("run/c.mp4", "classes", "run", None),
    ("d.mp4", "flat", "unlabelled", None),
]


@pytest.mark.parametrize(("name", "layout", "label", "split"), LAYOUTS)
def test_layouts_are_told_apart(tmp_path, name, layout, label, split):
    for chosen in ("auto", layout):
        row = listing(tmp_path, [name], layout=chosen)[name]
        assert (row["status"], row["label"]) == ("ok", label)
        assert row["split"] == (split or row["split"])
        assert row["split"] in ("train", "val", "test")


def test_a_tree_of_train_valid_and_test_is_one_of_splits(tmp_path):
    rows = listing(tmp_path, ["train/run/a.mp4", "valid/run/b.mp4", "test/run/c.mp4"])
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert [row["split"] for row in rows.values()] == ["train", "val", "test"]


def test_a_misplaced_file_is_a_row(tmp_path):
    rows = listing(tmp_path, ["train/run/a.mp4", "train/b.mp4", "test/run/deep/c.mp4"])
    assert rows["train/run/a.mp4"]["status"] == "ok"
    assert rows["train/b.mp4"]["reason"] == "misplaced"
    assert rows["test/run/deep/c.mp4"]["reason"] == "misplaced"


def test_equal_stems_get_names_of_their_own(tmp_path):
    rows = listing(
        tmp_path, ["run/a.mp4", "walk/a.mp4", "walk/A.webm", "walk/b.mp4", "walk/.x.mp4"]
    )
    names = [row["clip"] for row in rows.values()]
    assert len({name.casefold() for name in names}) == len(names) == 4
    assert "b" in names and "a" not in names


@pytest.mark.parametrize("stem", ["x" * 240, "tab\tand\nline", "-rf", "ünï ☃", "a'b\"c$(d)"])
def test_awkward_names(tmp_path, stem):
    row = listing(tmp_path, [f"{stem}.mp4"])[f"{stem}.mp4"]
    assert len(f"0.25_{row['clip']}.part.mp4".encode()) < 255
    assert row["clip"].isprintable() and "/" not in row["clip"]


def test_cuts_of_one_youtube_video_share_a_split(tmp_path):
    names = [f"run/abcdefghij{n % 10}_{n:06d}_{n + 10:06d}.mp4" for n in range(60)]
    rows = listing(tmp_path, names)
    splits = {}
    for row in rows.values():
        splits.setdefault(row["clip"][:11], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_another_video_moves_no_split(tmp_path):
    names = [f"{n}.mp4" for n in range(40)]
    before = {k: v["split"] for k, v in listing(tmp_path, names).items()}
    after = {k: v["split"] for k, v in listing(tmp_path, [*names, "new.mp4"]).items()}
    assert before.items() <= after.items()
    assert len(set(before.values())) == 3


def test_the_classes_that_are_wanted(tmp_path, caplog):
    names = ["Long_Jump/a.mp4", "zumba/a.mp4", "yoga/b.mp4", "c.mp4", "yoga/deep/d.mp4"]
    whole = listing(tmp_path, names, layout="classes")
    some = listing(tmp_path, names, layout="classes", classes=["mini_kinetics_200"])
    assert set(some) == set(names) - {"zumba/a.mp4"}
    assert all(whole[name] == row for name, row in some.items()), "names and splits stay"
    assert "198 classes have no videos, such as air drumming" in caplog.text
    one = listing(tmp_path, names, layout="classes", classes=["zumba", "long jump"])
    assert {row["label"] for row in one.values()} == {"zumba", "Long_Jump", None}


def test_a_class_without_videos_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="got 'zumbas'; did you mean 'zumba'"):
        listing(tmp_path, ["zumba/a.mp4"], classes=["zumbas"])
    with pytest.raises(UserError, match="got 'mini_kinetics_200'; did you mean one of its"):
        listing(tmp_path, ["zumba/a.mp4"], classes=["mini_kinetics_200"])
    with pytest.raises(UserError, match=r"acquire.classes: wanted \[\] with kinetics.route arch"):
        cfg.load({"acquire": {"classes": ["yoga"]}, "kinetics": {"route": "archives"}} | REST)
    assert cfg.load({"acquire": {"classes": ["yoga"]}} | REST).acquire.classes == ("yoga",)


def test_the_digest_sees_names_and_sizes_not_times(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"12")
    before = listing_digest(tmp_path)
    (tmp_path / "a.mp4").touch()
    assert listing_digest(tmp_path) == before
    (tmp_path / "b.mp4").write_bytes(b"")
    assert listing_digest(tmp_path) != before


def test_mistakes_are_one_line(tmp_path):
    with pytest.raises(UserError, match="has none"):
        listing(tmp_path, [".hidden"])
