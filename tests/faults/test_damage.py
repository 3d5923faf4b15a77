"""Damage to each kind of file of a build: its name is said, and it is made again or not used.

Never a traceback, and never a wrong result.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.drills import Drill

from occludenet_build.core import tables
from occludenet_build.core.files import short_hash
from occludenet_build.recognition import checkpoint

pytestmark = pytest.mark.slow


def cut(path: Path) -> None:
    """Half of the file, as a file system leaves it after a crash."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwritten(path: Path) -> None:
    """40 bytes in the middle are others, and so are the last 40, where Parquet has its schema."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"\xa5" * 40
    content[-60:-20] = b"\x5a" * 40
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def other_table(path: Path) -> None:
    """A whole Parquet file, of something else."""
    pq.write_table(pa.table({"clip": ["x"], "other": [1]}), path)


DAMAGES: list[Callable[[Path], None]] = [cut, overwritten, emptied]

CACHES = ["index/store/all", "detect/store/000", "actor_masks/store/000", "composite/store/000"]
CACHES += ["counterfactual/store/000", "leaks/store/all"]


def test_damaged_stores_are_made_again(reference: Drill, tmp_path: Path):
    """What a store holds is known from its inputs: one that does not read is as none (F10)."""
    drill = reference.copy(tmp_path / "copy")
    harmed = [p for store in CACHES for p in sorted(drill.build.glob(f"{store}/*.parquet"))]
    assert {path.name for path in harmed} >= {"rows.parquet", "detail.parquet"}
    damages = list(zip(harmed, cycle([*DAMAGES, other_table]), strict=False))
    for path, damage in damages:
        damage(path)
    rules = ("index", "detect_shard", "actor_masks_shard", "composite_shard", "leaks")
    drill.succeeds("dataset", "--forcerun", *rules)
    logs = "".join(path.read_text() for path in drill.build.glob("logs/*/*.log"))
    # a table of other columns is of an older version: that is no damage
    stores = {path.parent for path, damage in damages if damage is not other_table}
    names = [str(store.relative_to(drill.folder)) for store in stores]
    assert [name for name in names if not re.search(f"{name}.* does not read", logs)] == [], logs
    drill.assert_equal(reference)


def test_a_damaged_journal_entry_is_made_again(reference: Drill, tmp_path: Path):
    """Entries of a build that was killed, and whose disk then lost some bytes."""
    drill = reference.copy(tmp_path / "copy")
    clips = [row["clip"] for row in tables.read_rows(drill.build / "detect/000.parquet")]
    stages = ("detect", "actor_masks", "composite", "counterfactual")
    for stage in stages:
        store = drill.build / f"{stage}/store/000"
        (store / "journal").mkdir()
        for clip, damage in zip(clips, cycle(DAMAGES), strict=False):
            entry = store / f"journal/{short_hash(clip)}.parquet"
            shutil.copy(store / "rows.parquet", entry)
            damage(entry)
        (store / "rows.parquet").unlink()
    rules = ("detect_shard", "actor_masks_shard", "composite_shard")
    drill.succeeds("dataset", "--forcerun", *rules)
    for stage in stages[:3]:
        log = (drill.build / f"logs/{stage}/000.log").read_text()
        assert f"{short_hash(clips[0])}.parquet does not read" in log
    drill.assert_equal(reference)


TABLES = [
    *("acquire/videos.parquet", "index/videos.parquet", "index/shards/000.parquet"),
    *("detect/000.parquet", "occluders/occluders.parquet", "select/clips.parquet"),
    *("select/shards/000.parquet", "actor_masks/000.parquet", "composite/000.parquet"),
    *("counterfactual/000.parquet", "annotate/clips.parquet"),
]
READERS = {
    "acquire/videos.parquet": ["index", "--videos", "{}", "--out", "build/x/videos.parquet"],
    "index/shards/000.parquet": ["detect", "--videos", "{}", "--out", "build/x/000.parquet"],
    "detect/000.parquet": [
        *("select", "--index", "build/index/videos.parquet", "--detect", "{}"),
        *("--occluders", "build/occluders/occluders.parquet", "--out", "build/x/clips.parquet"),
    ],
    "select/shards/000.parquet": [
        *("actor_masks", "--clips", "{}", "--boxes", "build/detect/store"),
        *("--out", "build/x/000.parquet"),
    ],
    "select/clips.parquet": ["leaks", "--clips", "{}", "--out", "build/x/clips.parquet"],
    "annotate/clips.parquet": ["report", "--root", "build", "--out", "build/x/index.html"],
}
"""Table between stages -> a command that reads it."""


@pytest.mark.parametrize("damage", DAMAGES[:2], ids=lambda d: d.__name__)
@pytest.mark.parametrize("table", READERS)
def test_a_damaged_table_between_stages_is_named(reference: Drill, tmp_path, table: str, damage):
    """One line: which file, that it does not read, and what to do about it."""
    drill = reference.copy(tmp_path / "copy")
    damage(drill.build / table)
    words = [word.replace("{}", f"build/{table}") for word in READERS[table]]
    text = drill.stage(*words, "--settings", SETTINGS, ok=False)
    lines = [line for line in text.splitlines() if f"build/{table}" in line]
    assert len(lines) == 1 and "does not read" in lines[0], text
    assert "start the same command again" in lines[0], lines[0]


SETTINGS = '{"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}}'


def test_damage_of_all_tables_heals_by_starting_again(reference: Drill, tmp_path: Path):
    """Each start says what does not read, and the next one makes it again; the end is equal."""
    drill = reference.copy(tmp_path / "copy")
    for table in TABLES:
        overwritten(drill.build / table)
    said = []
    for _ in range(len(TABLES) + 1):
        text, ended = drill.attempt("dataset")
        if ended:
            break
        said.append([line for line in text.splitlines() if "does not read" in line])
        assert said[-1], text[-3000:]
    assert ended, said
    drill.assert_equal(reference)


def test_a_damaged_note_of_acquire_is_written_again(reference: Drill, tmp_path: Path):
    drill = reference.copy(tmp_path / "copy")
    cut(drill.build / "acquire/coco.json")
    assert "acquire_coco" in drill.planned("dataset")
    drill.succeeds("dataset")
    drill.succeeds("dataset")  # the size of the file is known again
    drill.assert_equal(reference)


def test_a_damaged_label_map_is_said_or_made_again(reference: Drill, tmp_path: Path):
    drill = reference.copy(tmp_path / "copy")
    cut(drill.build / "annotate/labels.json")
    text, ended = drill.attempt("dataset", "--forcerun", "validate")
    assert ended or "labels.json" in text
    drill.run("dataset", "--forcerun", "annotate")
    drill.assert_equal(reference)


def test_damaged_cut_outs_are_named(reference: Drill, tmp_path: Path):
    """All cut-outs are cut: composite says which, and occluders makes them again."""
    drill = reference.copy(tmp_path / "copy")
    for path in drill.build.glob("occluders/png/*/*.png"):
        cut(path)
    drill.settings = drill.merged({"composite": {"crf": 30}})
    text = drill.fails("dataset")
    assert ".png" in text and "occluders" in text
    drill.settings = reference.settings
    drill.run("dataset", "--forcerun", "occluders")
    drill.assert_equal(reference)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_clip_is_found_by_verify(reference: Drill, tmp_path: Path, damage):
    drill = reference.copy(tmp_path / "copy")
    victim = sorted(drill.build.glob("OccludeNet-D/**/*.mp4"))[0]
    damage(victim)
    text = drill.stage("verify", "build", "--sample", "0", ok=False)
    assert victim.name in text


@pytest.mark.parametrize("damage", [cut, emptied], ids=lambda d: d.__name__)
def test_a_damaged_checkpoint_of_a_training_is_said_and_begun_anew(tmp_path: Path, damage):
    from support.clips import write_world
    from support.train import command, run, same

    world, out = tmp_path / "world", tmp_path / "car-0.pt"
    write_world(world, test=0)
    whole, curve = run(world, out)
    harmed = tmp_path / "store/car-0/checkpoint.pt"
    damage(harmed)
    out.unlink()
    done = subprocess.run(command(world, out), capture_output=True, text=True, check=True)
    assert str(harmed) in done.stderr and "training begins anew" in done.stderr
    assert harmed.with_suffix(".damaged").exists()
    assert "Traceback" not in done.stderr
    assert same(checkpoint.load(out), whole) and out.with_suffix(".csv").read_text() == curve
