"""The stage composite without Snakemake: its two ledgers, a full disk, kill -9."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPO
from support.composite_stage import FRAMES, CompositeStage


def kinds(stage):
    """File -> time stamp, of occluded clips with their clean twins, and of counterfactuals."""
    videos = stage.videos()
    erased = {file: t for file, t in videos.items() if file.startswith("OccludeNet-D-counter")}
    return {file: t for file, t in videos.items() if file not in erased}, erased


def bytes_of(stage):
    return {file: (stage.root / file).read_bytes() for file in stage.videos()}


def touched(before, after):
    """The clips with a new file."""
    names = (file for file, t in after.items() if before.get(file) != t)
    return {Path(file).stem.split("_")[-1] for file in names}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    made = CompositeStage(folder / "in", folder / "build", unmasked=("three",)).write()
    made.run()
    return made


@pytest.fixture
def stage(finished, tmp_path):
    """A finished shard of three clips, one of them without masks."""
    shutil.copytree(finished.folder, tmp_path / "in")
    shutil.copytree(finished.root, tmp_path / "build")
    return replace(finished, folder=tmp_path / "in", root=tmp_path / "build")


def test_a_finished_shard_is_left_alone(stage):
    occluded, erased = kinds(stage)
    assert (len(occluded), len(erased)) == (3 * 3, 2 * 2)
    assert {row["status"] for row in stage.rows().values()} == {"ok"}
    unmasked = stage.rows(stage.erased)["three"]
    assert (unmasked["status"], unmasked["reason"]) == ("skipped", "no_mask")
    assert {r["erased_frames"] for c, r in stage.rows(stage.erased).items() if c != "three"} == {
        FRAMES
    }
    tables = stage.out.read_bytes(), stage.erased.read_bytes()
    stage.run()
    assert kinds(stage) == (occluded, erased)
    assert (stage.out.read_bytes(), stage.erased.read_bytes()) == tables


def test_other_masks_make_counterfactuals_again_and_nothing_else(stage):
    occluded, erased = kinds(stage)
    pictures = bytes_of(stage)
    stage.mask("b", ("two",))
    stage.run()
    now = kinds(stage)
    assert now[0] == occluded
    assert touched(erased, now[1]) == {"two"}
    changed = {f for f, data in bytes_of(stage).items() if pictures[f] != data}
    assert {Path(file).stem.split("_")[-1] for file in changed} == {"two"}
    assert all("counterfactual" in file for file in changed)


def test_another_video_of_the_same_length_is_refused(tmp_path):
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", ("one", "two")).write()
    shutil.copy(stage.source("two"), stage.source("one"))
    stage.run()
    for rows in (stage.rows(), stage.rows(stage.erased)):
        assert (rows["one"]["status"], rows["one"]["reason"]) == ("failed", "source_changed")
        assert rows["two"]["status"] == "ok"
    assert touched({}, stage.videos()) == {"two"} and not stage.unfinished()


def test_masks_count_where_they_measure_the_target(tmp_path):
    settings = {"scale_mode": "target", "scales": [0.3]}
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", ("one",), settings=settings).write()
    stage.run()
    occluded, erased = kinds(stage)
    stage.mask("b")
    stage.run()
    assert touched(occluded, kinds(stage)[0]) == touched(erased, kinds(stage)[1]) == {"one"}


def test_other_settings_make_both_again(stage):
    occluded, erased = kinds(stage)
    stage.run(crf=35)
    now = kinds(stage)
    assert touched(occluded, now[0]) == {"one", "two", "three"}
    assert touched(erased, now[1]) == {"one", "two"}


def test_another_scale_leaves_no_file_of_the_old_one(stage):
    stage.run(scales=[0.5])
    assert {file.split("/")[2] for file in stage.videos() if "-clean" not in file} == {"50%"}
    assert len(stage.videos()) == 3 * 2 + 2


@pytest.mark.parametrize("which", ["occluded", "clean", "counterfactual"])
def test_a_lost_file_comes_back_as_it_was(stage, which):
    """A separate pass for the part with the lost file gives the bytes of the common pass."""
    occluded, erased = kinds(stage)
    before = bytes_of(stage)
    at = {"occluded": "OccludeNet-D/", "clean": "-clean/", "counterfactual": "-counterfactual/"}
    lost = next(f for f in sorted(before) if at[which] in f and f.endswith("two.mp4"))
    (stage.root / lost).unlink()
    stage.run()
    assert bytes_of(stage) == before
    now = kinds(stage)
    is_erased = which == "counterfactual"
    assert touched(occluded, now[0]) == (set() if is_erased else {"two"})
    assert touched(erased, now[1]) == ({"two"} if is_erased else set())


def test_a_clip_that_fails_is_a_row_in_both_tables_and_no_file(tmp_path):
    stage = CompositeStage(tmp_path / "in", tmp_path / "build").write()
    stage.source("two").write_bytes(stage.source("two").read_bytes()[:2000])
    stage.run()
    for table in (stage.out, stage.erased):
        rows = stage.rows(table)
        assert {c: r["status"] for c, r in rows.items()} == {
            "one": "ok", "two": "failed", "three": "ok"
        }  # fmt: skip
        assert rows["two"]["reason"] == "truncated" and not rows["two"]["files"]
    assert not any("two" in file for file in stage.videos())
    assert not stage.unfinished()


def start(stage, threads, **changed):
    command = stage.command(threads, **changed)
    return subprocess.Popen(
        command, cwd=REPO, text=True, stderr=subprocess.PIPE, start_new_session=True
    )


def test_other_cutouts_than_those_of_the_table_stop_the_stage_with_one_line(tmp_path):
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", outages=0.25).write()
    (stage.folder / "bank/cut.png").write_bytes(b"no picture")
    process = start(stage, 1)
    said = process.communicate()[1]
    assert process.returncode == 2
    assert "occluder_changed" in said.splitlines()[-1] and "cut.png" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not stage.videos() and not stage.unfinished()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB, and a function that changes its size, KiB."""
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
    stage = CompositeStage(tmp_path / "in", folder, NAMES, settings={"crf": 4.0}).write()
    whole = CompositeStage(tmp_path / "in", tmp_path / "whole", NAMES, settings={"crf": 4.0})
    whole.run()
    need = sum(len(data) for data in bytes_of(whole).values()) // 1024
    resize(need // 2)
    process = start(stage, threads)
    said = process.communicate()[1]
    assert process.returncode == 1, said
    assert said.splitlines()[-1].endswith(
        "the disk is full; finished items are kept, make room and start again"
    )
    assert "Traceback" not in said
    assert not stage.unfinished()
    finished = stage.finished()
    kept = stage.videos()
    assert 1 <= len(finished) < len(NAMES)
    assert not stage.out.exists()
    resize(4 * need)
    stage.run()
    assert bytes_of(stage) == bytes_of(whole)
    after = stage.videos()
    assert touched(kept, after) == set(NAMES) - finished
    assert stage.rows().keys() == stage.rows(stage.erased).keys() == set(NAMES)
    assert not stage.unfinished()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.mark.parametrize("threads", THREADS)
def test_ctrl_c_keeps_the_clips_of_a_group_and_leaves_no_temporary_file(tmp_path, threads):
    names = tuple(f"clip{n}" for n in range(6))
    slow = {"preset": "medium", "crf": 4.0}
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", names, settings=slow, group=99)
    process = start(stage.write(), threads)
    next_clip = f".*_clip{threads}.part.mp4"  # begun by a worker that has finished its first
    wait_for(lambda: len(list(stage.root.rglob(next_clip))) >= 4)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    finished = stage.finished()
    assert 1 <= len(finished) < len(names)
    assert touched({}, stage.videos()) == finished
    assert not stage.unfinished()


@pytest.mark.parametrize("group", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("threads", THREADS)
def test_kill_9_loses_only_the_clips_in_hand_and_in_a_group(tmp_path, threads, group):
    names = tuple(f"clip{n}" for n in range(5))
    slow = {"preset": "medium", "crf": 4.0}
    stage = CompositeStage(tmp_path / "in", tmp_path / "build", names, settings=slow, group=group)
    stage.write()
    process = start(stage, threads)
    wait_for(lambda: len(stage.finished()) >= 1)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # ends when the last worker has closed its end
    finished = stage.finished()
    assert 1 <= len(finished) < len(names), "it was killed too late"
    before = stage.videos()
    assert not stage.out.exists()
    stage.run()
    assert touched(before, stage.videos()) == set(names) - finished
    assert {row["status"] for row in stage.rows().values()} == {"ok"}
    assert len(stage.videos()) == 5 * len(names)
    assert not stage.unfinished()
    settled = stage.videos()
    stage.run()
    assert stage.videos() == settled
