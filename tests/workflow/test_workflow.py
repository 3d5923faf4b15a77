"""Real Snakemake runs on a small mini-world: what reruns, what survives, what is refused."""

from __future__ import annotations

import copy
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.workflow import SETTINGS, Build, environment

from occludenet_build.core import seeds, tables


def test_the_run_is_complete_and_quiet_afterwards(built):
    clips = built.clips()
    rows = [row for shard in seeds.shard_names(3) for row in rows_of(built, shard)]
    assert {row["status"] for row in rows} == {"ok"}
    trained = sum(row["split"] == "train" for row in rows)
    assert len(clips) == 3 * len(rows) + 2 * trained and len(rows) >= 15 and trained
    assert built.planned("composite") == {}
    assert not built.unfinished()
    for job in ("index/videos", "detect/000", "composite/000"):
        assert (built.folder / f"build/logs/{job}.log").read_text().strip()
        assert (built.folder / f"build/benchmarks/{job}.tsv").exists()


def test_touched_files_and_equal_settings_rerun_nothing(built):
    for path in [*built.folder.glob("world/**/*.mp4"), *built.folder.glob("build/**/*.parquet")]:
        path.touch()
    reordered = dict(reversed(list(built.settings.items())))
    reordered["composite"] = {"preset": "ultrafast", "scale_mode": "fit", "scales": [0.25, 0.75]}
    reordered["select"] = {"quota": {"val": 12}, "shards": 3}
    assert built.where(reordered).planned("composite") == {}


CHANGES = [
    ({"composite": {"crf": 30}}, {"composite_shard"}),
    ({"detect": {"score": 0.3}}, {"detect_shard", "select"}),
    ({"occluders": {"min_pixels": 6001}}, {"occluders", "select"}),
    ({"actor_masks": {"grabcut_iterations": 2}}, {"actor_masks_shard", "composite_shard"}),
    ({"train": {"epochs": 2}}, set()),
    ({"counterfactual": {"fill": "mean"}}, {"composite_shard"}),
]


@pytest.mark.parametrize(("change", "rules"), CHANGES, ids=[str(c) for c, _ in CHANGES])
def test_a_setting_reruns_its_room_and_what_follows(built, change, rules):
    planned = set(built.where(built.merged(change)).planned("composite"))
    # what follows a checkpoint that will run is known only after it ran
    follows = {"composite_shard", "actor_masks_shard"} if "select" in rules else set()
    assert rules <= planned <= rules | follows


def test_a_change_before_a_checkpoint_reaches_the_clips(built, tmp_path):
    """What follows a checkpoint is not planned before it ran, and must run all the same."""
    build = built.copied(tmp_path / "changed")
    before = build.clips()
    build.settings["occluders"]["split"] = {"train": 0.3, "val": 0.3, "test": 0.4}
    build.run("composite")
    chosen = {r["clip"]: r for r in tables.read_rows(build.folder / "build/select/clips.parquet")}
    made = [r for s in seeds.shard_names(3) for r in rows_of(build, s)]
    assert {r["clip"]: r["occluder"] for r in made} == {
        c: r["occluder"] for c, r in chosen.items() if r["status"] == "ok"
    }
    assert any(build.clips()[name] != before[name] for name in before if name in build.clips())
    assert build.planned("composite") == {}


def test_another_mask_makes_only_the_counterfactuals_again(built, tmp_path):
    build = built.copied(tmp_path / "masks")
    before = build.clips()
    build.settings["counterfactual"] = {"fill": "mean"}
    build.run("composite")
    after = build.clips()
    made_again = {name for name in before if after[name] != before[name]}
    assert made_again == {name for name in before if "-counterfactual/" in name} != set()


def rows_of(build: Build, shard: str) -> list[dict]:
    return tables.read_rows(build.folder / f"build/composite/{shard}.parquet")


def test_one_more_video_reruns_its_shard_only(built, tmp_path):
    build = built.copied(tmp_path / "more")
    before = build.clips()
    donor = sorted(build.folder.glob("world/videos/train/*/*.mp4"))[0]
    new = donor.with_name("newvideo000_000001_000002.mp4")
    new.write_bytes(recoded(donor, tmp_path))
    text = build.run("composite")
    ran = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", text, re.M)
    assert ran.count("detect_shard") == 1
    assert ran.count("composite_shard") == 1
    after = build.clips()
    assert {name: after[name] for name in before} == before
    added = set(after) - set(before)
    assert len(added) == 5 and all("newvideo000" in name for name in added)


def recoded(path: Path, tmp_path: Path) -> bytes:
    """The same pictures in other bytes, as equal files count as one video."""
    from fractions import Fraction

    from occludenet_build.media.video.source import rgb_frames
    from occludenet_build.media.video.synth import write_video

    out = tmp_path / "recoded.mp4"
    write_video(out, (picture for _, picture in rgb_frames(path)), Fraction(12))
    return out.read_bytes()


@pytest.mark.slow
def test_cores_and_shards_change_no_frame(built, world, tmp_path):
    other = copy.deepcopy(SETTINGS) | {"index": {"shards": 1}, "select": {"shards": 1}}
    build = Build(tmp_path / "other", world, other)
    build.run("composite", cores=1)
    names = sorted(built.clips())
    assert sorted(build.clips()) == names
    for name in names[::4]:
        one, two = built.folder / "build" / name, build.folder / "build" / name
        assert one.read_bytes() == two.read_bytes(), name


def start(build: Build, *targets: str) -> subprocess.Popen:
    return subprocess.Popen(
        build.command(*targets),
        cwd=build.folder,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def committed(build: Build) -> int:
    journals = build.folder.glob("build/composite/store/*/journal/[!.]*.parquet")
    return len(list(journals)) + 8 * len(list(build.folder.glob("build/composite/*.parquet")))


@pytest.mark.slow
@pytest.mark.parametrize("finished", [1, 6])
def test_kill_9_and_a_new_start_lose_nothing(world, tmp_path, finished):
    build = Build(tmp_path / "killed", world, SETTINGS)
    process = start(build, "composite")
    wait_for(lambda: committed(build) >= finished)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    journal = [
        row["clip"]
        for path in build.folder.glob("build/composite/store/*/rows.parquet")
        for row in tables.read_rows(path)
    ]
    kept = {n: t for n, t in build.clips().items() if any(clip in n for clip in journal)}
    build.run("composite")
    after = build.clips()
    assert {name: after[name] for name in kept} == kept
    assert build.planned("composite") == {}
    assert not build.unfinished()
    assert len(after) >= 45


@pytest.mark.slow
def test_ctrl_c_leaves_no_lock_and_nothing_half_written(world, tmp_path):
    build = Build(tmp_path / "stopped", world, SETTINGS)
    # many files a clip: there must be time to press Ctrl-C
    slow = {"preset": "slow", "scales": [0.25, 0.35, 0.45, 0.55, 0.65, 0.75]}
    build = build.where(build.merged({"composite": slow}))
    process = start(build, "composite")
    wait_for(lambda: committed(build) >= 1)
    os.killpg(process.pid, signal.SIGSTOP)
    assert len(list(build.folder.glob("build/composite/*.parquet"))) < 2, "it was nearly over"
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(60) != 0
    assert not build.unfinished()
    assert not list((build.folder / ".snakemake" / "locks").glob("*"))
    build.run("composite")
    assert build.planned("composite") == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"composite": {"skale_mode": "fit"}}, "config: unknown key composite.skale_mode"),
        ({"detect": {"backend": "file"}}, "config: detect.boxes: wanted a file"),
        ({"acquire": {"videos": "nowhere"}}, "config: acquire.videos: wanted an existing path"),
        (
            {"select": {"shards": "3"}},
            "config: select.shards: wanted a whole number, got '3' (str)",
        ),
    ],
)
def test_a_wrong_config_stops_with_one_line(built, change, message):
    text = built.where(built.merged(change)).run("composite", ok=False)
    assert message in text
    assert "Traceback" not in text and "WorkflowError" not in text
