"""Archives in pieces, on disk and by address: one source, read in place, and what is missing."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPO
from support.archives import tar_of, zip_of
from support.server import Site, drop, status

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.sources.transfer import pieces
from occludenet_build.sources.transfer.bundles import deliver_archives
from occludenet_build.sources.transfer.pieces import group_pieces, missing_piece, parse_piece
from occludenet_build.sources.transfer.unpack_target import Delivery, UnpackTarget

QUICK = cfg.Downloads(retries=1, backoff_seconds=0.01, timeout_seconds=5.0, failure_budget=1.0)
DRAW = random.Random(3)
FILES = {f"{n}.mp4": DRAW.randbytes(9_000 + n) for n in range(8)}
TAR = tar_of(*((f"train/{name}", content) for name, content in FILES.items()))


def cut(content: bytes, count: int) -> list[bytes]:
    size = -(-len(content) // count)
    return [content[at : at + size] for at in range(0, len(content), size)]


NUMBERS = {
    ".tar.gz.{}": ["00", "01", "02", "03"],
    ".tar.{}": ["aa", "ab", "ac", "ad"],
    ".tar.gz.part{}": ["aa", "ab", "ac", "ad"],
    ".part-{}": ["aa", "ab", "ac", "ad"],
    ".zip.{}": ["001", "002", "003", "004"],
    ".tgz_part_{}": ["8", "9", "10", "11"],
}


def packed(pattern: str) -> bytes:
    if "zip" in pattern:
        return zip_of(*((f"train/{name}", content) for name, content in FILES.items()))
    return gzip.compress(TAR, 1) if "gz" in pattern else TAR


def write_pieces(folder: Path, pattern: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"k400{pattern.format(number)}" for number in NUMBERS[pattern]]
    for path, content in zip(paths, cut(packed(pattern), len(paths)), strict=True):
        path.write_bytes(content)
    return paths


@pytest.fixture
def into(tmp_path):
    return UnpackTarget(tmp_path / "work/archives", tmp_path / "work/content", lambda name: name)


def contents(into: UnpackTarget) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in into.content.rglob("*.mp4")}


def deliver(sources, into: UnpackTarget, settings=QUICK) -> Delivery:
    (found,) = deliver_archives([str(source) for source in sources], into, settings)
    return found


# -- names


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("k.tar.gz.00", "k.tar.gz"),
        ("k.tar.gz.partaa", "k.tar.gz"),
        ("k.TAR.GZ.Part-ab", "k.TAR.GZ"),
        ("k.part-aa", "k"),
        ("k.tar.part_12", "k.tar"),
        ("k.001", "k"),
        ("k.zip.aa", "k.zip"),
        ("part_0.tar.gz", None),
        ("Anomaly-Videos-Part-1.zip", None),
        ("k.tar.gz", None),
        ("k.tar.xz", None),
        ("k400_val_path.txt", None),
        ("v.mp4", None),
        ("notes.2019", None),
        ("part-aa", None),
        ("k.tar.gz.json", None),
    ],
)
def test_names_of_pieces(name, base):
    found = parse_piece(name)
    assert (found.base if found else None) == base


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ("00 01 02", None),
        ("00 02 03", "01"),
        ("001 002 004", "003"),
        ("aa ab ad", "ac"),
        ("aa ab zz", "ac"),
        ("ab ac", "aa"),
        ("aa ac", "ab"),
        ("88 89 9000", "00"),
        ("09 10", "00"),
        ("003 004", "001"),
    ],
)
def test_a_gap_has_a_name(numbers, missing):
    expected = missing and f"k.tar.{missing}"
    assert missing_piece([f"k.tar.{number}" for number in numbers.split()]) == expected


def test_a_long_split_has_no_gap():
    letters = "abcdefghijklmnopqrstuvwxyz"
    short = [a + b for a in letters[:-1] for b in letters]
    names = [f"k.tar.{number}" for number in [*short, "zaaa", "zaab"]]
    assert missing_piece(names) is None, "k.tar.gz is a piece here"
    assert len(dict(group_pieces(names))["k.tar"]) == len(names)
    fixed = [f"k.tar.{a}{b}" for a in letters for b in letters]
    assert missing_piece(fixed) is None and missing_piece(fixed[:30] + fixed[31:]) == fixed[30]
    digits = [f"k.tar.{number:02}" for number in range(90)] + ["k.tar.9000", "k.tar.9001"]
    assert missing_piece(digits) is None


def test_pieces_of_several_archives_and_whole_ones():
    paths = ["/x/b.tar.01", "/x/a.tar", "http://h/c.tar.aa?key=1", "/x/b.tar.00", "/y/b.tar.00"]
    assert list(group_pieces(paths)) == [
        ("/x/b.tar", ("/x/b.tar.00", "/x/b.tar.01")),
        ("/x/a.tar", ()),
        ("http://h/c.tar", ("http://h/c.tar.aa?key=1",)),
        ("/y/b.tar", ("/y/b.tar.00",)),
    ]


# -- on disk


@pytest.mark.parametrize("pattern", [p for p in NUMBERS if "_part_" not in p])
def test_one_piece_on_disk_names_all(tmp_path, into, pattern):
    paths = write_pieces(tmp_path / "own", pattern)
    before = {path: path.stat().st_mtime_ns for path in paths}
    found = deliver([paths[0]], into)
    assert (found.status, found.bytes) == ("ok", len(packed(pattern)))
    assert contents(into) == FILES
    assert {path: path.stat().st_mtime_ns for path in paths} == before, "kept, and not written"
    assert not list(into.archives.glob("k400*[!n]")), "nothing is joined on disk"


def test_all_pieces_in_any_order_are_one_source_that_is_read_once(tmp_path, into, monkeypatch):
    paths = write_pieces(tmp_path / "own", ".tar.gz.{}")
    assert deliver(reversed(paths), into).status == "ok"
    opened = []
    stream = pieces.JoinedFile._stream
    monkeypatch.setattr(
        pieces.JoinedFile, "_stream", lambda self, n: opened.append(n) or stream(self, n)
    )
    assert deliver(paths, into).status == "ok" and opened == [], "known from its record"
    os.utime(paths[1], (1, 1))
    assert deliver(paths, into).status == "ok" and opened, "a piece has changed"


def test_a_folder_stands_for_its_archives(tmp_path, into):
    write_pieces(tmp_path / "own/train", ".tar.{}")
    (tmp_path / "own/val.tar").write_bytes(tar_of(("val/x.mp4", b"x")))
    (tmp_path / "own/readme.md").write_text("no archive")
    found = list(deliver_archives([str(tmp_path / "own")], into, QUICK))
    assert [delivery.status for delivery in found] == ["ok", "ok"]
    assert contents(into) == FILES | {"x.mp4": b"x"}
    with pytest.raises(UserError, match=r"wanted a folder with archives.*it has none"):
        deliver([tmp_path / "work"], into)


@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_piece_is_one_line_that_names_it(tmp_path, into, number, caplog):
    paths = write_pieces(tmp_path / "own", ".tar.gz.part{}")
    gone = paths[number].read_bytes()
    paths[number].unlink()
    found = deliver([paths[2]], into)
    assert (found.status, found.reason) == ("failed", "missing")
    assert f"piece {paths[number].name} is not there" in found.detail
    assert paths[number].name in caplog.text
    with pytest.raises(UserError) as caught:
        deliver([paths[2]], into, replace(QUICK, failure_budget=0.0))
    assert paths[number].name in str(caught.value) and "\n" not in str(caught.value)
    paths[number].write_bytes(gone)
    assert deliver([paths[2]], into).status == "ok" and contents(into) == FILES


def test_a_missing_last_piece_is_asked_for(tmp_path, into):
    paths = write_pieces(tmp_path / "own", ".tar.{}")
    last = paths[-1].read_bytes()
    paths[-1].unlink()
    found = deliver([paths[0]], into)
    assert found.reason == "truncated"
    assert "its pieces are k400.tar.aa to k400.tar.ac: are these all?" in found.detail
    paths[-1].write_bytes(last)
    assert deliver([paths[0]], into).status == "ok" and contents(into) == FILES


def test_a_piece_that_the_disk_does_not_give_is_not_the_end_of_the_run(tmp_path, into, monkeypatch):
    """An error of the disk in the middle: this archive fails, and the next start reads it."""
    paths = write_pieces(tmp_path / "own", ".tar.{}")
    (tmp_path / "own" / "other.tar").write_bytes(tar_of(("val/x.mp4", b"x")))
    sources = [str(paths[0]), str(tmp_path / "own" / "other.tar")]
    stream = pieces.JoinedFile._stream

    def broken(self, number):
        if number == 2:
            raise OSError(5, "Input/output error", str(self._paths[number]))
        return stream(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(pieces.JoinedFile, "_stream", broken)
        found = list(deliver_archives(sources, into, QUICK))
    assert [(delivery.status, delivery.reason) for delivery in found] == [
        ("failed", "unreachable"),
        ("ok", None),
    ]
    assert "k400.tar.ac: Input/output error" in found[0].detail
    assert all(d.status == "ok" for d in deliver_archives(sources, into, QUICK))
    assert contents(into) == FILES | {"x.mp4": b"x"}


# -- by address


def put_pieces(site: Site, *faults) -> list[str]:
    """Pieces on a server; the faults are those of the second."""
    for number, content in enumerate(cut(gzip.compress(TAR, 1), 3)):
        site.put(f"/k/k400.tar.gz.0{number}", content, *(faults if number == 1 else ()))
    return [site.url(f"/k/k400.tar.gz.0{number}") for number in range(3)]


def test_addresses_are_fetched_and_read_without_joining(site, into):
    urls = put_pieces(site, drop(5_000))
    found = deliver(urls, into)
    assert (found.status, found.address) == ("ok", site.url("/k/k400.tar.gz"))
    assert contents(into) == FILES
    left = {path.name for path in into.archives.iterdir()} - {".lock"}
    assert all(name.endswith(".json") for name in left), "pieces are removed"
    asked = len(site.seen)
    assert deliver(urls, into).status == "ok" and len(site.seen) == asked


def test_a_list_may_name_pieces(site, into):
    put_pieces(site)
    lines = "\n".join(f"k400.tar.gz.0{number}" for number in (2, 0, 1))
    site.put("/k/all.txt", lines.encode())
    assert deliver([site.url("/k/all.txt")], into).status == "ok" and contents(into) == FILES


def test_an_address_that_is_not_named_is_the_missing_piece(site, into):
    urls = put_pieces(site)
    found = deliver([urls[0], urls[2]], into)
    assert found.reason == "missing" and "piece k400.tar.gz.01 is not there" in found.detail
    assert site.seen == [], "450 GB are not fetched for nothing"


def test_a_piece_that_the_server_does_not_have_now_is_fetched_by_the_next_start(site, into):
    urls = put_pieces(site, status(503), status(503))
    found = deliver(urls, into)
    assert (found.status, found.reason) == ("failed", "server_error")
    assert "k400.tar.gz.01" in found.detail
    assert deliver(urls, into).status == "ok" and contents(into) == FILES
    counts = [len(site.of(f"/k/k400.tar.gz.0{number}")) for number in range(3)]
    assert counts == [1, 3, 1], "finished pieces are kept"


def test_a_last_piece_that_was_not_named_costs_no_second_download(site, into):
    urls = put_pieces(site)
    assert deliver(urls[:2], into).reason == "truncated"
    assert deliver(urls, into).status == "ok" and contents(into) == FILES
    assert {len(site.of(f"/k/k400.tar.gz.0{number}")) for number in range(3)} == {1}


_PROGRAM = """
import json, sys
from pathlib import Path
from occludenet_build import config as cfg
from occludenet_build.sources.transfer.bundles import deliver_archives
from occludenet_build.sources.transfer.unpack_target import UnpackTarget
root, *urls = sys.argv[1:]
into = UnpackTarget(Path(root) / "archives", Path(root) / "content", lambda name: name)
print([d.status for d in deliver_archives(urls, into, cfg.Downloads(parallel=1))])
"""


def test_after_a_kill_only_the_rest_is_fetched(site, into):
    urls = put_pieces(site)
    site.entities["/k/k400.tar.gz.02"].faults.append(_waits)
    command = [sys.executable, "-c", _PROGRAM, str(into.archives.parent), *urls]
    process = subprocess.Popen(command, cwd=REPO)
    while not site.of("/k/k400.tar.gz.02"):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(into.archives.glob("*.json"))
    assert deliver(urls, into).status == "ok" and contents(into) == FILES
    counts = [len(site.of(f"/k/k400.tar.gz.0{number}")) for number in range(3)]
    assert counts == [1, 1, 2]


def _waits(handler, entity) -> None:
    time.sleep(3.0)
    handler.cut()


def test_the_record_has_no_query(site, into):
    """Signed addresses: the query is a key."""
    for url in put_pieces(site):
        path = url[len(site.url("")) :]
        site.put(f"{path}?key=secret", site.entities[path].content)
    found = deliver([f"{url}?key=secret" for url in put_pieces(site)], into)
    assert found.status == "ok" and contents(into) == FILES
    records = [path.read_text() for path in into.archives.glob("*.json")]
    assert json.loads(records[0])["address"].endswith("/k/k400.tar.gz")
    assert "secret" not in "".join(records)
