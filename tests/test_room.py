"""The room composite by itself: its two ledgers, a full disk, kill -9."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPO
from small_room import FRAMES, SmallRoom


def kinds(room):
    """File -> time stamp, of occluded clips with their clean twins, and of counterfactuals."""
    videos = room.videos()
    erased = {file: t for file, t in videos.items() if file.startswith("OccludeNet-D-counter")}
    return {file: t for file, t in videos.items() if file not in erased}, erased


def bytes_of(room):
    return {file: (room.root / file).read_bytes() for file in room.videos()}


def touched(before, after):
    """The clips of which some file is new."""
    names = (file for file, t in after.items() if before.get(file) != t)
    return {Path(file).stem.split("_")[-1] for file in names}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    made = SmallRoom(folder / "in", folder / "build", unmasked=("three",)).write()
    made.run()
    return made


@pytest.fixture
def room(finished, tmp_path):
    """A finished shard of three clips, one of them without masks."""
    shutil.copytree(finished.folder, tmp_path / "in")
    shutil.copytree(finished.root, tmp_path / "build")
    return replace(finished, folder=tmp_path / "in", root=tmp_path / "build")


def test_a_finished_shard_is_left_alone(room):
    occluded, erased = kinds(room)
    assert (len(occluded), len(erased)) == (3 * 3, 2 * 2)
    assert {row["status"] for row in room.rows().values()} == {"ok"}
    unmasked = room.rows(room.erased)["three"]
    assert (unmasked["status"], unmasked["reason"]) == ("skipped", "no_mask")
    assert {r["erased_frames"] for c, r in room.rows(room.erased).items() if c != "three"} == {
        FRAMES
    }
    tables = room.out.read_bytes(), room.erased.read_bytes()
    room.run()
    assert kinds(room) == (occluded, erased)
    assert (room.out.read_bytes(), room.erased.read_bytes()) == tables


def test_other_masks_make_counterfactuals_again_and_nothing_else(room):
    occluded, erased = kinds(room)
    pictures = bytes_of(room)
    room.mask("b", ("two",))
    room.run()
    now = kinds(room)
    assert now[0] == occluded
    assert touched(erased, now[1]) == {"two"}
    changed = {f for f, data in bytes_of(room).items() if pictures[f] != data}
    assert {Path(file).stem.split("_")[-1] for file in changed} == {"two"}
    assert all("counterfactual" in file for file in changed)


def test_another_video_of_the_same_length_is_refused(tmp_path):
    room = SmallRoom(tmp_path / "in", tmp_path / "build", ("one", "two")).write()
    shutil.copy(room.source("two"), room.source("one"))
    room.run()
    for rows in (room.rows(), room.rows(room.erased)):
        assert (rows["one"]["status"], rows["one"]["reason"]) == ("failed", "source_changed")
        assert rows["two"]["status"] == "ok"
    assert touched({}, room.videos()) == {"two"} and not room.unfinished()


def test_masks_count_where_they_measure_the_target(tmp_path):
    settings = {"scale_mode": "target", "scales": [0.3]}
    room = SmallRoom(tmp_path / "in", tmp_path / "build", ("one",), settings=settings).write()
    room.run()
    occluded, erased = kinds(room)
    room.mask("b")
    room.run()
    assert touched(occluded, kinds(room)[0]) == touched(erased, kinds(room)[1]) == {"one"}


def test_other_settings_make_both_again(room):
    occluded, erased = kinds(room)
    room.run(crf=35)
    now = kinds(room)
    assert touched(occluded, now[0]) == {"one", "two", "three"}
    assert touched(erased, now[1]) == {"one", "two"}


def test_another_scale_leaves_no_file_of_the_old_one(room):
    room.run(scales=[0.5])
    assert {file.split("/")[2] for file in room.videos() if "-clean" not in file} == {"50%"}
    assert len(room.videos()) == 3 * 2 + 2


@pytest.mark.parametrize("which", ["occluded", "clean", "counterfactual"])
def test_a_lost_file_comes_back_as_it_was(room, which):
    """A pass of its own for the part that lost a file gives the bytes of the common pass."""
    occluded, erased = kinds(room)
    before = bytes_of(room)
    at = {"occluded": "OccludeNet-D/", "clean": "-clean/", "counterfactual": "-counterfactual/"}
    lost = next(f for f in sorted(before) if at[which] in f and f.endswith("two.mp4"))
    (room.root / lost).unlink()
    room.run()
    assert bytes_of(room) == before
    now = kinds(room)
    is_erased = which == "counterfactual"
    assert touched(occluded, now[0]) == (set() if is_erased else {"two"})
    assert touched(erased, now[1]) == ({"two"} if is_erased else set())


def test_a_clip_that_fails_is_a_row_in_both_tables_and_no_file(tmp_path):
    room = SmallRoom(tmp_path / "in", tmp_path / "build").write()
    room.source("two").write_bytes(room.source("two").read_bytes()[:2000])
    room.run()
    for table in (room.out, room.erased):
        rows = room.rows(table)
        assert {c: r["status"] for c, r in rows.items()} == {
            "one": "ok", "two": "failed", "three": "ok"
        }  # fmt: skip
        assert rows["two"]["reason"] == "truncated" and not rows["two"]["files"]
    assert not any("two" in file for file in room.videos())
    assert not room.unfinished()


def start(room, threads, **changed):
    command = room.command(threads, **changed)
    return subprocess.Popen(
        command, cwd=REPO, text=True, stderr=subprocess.PIPE, start_new_session=True
    )


def test_a_wrong_cutout_stops_the_room_with_one_line(tmp_path):
    room = SmallRoom(tmp_path / "in", tmp_path / "build").write()
    (room.folder / "bank/cut.png").write_bytes(b"no picture")
    process = start(room, 1)
    said = process.communicate()[1]
    assert process.returncode == 2
    assert "cut.png: wanted an 8-bit RGB or RGBA PNG" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not room.videos() and not room.unfinished()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB, and how to give it another size, KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return subprocess.run(words, capture_output=True, text=True)

    done = mount("size=64k")
    if done.returncode:
        pytest.skip(f"needs the right to mount a small tmpfs: {done.stderr.strip()}")
    yield folder, lambda kib: mount("remount", f"size={kib}k").check_returncode()
    subprocess.run(["umount", str(folder)], check=True)


THREADS = [1, pytest.param(2, marks=pytest.mark.slow)]
NAMES = ("one", "two", "three", "four", "five")


@pytest.mark.parametrize("threads", THREADS)
def test_a_full_disk_loses_nothing_that_was_finished(tmp_path, small_disk, threads):
    folder, resize = small_disk
    room = SmallRoom(tmp_path / "in", folder, NAMES, settings={"crf": 4.0}).write()
    whole = SmallRoom(tmp_path / "in", tmp_path / "whole", NAMES, settings={"crf": 4.0})
    whole.run()
    need = sum(len(data) for data in bytes_of(whole).values()) // 1024
    resize(need // 2)
    process = start(room, threads)
    said = process.communicate()[1]
    assert process.returncode == 1, said
    assert said.splitlines()[-1].endswith(
        "the disk is full; finished items are kept, make room and start again"
    )
    assert "Traceback" not in said
    assert not room.unfinished()
    finished = room.finished()
    kept = room.videos()
    assert 1 <= len(finished) < len(NAMES)
    assert not room.out.exists()
    resize(4 * need)
    room.run()
    assert bytes_of(room) == bytes_of(whole)
    after = room.videos()
    assert touched(kept, after) == set(NAMES) - finished
    assert room.rows().keys() == room.rows(room.erased).keys() == set(NAMES)
    assert not room.unfinished()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.mark.parametrize("threads", THREADS)
def test_kill_9_loses_only_the_clips_in_hand(tmp_path, threads):
    names = tuple(f"clip{n}" for n in range(5))
    slow = {"preset": "medium", "crf": 4.0}
    room = SmallRoom(tmp_path / "in", tmp_path / "build", names, settings=slow).write()
    process = start(room, threads)
    wait_for(lambda: len(room.finished()) >= 1)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # ends when the last worker has closed its end
    finished = room.finished()
    assert 1 <= len(finished) < len(names), "it was killed too late"
    before = room.videos()
    assert not room.out.exists()
    room.run()
    assert touched(before, room.videos()) == set(names) - finished
    assert {row["status"] for row in room.rows().values()} == {"ok"}
    assert len(room.videos()) == 5 * len(names)
    assert not room.unfinished()
    settled = room.videos()
    room.run()
    assert room.videos() == settled
