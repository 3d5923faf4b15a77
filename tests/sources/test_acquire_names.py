"""acquire: links, folders that may not be read, names in other encodings, mixed layouts."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path

import pytest

from occludenet_build import config as cfg
from occludenet_build.core import names, tables
from occludenet_build.core.errors import UserError
from occludenet_build.sources.acquire import videos

GOOD = ("run/a.mp4", "run/b.mp4", "walk/c.mp4")


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "videos", GOOD)


def write(folder: Path, files) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"video " + os.fsencode(name))
    return folder


def acquired(folder: Path, **settings) -> dict[str, dict]:
    """The path below `folder`, as the table shows it -> the row."""
    names.listing_digest(folder)  # what each start of Snakemake computes
    config = cfg.load_part({"acquire": {"videos": str(folder)} | settings})
    out = folder.parent / "out.parquet"
    videos.acquire_videos(config, out)
    return {row["path"].removeprefix(f"{folder}/"): row for row in tables.read_rows(out)}


def refuse_access(monkeypatch, function: str, path: Path, number: int) -> None:
    """Let a function of os fail for `path` and what is below it; tests may run as root."""
    real = getattr(os, function)

    def refusing(given, *args, **kwargs):
        if isinstance(given, (str, Path)) and Path(given).is_relative_to(path):
            raise OSError(number, os.strerror(number), str(given))
        return real(given, *args, **kwargs)

    monkeypatch.setattr(os, function, refusing)


def test_links_that_lead_nowhere_are_rows(folder):
    (folder / "run/annex.mp4").symlink_to("../.git/annex/objects/x.mp4")
    (folder / "run/loop.mp4").symlink_to("loop.mp4")
    (folder / "run/through.mp4").symlink_to("a.mp4/x")
    rows = acquired(folder)
    for name in ("annex", "loop", "through"):
        row = rows[f"run/{name}.mp4"]
        assert (row["status"], row["reason"]) == ("failed", "missing")
    assert ".git/annex/objects/x.mp4" in rows["run/annex.mp4"]["detail"]
    assert [rows[name]["status"] for name in GOOD] == ["ok"] * 3


def test_the_digest_changes_when_the_file_of_a_link_is_fetched(folder):
    target = folder.parent / "annex.mp4"
    (folder / "run/annex.mp4").symlink_to(target)
    before = names.listing_digest(folder)
    target.write_bytes(b"video")
    assert names.listing_digest(folder) != before
    assert acquired(folder)["run/annex.mp4"]["status"] == "ok"


@pytest.mark.parametrize("name", [b"run/caf\xe9.mp4", b"caf\xe9/c.mp4"])
def test_a_name_that_is_not_utf8_is_a_row(folder, name):
    write(folder, [os.fsdecode(name)])
    rows = acquired(folder)
    row = rows[name.decode("utf-8", "backslashreplace")]
    assert (row["status"], row["reason"]) == ("failed", "not_utf8")
    assert "\\xe9" in row["detail"] and "rename" in row["detail"]
    assert [rows[name]["status"] for name in GOOD] == ["ok"] * 3


def test_a_folder_that_cannot_be_listed_is_a_row(folder, monkeypatch):
    refuse_access(monkeypatch, "scandir", folder / "walk", errno.EACCES)
    rows = acquired(folder)
    assert rows["walk"]["reason"] == "no_permission"
    assert rows["run/a.mp4"]["status"] == "ok" and "walk/c.mp4" not in rows


def test_a_folder_without_x_gives_rows(folder, monkeypatch):
    refuse_access(monkeypatch, "stat", folder / "walk/c.mp4", errno.EACCES)
    rows = acquired(folder)
    assert rows["walk/c.mp4"]["reason"] == "no_permission"
    assert rows["run/a.mp4"]["status"] == "ok"


def test_a_sick_mount_below_the_folder_is_a_row(folder, monkeypatch):
    refuse_access(monkeypatch, "scandir", folder / "walk", errno.EIO)
    assert acquired(folder)["walk"]["reason"] == "unreachable"


def test_a_folder_that_is_away_is_one_line(folder, monkeypatch):
    refuse_access(monkeypatch, "scandir", folder, errno.EIO)
    with pytest.raises(UserError, match="cannot be listed"):
        names.listing_digest(folder)


def test_class_folders_that_are_links(folder, tmp_path):
    write(tmp_path / "data", ["squat/d.mp4", "squat/e.mp4"])
    (folder / "squat").symlink_to(tmp_path / "data/squat", target_is_directory=True)
    rows = acquired(folder)
    assert rows["squat/d.mp4"]["label"] == "squat" and len(rows) == 5
    assert {row["status"] for row in rows.values()} == {"ok"}


def test_links_change_no_other_path_and_do_not_loop(folder, caplog):
    before = names.listing(folder)
    (folder / "a_link").symlink_to("run", target_is_directory=True)
    (folder / "run/up").symlink_to("..", target_is_directory=True)
    (folder / "walk/self").symlink_to("self", target_is_directory=True)
    assert [p for p in names.listing(folder) if p.name != "self"] == before
    assert set(acquired(folder)) == {*GOOD, "walk/self"}
    assert "a_link" in caplog.text


SPLITS = tuple(f"{split}/run/{n}.mp4" for split in ("train", "test") for n in range(4))


def test_one_extra_folder_beside_the_splits_is_misplaced_alone(tmp_path, caplog):
    rows = acquired(write(tmp_path / "videos", [*SPLITS, "extra/x.mp4"]))
    assert rows["extra/x.mp4"]["reason"] == "misplaced"
    assert [rows[name]["split"] for name in SPLITS] == ["train"] * 4 + ["test"] * 4
    assert "extra" in caplog.text


def test_as_many_other_folders_as_splits_stop_with_a_line(tmp_path):
    others = [f"class {n}/x.mp4" for n in range(9)]
    folder = write(tmp_path / "videos", [*SPLITS, *others])
    with pytest.raises(UserError, match=r"acquire\.layout"):
        acquired(folder)
    assert acquired(folder, layout="classes")["class 1/x.mp4"]["status"] == "ok"


def test_a_class_may_be_called_train(tmp_path):
    rows = acquired(write(tmp_path / "videos", ["train/a.mp4", "run/b.mp4"]))
    assert {row["label"] for row in rows.values()} == {"train", "run"}


def test_no_usable_video_is_one_line(folder):
    with pytest.raises(UserError, match=r"none of 3 files.*3 misplaced"):
        acquired(folder, layout="flat")


def test_accents_in_two_forms(tmp_path):
    forms = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    folder = write(tmp_path / "videos", [f"{forms[0]}/a.mp4", f"{forms[1]}/b.mp4"])
    write(folder, [f"run/{form}.mp4" for form in forms])
    rows = acquired(folder)
    if len(rows) < 4:
        pytest.skip("this file system takes both forms for one name")
    assert {row["label"] for row in rows.values()} == {forms[0], "run"}
    clips = {unicodedata.normalize("NFC", row["clip"]) for row in rows.values()}
    assert len(clips) == 4


def test_accents_in_one_form_stay(tmp_path):
    name = unicodedata.normalize("NFD", "café")
    row = acquired(write(tmp_path / "videos", [f"{name}/{name}.mp4"]))[f"{name}/{name}.mp4"]
    assert (row["label"], row["clip"]) == (name, name)
