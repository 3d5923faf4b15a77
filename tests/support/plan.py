"""A small finished build for tests of plan: only the columns that plan reads, with known times."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa

from occludenet_build.core import tables

FRAMES, WIDTH, HEIGHT = 10, 20, 10
PIXELS = FRAMES * WIDTH * HEIGHT


def small_build(folder: Path, clips: int, cpu: dict[str, tuple[float, float]]) -> Path:
    """Write a build of `clips` videos, half of them in train.

    `cpu`: rule -> (start-up CPU seconds, CPU seconds per clip).
    """
    names = [f"clip{number}" for number in range(clips)]
    split = {name: "train" if n % 2 else "test" for n, name in enumerate(names)}
    index = [
        {"clip": c, "status": "ok", "split": split[c], "label": "run", "frames": FRAMES}
        | {"width": WIDTH, "height": HEIGHT}
        for c in names
    ]
    _table(folder / "index/videos.parquet", index)
    found = [
        {"clip": c, "status": "ok", "frames": FRAMES, "actor_frames": 5, "backend": "motion"}
        for c in names
    ]
    _table(folder / "detect/000.parquet", found)
    masks = [{"clip": c, "status": "ok", "backend": "grabcut"} for c in names]
    _table(folder / "actor_masks/000.parquet", masks)
    made = [{"clip": c, "files": [f"D/{c}.mp4"], "clean_file": f"D-clean/{c}.mp4"} for c in names]
    _table(folder / "composite/000.parquet", made)
    train = [c for c in names if split[c] == "train"]
    _table(folder / "counterfactual/000.parquet", [{"clip": c, "files": ["f"]} for c in train])
    annotated = [{"clip": c, "set": s, "frames": FRAMES} for c in names for s in ("clean", "D-25")]
    _table(folder / "annotate/clips.parquet", annotated)
    _learned(folder, len(train), clips - len(train))
    for rule, (start, each) in cpu.items():
        _job(folder, rule, start + each * clips, each, names)
    return folder


def _table(path: Path, rows: list[dict]) -> None:
    tables.write_table(pa.Table.from_pylist(rows), path)


def _learned(folder: Path, train: int, test: int) -> None:
    for arm in ("baseline-0", "car-0"):
        path = folder / "train" / f"{arm}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="") as stream:
            writer = csv.DictWriter(stream, ["clips", "dropped"])
            writer.writeheader()
            writer.writerows([{"clips": train, "dropped": 0}] * 3)  # epochs
        about = {"sets": [{"n": test}] * 2, "views": 4, "crops": 1, "backbone": "tiny3d"}
        (folder / "evaluate").mkdir(exist_ok=True)
        (folder / "evaluate" / f"{arm}.json").write_text(json.dumps(about))


JOBS = {
    "index": ("index/videos", ["index/store/all"]),
    "detect_shard": ("detect/000", ["detect/store/000"]),
    "select": ("select/clips", []),
    "composite_shard": ("composite/000", ["composite/store/000"]),
}


def _job(folder: Path, rule: str, cpu: float, each: float, names: list[str]) -> None:
    """Write the benchmark file, the log with the CPU seconds, and the ledger of a job."""
    name, stores = JOBS[rule]
    benchmark, log = (folder / top / name for top in ("benchmarks", "logs"))
    for path in (benchmark, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    header = "s\th:m:s\tmax_rss\tcpu_time"
    benchmark.with_suffix(".tsv").write_text(f"{header}\n{cpu}\t-\t100.0\t{cpu}\n")
    log.with_suffix(".log").write_text(f"12:00:00 {name.split('/')[0]}: CPU {cpu:.6f} s\n")
    for store in stores:
        rows = [{"clip": clip, "seconds": each} for clip in names]
        _table(folder / store / "rows.parquet", rows)
