"""Route archives, from a faulty server to the table: corrupt clips are reported and replaced,
and finished files are never fetched, unpacked or checked again."""

from __future__ import annotations

import gzip
import json
import os
import signal
import tarfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.archives import info, tar_of, zip_of
from support.kinetics import CLIPS, KineticsStage, archive, list_bytes, video
from support.server import Site, corrupt, forever, status

from occludenet_build.core.errors import UserError
from occludenet_build.sources.kinetics import candidates

TRAIN, VAL, TEST = ([c for c in CLIPS if c.split == split] for split in ("train", "val", "test"))
PACK = "/400/replacement_for_corrupted_k400.tgz"


@pytest.fixture
def kinetics(site, tmp_path):
    """kinetics(**settings) -> KineticsStage, with a small server of archives: train in 3 parts, val
    and test in one. One clip is missing, one empty, one truncated, one also in the pack."""
    contents = {c: video(n) for n, c in enumerate(CLIPS)}
    empty, cut, both = TRAIN[1], TRAIN[2], TRAIN[5]
    contents |= {empty: b"", cut: video(2)[:700], both: video(5)[:700]}
    del contents[TRAIN[3]]
    for split, clips, parts in (("train", TRAIN, 3), ("val", VAL, 1), ("test", TEST, 1)):
        site.put(f"/400/annotations/{split}.csv", list_bytes(clips))
        for number in range(parts):
            mine = {c: contents[c] for c in clips[number::parts] if c in contents}
            site.put(f"/400/{split}/part_{number}.tar.gz", archive(mine))
        urls = [site.url(f"/400/{split}/part_{number}.tar.gz") for number in range(parts)]
        site.put(f"/400/{split}/k400_{split}_path.txt", "\n".join(urls).encode())
    pack = {empty: video(30), cut: video(31), both: video(32)[:700], TRAIN[8]: video(33)}
    site.put(PACK, archive(pack, "replacement_for_corrupted_k400/"))

    def make(**settings) -> KineticsStage:
        splits = ("train", "val", "test")
        own = {
            "route": "archives",
            "annotations": [site.url(f"/400/annotations/{s}.csv") for s in splits],
            "archives": [site.url(f"/400/{s}/k400_{s}_path.txt") for s in splits],
            "replacements": [site.url(PACK)],
        }
        return KineticsStage(tmp_path, own | settings)

    return make


WHAT = {
    TRAIN[1]: ("replaced", None),
    TRAIN[2]: ("replaced", None),
    TRAIN[3]: ("missing", "missing"),
    TRAIN[5]: ("corrupt", "truncated"),
    TRAIN[8]: ("replaced", None),
}
"""Clips that are not just present."""
EXPECTED = {c.name: WHAT.get(c, ("present", None)) for c in CLIPS}


def outcome(rows: dict) -> dict[str, tuple[str, str | None]]:
    return {name: (row["status"], row["reason"]) for name, row in rows.items()}


def requests(site: Site) -> Counter[str]:
    return Counter(seen.path for seen in site.seen)


def test_archives_and_what_replaces_their_corrupt_clips(site, kinetics):
    stage = kinetics()
    rows = stage.run()
    assert outcome(rows) == EXPECTED
    for number, one in enumerate(CLIPS):
        row = rows[one.name]
        folder = "replacements" if row["status"] == "replaced" else "videos"
        if one == TRAIN[3]:
            assert row["path"] is None and row["detail"] == "in none of 6 archives"
        elif one != TRAIN[5]:
            assert row["path"] == str(stage.folder / folder / one.file)
            assert row["bytes"] == Path(row["path"]).stat().st_size
            assert (row["status"] == "replaced") == row["origin"].endswith(PACK)
            if row["status"] == "present":
                assert Path(row["path"]).read_bytes() == video(number)
    assert (stage.folder / "videos" / TRAIN[1].file).read_bytes() == b"", "left as it came"
    assert set(requests(site).values()) == {1}
    assert not [name for name in stage.files() if name.endswith(("gz", ".part"))]


def test_a_second_run_asks_for_lists_only_and_touches_nothing(site, kinetics, monkeypatch):
    stage = kinetics()
    rows = stage.run()
    before, bytes_before = stage.files(), stage.out.read_bytes()
    site.seen.clear()
    looked_at = []
    skim = candidates.skim
    monkeypatch.setattr(candidates, "skim", lambda p: looked_at.append(p.name) or skim(p))
    assert stage.run() == rows and stage.out.read_bytes() == bytes_before
    assert all(path.endswith("_path.txt") for path in requests(site))
    assert looked_at == []
    touched = {name for name, stamp in stage.files().items() if before.get(name) != stamp}
    assert all(name.startswith("checks/") or name.endswith(".txt") for name in touched)
    site.seen.clear()
    assert stage.run(offline=True) == rows and site.seen == []


def test_splits_and_clips_that_are_not_wanted(site, kinetics):
    stage = kinetics(splits=["val"], per_class=1)
    rows = stage.run()
    assert len(rows) == 3 and set(stage.statuses().values()) == {"present"}
    assert {p for p in requests(site) if "csv" not in p} == {
        *("/400/val/k400_val_path.txt", "/400/val/part_0.tar.gz", PACK),
    }
    assert len([name for name in stage.files() if name.endswith(".mp4")]) == 3
    stage.settings["per_class"] = None
    assert len(stage.run()) == 6 and requests(site)["/400/val/part_0.tar.gz"] == 2
    stage.settings |= {"splits": ["val", "test"]}
    assert len(stage.run()) == 12 and requests(site)["/400/val/part_0.tar.gz"] == 2
    stage.settings |= {"splits": ["val"], "per_class": 1}
    site.seen.clear()
    assert outcome(stage.run()) == outcome(rows)
    assert set(requests(site)) == {"/400/val/k400_val_path.txt"}


def test_archives_of_other_splits_only_are_one_line(site, kinetics):
    stage = kinetics(splits=["val"], archives=[site.url("/400/train/part_0.tar.gz")])
    with pytest.raises(UserError, match="wanted archives of val, all 1 are named for other"):
        stage.run()


@pytest.mark.parametrize(
    ("fault", "reason"), [(corrupt(3000), "corrupt"), (forever(status(404)), "not_found")]
)
def test_an_archive_that_fails_is_reported_and_the_others_go_on(site, kinetics, fault, reason):
    stage = kinetics(splits=["val", "test"])
    entity = site.entities["/400/val/part_0.tar.gz"]
    entity.faults.append(fault)
    rows = stage.run()
    there = {name for name, row in rows.items() if row["status"] == "present"}
    assert {c.name for c in TEST} <= there
    for row in rows.values():
        if row["status"] == "missing":
            assert row["reason"] in ("missing", reason)
            if row["reason"] == "missing":
                assert "1 of them failed" in row["detail"] and f"({reason})" in row["detail"]
    entity.faults.clear()
    assert set(stage.run() and stage.statuses().values()) == {"present"}
    assert requests(site)["/400/test/part_0.tar.gz"] == 1


def test_the_budget_of_archives_stops(site, kinetics):
    site.entities["/400/val/part_0.tar.gz"].faults.append(forever(status(404)))
    with pytest.raises(UserError, match=r"1 of 5 failed, more than download\.failure_budget"):
        kinetics().run(failure_budget=0.1)


def test_a_clip_that_is_removed_comes_back(site, kinetics):
    stage = kinetics()
    rows = stage.run()
    present, replaced = VAL[2], TRAIN[2]
    for one in (present, replaced):
        Path(rows[one.name]["path"]).unlink()
    site.seen.clear()
    assert stage.run() == rows
    assert requests(site).keys() - {
        f"/400/{s}/k400_{s}_path.txt" for s in ("train", "val", "test")
    } == {
        *("/400/val/part_0.tar.gz", PACK),
    }


def test_own_archives_zip_or_tar(site, kinetics, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "k400.zip").write_bytes(
        zip_of(*((f"k400/val/x/{c.youtube_id}_{c.start}_{c.end}.webm", video(1)) for c in VAL))
    )
    (own / "more.tar").write_bytes(tar_of(*((f"./{c.name}.mp4", video(2)) for c in TEST)))
    archives = [str(own / "k400.zip"), str(own / "more.tar")]
    stage = kinetics(splits=["val", "test"], archives=archives, replacements=[])
    rows = stage.run()
    assert set(stage.statuses().values()) == {"present"} and len(rows) == 12
    assert {row["origin"] for row in rows.values()} == set(archives)
    assert all(row["path"].endswith(f"{name}.mp4") for name, row in rows.items())
    assert sorted(p.name for p in own.iterdir()) == ["k400.zip", "more.tar"]


def test_hostile_members_and_a_clip_that_does_not_unpack(site, kinetics, tmp_path):
    name = f"{VAL[0].name}.mp4"
    hostile = tar_of(
        (info(f"../{name}"), b"x"),
        (info(f"/tmp/{VAL[1].name}.mp4"), b"x"),
        (info(f"{VAL[2].name}.mp4", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (info(f"{VAL[3].name}.mp4", tarfile.CHRTYPE), b""),
        (f"{VAL[4].name}.mp4", video(4)),
    )
    site.put("/400/val/part_0.tar.gz", gzip.compress(hostile))
    stage = kinetics(splits=["val"], replacements=[])
    rows = stage.run()
    assert [rows[c.name]["reason"] for c in VAL] == [
        *("unsafe_path", "unsafe_path", "unsafe_link", "special_file", None, "missing"),
    ]
    assert {row["status"] for row in rows.values()} == {"present", "missing"}
    assert {p.name for p in tmp_path.iterdir()} == {"build", "fetched"}
    assert not Path(f"/tmp/{VAL[1].name}.mp4").exists()


@pytest.mark.parametrize("after", [2, 3])
def test_killed_in_the_middle_a_second_run_completes(site, kinetics, after):
    """The command, killed when so many archives are done."""
    for path, entity in site.entities.items():
        if path.endswith("gz"):
            entity.faults.append(_late)
    stage = kinetics()
    process = stage.start()
    while len(done := _done(stage)) < after:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = _done(stage)
    assert not stage.out.exists() and len(done) < 6
    before = requests(site)
    process = stage.start()
    _, log = process.communicate()
    assert process.returncode == 0, log
    assert outcome(stage.rows()) == EXPECTED
    again = requests(site) - before
    assert not done & again.keys(), "nothing twice that was finished"
    assert all(path.endswith((".txt", "gz")) for path in again)


def _late(handler, entity) -> None:
    time.sleep(0.2 + 0.15 * len(handler.server.site.of(handler.path)))
    handler.serve(entity)


def _done(stage: KineticsStage) -> set[str]:
    """Paths of the archives that have a record."""
    records = (stage.folder / "archives").glob("[!.]*gz.json")
    addresses = [json.loads(path.read_text())["address"] for path in records]
    return {urlsplit(address).path for address in addresses}


def test_the_command_tells_what_it_does(site, kinetics):
    stage = kinetics()
    process = stage.start()
    _, log = process.communicate()
    assert process.returncode == 0, log
    assert outcome(stage.rows()) == EXPECTED
    assert "train: 10 of 12 present (83.3 %): 7 present, 3 replaced, 1 corrupt, 1 missing" in log
    assert (stage.root / "log").read_text()
    stage.settings["classes"] = ["abseilin"]
    process = stage.start()
    _, log = process.communicate()
    assert process.returncode == 2 and "did you mean 'abseiling'" in log and "Trace" not in log
