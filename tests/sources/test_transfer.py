"""Downloads against a real server that misbehaves: nothing is lost, nothing counted twice, and
what is corrupt is never taken for good."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from conftest import REPO
from PIL import Image
from support.server import (
    Site,
    chunked,
    corrupt,
    drop,
    forever,
    instead,
    other_range,
    pieces,
    redirect,
    silent,
    states,
    status,
    trickle,
)

from occludenet_build import config as cfg
from occludenet_build.core.errors import REASONS, TRANSIENT, UserError
from occludenet_build.core.progress import ByteProgress
from occludenet_build.sources.transfer import download
from occludenet_build.sources.transfer.checks import FILE_CHECKS
from occludenet_build.sources.transfer.download import Download, Outcome, host_of, redact
from occludenet_build.sources.transfer.parallel import download_all

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = cfg.Downloads(
    parallel=4,
    retries=3,
    backoff_seconds=0.01,
    longest_wait_seconds=2.0,
    timeout_seconds=5.0,
    failure_budget=1.0,
)


def get(site: Site, tmp_path: Path, path: str = "/a.bin", settings=QUICK, **wanted) -> Outcome:
    target = tmp_path / "got" / path.strip("/")
    (outcome,) = download_all([Download(site.url(path), target, **wanted)], settings)
    return outcome


def left_over(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob(".*"))


def assert_whole(outcome: Outcome, content: bytes = CONTENT) -> None:
    assert (outcome.status, outcome.reason, outcome.detail) == ("ok", None, None)
    assert outcome.download.target.read_bytes() == content
    assert (outcome.bytes, outcome.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert left_over(outcome.download.target.parent) == []


# what passes -------------------------------------------------------------------------------------

PASSING = {
    "a good server": ([], 1),
    "drops in the middle": ([drop(100_000), drop(50_000)], 3),
    "drops at once": ([drop(0), drop(0, reset=True)], 3),
    "503": ([status(503), status(500)], 3),
    "503 with Retry-After": ([status(503, Retry_After="1")], 2),
    "408": ([status(408)], 2),
    "429": ([status(429)], 2),
    "states more bytes than come": ([states(300_500)], 3),
    "another range than asked for": ([drop(100_000), other_range(50_000)], 3),
    "gives the rest in pieces": ([drop(100_000), pieces(150_000)], 3),
    "chunked": ([chunked()], 1),
    "chunked, broken off": ([chunked(upto=120_000)], 2),
    "resumed over corrupt bytes": ([drop(100_000), corrupt(200_000)], 3),
    "slow": ([], 1),
}


@pytest.mark.parametrize(("faults", "attempts"), PASSING.values(), ids=PASSING.keys())
def test_what_can_pass_is_tried_again(site, tmp_path, faults, attempts):
    site.put("/a.bin", CONTENT, *faults, pause=0.02 if not faults else 0)
    outcome = get(site, tmp_path, sha256=SHA256)
    assert_whole(outcome)
    assert outcome.attempts == attempts == len(site.seen)


def test_a_broken_connection_costs_only_the_rest(site, tmp_path):
    site.put("/a.bin", CONTENT, drop(100_000), drop(150_000))
    assert get(site, tmp_path).received == len(CONTENT)
    assert [seen.range for seen in site.seen] == [None, "bytes=100000-", "bytes=250000-"]
    assert len({seen.if_range for seen in site.seen[1:]} - {None}) == 1
    assert sum(seen.sent for seen in site.seen) == len(CONTENT)


VALIDATORS = [
    ({"etag": True}, {}, True),
    ({"etag": False, "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {}, True),
    ({"etag": 'W/"1"'}, {}, False),  # not the same to the byte
    ({"etag": False}, {}, False),  # nothing says that the rest is of the same file
    ({"etag": False}, {"sha256": SHA256}, True),  # the hash will say
    ({"ranges": False}, {}, False),
]


@pytest.mark.parametrize(("options", "wanted", "resumes"), VALIDATORS)
def test_a_part_is_joined_only_to_the_same_file(site, tmp_path, options, wanted, resumes):
    site.put("/a.bin", CONTENT, drop(100_000), **options)
    outcome = get(site, tmp_path, **wanted)
    assert_whole(outcome)
    assert outcome.received == len(CONTENT) + (0 if resumes else 100_000)


@pytest.mark.parametrize("shorter", [True, False])
def test_a_file_that_changes_between_attempts_is_begun_anew(site, tmp_path, shorter):
    entity = site.put("/a.bin", CONTENT, drop(250_000))
    assert get(site, tmp_path, settings=replace(QUICK, retries=0)).reason == "connection_lost"
    entity.content = CONTENT[200_000:] if shorter else CONTENT[::-1]
    outcome = get(site, tmp_path)
    assert_whole(outcome, entity.content)
    assert site.seen[1].range == "bytes=250000-"


def test_a_changed_file_behind_a_server_that_ignores_if_range(site, tmp_path):
    entity = site.put("/a.bin", CONTENT, drop(100_000))
    get(site, tmp_path, settings=replace(QUICK, retries=0))
    entity.content = CONTENT[::-1]
    entity.faults = [other_range(100_000)]  # the right place of the wrong file, with its own ETag
    assert_whole(get(site, tmp_path), entity.content)


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured(site, tmp_path, date):
    soon = datetime.now(UTC) + timedelta(seconds=2)
    value = format_datetime(soon, usegmt=True) if date else "1"
    site.put("/a.bin", CONTENT, status(429, Retry_After=value))
    start = time.monotonic()
    assert_whole(get(site, tmp_path, settings=replace(QUICK, longest_wait_seconds=5)))
    assert 0.9 <= time.monotonic() - start < 3


def test_a_server_that_wants_to_be_left_alone_is(site, tmp_path):
    """All downloads from it wait when one is told to."""
    site.put("/0", CONTENT, status(429, Retry_After="1"))
    for n in range(1, 6):
        site.put(f"/{n}", CONTENT, pause=0.01)
    todo = [Download(site.url(f"/{n}"), tmp_path / str(n)) for n in range(6)]
    start = time.monotonic()
    outcomes = list(download_all(todo, replace(QUICK, per_host=2)))
    assert all(o.status == "ok" for o in outcomes) and time.monotonic() - start > 0.9
    assert sum(o.attempts for o in outcomes) == 7 == len(site.seen)
    told = site.of("/0")[0].at
    assert sum(told < seen.at < told + 0.9 for seen in site.seen) <= 1, "one was on its way"


# what does not -----------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><title>please log in</title>"
HOPELESS = {
    "404": ([status(404)], {}, "not_found"),
    "410": ([status(410)], {}, "gone"),
    "401": ([status(401)], {}, "forbidden"),
    "403": ([status(403)], {}, "forbidden"),
    "451": ([status(451)], {}, "forbidden"),
    "400": ([status(400)], {}, "bad_answer"),
    "204": ([status(204)], {}, "bad_answer"),
    "a 206 nobody asked for": ([other_range(5)], {}, "bad_answer"),
    "a coding nobody asked for": ([instead(b"x", Content_Encoding="gzip")], {}, "bad_answer"),
    "long Retry-After": ([status(429, Retry_After="999")], {}, "too_many_requests"),
    "stated too short": ([], {"size": 300_001}, "wrong_length"),
    "stated too long": ([], {"size": 299_999}, "wrong_length"),
    "too short, unstated": ([states(None)], {"size": 300_001}, "wrong_length"),
    "too long, unstated": ([states(None)], {"size": 299_999}, "wrong_length"),
    "corrupt bytes": ([corrupt(5)], {"sha256": SHA256}, "wrong_hash"),
    "a page instead of a video": ([instead(PAGE)], {"check": "video"}, "not_a_video"),
    "a page instead of a picture": ([instead(PAGE)], {"check": "image"}, "not_an_image"),
    "a page instead of JSON": ([instead(PAGE)], {"check": "json"}, "not_json"),
    "a page instead of an archive": ([instead(PAGE)], {"check": "archive"}, "not_an_archive"),
    "nothing": ([instead(b"")], {}, "empty_file"),
    "redirect to a file": ([redirect("file:///etc/passwd")], {}, "bad_redirect"),
    "redirect to ftp": ([redirect("ftp://127.0.0.1/a.bin")], {}, "bad_redirect"),
    "redirect in a circle": ([redirect("/a.bin")], {}, "bad_redirect"),
    "redirect to nowhere": ([redirect("http://")], {}, "bad_redirect"),
}


@pytest.mark.parametrize(("faults", "wanted", "reason"), HOPELESS.values(), ids=HOPELESS.keys())
def test_what_cannot_pass_is_a_reason_at_once(site, tmp_path, faults, wanted, reason):
    site.put("/a.bin", CONTENT, *faults)
    outcome = get(site, tmp_path, **wanted)
    assert (outcome.status, outcome.reason) == ("failed", reason)
    assert reason in REASONS and (outcome.bytes, outcome.sha256) == (0, None)
    assert outcome.attempts == 1
    assert not outcome.download.target.exists()
    if reason != "too_many_requests":
        assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(503), "server_error"),
        (status(429), "too_many_requests"),
        (drop(0, reset=True), "connection_lost"),
        (states(300_500), "connection_lost"),
        (silent(0.6), "timed_out"),
        (trickle(10, 0.05), "timed_out"),
    ],
)
def test_what_does_not_pass_in_time_says_why(site, tmp_path, fault, reason):
    site.put("/a.bin", CONTENT, forever(fault), ranges=False)
    outcome = get(site, tmp_path, settings=replace(QUICK, retries=1, timeout_seconds=0.3))
    assert (outcome.reason, outcome.attempts) == (reason, 2)
    assert reason in TRANSIENT and not outcome.download.target.exists()


def test_a_server_that_sends_more_than_it_states(site, tmp_path):
    """What is beyond the stated length is not the file; only size or hash can tell."""
    site.put("/a.bin", CONTENT, states(299_000))
    assert_whole(get(site, tmp_path), CONTENT[:299_000])
    site.put("/b.bin", CONTENT, forever(states(299_000)))
    assert get(site, tmp_path, "/b.bin", sha256=SHA256).reason == "wrong_hash"


def test_corrupt_after_corrupt_ends(site, tmp_path):
    """A joined file is fetched again once, however far each attempt comes."""
    site.put("/a.bin", CONTENT, *[drop(100_000), corrupt(200_000)] * 20)
    outcome = get(site, tmp_path, sha256=SHA256, settings=replace(QUICK, retries=20))
    assert (outcome.reason, outcome.attempts) == ("wrong_hash", 4)
    assert left_over(tmp_path) == []


def test_large_files_may_lose_many_connections(site, tmp_path):
    content = CONTENT * 20
    site.put("/a.bin", content, *[drop(1_100_000)] * 5)
    settings = replace(QUICK, retries=1)
    assert_whole(get(site, tmp_path, settings=settings), content)
    site.put("/b.bin", content, *[drop(900_000)] * 6)
    assert get(site, tmp_path, "/b.bin", settings=settings).reason == "connection_lost"


@pytest.mark.parametrize("stated", [True, False])
def test_no_file_is_larger_than_allowed(site, tmp_path, stated):
    site.put("/a.bin", CONTENT, *([] if stated else [states(None)]))
    assert get(site, tmp_path, settings=replace(QUICK, max_bytes=1000)).reason == "too_large"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://h/a", "http://", "//h/a", "", "http://h/a b", "http://[::1/a"]
    + ["http://h:0/a", "http://h:99999/a", "javascript:alert(1)", "http://h/\n", "HTTP", "data:,x"],
)
def test_addresses_that_are_refused(tmp_path, url):
    (outcome,) = download_all([Download(url, tmp_path / "a")], QUICK)
    assert (outcome.reason, outcome.attempts) == ("bad_url", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/a"
        (outcome,) = download_all([Download(url, tmp_path / "a")], replace(QUICK, retries=0))
    assert (outcome.reason, left_over(tmp_path)) == ("connection_lost", [])
    assert "refused" in (outcome.detail or "")


def test_redirects_are_followed(site, tmp_path):
    site.put("/a.bin", b"", redirect("/c d.bin", 301))
    site.put("/c%20d.bin", b"", redirect(site.url("/e.bin"), 307))
    site.put("/e.bin", CONTENT, drop(1000))
    assert_whole(get(site, tmp_path))
    assert [seen.range for seen in site.seen[3:]] == ["bytes=1000-"] * 3


def test_secrets_of_an_address_are_not_shown():
    assert redact("https://me:pw@h:8/a/b.pt?token=1#x") == "https://h:8/a/b.pt"
    assert host_of("https://me:pw@H:8/a?b") == "h:8"


# what is there already ---------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_fetched(site, tmp_path):
    site.put("/a.bin", CONTENT)
    get(site, tmp_path)
    again = get(site, tmp_path, sha256=SHA256)
    assert_whole(again)
    assert (again.attempts, again.received, len(site.seen)) == (0, 0, 1)


def test_a_file_that_is_not_what_is_wanted_is_replaced_when_the_right_one_is_there(site, tmp_path):
    site.put("/a.bin", CONTENT, status(404))
    target = tmp_path / "got" / "a.bin"
    target.parent.mkdir()
    target.write_bytes(b"old")
    assert get(site, tmp_path, sha256=SHA256).reason == "not_found"
    assert target.read_bytes() == b"old"
    assert_whole(get(site, tmp_path, sha256=SHA256))


def test_offline_opens_no_socket_and_lists_what_is_missing(site, tmp_path, monkeypatch):
    site.put("/0.bin", CONTENT)
    assert get(site, tmp_path, "/0.bin").status == "ok"
    monkeypatch.setattr(socket, "socket", None)
    todo = [Download(site.url(f"/{n}.bin"), tmp_path / "got" / f"{n}.bin") for n in range(60)]
    offline = replace(QUICK, offline=True, failure_budget=0, give_up_after=1)
    outcomes = list(download_all(todo, offline))
    assert [o.reason for o in outcomes] == [None] + ["offline"] * 59
    assert len(site.seen) == 1


def test_the_same_file_twice_is_fetched_once(site, tmp_path):
    site.put("/a.bin", CONTENT, pause=0.05)
    todo = [Download(site.url("/a.bin"), tmp_path / "a.bin")] * 3
    outcomes = list(download_all(todo, QUICK))
    assert [o.status for o in outcomes] == ["ok"] * 3
    assert sum(o.received for o in outcomes) == len(CONTENT) and len(site.seen) == 1


# many --------------------------------------------------------------------------------------------


def test_limits_in_parallel_and_per_host(site, tmp_path):
    for n in range(12):
        site.put(f"/{n}", CONTENT, pause=0.01)
    with Site() as other:
        other.put("/", CONTENT, pause=0.01)
        todo = [Download(site.url(f"/{n}"), tmp_path / str(n)) for n in range(12)]
        todo.append(Download(other.url("/"), tmp_path / "other"))
        outcomes = list(download_all(iter(todo), replace(QUICK, parallel=8, per_host=2)))
    assert sorted(o.download.target.name for o in outcomes) == sorted(t.target.name for t in todo)
    # each of the two threads may have begun one before the server has noticed the last one's end
    assert site.most_active <= 2 * 2


def test_the_list_is_read_as_it_is_needed(site, tmp_path):
    read = []

    def endless():
        while True:
            read.append(len(read))
            site.put(f"/{read[-1]}", CONTENT)
            yield Download(site.url(f"/{read[-1]}"), tmp_path / str(read[-1]))

    running = download_all(endless(), replace(QUICK, parallel=3))
    for ended in range(1, 6):
        next(running)
        assert len(read) == 2 + ended, "those in hand, and no more"
    running.close()


def test_a_list_of_many_needs_no_memory_for_each(tmp_path, monkeypatch):
    import tracemalloc

    offline = replace(QUICK, offline=True)
    monkeypatch.setattr(
        "occludenet_build.sources.transfer.parallel.logging.warning", lambda *_: None
    )
    peaks = {}
    for count in (16_000, 4_000, 16_000):  # the first time Python's own tables grow
        # one target for all: pathlib interns names, and the table of those grows at times too
        many = (Download(f"http://h/{n}", tmp_path / "a") for n in range(count))
        tracemalloc.start()
        assert sum(o.reason == "offline" for o in download_all(many, offline)) == count
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[16_000] < 1.5 * peaks[4_000]


BUDGETS = [(0.3, None, 4), (0.3, 100, 10), (0.0, None, 1), (1.0, None, 10)]


@pytest.mark.parametrize(("share", "total", "reported"), BUDGETS)
def test_the_failure_budget_stops_with_one_line(site, tmp_path, share, total, reported):
    settings = replace(QUICK, failure_budget=share, parallel=1)
    todo = [Download(site.url(f"/{n}"), tmp_path / str(n)) for n in range(10)]
    seen = []
    stops = reported < 10
    try:
        for outcome in download_all(todo, settings, total=total):
            seen.append(outcome.reason)
        assert not stops
    except UserError as error:
        assert stops and "\n" not in str(error)
        assert f"{reported} of 10 failed" in str(error) and "not_found" in str(error)
    assert seen == ["not_found"] * reported


def test_a_lazy_list_is_judged_at_its_end(site, tmp_path):
    todo = (Download(site.url(f"/{n}"), tmp_path / str(n)) for n in range(3))
    with pytest.raises(UserError, match="3 of 3 failed"):
        list(download_all(todo, replace(QUICK, failure_budget=0.5)))


def test_failures_of_earlier_runs_count(site, tmp_path):
    todo = [Download(site.url("/0"), tmp_path / "0")]
    with pytest.raises(UserError, match="3 of 10 failed"):
        list(download_all(todo, replace(QUICK, failure_budget=0.2), total=10, failed_before=2))


def test_a_dead_network_stops_the_run(site, tmp_path):
    for n in range(20):
        site.put(f"/{n}", CONTENT, forever(status(503)))
    todo = [Download(site.url(f"/{n}"), tmp_path / str(n)) for n in range(20)]
    with pytest.raises(UserError, match=r"the last 5 failed.*is the network up"):
        list(download_all(todo, replace(QUICK, retries=0, give_up_after=5)))


def test_a_disk_that_is_full_is_not_the_files_fault(site, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("occludenet_build.sources.transfer.partial_file.PartialFile.append", full)
    site.put("/a.bin", CONTENT)
    with pytest.raises(OSError, match="No space left"):
        get(site, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_one_line(site, tmp_path):
    site.put("/a.bin", CONTENT)
    (tmp_path / "got").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write .*got"):
        get(site, tmp_path)


# kills -------------------------------------------------------------------------------------------

CHILD = """
import json, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
from occludenet_build import config as cfg
from occludenet_build.sources.transfer.download import Download
from occludenet_build.sources.transfer.parallel import download_all
todo = [Download(url, Path(target), sha256) for url, target, sha256 in json.load(sys.stdin)]
settings = cfg.Downloads(parallel=4, backoff_seconds=0.01, failure_budget=1.0)
for outcome in download_all(todo, settings):
    print(outcome.download.target.name, outcome.status, outcome.reason, flush=True)
"""


def child(todo: list[Download]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps([(t.url, str(t.target), t.sha256) for t in todo]))
    process.stdin.close()
    process.stdin = None
    return process


def wait_for(condition, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to it"
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_goes_on_where_it_was(site, tmp_path, how):
    content = CONTENT * 20
    entity = site.put("/a.bin", content, pause=0.03)
    target, part = tmp_path / "a.bin", tmp_path / ".a.bin.part"
    process = child([Download(site.url("/a.bin"), target)])
    wait_for(lambda: part.exists() and part.stat().st_size > 1_000_000)
    process.send_signal(how)
    start = time.monotonic()
    process.communicate()
    assert time.monotonic() - start < 5
    assert not target.exists()
    had = part.stat().st_size
    wait_for(lambda: not site.active)
    entity.pause = 0
    outcome = get(site, tmp_path / "other")  # another target: not its part
    assert outcome.received == len(content)
    (outcome,) = download_all([Download(site.url("/a.bin"), target)], QUICK)
    assert_whole(outcome, content)
    first, _, last = site.seen
    assert (last.range, last.status) == (f"bytes={had}-", 206)
    assert outcome.received == last.sent == len(content) - had
    assert first.sent + last.sent < len(content) + 1_000_000, "sent twice: what was on its way"


def test_killed_again_and_again_nothing_is_lost_or_counted_twice(site, tmp_path):
    draw = random.Random(1)
    contents = {f"/{n}.bin": draw.randbytes(draw.randint(1, 400_000)) for n in range(30)}
    kinds = [lambda: drop(draw.randint(0, 100_000)), lambda: status(503), lambda: corrupt(0)]
    for path, content in contents.items():
        faults = [draw.choice(kinds)() for _ in range(draw.randint(0, 2))]
        site.put(path, content, *faults, pause=0.01, ranges=draw.random() < 0.8)
    gone = ["/404-a.bin", "/404-b.bin"]
    todo = [
        Download(site.url(path), tmp_path / path.strip("/"), sha256_of(contents.get(path, b"")))
        for path in [*contents, *gone]
    ]
    for _ in range(3):
        process = child(todo)
        wait_for(lambda: len(site.seen) > 0 and site.active > 0)
        time.sleep(draw.uniform(0.1, 0.3))
        process.kill()
        process.communicate()
        for path in tmp_path.glob("*.bin"):
            assert path.read_bytes() == contents[f"/{path.name}"], "half-written or corrupt"
        site.seen.clear()
    for _ in range(3):  # a corrupt answer fails a file for one run, and none has more than two
        out, err = child(todo).communicate()
        rows = [line.split() for line in out.splitlines()]
        assert sorted(row[0] for row in rows) == sorted(t.target.name for t in todo), err
    assert {row[0] for row in rows if row[1] == "ok"} == {p.strip("/") for p in contents}
    assert {row[2] for row in rows if row[1] != "ok"} == {"not_found"}
    for path, content in contents.items():
        assert (tmp_path / path.strip("/")).read_bytes() == content
    assert left_over(tmp_path) == []


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("damage", ["no state", "state of another address", "torn state"])
def test_a_part_without_its_state_is_begun_anew(site, tmp_path, damage):
    site.put("/a.bin", CONTENT, drop(100_000))
    get(site, tmp_path, settings=replace(QUICK, retries=0))
    state = tmp_path / "got" / ".a.bin.part.json"
    noted = json.loads(state.read_text())
    if damage == "no state":
        state.unlink()
    else:
        changed = json.dumps(noted | {"url": "other"})
        state.write_text(changed if damage != "torn state" else changed[:20])
    assert_whole(get(site, tmp_path))
    assert [seen.range for seen in site.seen] == [None, None]


def test_a_part_that_is_whole_needs_no_request(site, tmp_path):
    """Killed between the last byte and the name."""
    site.put("/a.bin", CONTENT, drop(len(CONTENT) - 1))
    get(site, tmp_path, settings=replace(QUICK, retries=0))
    with open(tmp_path / "got" / ".a.bin.part", "ab") as stream:
        stream.write(CONTENT[-1:])
    outcome = get(site, tmp_path)
    assert_whole(outcome)
    assert (outcome.attempts, len(site.seen)) == (0, 1)


def test_two_processes_on_one_file(site, tmp_path):
    site.put("/a.bin", CONTENT * 5, pause=0.01)
    todo = [Download(site.url("/a.bin"), tmp_path / "a.bin")]
    both = [child(todo), child(todo)]
    outs = [process.communicate()[0] for process in both]
    assert outs == ["a.bin ok None\n"] * 2
    assert len(site.seen) == 1


def test_closing_the_iterator_stops_what_is_under_way(site, tmp_path):
    site.put("/fast", CONTENT)
    site.put("/slow", CONTENT * 50, pause=0.05)
    before = threading.active_count()
    todo = [Download(site.url(p), tmp_path / p.strip("/")) for p in ("/slow", "/fast")]
    running = download_all(todo, QUICK)
    assert next(running).download.target.name == "fast"
    running.close()
    wait_for(lambda: not site.active)
    wait_for(lambda: threading.active_count() <= before)


# checks, answers, progress -----------------------------------------------------------------------


def test_checks_know_the_good_from_the_cut(tmp_path, make_clip):
    clip = make_clip("clip.mp4", frames=48, sound=True)
    picture = io.BytesIO()
    noise = random.Random(0).randbytes(64 * 64 * 3)
    Image.frombytes("RGB", (64, 64), noise).save(picture, "JPEG")
    good = {"video": clip.read_bytes(), "image": picture.getvalue(), "json": b'{"a": [1, 2]} '}
    for check, content in good.items():
        path = tmp_path / check
        path.write_bytes(content)
        FILE_CHECKS[check](path)
        for cut in (len(content) // 2, len(content) * 9 // 10):
            path.write_bytes(content[:cut])
            with pytest.raises(Exception, match=r"truncated|not_a_video|not_an_image|not_json"):
                FILE_CHECKS[check](path)


def test_large_json_is_judged_by_its_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("occludenet_build.sources.transfer.checks._SMALL_JSON", 1000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": list(range(1000))}))
    FILE_CHECKS["json"](path)
    path.write_text(json.dumps({"a": list(range(1000))})[:-5])
    with pytest.raises(Exception, match="not_json"):
        FILE_CHECKS["json"](path)


SAID = [
    (None, None),
    ("120", 120.0),
    (" 0 ", 0.0),
    ("Mon, 01 Jan 2020 00:00:00 GMT", 0.0),
    ("soon", None),
    ("-5", None),
    ("9" * 400, 21600),  # urllib3's longest
    ("9" * 9000, None),
]


@pytest.mark.parametrize(("value", "seconds"), SAID)
def test_retry_after(value, seconds):
    assert download.retry_after(value) == seconds


RANGES = [
    ("bytes 5-9/10", (5, 10)),
    ("bytes 0-9/*", (0, None)),
    ("bytes */10", None),
    ("bytes 5-9", None),
    (None, None),
]


@pytest.mark.parametrize(("value", "found"), RANGES)
def test_content_range(value, found):
    assert download.content_range(value) == found


def test_progress_shows_files_bytes_rate_and_time_left():
    progress = ByteProgress(4, 4_000_000)
    progress.count(1_000_000)  # from an earlier run: it is there, but says nothing of the rate
    progress.count(1_000_000, 1_000_000)
    progress.done = 1
    assert progress.line(10.0) == "1/4 files, 2.00MB, 100kB/s, 00:20 left"
    progress.count(-500_000)  # started again
    assert "1.50MB" in progress.line(10.0)
    unknown = ByteProgress(10, None)
    assert unknown.line(10.0) == "0/10 files, 0.00B, 0.00B/s, ? left"
    unknown.done = 5
    assert unknown.line(10.0).endswith("00:10 left")


def test_the_log_has_plain_lines(site, tmp_path, caplog):
    """What was thrown away is not counted."""
    caplog.set_level("INFO")
    site.put("/a.bin", CONTENT, drop(100_000), drop(50_000), ranges=False)
    assert get(site, tmp_path).received == len(CONTENT) + 150_000
    assert any("1/1 files, 300kB" in record.getMessage() for record in caplog.records)
