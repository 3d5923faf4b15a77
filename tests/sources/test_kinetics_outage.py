"""What is away for a moment is no fact: a file, a folder, a mirror, a server, an archive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.archives import tar_of
from support.kinetics import CLIPS, KineticsStage, archive, video, write_list
from support.server import forever, status

from occludenet_build.core import failures
from occludenet_build.core.errors import UserError
from occludenet_build.sources.kinetics import candidates, mirror_state
from occludenet_build.sources.transfer import pieces

FIRST = CLIPS[:12]


@pytest.fixture
def stage(tmp_path):
    """A mirror of 12 clips in folders by class, 3 classes of 4."""
    for number, one in enumerate(FIRST):
        path = tmp_path / "mirror" / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video(number))
    listed = write_list(tmp_path / "list.csv", FIRST)
    settings = {
        "route": "mirror",
        "mirror": str(tmp_path / "mirror"),
        "annotations": [str(listed)],
        "splits": ["train"],
    }
    return KineticsStage(tmp_path, settings)


def asked_again(stage: KineticsStage) -> int:
    return failures.attempts(stage.out)


def lost(*numbers: int):
    """A check in which the disk loses files, after they were listed."""
    names = {FIRST[number].name for number in numbers}
    skim = candidates.skim

    def check(path: Path) -> None:
        if path.stem in names:
            raise OSError(5, "Input/output error", str(path))
        skim(path)

    return check


def test_a_file_that_the_disk_does_not_give_is_asked_for_again(stage, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(candidates, "skim", lost(0, 5))
        rows = stage.run()
    gone = {name: row for name, row in rows.items() if row["status"] != "present"}
    assert set(gone) == {FIRST[0].name, FIRST[5].name}
    assert {row["reason"] for row in gone.values()} == {"unreachable"}
    assert "Input/output error" in gone[FIRST[0].name]["detail"]
    assert asked_again(stage) == 1
    assert set(stage.statuses().values()) == {"present", "missing"}
    assert set(stage.run() and stage.statuses().values()) == {"present"}, "same size and times"
    assert asked_again(stage) == 1, "nothing is left to ask for"


def test_a_disk_that_gives_nothing_ends_the_job_and_costs_nothing(stage, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(candidates, "skim", lost(*range(8)))
        with pytest.raises(UserError, match=r"8 of 12 failed for reasons that may pass \(8 unre"):
            stage.run()
    assert not stage.out.exists() and asked_again(stage) == 1
    assert set(stage.run() and stage.statuses().values()) == {"present"}


def test_a_file_that_goes_between_check_and_table(stage, monkeypatch):
    path = stage.root / "mirror" / FIRST[3].file
    skim = candidates.skim

    def check(checked: Path) -> None:
        skim(checked)
        if checked == path:
            path.unlink()

    with monkeypatch.context() as patch:
        patch.setattr(candidates, "skim", check)
        rows = stage.run()
    assert (rows[FIRST[3].name]["status"], rows[FIRST[3].name]["reason"]) == ("missing", "missing")
    assert asked_again(stage) == 1


def test_a_folder_that_is_away_is_looked_for_when_it_is_back(stage):
    mirror, away = stage.root / "mirror", stage.root / "away"
    (mirror / "train" / "abseiling").rename(away)
    rows = stage.run()
    assert sum(row["status"] == "missing" for row in rows.values()) == 4
    assert asked_again(stage) == 0, "that a mirror lacks clips is no reason to look at each start"
    assert mirror_state.changed_state(stage.out, str(mirror)) == ""
    away.rename(mirror / "train" / "abseiling")
    assert mirror_state.changed_state(stage.out, str(mirror)) != ""
    assert set(stage.run() and stage.statuses().values()) == {"present"}
    again = mirror_state.changed_state(stage.out, str(mirror))
    assert again == mirror_state.changed_state(stage.out, str(mirror)) != "", "stays as it was run"


def test_a_mirror_that_has_all_is_not_watched(stage):
    stage.run()
    os.utime(stage.root / "mirror" / "train", (1, 1))
    assert mirror_state.changed_state(stage.out, str(stage.root / "mirror")) == ""


def test_a_folder_that_cannot_be_listed_is_named(stage, monkeypatch, caplog):
    closed = str(stage.root / "mirror" / "train" / "abseiling")
    scandir = os.scandir

    def scan(path):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scan)
        with pytest.raises(UserError, match="4 of 12 failed for reasons that may pass"):
            stage.run()
    assert f"{closed} cannot be listed: Permission denied" in caplog.text
    assert asked_again(stage) == 1
    assert set(stage.run() and stage.statuses().values()) == {"present"}


def test_the_mirror_itself_away_is_one_line(stage):
    (stage.root / "mirror").rename(stage.root / "away")
    with pytest.raises(UserError, match=r"kinetics.mirror: wanted an existing path"):
        stage.run()
    (stage.root / "mirror").mkdir()  # the point of a mount without its disk
    with pytest.raises(UserError, match="it is empty"):
        stage.run()


# -- archives


@pytest.fixture
def archives(site, tmp_path):
    """Two archives of 10 and 2 clips on a server."""
    for number, clips in enumerate((FIRST[:10], FIRST[10:])):
        site.put(f"/part_{number}.tar.gz", archive({c: video(FIRST.index(c)) for c in clips}))
    settings = {
        "route": "archives",
        "archives": [site.url(f"/part_{number}.tar.gz") for number in range(2)],
        "replacements": [],
        "annotations": [str(write_list(tmp_path / "list.csv", FIRST))],
        "splits": ["train"],
    }
    return KineticsStage(tmp_path, settings)


@pytest.mark.parametrize(("code", "again"), [(503, 1), (401, 1), (404, 0)])
def test_a_server_that_is_down_is_asked_again_and_a_lost_file_is_not(site, archives, code, again):
    site.entities["/part_1.tar.gz"].faults += [forever(status(code))]
    rows = archives.run()
    assert sum(row["status"] == "missing" for row in rows.values()) == 2
    assert asked_again(archives) == again
    site.entities["/part_1.tar.gz"].faults.clear()
    assert set(archives.run() and archives.statuses().values()) == {"present"}
    assert len(site.of("/part_0.tar.gz")) == 1 and asked_again(archives) == again


def test_a_server_that_is_down_for_most_ends_the_job(site, archives):
    site.entities["/part_0.tar.gz"].faults += [forever(status(503))]
    with pytest.raises(UserError, match="10 of 12 failed for reasons that may pass"):
        archives.run()
    site.entities["/part_0.tar.gz"].faults.clear()
    assert set(archives.run() and archives.statuses().values()) == {"present"}
    assert len(site.of("/part_1.tar.gz")) == 1, "what is finished is kept"


def test_a_local_piece_that_is_away(tmp_path, archives, monkeypatch):
    content = tar_of(*((f"./{c.name}.mp4", video(n)) for n, c in enumerate(FIRST)))
    paths = [tmp_path / f"k400_train.tar.{number:02}" for number in range(3)]
    size = -(-len(content) // 3)
    for number, path in enumerate(paths):
        path.write_bytes(content[number * size : (number + 1) * size])
    archives.settings |= {"archives": [str(paths[0])]}
    paths[1].rename(tmp_path / "away")
    with pytest.raises(UserError, match="12 of 12 failed for reasons that may pass"):
        archives.run()
    assert asked_again(archives) == 1
    with pytest.raises(UserError, match=r"k400_train\.tar\.01 is not there"):
        archives.run(failure_budget=0.0)
    (tmp_path / "away").rename(paths[1])
    stream = pieces.JoinedFile._stream

    def sick(self, number):
        if number == 2:
            raise OSError(116, "Stale file handle", str(self._paths[number]))
        return stream(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(pieces.JoinedFile, "_stream", sick)
        rows = archives.run()
    gone = [row for row in rows.values() if row["status"] == "missing"]
    assert len(gone) == 2 and "unreachable" in gone[0]["detail"] and asked_again(archives) == 2
    assert set(archives.run() and archives.statuses().values()) == {"present"}


# -- YouTube


def test_what_youtube_refuses_for_now_is_asked_for_again(stage, monkeypatch):
    """The route itself has tests of its own; here the results are given."""
    from occludenet_build.sources.kinetics.clip import RouteResult
    from occludenet_build.sources.kinetics.command import ROUTES

    reasons = ["extractor_failed", "unavailable", "offline", *[None] * 9]

    def route(lists, folder, config, threads):
        for clip, reason in zip(lists.selected, reasons, strict=True):
            passing = reason in ("extractor_failed", "offline")
            yield RouteResult(clip, "missing" if reason else "present", reason, passing=passing)

    monkeypatch.setitem(ROUTES, "mirror", route)
    stage.run()
    assert asked_again(stage) > 0
    reasons[:] = ["unavailable", *[None] * 11]
    before = asked_again(stage)
    stage.run()
    assert asked_again(stage) == before
    reasons[:] = ["offline"] * 12
    stage.run()
    assert asked_again(stage) == before + 1, "a build without network is no outage, and no end"
