"""Sources that are away for a while, at each stage: an error, and a plain start ends equal (F1)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.drills import STAGES_THAT_READ_VIDEOS, Drill, mounted
from support.kinetics import CLIPS, video, write_list

from occludenet_build.core import tables

pytestmark = pytest.mark.slow


def back(drill: Drill, name: str) -> None:
    """Rename a folder of the world back, if it was renamed."""
    away = drill.folder / f"{name}.away"
    if away.exists():
        away.rename(drill.folder / name)


def test_the_source_folder_is_away_at_each_stage(drill: Drill, reference: Drill):
    """The first start of each stage finds no folder; the next start of the build has it back."""
    drill.at(**dict.fromkeys(STAGES_THAT_READ_VIDEOS, "mv world/videos world/videos.away"))
    lines = []

    def restore(text: str) -> None:
        back(drill, "world/videos")
        lines.extend(line for line in text.splitlines() if "5 of 5" in line)

    drill.until_it_ends("dataset", len(STAGES_THAT_READ_VIDEOS) + 1, restore)
    assert drill.disturbed == set(STAGES_THAT_READ_VIDEOS)
    unsaid = [s for s in STAGES_THAT_READ_VIDEOS if not any(f"{s}: " in line for line in lines)]
    assert not unsaid, lines
    drill.undisturbed().assert_equal(reference)


def test_one_video_is_away_at_each_stage(drill: Drill, reference: Drill):
    """Fewer than the share that stops a job: the build ends, and the next start makes the rest."""
    videos = sorted(drill.videos.rglob("*.mp4"))
    assert len(videos) == len(STAGES_THAT_READ_VIDEOS)
    commands, last = {}, "true"
    for stage, path in zip(STAGES_THAT_READ_VIDEOS, videos, strict=True):
        quoted = f"'{path.relative_to(drill.folder)}'"
        commands[stage] = f"{last}; mv {quoted} {quoted}.away"
        last = f"mv {quoted}.away {quoted}"
    # leaks runs beside the masks and composite, and has its own turn
    commands["leaks"] = commands["leaks"].partition(";")[2]
    commands["annotate"] = last
    shares = dict.fromkeys(STAGES_THAT_READ_VIDEOS, 1.0)
    drill.settings = drill.merged({"failures": {"outage_share": shares}})
    drill.at(**commands).run("dataset", cores=1)
    drill.settings = reference.settings
    for path in drill.videos.rglob("*.away"):
        path.rename(path.with_suffix(""))
    assert reasons(drill, "index/videos")["missing"] == 1
    drill.undisturbed().succeeds("dataset")
    drill.assert_equal(reference)
    assert drill.planned("dataset") == {}


def reasons(drill: Drill, table: str) -> dict[str, int]:
    rows = tables.read_rows(drill.build / f"{table}.parquet")
    found = [row["reason"] for row in rows if row["reason"]]
    return {reason: found.count(reason) for reason in found}


def test_the_photos_are_away_while_the_occluders_are_made(drill: Drill, reference: Drill):
    drill.at(occluders="mv world/coco/images world/coco/images.away").fails("occluders")
    assert not (drill.folder / "world/coco/images").exists()
    back(drill, "world/coco/images")
    drill.undisturbed().succeeds("occluders")
    wanted = {k: v for k, v in reference.results().items() if k.startswith("occluders/")}
    assert {k: v for k, v in drill.results().items() if k.startswith("occluders/")} == wanted
    assert drill.planned("occluders") == {}


def test_a_mount_goes_away(drill: Drill, reference: Drill):
    """Where a file system was mounted is then an empty folder: no videos, and no error to see."""
    store = drill.folder / "store"
    drill.videos.rename(store)
    with mounted(drill.videos, "--bind", str(store)):
        drill.at(composite="umount -l world/videos").fails("dataset")
        assert not any(drill.videos.iterdir())
        finished = {name for name in drill.results() if not name.startswith("acquire/")}
        drill.undisturbed().fails("dataset")
        assert drill.results().keys() >= finished, "a start without the mount lost results"
        subprocess.run(["mount", "--bind", str(store), str(drill.videos)], check=True)
        drill.succeeds("dataset")
        drill.succeeds("dataset")  # see the checkpoint that is planned and not run
        drill.assert_equal(reference)


@pytest.mark.parametrize("stage", ["kinetics", "index"])
def test_a_mirror_of_kinetics_is_away(tmp_path: Path, stage: str):
    drill, undisturbed = mirror_drill(tmp_path / "drill"), mirror_drill(tmp_path / "undisturbed")
    undisturbed.succeeds("index")
    drill.at(**{stage: "mv mirror mirror.away"}).fails("index")
    assert not (drill.folder / "mirror").exists()
    back(drill, "mirror")
    drill.undisturbed().succeeds("index")
    assert drill.results() == undisturbed.results()
    rows = tables.read_rows(drill.build / "index/videos.parquet")
    assert [row["status"] for row in rows] == ["ok"] * 6
    assert drill.planned("index") == {}


def mirror_drill(folder: Path) -> Drill:
    """A drill whose videos come from a mirror of six clips of Kinetics."""
    for number, one in enumerate(CLIPS[:6]):
        path = folder / f"mirror/{one.split}/{one.label}/{one.name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video(number))
    write_list(folder / "list.csv", CLIPS[:6])
    own = {"route": "mirror", "mirror": "mirror", "annotations": ["list.csv"]}
    return Drill(folder, None, {"kinetics": own, "index": {"shards": 1}})


def test_a_checkpoint_that_is_planned_and_not_run_gives_no_shard_the_clips_of_others(drill: Drill):
    """After an outage acquire runs again with an equal end, so select is planned and has nothing to
    do; Snakemake then gives the jobs after it the table of select for that of their shard."""
    drill.settings = drill.merged({"select": {"shards": 2}})
    drill.run("actor_masks")
    (drill.build / "acquire/videos.parquet").unlink()
    text = drill.run("composite", "-R", "acquire_videos")
    assert "<TBD>" in text, "Snakemake does this no longer: core.build.shard_rows may go"
    for shard in ("000", "001"):
        chosen = tables.read_rows(drill.build / f"select/shards/{shard}.parquet")
        made = tables.read_rows(drill.build / f"composite/{shard}.parquet")
        assert {row["clip"] for row in made} == {row["clip"] for row in chosen} != set()


def test_a_file_that_left_for_good_is_said(reference: Drill, tmp_path: Path):
    """A video that is removed between two builds is no outage: its clips leave the dataset."""
    drill = reference.copy(tmp_path / "left")
    victim = sorted(drill.videos.rglob("*.mp4"))[0]
    victim.unlink()
    shutil.rmtree(victim.parent)
    drill.succeeds("dataset")
    assert all(victim.stem not in name for name in drill.clips())
    assert len(tables.read_rows(drill.build / "index/videos.parquet")) == 4
    assert drill.planned("dataset") == {}
