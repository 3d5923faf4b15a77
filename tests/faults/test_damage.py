"""Damage to each kind of file of a build: it is said by the file's name, and made again or not used.

Never a traceback, and never a wrong result.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.drills import Drill

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


@pytest.mark.parametrize("damage", [*DAMAGES, other_table], ids=lambda d: d.__name__)
def test_damaged_stores_are_made_again(reference: Drill, tmp_path: Path, damage):
    """What a store holds is known from its inputs: one that does not read is as none (F10)."""
    drill = reference.copy(tmp_path / "copy")
    harmed = [p for store in CACHES for p in drill.build.glob(f"{store}/*.parquet")]
    assert {path.name for path in harmed} >= {"rows.parquet", "detail.parquet"}
    for path in harmed:
        damage(path)
    for name in ("index/videos", "detect/000", "actor_masks/000", "composite/000", "leaks/clips"):
        (drill.build / f"{name}.parquet").unlink()
    drill.succeeds("dataset")
    logs = "".join(path.read_text() for path in drill.build.glob("logs/*/*.log"))
    if damage is not other_table:
        unsaid = [str(path) for path in harmed if path.parent.name not in logs]
        assert not unsaid
        assert "does not read" in logs or "damaged" in logs
    drill.assert_equal(reference)


def test_a_damaged_journal_entry_is_made_again(drill: Drill, reference: Drill):
    """Entries of a build that was killed, and whose disk then lost some bytes."""
    damage_all = "; ".join(
        f"for f in build/{stage}/store/*/journal/*.parquet; do head -c 100 $f > $f.x; mv $f.x $f; done"
        for stage in ("detect", "actor_masks", "composite")
    )
    drill.succeeds("actor_masks")
    for stage in ("detect", "actor_masks"):
        journal = drill.build / f"{stage}/store/000/journal"
        journal.mkdir(exist_ok=True)
        for number in range(3):
            (journal / f"{number:032x}.parquet").write_bytes(b"PAR1 cut")
        (drill.build / f"{stage}/000.parquet").unlink()
    drill.at(composite=damage_all).succeeds("dataset")
    drill.undisturbed()
    drill.assert_equal(reference)


TABLES = [
    *("acquire/videos.parquet", "index/videos.parquet", "index/shards/000.parquet"),
    *("detect/000.parquet", "occluders/occluders.parquet", "select/clips.parquet"),
    *("select/shards/000.parquet", "actor_masks/000.parquet", "composite/000.parquet"),
    *("counterfactual/000.parquet", "annotate/clips.parquet", "leaks/findings.parquet"),
]
READERS = {
    "acquire/videos.parquet": ["index", "--videos", "{}", "--out", "build/x/videos.parquet"],
    "index/shards/000.parquet": ["detect", "--videos", "{}", "--out", "build/x/000.parquet"],
    "detect/000.parquet": [
        *("select", "--index", "build/index/videos.parquet", "--detect", "{}"),
        *("--occluders", "build/occluders/occluders.parquet", "--out", "build/x/clips.parquet"),
    ],
    "select/shards/000.parquet": [
        *("composite", "--clips", "{}", "--boxes", "build/detect/store", "--root", "build"),
        *("--bank", "build/occluders", "--out", "build/x/000.parquet"),
        *("--erased", "build/x/e.parquet"),
    ],
    "select/clips.parquet": ["leaks", "--clips", "{}", "--out", "build/x/clips.parquet"],
    "annotate/clips.parquet": ["validate", "--clips", "{}", "--out", "build/x/findings.parquet"],
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
    assert "delete" in lines[0] or "remove" in lines[0], lines[0]


SETTINGS = '{"detect": {"backend": "motion"}, "composite": {"scales": [0.5], "preset": "ultrafast"}}'


def test_a_start_after_the_advice_ends_equal(reference: Drill, tmp_path: Path):
    """The tables between stages are damaged one and all; each start names some, which are deleted."""
    drill = reference.copy(tmp_path / "copy")
    for table in TABLES:
        overwritten(drill.build / table)
    for _ in range(len(TABLES) + 1):
        text, ended = drill.attempt("dataset")
        if ended:
            break
        named = [t for t in TABLES if f"build/{t}" in text and (drill.build / t).exists()]
        assert named, f"no damaged table is named\n{text[-3000:]}"
        for table in named:
            (drill.build / table).unlink()
    assert ended, text[-3000:]


@pytest.mark.parametrize("name", ["acquire/coco.json", "annotate/labels.json"])
def test_damaged_json_is_named(reference: Drill, tmp_path: Path, name: str):
    drill = reference.copy(tmp_path / "copy")
    cut(drill.build / name)
    reader = "occluders" if name.startswith("acquire") else "validate"
    text, _ = drill.attempt("dataset", "--forcerun", reader)
    assert Path(name).name in text or drill.planned("dataset") == {}


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
