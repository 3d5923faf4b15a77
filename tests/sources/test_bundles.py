"""Archives fetched and unpacked: whatever breaks in between, a second run does the rest, and no
more than that."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPO
from support.archives import info, tar_of, zip_of
from support.server import Site, corrupt, drop, forever, instead, redirect, states, status

from occludenet_build import config as cfg
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.sources.transfer import bundles
from occludenet_build.sources.transfer.bundles import deliver_archives
from occludenet_build.sources.transfer.download import file_name
from occludenet_build.sources.transfer.unpack_target import Delivery, UnpackTarget

QUICK = cfg.Downloads(
    parallel=3,
    per_host=3,
    retries=2,
    backoff_seconds=0.01,
    timeout_seconds=5.0,
    failure_budget=1.0,
)
DRAW = random.Random(5)
FILES = {f"{n}.mp4": DRAW.randbytes(20_000) for n in range(12)}


def part(first: int, last: int, pack=tar_of) -> bytes:
    """An archive with the files of those numbers."""
    return pack(*((f"./{n}.mp4", FILES[f"{n}.mp4"]) for n in range(first, last)))


def everything(name: str) -> str | None:
    return name


@pytest.fixture
def into(tmp_path):
    yield UnpackTarget(tmp_path / "work/archives", tmp_path / "work/content", everything)
    outside = {p.name for p in tmp_path.iterdir()} - {"work", "own", "log"}
    assert not outside, "written outside"


def contents(into: UnpackTarget) -> dict[str, bytes]:
    found = (p for p in into.content.rglob("*") if p.is_file())
    return {p.relative_to(into.content).as_posix(): p.read_bytes() for p in found}


def archives_left(into: UnpackTarget) -> list[str]:
    """What lies in the folder of archives but for records and the lock."""
    names = {p.name for p in into.archives.iterdir()} - {".lock"}
    return sorted(name for name in names if not name.endswith(".json"))


def stamps(into: UnpackTarget) -> dict[str, tuple[int, int]]:
    found = (p for p in into.content.parent.rglob("*") if p.is_file())
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


def result(delivery: Delivery) -> tuple[str, str | None]:
    return delivery.address.rpartition("/")[2], delivery.reason


# what comes --------------------------------------------------------------------------------------

ZIPPED = gzip.compress(part(4, 8))


def two_parts(site: Site, *faults) -> list[str]:
    """A plain tar that is named .tar.gz, as some official parts are, and a packed one."""
    site.put("/400/train/part_0.tar.gz", part(0, 4))
    site.put("/400/train/part_1.tar.gz", ZIPPED, *faults)
    site.put(
        "/400/lists/all.txt", b"# parts\r\n\r\n  ../train/part_0.tar.gz \n/400/train/part_1.tar.gz"
    )
    return [site.url("/400/lists/all.txt")]


def test_a_list_of_archives_is_fetched_and_unpacked_once(site, into):
    todo = two_parts(site)
    first = list(deliver_archives(todo, into, QUICK))
    assert sorted(map(result, first)) == [("part_0.tar.gz", None), ("part_1.tar.gz", None)]
    assert contents(into) == {f"{n}.mp4": FILES[f"{n}.mp4"] for n in range(8)}
    assert {p.status for d in first for p in d.pieces} == {"ok"}
    (kept,) = archives_left(into)
    assert kept.startswith("all-") and kept.endswith(".txt"), (
        "archives are removed, the list is not"
    )

    before, asked = stamps(into), len(site.seen)
    second = list(deliver_archives(todo, into, QUICK))
    assert sorted(second, key=result) == sorted(first, key=result)
    assert [seen.path for seen in site.seen[asked:]] == ["/400/lists/all.txt"]
    changed = {path for path, stamp in stamps(into).items() if before.get(path) != stamp}
    assert all(path.endswith(".txt") for path in changed)


def test_a_record_says_what_came(site, into):
    list(deliver_archives(two_parts(site), into, QUICK))
    (path,) = into.archives.glob("part_1-*.tar.gz.json")
    record = json.loads(path.read_text())
    assert record["address"] == site.url("/400/train/part_1.tar.gz")
    assert (record["status"], record["bytes"]) == ("ok", len(ZIPPED)) and len(
        record["sha256"]
    ) == 64
    assert record["pieces"][0] == {
        "name": "4.mp4",
        "target": "4.mp4",
        "status": "ok",
        "bytes": 20_000,
        "reason": None,
        "detail": None,
    }


PASSING = {
    "drops": ([drop(30_000), drop(10_000)], 3),
    "503 and 429": ([status(503), status(429)], 3),
    "states too much": ([states(len(ZIPPED) + 500)], 2),
    "corrupt where it was joined": ([drop(30_000), corrupt(60_000)], 3),
}


@pytest.mark.parametrize(("faults", "requests"), PASSING.values(), ids=PASSING.keys())
def test_a_server_that_misbehaves_costs_attempts_only(site, into, faults, requests):
    found = list(deliver_archives(two_parts(site, *faults), into, QUICK))
    assert [d.status for d in found] == ["ok", "ok"]
    assert len(contents(into)) == 8
    assert len(site.of("/400/train/part_1.tar.gz")) == requests


def test_an_archive_behind_a_redirect_without_ranges(site, into):
    site.put("/here.tgz", b"", redirect("/there/part_1.tgz"))
    site.put("/there/part_1.tgz", ZIPPED, drop(30_000), ranges=False)
    (found,) = deliver_archives([site.url("/here.tgz")], into, QUICK)
    assert result(found) == ("here.tgz", None) and len(contents(into)) == 4


BROKEN = {
    "cut": (ZIPPED[:40_000], "truncated"),
    "a wrong checksum": (ZIPPED[:-8] + bytes(8), "corrupt"),
    "a page": (b"<!DOCTYPE html>" * 40, "not_an_archive"),
    "a zip with a wrong byte": (
        part(4, 8, zip_of)[:10_000] + b"\0" * 9 + part(4, 8, zip_of)[10_009:],
        "corrupt",
    ),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_archive_is_a_reason_and_the_next_run_asks_again(site, into, content, reason):
    todo = two_parts(site, instead(content))
    found = dict(map(result, deliver_archives(todo, into, QUICK)))
    assert found == {"part_0.tar.gz": None, "part_1.tar.gz": reason}
    assert all(FILES[name] == content for name, content in contents(into).items())
    assert len(archives_left(into)) == 1, "nothing of it is kept"
    assert dict(map(result, deliver_archives(todo, into, QUICK))) == dict.fromkeys(found)
    assert len(contents(into)) == 8
    assert len(site.of("/400/train/part_0.tar.gz")) == 1
    assert len(site.of("/400/train/part_1.tar.gz")) == 2


WRONG = ZIPPED[:30_000] + bytes([ZIPPED[30_000] ^ 0xFF]) + ZIPPED[30_001:]
"""A byte of 5.mp4 is another one, and only the checksum at the very end tells."""


def test_nothing_of_a_corrupt_tar_is_taken_but_what_came_before(site, into):
    site.put("/a.tgz", ZIPPED, instead(WRONG))
    (found,) = deliver_archives([site.url("/a.tgz")], into, QUICK)
    assert found.reason == "corrupt" and contents(into) == {}
    assert {(p.status, p.reason) for p in found.pieces} == {("failed", "corrupt")}
    (found,) = deliver_archives([site.url("/a.tgz")], into, QUICK)
    whole = {f"{n}.mp4": FILES[f"{n}.mp4"] for n in range(4, 8)}
    assert found.status == "ok" and contents(into) == whole

    (into.content / "5.mp4").unlink()
    site.entities["/a.tgz"].faults.append(instead(WRONG))
    (found,) = deliver_archives([site.url("/a.tgz")], into, QUICK)
    assert [p.status for p in found.pieces] == ["ok", "failed", "ok", "ok"]
    del whole["5.mp4"]
    assert contents(into) == whole


def test_what_is_not_there_is_a_reason_and_the_budget_stops(site, into):
    site.put("/a/part.tar", part(0, 4))
    todo = [site.url("/a/part.tar"), site.url("/b/part.tar"), site.url("/c/part.tar")]
    found = {d.address: d.reason for d in deliver_archives(todo, into, QUICK)}
    assert list(found.values()).count("not_found") == 2 and found[todo[0]] is None
    with pytest.raises(UserError, match=r"1 of 3 failed.*failure_budget.*not_found"):
        list(deliver_archives(todo, into, replace(QUICK, failure_budget=0.0)))
    assert len(contents(into)) == 4


def test_a_broken_archive_counts_for_the_budget(site, into):
    for name in "abc":
        site.put(f"/{name}.tar", part(0, 4)[:30_000])
    todo = [site.url(f"/{name}.tar") for name in "abc"]
    with pytest.raises(UserError, match=r"2 of 3 failed.*2 truncated"):
        list(deliver_archives(todo, into, replace(QUICK, failure_budget=0.4, parallel=1)))


# what is there -----------------------------------------------------------------------------------


def test_a_file_that_vanished_brings_its_archive_back(site, into):
    todo = two_parts(site)
    list(deliver_archives(todo, into, QUICK))
    (into.content / "5.mp4").unlink()
    (into.content / "6.mp4").write_bytes(b"cut")
    before = stamps(into)
    list(deliver_archives(todo, into, QUICK))
    made = {p for p, stamp in stamps(into).items() if before.get(p) != stamp and "content" in p}
    assert {Path(p).name for p in made} == {"5.mp4", "6.mp4"}
    assert contents(into) == {f"{n}.mp4": FILES[f"{n}.mp4"] for n in range(8)}
    assert len(site.of("/400/train/part_0.tar.gz")) == 1


def test_more_that_is_wanted_brings_only_the_archives_that_hold_it(site, into):
    todo = two_parts(site)
    few = replace(into, path_for=lambda name: name if name == "1.mp4" else None)
    found = list(deliver_archives(todo, few, QUICK))
    assert contents(into).keys() == {"1.mp4"}
    assert sum(p.status == "left" for d in found for p in d.pieces) == 7
    more = replace(into, path_for=lambda name: name if name in ("1.mp4", "6.mp4") else None)
    list(deliver_archives(todo, more, QUICK))
    assert contents(into).keys() == {"1.mp4", "6.mp4"}
    assert len(site.of("/400/train/part_0.tar.gz")) == 1
    assert len(site.of("/400/train/part_1.tar.gz")) == 2
    known = {
        p.name for d in deliver_archives(todo, few, QUICK) for p in d.pieces if p.status == "ok"
    }
    assert known == {"1.mp4"} and len(site.of("/400/train/part_1.tar.gz")) == 2


def test_a_fetch_that_fails_takes_nothing_away(site, into):
    todo = two_parts(site)
    list(deliver_archives(todo, into, QUICK))
    (into.content / "5.mp4").unlink()
    site.entities["/400/train/part_1.tar.gz"].faults.append(status(404))
    found = {result(d): d for d in deliver_archives(todo, into, QUICK)}
    failed = found["part_1.tar.gz", "not_found"]
    assert [p.name for p in failed.pieces if p.status == "ok"] == ["4.mp4", "6.mp4", "7.mp4"]
    assert [d.status for d in deliver_archives(todo, into, QUICK)] == ["ok", "ok"]


def test_kept_archives_are_not_fetched_again(site, into):
    todo = two_parts(site)
    keeping = replace(into, keep=True)
    list(deliver_archives(todo, keeping, QUICK))
    assert len(archives_left(into)) == 3
    (into.content / "5.mp4").unlink()
    list(deliver_archives(todo, keeping, QUICK))
    assert len(contents(into)) == 8 and len(site.of("/400/train/part_1.tar.gz")) == 1
    list(deliver_archives(todo, into, QUICK))
    assert len(archives_left(into)) == 1, "removed when it is not kept any more"


def test_archives_of_one_name_and_lists_of_one_name(site, into):
    for folder, first in (("train", 0), ("val", 4), ("test", 8)):
        site.put(f"/{folder}/part_0.tar", part(first, first + 4))
        site.put(f"/{folder}/l.txt", b"part_0.tar")
    list(deliver_archives([site.url(f"/{f}/l.txt") for f in ("train", "val", "test")], into, QUICK))
    assert contents(into) == FILES
    queries = [file_name(f"http://h/a.zip?id={n}", "a") for n in range(2)]
    assert queries[0] != queries[1] and all(name.endswith(".zip") for name in queries)


def test_a_file_in_two_archives_is_delivered_by_one(site, into):
    site.put("/a.tar", tar_of(("1.mp4", b"one"), ("2.mp4", b"two")))
    site.put("/b.tar", tar_of(("1.mp4", b"another one"), ("3.mp4", b"three")))
    todo = [site.url("/a.tar"), site.url("/b.tar")]
    found = list(deliver_archives(todo, into, replace(QUICK, parallel=1)))
    assert contents(into) == {"1.mp4": b"one", "2.mp4": b"two", "3.mp4": b"three"}
    assert [p.reason for p in found[1].pieces] == ["duplicate", None]
    assert list(deliver_archives(todo, into, QUICK)) == found and len(site.seen) == 2


def test_what_is_not_wanted_is_not_asked_for(site, into):
    todo = two_parts(site)
    only = replace(into, wanted=lambda source: "part_0" not in source)
    assert [result(d) for d in deliver_archives(todo, only, QUICK)] == [("part_1.tar.gz", None)]
    assert not site.of("/400/train/part_0.tar.gz")
    assert (
        list(deliver_archives(todo, replace(into, wanted=lambda s: ".txt" not in s), QUICK)) == []
    )


# the user's own files ----------------------------------------------------------------------------


def test_own_archives_are_read_in_place_and_stay(into, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.tar").write_bytes(part(0, 4))
    (own / "b.zip").write_bytes(part(4, 8, zip_of))
    (own / "list.txt").write_text(f"\ufeff# mine\na.tar\n{own}/b.zip\nmissing.tar\n")
    todo = [str(own / "list.txt")]
    found = dict(map(result, deliver_archives(todo, into, QUICK)))
    assert found == {"a.tar": None, "b.zip": None, "missing.tar": "missing"}
    assert len(contents(into)) == 8 and len(list(own.iterdir())) == 3
    assert archives_left(into) == []
    opened = stamps(into)
    list(deliver_archives(todo, into, QUICK))
    assert {p: s for p, s in stamps(into).items() if opened[p] != s}.keys() <= {
        str(p) for p in into.archives.glob("missing*")
    }
    (own / "b.zip").unlink()
    assert dict(map(result, deliver_archives(todo, into, QUICK))) == found, (
        "it has been unpacked before"
    )
    (own / "a.tar").write_bytes(tar_of(("new.mp4", b"x")))
    list(deliver_archives(todo, into, replace(QUICK, offline=True)))
    assert "new.mp4" in contents(into), "another file is opened again"


# offline -----------------------------------------------------------------------------------------


def test_offline_opens_no_socket_and_lists_what_is_missing(site, into, monkeypatch):
    todo = two_parts(site, forever(status(404)))
    offline = replace(QUICK, offline=True)
    with pytest.raises(UserError, match=r"all\.txt: wanted the list .*switched off"):
        list(deliver_archives(todo, into, offline))
    done = list(deliver_archives(todo, into, QUICK))
    monkeypatch.setattr(socket, "socket", None)
    assert sorted(deliver_archives(todo, into, offline), key=result) == sorted(done, key=result), (
        "a failure that was met counts as seen"
    )
    (into.content / "1.mp4").unlink()
    seen = []
    with pytest.raises(UserError, match=r"1 of 2 archives.*part_0\.tar\.gz.*network"):
        seen.extend(deliver_archives(todo, into, offline))
    assert sorted(map(result, seen)) == [
        ("part_0.tar.gz", "offline"),
        ("part_1.tar.gz", "not_found"),
    ]


def test_a_list_that_cannot_be_had_is_that_of_the_last_run(site, into):
    todo = two_parts(site)
    list(deliver_archives(todo, into, QUICK))
    site.entities["/400/lists/all.txt"].faults.append(forever(status(503)))
    assert len(list(deliver_archives(todo, into, QUICK))) == 2
    with pytest.raises(UserError, match=r"other\.txt: the list of archives was not fetched: not_f"):
        list(deliver_archives([site.url("/other.txt")], into, QUICK))


LISTS = {
    "a page": (b"<!DOCTYPE html>\n<html>", "line 1: wanted the address"),
    "nothing": (b"# nothing\n\n", "it has none"),
    "a file": (b"a.tar\nfile:///etc/passwd", "line 2: wanted the address"),
    "not a text": (b"\xff\xfe\x00a", "is not readable"),
}


@pytest.mark.parametrize(("content", "problem"), LISTS.values(), ids=LISTS.keys())
def test_a_list_that_is_none_is_one_line(site, into, content, problem):
    site.put("/list.txt", content)
    with pytest.raises(UserError, match=problem):
        list(deliver_archives([site.url("/list.txt")], into, QUICK))
    assert [seen.path for seen in site.seen] == ["/list.txt"]


# nobody vouches for them -------------------------------------------------------------------------


def test_hostile_members_write_nothing_outside(site, into):
    hostile = [
        (info("../evil"), b"x"),
        (info("/evil"), b"x"),
        (info("l", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (info("h", tarfile.LNKTYPE, "../../own"), b""),
        (info("p", tarfile.FIFOTYPE), b""),
        (info("d", tarfile.CHRTYPE), b""),
        (info("a\x1b[2J\udcff"), b"x"),
    ]
    good = [(n, FILES[n]) for n in ("1.mp4", "2.mp4")]
    site.put("/a.tar", tar_of(*hostile, *good, encoding="utf-8", errors="surrogateescape"))
    (found,) = deliver_archives([site.url("/a.tar")], into, QUICK)
    reasons = [p.reason for p in found.pieces]
    assert found.status == "ok" and contents(into) == dict(good)
    assert reasons == [
        *("unsafe_path", "unsafe_path", "unsafe_link", "unsafe_link"),
        *("special_file", "special_file", "unsafe_name", None, None),
    ]
    assert set(reasons) - {None} <= REASONS.keys()
    assert (
        list(deliver_archives([site.url("/a.tar")], into, QUICK)) == [found] and len(site.seen) == 1
    )


def test_a_bomb_is_a_reason(site, into):
    site.put("/a.tgz", gzip.compress(tar_of(("a", bytes(1 << 24)))))
    small = replace(into, limits=replace(into.limits, free_bytes=1 << 20))
    (found,) = deliver_archives([site.url("/a.tgz")], small, QUICK)
    assert found.reason == "archive_bomb" and contents(into) == {}


def test_a_record_that_does_not_read_is_none(site, into):
    todo = two_parts(site)
    list(deliver_archives(todo, into, QUICK))
    for path in into.archives.glob("*.json"):
        path.write_text('{"pieces": [{"what": 1}]}')
    assert [d.status for d in deliver_archives(todo, into, QUICK)] == ["ok", "ok"]
    assert len(site.of("/400/train/part_1.tar.gz")) == 2


def test_a_folder_that_cannot_be_written_to_is_one_line(site, into):
    into.content.parent.mkdir()
    into.content.write_text("a file")
    with pytest.raises(UserError, match="cannot unpack"):
        list(deliver_archives(two_parts(site), into, QUICK))


# kill -9 -----------------------------------------------------------------------------------------

CHILD = """
import json, sys
from pathlib import Path
from occludenet_build import config as cfg
from occludenet_build.sources.transfer.bundles import deliver_archives
from occludenet_build.sources.transfer.unpack_target import UnpackTarget
settings = cfg.Downloads(**json.loads(sys.argv[3]))
root = Path(sys.argv[2])
into = UnpackTarget(root / "archives", root / "content", lambda name: name)
for one in deliver_archives([sys.argv[1]], into, settings):
    print(one.status, flush=True)
"""


def test_killed_again_and_again_it_comes_to_its_end(site, into, tmp_path):
    draw = random.Random(2)
    parts = 6
    whole = {f"{p}/{n}.bin": draw.randbytes(30_000) for p in range(parts) for n in range(8)}
    for number in range(parts):
        mine = [(name, c) for name, c in whole.items() if name.startswith(f"{number}/")]
        site.put(f"/{number}.tgz", gzip.compress(tar_of(*mine), 1), pause=0.05)
    site.put("/list.txt", "\n".join(f"{n}.tgz" for n in range(parts)).encode())
    settings = json.dumps({"parallel": 2, "per_host": 2, "failure_budget": 1.0})
    command = [sys.executable, "-c", CHILD, site.url("/list.txt"), str(tmp_path / "work"), settings]
    kills = 0
    while _killed(command, site, 350_000):
        kills += 1
        there = {n: c for n, c in contents(into).items() if "/." not in n}
        assert there.items() <= whole.items(), "what has its name is whole"
    assert kills > 1 and contents(into) == whole
    for number in range(parts):
        sent = sum(seen.sent for seen in site.of(f"/{number}.tgz"))
        size = len(site.entities[f"/{number}.tgz"].content)
        # what was in the sockets of a killed process is lost, the rest is not sent twice
        assert sent <= size + kills * (1 << 18)
    asked = len(site.seen)
    assert len(list(deliver_archives([site.url("/list.txt")], into, QUICK))) == parts
    assert len(site.seen) == asked + 1


def _killed(command: list[str], site: Site, after: int) -> bool:
    """Run until the server has sent so many bytes more, then kill; False: it came to its end."""
    before = sum(seen.sent for seen in site.seen)
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE)
    while process.poll() is None:
        if sum(seen.sent for seen in site.seen) - before >= after:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            return True
        time.sleep(0.005)
    process.communicate()
    assert process.returncode == 0
    return False


@pytest.mark.parametrize("step", ["write_record", "_clear"])
def test_stopped_between_two_steps_nothing_is_fetched_again(site, into, monkeypatch, step):
    """Before the record is written, and before the archive is removed."""
    site.put("/a.tgz", ZIPPED)
    with monkeypatch.context() as patch:
        patch.setattr(bundles if step == "write_record" else bundles._DeliveryRun, step, _stop)
        with pytest.raises(KeyboardInterrupt):
            list(deliver_archives([site.url("/a.tgz")], into, QUICK))
    assert len(archives_left(into)) == 1
    before = stamps(into)
    (found,) = deliver_archives([site.url("/a.tgz")], into, QUICK)
    assert found.status == "ok" and len(site.seen) == 1 and archives_left(into) == []
    assert all(before[path] == stamp for path, stamp in stamps(into).items() if path in before)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt
