"""Time and memory of `occludenet status` on the state of a full build, fabricated.

    python benchmarks/status.py [--clips 78400] [--videos 300000] [--no-clips] [--json FILE]

Writes, in a temporary folder, the tables, logs, benchmark files and journals of a build of
OccludeNet-D in progress: 1,000 shards of videos, 1,220 shards of clips of which half are
composited, and empty files for the clips. Then it runs the command in a process of its own, twice:
with and without the count of the files. Aim: at most 20 s and 500 MB (disk cache warm).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.ledger import STATUS, ClipResult, locked_ledger
from occludenet_build.core.seeds import shard_names
from occludenet_build.core.start_record import PlannedJob, write_jobs

SCHEMA = pa.schema(STATUS)


def main() -> None:
    """Fabricate the state, run the command on it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=300_000)
    parser.add_argument("--clips", type=int, default=78_400)
    parser.add_argument("--shards", type=int, nargs=2, default=(1_000, 1_220))
    parser.add_argument("--no-clips", action="store_true", help="no files of clips")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="occludenet-status-") as folder:
        build = Path(folder) / "build"
        fabricate(build, args.videos, args.clips, args.shards, not args.no_clips)
        figures = {"videos": args.videos, "clips": args.clips}
        for name, options in (("", []), ("_without_disk", ["--no-disk"])):
            seconds = timed(build, options)
            figures[f"seconds{name}"] = round(seconds, 2)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        figures["peak_mib"] = round(peak)
    print(json.dumps(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def timed(build: Path, options: list[str]) -> float:
    """Wall-clock seconds of one look; its table goes to stderr."""
    command = [sys.executable, "-m", "occludenet_build", "status", str(build), *options]
    begun = time.monotonic()
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    assert done.returncode == 3, done.returncode
    return time.monotonic() - begun


def fabricate(build: Path, videos: int, clips: int, shards: tuple[int, int], files: bool) -> None:
    """Write the state of a build in progress: half of the shards of clips are composited."""
    names = [f"{number:011d}" for number in range(videos)]
    searched, chosen = shard_names(shards[0]), shard_names(shards[1])
    index = [
        row(name) | {"shard": searched[number % len(searched)], "candidate": True}
        for number, name in enumerate(names)
    ]
    tables.write_table(pa.Table.from_pylist(index), build / "index/videos.parquet")
    selected = names[:clips]
    select = [
        row(name) | {"shard": chosen[number % len(chosen)]} for number, name in enumerate(selected)
    ]
    tables.write_table(pa.Table.from_pylist(select), build / "select/clips.parquet")
    jobs = [finished(build, "index", "videos"), finished(build, "select", "clips")]
    for number, shard in enumerate(searched):
        jobs.append(sharded(build, "detect", shard, names[number :: len(searched)]))
    for number, shard in enumerate(chosen):
        mine = selected[number :: len(chosen)]
        jobs.append(sharded(build, "actor_masks", shard, mine))
        if number < len(chosen) // 2:
            jobs.append(sharded(build, "composite", shard, mine))
            for name in mine if files else ():
                clip(build, name)
        else:
            jobs.append(planned("composite", shard))
    journal(build, chosen[-1], selected[len(chosen) - 1 :: len(chosen)][:-1])
    write_jobs(build, jobs)


def row(name: str) -> dict:
    """A row of a table of items; one in 97 failed."""
    failed = int(name) % 97 == 1
    status, reason = ("failed", "no_actor") if failed else ("ok", None)
    return {"clip": name, "status": status, "reason": reason, "detail": None}


def sharded(build: Path, stage: str, shard: str, names: list[str]) -> PlannedJob:
    """A finished job of a shard."""
    rows = [row(name) | {"key": "0" * 32, "seconds": None} for name in names]
    tables.write_table(tables.from_rows(rows, SCHEMA), build / f"{stage}/{shard}.parquet")
    return finished(build, stage, shard)


def finished(build: Path, stage: str, name: str) -> PlannedJob:
    """The log and the benchmark file of a finished job."""
    job = planned(stage, name)
    for path, text in (
        (job.log, f"12:00:00 {stage}: 64 clips, 0 finished before, 64 to do\n"
                  f"12:01:00 {stage}: CPU 60.00 s\n"),
        (str(job.benchmark), "s\tcpu_time\n60.0\t60.0\n"),
    ):  # fmt: skip
        (build / path).parent.mkdir(parents=True, exist_ok=True)
        (build / path).write_text(text)
    return PlannedJob(**{**vars(job), "due": False})


def planned(stage: str, name: str) -> PlannedJob:
    """A job as the workflow records it."""
    outputs = [f"{stage}/{name}.parquet"]
    log, benchmark = f"logs/{stage}/{name}.log", f"benchmarks/{stage}/{name}.tsv"
    return PlannedJob(stage, f"{stage}_shard", (name,), tuple(outputs), log, benchmark, True)


def clip(build: Path, name: str) -> None:
    """Empty files for the clips of one source."""
    for folder in ("25%", "50%", "75%", "clean"):
        path = build / "OccludeNet-D" / "train" / folder / f"c{int(name) % 400}" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def journal(build: Path, shard: str, names: list[str]) -> None:
    """The journal of a shard in progress."""
    with locked_ledger(build / f"composite/store/{shard}", SCHEMA) as ledger:
        for name in names:
            ledger.commit(ClipResult(row(name) | {"key": "0" * 32, "seconds": 1.0}))


if __name__ == "__main__":
    main()
