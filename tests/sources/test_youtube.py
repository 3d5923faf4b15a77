"""Route youtube: yt-dlp itself against a server on loopback; and a fake yt-dlp, for answers
that only YouTube gives."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import yt_dlp
from conftest import REPO
from support.server import Site, forever, silent, status
from support.youtube import (
    PRESENT,
    FakeYtDlp,
    as_page,
    as_video,
    broken,
    clip_of,
    config_of,
    error,
    fetch,
    gives,
    ids,
    page,
    processes_in,
)
from test_segments import RATE, frames_of, long_video, sound_of
from test_youtube_messages import MESSAGES

from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.sources.kinetics.youtube import fetch as route
from occludenet_build.sources.kinetics.youtube import ledger
from occludenet_build.sources.kinetics.youtube.fetch import cut_clip, fetch_clips
from occludenet_build.sources.kinetics.youtube.ytdlp import ytdlp_options

ID = "-aB3_xYz-09"
"""Begins as an option does."""
TIMES_OUT = 2.0


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """14 s at 10 fps, each picture with its number, a rising tone."""
    return long_video(tmp_path_factory.mktemp("long") / "long.mp4")


@pytest.fixture(scope="module")
def ntsc(tmp_path_factory) -> Path:
    return long_video(
        tmp_path_factory.mktemp("ntsc") / "ntsc.mp4", frames=255, fps=Fraction(30000, 1001)
    )


@pytest.fixture
def site():
    with Site() as made:
        yield made


def served(site: Site, path: Path, *faults, youtube_id: str = ID):
    site.put(page(youtube_id), path.read_bytes(), *faults, forever(as_video()))
    return config_of(site.url("/watch?v={id}"))


def only(clips, folder, config):
    (found,) = fetch_clips(clips, folder, config, threads=1)
    return found


# -- yt-dlp itself


def test_a_clip_has_the_pictures_and_the_sound_of_its_stretch(site, tmp_path, long):
    config, clip = served(site, long), clip_of(ID)
    found = only([clip], tmp_path, config)
    assert (found.status, found.reason, found.detail) == ("present", None, None)
    assert found.path == tmp_path / "val/juggling balls" / f"{ID}_000003_000007.mp4"
    assert found.bytes == found.path.stat().st_size
    assert frames_of(found.path) == [(Fraction(n, 10), 30 + n) for n in range(40)]
    begin, whole = sound_of(long)
    at, part = sound_of(found.path)
    first = round((3 - begin) * RATE)
    assert at == 0 and 0 <= len(part) / RATE - 4 < 0.15
    np.testing.assert_array_equal(part, whole[first : first + len(part)])
    left = {p.name for p in (tmp_path / ".youtube").iterdir()}
    assert left == {"store"} and not processes_in(tmp_path)


def test_the_frame_rate_is_kept(site, tmp_path, ntsc):
    found = only([clip_of(ID)], tmp_path, served(site, ntsc))
    info = probe(found.path, Limits())
    assert (info.fps, info.frames, info.variable_rate) == (Fraction(30000, 1001), 120, False)
    assert [number for _, number in frames_of(found.path)] == list(range(90, 210))


def test_a_second_run_asks_for_nothing_that_it_has_or_that_is_gone(site, tmp_path, long):
    config, gone = served(site, long), "no-such-id0"
    clips = [clip_of(ID), clip_of(gone)]
    first = fetch(clips, tmp_path, config)
    assert first == {ID: PRESENT, gone: ("missing", "not_found")}
    asked = len(site.seen)
    assert fetch(clips, tmp_path, config) == first
    assert fetch(clips[:1], tmp_path, config)[ID] == PRESENT
    assert fetch(clips, tmp_path, config) == first
    assert len(site.seen) == asked
    (tmp_path / clips[0].file).unlink()
    assert fetch(clips, tmp_path, config) == first
    assert {seen.path for seen in site.seen[asked:]} == {page(ID)}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(403), "forbidden"),
        (status(503), "server_error"),
        (as_page("<html><body>Sorry</body></html>"), "not_a_video"),
        (as_page("no video at all " * 999, "video/mp4"), "not_a_video"),
        (as_page("", "video/mp4"), "connection_lost"),
        (broken(5000), "connection_lost"),
    ],
    ids=["403", "503", "page", "nonsense", "empty", "drop"],
)
def test_a_fault_of_the_server_is_a_row(site, tmp_path, long, fault, reason):
    found = only([clip_of(ID)], tmp_path, served(site, long, forever(fault)))
    assert (found.status, found.reason, found.path) == ("missing", reason, None)
    assert found.detail and not list(tmp_path.glob("val/**/*.mp4"))


def test_a_download_that_breaks_goes_on(site, tmp_path, long):
    config = served(site, long, as_video(), broken(20_000))
    found = only([clip_of(ID)], tmp_path, config)
    assert found.status == "present" and len(frames_of(found.path)) == 40
    assert len(site.seen) == 3


def test_a_file_that_ends_early_is_no_clip(site, tmp_path, long):
    """All that the server states came; the file itself is half a video."""
    half = tmp_path / "half.mp4"
    half.write_bytes(long.read_bytes()[: long.stat().st_size // 2])
    found = only([clip_of(ID)], tmp_path / "out", served(site, half))
    assert (found.status, found.path) == ("corrupt", None)
    assert found.reason == "truncated"


def test_too_many_requests_have_a_second_turn_at_the_end(site, tmp_path, long):
    config = served(site, long, status(429))
    other = ids(1)[0]
    site.put(page(other), long.read_bytes(), forever(as_video()))
    found = list(fetch_clips([clip_of(ID), clip_of(other)], tmp_path, config, 1))
    assert [one.clip.youtube_id for one in found] == [other, ID]
    assert all(one.status == "present" for one in found)


def test_what_takes_too_long_is_killed(site, tmp_path, long):
    config = served(site, long, as_video(), forever(silent(60)))
    config = config_of(config.kinetics.youtube.address, timeout_seconds=TIMES_OUT)
    begun = time.monotonic()
    found = only([clip_of(ID)], tmp_path, config)
    assert (found.reason, found.detail) == ("timed_out", "not finished after 2 s")
    assert time.monotonic() - begun < TIMES_OUT + 20 and not processes_in(tmp_path)


def test_a_crash_of_yt_dlp_is_a_row(tmp_path, monkeypatch):
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "yt_dlp.py").write_text("raise RuntimeError('out of its depth')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    found = only([clip_of(ID)], tmp_path / "out", config_of())
    assert (found.reason, found.detail) == ("extractor_failed", "RuntimeError: out of its depth")


def test_a_video_that_is_too_long_is_not_fetched(site, tmp_path, long):
    site.put("/v.mp4", long.read_bytes(), forever(as_video()))
    text = (
        '<script type="application/ld+json">{"@context": "https://schema.org", "name": "ERROR: x", '
        '"@type": "VideoObject", "contentUrl": "%s", "duration": "PT2H"}</script>'
    )
    site.put(page(ID), b"", forever(as_page(text % site.url("/v.mp4"))))
    config = config_of(site.url("/watch?v={id}"))
    found = only([clip_of(ID)], tmp_path, config)
    assert (found.reason, found.detail) == (
        "too_long",
        "7200 s, kinetics.youtube.max_seconds is 3600",
    )
    assert len(site.of("/v.mp4")) == 1  # what is it, and no more
    found = only([clip_of(ID)], tmp_path, config_of(site.url("/watch?v={id}"), max_seconds=7200.0))
    assert found.status == "present" and len(frames_of(found.path)) == 40


def test_a_video_of_too_many_bytes_is_not_fetched(site, tmp_path, long):
    config = served(site, long)
    config = replace(config, download=replace(config.download, max_bytes=1000))
    assert only([clip_of(ID)], tmp_path, config).reason == "too_large"


MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT14S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" minBufferTime="PT1S"><Period>
<AdaptationSet mimeType="video/mp4">
<Representation id="small" bandwidth="9000" codecs="avc1.42c00b" width="256" height="144">
<BaseURL>/small.mp4</BaseURL></Representation>
<Representation id="right" bandwidth="10000" codecs="avc1.42c00b" width="640" height="360">
<BaseURL>/right.mp4</BaseURL></Representation>
<Representation id="large" bandwidth="90000" codecs="avc1.42c00b" width="1280" height="720">
<BaseURL>/large.mp4</BaseURL></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4"><Representation id="sound" bandwidth="9000"
 codecs="mp4a.40.2" audioSamplingRate="16000"><BaseURL>/sound.m4a</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""


def one_stream(source: Path, out: Path, kind: str) -> bytes:
    """A file with one of a video's streams, as YouTube serves them."""
    with av.open(str(source)) as given, av.open(str(out), "w") as made:
        stream = getattr(given.streams, kind)[0]
        copied = made.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                made.mux(packet)
    return out.read_bytes()


def test_pictures_and_sound_that_come_apart_are_merged(site, tmp_path, long):
    site.put(page(ID), b"", forever(as_page(MANIFEST, "application/dash+xml")))
    site.put("/right.mp4", one_stream(long, tmp_path / "right.mp4", "video"))
    site.put("/sound.m4a", one_stream(long, tmp_path / "sound.mp4", "audio"))
    found = only([clip_of(ID)], tmp_path / "out", config_of(site.url("/watch?v={id}")))
    assert found.status == "present", found
    assert frames_of(found.path) == [(Fraction(n, 10), 30 + n) for n in range(40)]
    begin, whole = sound_of(long)
    _, part = sound_of(found.path)
    first = round((3 - begin) * RATE)
    np.testing.assert_array_equal(part, whole[first : first + len(part)])
    assert not site.of("/large.mp4") and not site.of("/small.mp4")


# -- killed and stopped

DRIVER = """
import signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {repo!r}]
from support.youtube import clip_of, config_of
from occludenet_build.sources.kinetics.youtube.fetch import fetch_clips
signal.signal(signal.SIGTERM, signal.default_int_handler)
clips = [clip_of(name) for name in {ids!r}]
config = config_of({address!r}, {{"timeout_seconds": 60.0}})
for found in fetch_clips(clips, Path({folder!r}), config, 1):
    print(found.clip.youtube_id, found.status, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_nothing_running_and_the_next_goes_on(site, tmp_path, long, how):
    folder, slow = tmp_path / "out", ids(1)[0]
    config = served(site, long)
    site.put(page(slow), long.read_bytes(), as_video(), silent(60), forever(as_video()))
    tests = str(REPO / "tests")
    text = DRIVER.format(
        tests=tests,
        repo=str(REPO),
        ids=[ID, slow],
        folder=str(folder),
        address=config.kinetics.youtube.address,
    )
    driver = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert driver.stdout.readline().split() == [ID, "present"]
    until(lambda: len(site.of(page(slow))) == 2)
    assert processes_in(folder)
    driver.send_signal(how)
    driver.wait(10)
    until(lambda: not processes_in(folder))
    work = folder / ".youtube" / "work"
    assert work.exists() == (how == signal.SIGKILL)
    asked = len(site.of(page(ID)))
    clips = [clip_of(ID), clip_of(slow)]
    assert fetch(clips, folder, config) == {ID: PRESENT, slow: PRESENT}
    assert len(site.of(page(ID))) == asked and not work.exists()


def until(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_what_yt_dlp_has_started_is_killed_too(tmp_path, monkeypatch):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer(ID, {"sleep": 60})
    found = only([clip_of(ID)], tmp_path / "out", config_of(timeout_seconds=1.0))
    assert found.reason == "timed_out" and not processes_in(tmp_path)


# -- what only YouTube says


def test_every_reason_comes_out_as_it_was_said(tmp_path, monkeypatch):
    fake, said = FakeYtDlp(tmp_path, monkeypatch), dict(MESSAGES)
    names = dict(zip(said, ids(len(said)), strict=True))
    for reason, message in said.items():
        fake.answer(names[reason], error(message))
    config = config_of(download={"give_up_after": 1000}, give_up_after=1000)
    found = fetch([clip_of(name) for name in names.values()], tmp_path / "out", config)
    assert found == {name: ("missing", reason) for reason, name in names.items()}
    assert not list((tmp_path / "out").glob("val/**/*.mp4"))


BOT = error(MESSAGES[0][1])
LIMIT = error(MESSAGES[5][1])
PRIVATE = error("[youtube] x: Private video. Sign in if you've been granted access to this video")


def test_refusals_of_service_in_a_row_stop_the_build(tmp_path, monkeypatch, long):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(9)
    fake.answer("*", BOT)
    fake.answer(names[0], gives(long))
    config, clips = config_of(give_up_after=3), [clip_of(name) for name in names]
    with pytest.raises(UserError, match=r"3 refusals .* bot_check: Sign in .*cookies"):
        list(fetch_clips(clips, tmp_path / "out", config, 1))
    assert fake.asked == names[:4]
    fake.answer("*", gives(long))
    found = fetch(clips, tmp_path / "out", config)
    assert set(found.values()) == {PRESENT} and sorted(fake.asked) == names[1:]


def test_an_answer_between_two_refusals_is_patience(tmp_path, monkeypatch, long):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(4)
    for name, answer in zip(names, (LIMIT, PRIVATE, BOT, gives(long)), strict=True):
        fake.answer(name, answer, gives(long))
    found = fetch([clip_of(name) for name in names], tmp_path / "out", config_of(give_up_after=2))
    assert fake.asked == [*names, names[0], names[2]]
    assert [found[name] for name in names] == [
        PRESENT,
        ("missing", "login_required"),
        PRESENT,
        PRESENT,
    ]


def test_many_videos_that_are_gone_stop_nothing(tmp_path, monkeypatch):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(8)
    fake.answer("*", PRIVATE)
    config = config_of(download={"give_up_after": 2, "failure_budget": 0.0}, give_up_after=1)
    found = fetch([clip_of(name) for name in names], tmp_path / "out", config)
    assert set(found.values()) == {("missing", "login_required")}


def test_when_nothing_works_the_build_stops(tmp_path, monkeypatch):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(8)
    fake.answer("*", error("[youtube] x: Failed to extract any player response"))
    config = config_of(download={"give_up_after": 3})
    with pytest.raises(UserError, match=r"last 3 videos failed.*yt-dlp the newest"):
        list(fetch_clips([clip_of(name) for name in names], tmp_path / "out", config, 1))
    assert fake.asked == names[:3]


@pytest.fixture
def waits(monkeypatch):
    """The seconds that are waited before each video, and nobody waits."""
    seen: list[float] = []
    clock = SimpleNamespace(sleep=seen.append, monotonic=lambda: 1000.0)
    monkeypatch.setattr(route, "time", clock)
    return seen


def test_there_is_a_pause_after_each_video(tmp_path, monkeypatch, waits):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(6)
    fake.answer("*", PRIVATE)
    fetch([clip_of(name) for name in names], tmp_path / "out", config_of(sleep_seconds=4.0))
    assert waits[0] == 0 and len(waits) == len(names) == len(fake.asked)
    assert all(4.0 <= seconds <= 6.0 for seconds in waits[1:]) and len(set(waits[1:])) > 1


def test_the_pause_doubles_with_each_refusal(tmp_path, monkeypatch, waits, long):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(9)
    fake.answer("*", LIMIT)
    fake.answer(names[5], gives(long))
    quick = {"backoff_seconds": 10.0, "longest_wait_seconds": 100.0}
    clips, config = [clip_of(name) for name in names], config_of(download=quick, give_up_after=6)
    with pytest.raises(UserError, match="6 refusals of service in a row, the last too_many"):
        list(fetch_clips(clips, tmp_path / "out", config, 1))
    assert waits == [0, 20, 40, 80, 100, 100, 0, 20, 40, 80, 100, 100]


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        ({"code": 0}, "extractor_failed", "yt-dlp ended with code 0 and left no file"),
        ({"code": 3}, "extractor_failed", "yt-dlp ended with code 3"),
        ({"signal": 9}, "extractor_failed", "yt-dlp was killed by signal 9"),
        ({"facts": {"live_status": "is_upcoming"}}, "live", "is_upcoming"),
        ({"facts": {"is_live": True, "live_status": None}}, "live", "is_live"),
        ({"facts": {"filepath": "video.mp4"}}, "extractor_failed", None),
        ({"facts": {"filepath": "../../../../fake.py"}}, "extractor_failed", None),
        ({"stderr": "ERROR: x\n", "code": 1}, "extractor_failed", "x"),
    ],
)
def test_nothing_is_a_success_without_a_file(tmp_path, monkeypatch, answer, reason, detail):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer(ID, answer)
    found = only([clip_of(ID)], tmp_path / "out", config_of())
    assert (found.status, found.reason, found.path) == ("missing", reason, None)
    assert detail is None or found.detail == detail


def test_a_full_disk_ends_the_run(tmp_path, monkeypatch):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer(ID, error("unable to write data: [Errno 28] No space left on device"))
    with pytest.raises(OSError, match="disk is full"):
        only([clip_of(ID)], tmp_path / "out", config_of())


# -- what is asked for again


def test_a_failure_is_asked_for_again_when_what_it_hangs_on_changes(tmp_path, monkeypatch, long):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(4)
    (tmp_path / "cookies.txt").write_text("# Netscape HTTP Cookie File\n")
    answers = (
        {"facts": {"duration": 5000}},
        error(next(text for _, text in MESSAGES if "confirm your age" in text)),
        error("[youtube] x: This video has been removed by the uploader"),
        gives(long),
    )
    for name, answer in zip(names, answers, strict=True):
        fake.answer(name, answer)
    clips, out = [clip_of(name) for name in names], tmp_path / "out"

    def asked(**settings):
        fake.answer("*", PRIVATE)  # empties the log
        fetch(clips, out, config_of(**settings))
        return fake.asked

    assert asked() == names
    assert asked() == []
    assert asked(max_seconds=4000.0) == [names[0]]
    assert asked(cookies=str(tmp_path / "cookies.txt")) == [names[0], names[1]]
    assert asked(height=480) == names
    assert asked(crf=20.0) == names


def test_a_file_of_another_route_is_left_as_it_is(tmp_path, monkeypatch, long):
    fake, clip = FakeYtDlp(tmp_path, monkeypatch), clip_of(ID)
    fake.answer(ID, PRIVATE)
    target = tmp_path / clip.file
    assert only([clip], tmp_path, config_of()).reason == "login_required"
    target.parent.mkdir(parents=True)
    target.write_bytes(long.read_bytes())
    found = only([clip], tmp_path, config_of())
    assert (found.status, found.path, found.origin) == ("present", target, None)
    assert fake.asked == [ID]


def test_a_clip_that_is_made_again_replaces_the_old_one(tmp_path, monkeypatch, long, ntsc):
    fake, clip = FakeYtDlp(tmp_path, monkeypatch), clip_of(ID)
    fake.answer(ID, gives(long), gives(ntsc))
    assert len(frames_of(only([clip], tmp_path, config_of()).path)) == 40
    assert len(frames_of(only([clip], tmp_path, config_of(height=720)).path)) == 120


def test_what_a_killed_run_has_learnt_counts(tmp_path, monkeypatch):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(3)
    fake.answer("*", PRIVATE)
    clips = [clip_of(name) for name in names]
    some = fetch_clips(clips, tmp_path / "out", config_of(), 1)
    next(some), next(some)
    some.close()
    fetch(clips[2:], tmp_path / "out", config_of())  # another list in between
    fetch(clips, tmp_path / "out", config_of())
    assert sorted(fake.asked) == names


def test_a_reason_of_an_earlier_version_is_asked_for_again(tmp_path, monkeypatch):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer("*", PRIVATE)
    fetch([clip_of(ID)], tmp_path / "out", config_of())
    monkeypatch.setattr(ledger, "REASONS", {})
    fetch([clip_of(ID)], tmp_path / "out", config_of())
    assert fake.asked == [ID, ID]


def test_offline_starts_nothing(tmp_path, monkeypatch):
    fake, names = FakeYtDlp(tmp_path, monkeypatch), ids(2)
    fake.answer("*", PRIVATE)
    fetch([clip_of(names[0])], tmp_path / "out", config_of())
    offline = config_of(download={"offline": True})
    found = fetch([clip_of(name) for name in names], tmp_path / "out", offline)
    assert [found[name][1] for name in names] == ["login_required", "offline"]
    assert fake.asked == names[:1]


# -- what comes from outside


@pytest.mark.parametrize(
    "youtube_id",
    ["", "-rf", "--exec=touch", "--config-l=", "../../../x", "a b c d e f"]
    + ["ＡＢＣＤＥＦＧＨＩＪＫ", "x" * 12, "aaaaaaaaaa\n", "aaaaaaaaaaa\n"]
    + ["a&list=PL01", "%(title)s__"],
)  # fmt: skip
def test_an_id_that_is_none_starts_nothing(tmp_path, monkeypatch, youtube_id):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer("*", PRIVATE)
    found = only([clip_of(youtube_id)], tmp_path / "out", config_of())
    assert (found.status, found.reason) == ("missing", "bad_url")
    assert found.detail.isprintable() and not fake.asked


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (clip_of(ID, label=".."), "unsafe_path"),
        (clip_of(ID, label="a\x1b[31m"), "unsafe_name"),
        (clip_of(ID, start=9, end=9), "outside_video"),
        (clip_of(ID, start=-3, end=7), "outside_video"),
    ],
)
def test_a_row_that_no_list_should_have_starts_nothing(tmp_path, monkeypatch, clip, reason):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    fake.answer("*", PRIVATE)
    assert only([clip], tmp_path / "out", config_of()).reason == reason
    assert not fake.asked


def test_cookies_are_a_private_copy(tmp_path, monkeypatch):
    fake = FakeYtDlp(tmp_path, monkeypatch)
    cookies, seen = tmp_path / "cookies.txt", []
    cookies.write_text("# Netscape HTTP Cookie File\n")
    fake.answer(ID, PRIVATE)

    def look(command, **options):
        if "--cookies" in command:
            copy = Path(command[command.index("--cookies") + 1])
            seen.append((copy.stat().st_mode & 0o777, copy.read_text()))
            copy.write_text("another")
        return real(command, **options)

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", look)
    only([clip_of(ID)], tmp_path / "out", config_of(cookies=str(cookies)))
    assert seen == [(0o600, "# Netscape HTTP Cookie File\n")]
    assert cookies.read_text() == "# Netscape HTTP Cookie File\n"
    assert not (tmp_path / "out/.youtube/work").exists()


def test_cookies_that_are_none_stop_the_build(tmp_path):
    (tmp_path / "cookies.txt").write_text("session = abc\n")
    with pytest.raises(UserError, match="Netscape"):
        only([clip_of(ID)], tmp_path / "out", config_of(cookies=str(tmp_path / "cookies.txt")))
    with pytest.raises(UserError, match="wanted a cookie file"):
        only([clip_of(ID)], tmp_path / "out", config_of(cookies=str(tmp_path / "none.txt")))
    with pytest.raises(UserError, match="wanted an http or https address"):
        only([clip_of(ID)], tmp_path / "out", config_of("file:///etc/{id}"))


# -- what is chosen and cut


def test_the_options_say_what_they_should(tmp_path):
    said = yt_dlp.parse_options(ytdlp_options(config_of(), tmp_path)).ydl_opts
    wanted = {
        "noplaylist": True,
        "ignoreerrors": False,
        "cachedir": False,
        "default_search": "error",
        "retries": 1,
        "fragment_retries": 1,
        "extractor_retries": 1,
        "skip_unavailable_fragments": False,
        "socket_timeout": 5.0,
        "outtmpl": {"default": "video.%(ext)s"},
    }
    assert {name: said[name] for name in wanted} == wanted
    assert said["proxy"] is None and not said.get("simulate")
    assert not {"Exec", "FFmpegMetadata"} & {one["key"] for one in said["postprocessors"]}


AVC, VP9, AAC, OPUS = "avc1.4d401e", "vp9", "mp4a.40.2", "opus"
LYING = {
    "18": (640, 360, AVC, AAC, "mp4"),
    "134": (640, 360, AVC, "none", "mp4"),
    "243": (640, 360, VP9, "none", "webm"),
    "133": (426, 240, AVC, "none", "mp4"),
    "136": (1280, 720, AVC, "none", "mp4"),
    "140": (None, None, "none", AAC, "m4a"),
    "251": (None, None, "none", OPUS, "webm"),
}
UPRIGHT = {
    name: (height, width, *rest) if width else (None, None, *rest)
    for name, (width, height, *rest) in LYING.items()
}


@pytest.mark.parametrize(
    ("formats", "kept", "height", "chosen"),
    [
        (LYING, "18 134 243 133 136 140 251", 360, "18"),  # one file is one request
        (LYING, "134 243 133 136 140 251", 360, "134+140"),
        (LYING, "18 134 243 133 136 140 251", 720, "136+140"),
        (LYING, "18 134 243 133 136 140 251", 300, "133+140"),
        (UPRIGHT, "18 134 243 133 136 140 251", 360, "18"),
        (UPRIGHT, "134 243 133 136 140 251", 360, "134+140"),
        (UPRIGHT, "133 136 140", 360, "133+140"),
        (LYING, "243 136 251", 360, "243+251"),
        (LYING, "18 136 140", 360, "18"),
        (LYING, "18 136", 360, "18"),
        (LYING, "134 136", 360, "134"),
        (LYING, "136 140", 360, None),
    ],
)
def test_the_right_formats_are_chosen(tmp_path, formats, kept, height, chosen):
    names = ("width", "height", "vcodec", "acodec", "ext")
    listed = [
        {"format_id": name, "url": f"https://example.org/{name}", "protocol": "https"}
        | dict(zip(names, formats[name], strict=True))
        for name in kept.split()
    ]
    said = yt_dlp.parse_options(ytdlp_options(config_of(height=height), tmp_path)).ydl_opts
    said |= {"quiet": True, "no_warnings": True, "simulate": True, "print_to_file": {}}
    video = {"id": ID, "title": "x", "extractor": "youtube", "formats": listed, "duration": 60}
    with yt_dlp.YoutubeDL(said) as loader:
        if chosen is None:
            with pytest.raises(yt_dlp.utils.ExtractorError, match="Requested format is not avail"):
                loader.process_ie_result(video, download=False)
            return
        found = loader.process_ie_result(video, download=False)
    assert found["format_id"] == chosen


@pytest.mark.parametrize(
    ("start", "end", "pictures", "said"),
    [
        (3, 13, 100, None),
        (4, 14, 100, None),
        (9, 19, 50, "the video ends at 14.00 s: 5.00 of 10 s"),
        (10, 20, None, "10.00 s to 20.00 s, the video ends at 14.00 s"),
        (40, 50, None, "40.00 s to 50.00 s, the video ends at 14.00 s"),
    ],
)
def test_at_least_half_of_a_stretch_must_exist(tmp_path, long, start, end, pictures, said):
    out = tmp_path / "cut.mp4"
    if pictures is None:
        with pytest.raises(ItemError) as raised:
            cut_clip(long, clip_of(ID, start, end), out, 17.0)
        assert (raised.value.reason, raised.value.detail) == ("outside_video", said)
        return
    assert cut_clip(long, clip_of(ID, start, end), out, 17.0) == said
    assert [number for _, number in frames_of(out)] == list(
        range(10 * start, 10 * start + pictures)
    )


def test_the_smaller_half_of_a_clip_is_said_in_its_row(tmp_path, monkeypatch, long):
    fake, clip = FakeYtDlp(tmp_path, monkeypatch), clip_of(ID, 8, 18)
    fake.answer(ID, gives(long))
    for _ in range(2):
        found = only([clip], tmp_path / "out", config_of())
        assert (found.status, found.reason) == ("present", None)
        assert found.detail == "the video ends at 14.00 s: 6.00 of 10 s"
    assert fake.asked == [ID]


def test_an_environment_that_says_otherwise_changes_nothing(site, tmp_path, long, monkeypatch):
    """A user's own configuration of yt-dlp, with what would break the route."""
    home = tmp_path / "home" / ".config" / "yt-dlp"
    home.mkdir(parents=True)
    (home / "config").write_text("--simulate\n--output elsewhere\n--exec 'touch was-here'\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home.parent))
    found = only([clip_of(ID)], tmp_path / "out", served(site, long))
    assert found.status == "present" and not list(tmp_path.rglob("was-here"))
