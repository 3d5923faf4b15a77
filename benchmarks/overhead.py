"""What a job of composite costs beyond decoding, rendering and encoding, for short and long clips.

    python benchmarks/overhead.py [--clips 20:2000 300:200] [--picture 340x256] [--shard 64]

The stage is run by its own command over shards of drawn clips with default settings, but without
counterfactuals, and with the limits of items that the workflow sets. Its rival is a bare loop in
this process, where everything is imported, that renders the same clips (`occlusion.render.render`)
without ledger, tables, hashes and fsync. Both take turns, shard by shard. Prints a table, and as
its last line one JSON object:

    overhead_share     number of frames of a clip -> (CPU of the stage - CPU of the loop) / CPU of
                       the stage; all processes of the stage count
    stage_ms, loop_ms  CPU of a clip, milliseconds
    start_up_seconds   CPU of a job whose clips are all finished
    fsyncs_per_clip    with --fsyncs: fsync calls of the stage / clips, of one shard, by strace

--clips FRAMES:COUNT ...   the sizes, and how many clips of each
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts import measure
from parts.composite.shard_tables import Shard
from parts.measure import Cost
from parts.overhead.jobs import Job, ManyClips

from occludenet_build.core.files import replacing
from occludenet_build.occlusion import render as render_module

Figures = dict[str, float]


def main() -> None:
    """Measure each size of clips, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", nargs="+", default=[(20, 2000), (300, 200)], type=pair)
    parser.add_argument("--picture", default="340x256", type=partial(pair, between="x"))
    parser.add_argument("--shard", type=int, default=64, help="clips per job; 64: as in a build")
    parser.add_argument("--threads", type=int, default=1, help="worker processes per job")
    parser.add_argument("--fsyncs", action="store_true", help="needs strace")
    args = parser.parse_args()
    cv2.setNumThreads(1)  # as in the workers of the stage
    found: dict[str, Figures] = {}
    print(f"{'frames':>6} {'clips':>6} {'stage ms':>9} {'loop ms':>9} {'overhead':>9}", flush=True)
    for frames, count in args.clips:
        with tempfile.TemporaryDirectory(prefix="bench-overhead-") as folder:
            many = ManyClips(Path(folder), count, frames, args.shard, args.picture).write()
            found[str(frames)] = figures = measured(many, args.threads, args.fsyncs)
            line = "{stage_ms:9.1f} {loop_ms:9.1f} {overhead_share:9.1%}"
            print(f"{frames:6} {count:6} {line.format(**figures)}", flush=True)
    keys = next(iter(found.values()))
    print(json.dumps({key: {frames: one[key] for frames, one in found.items()} for key in keys}))


def pair(text: str, between: str = ":") -> tuple[int, int]:
    """Two numbers from text such as 20:2000."""
    first, second = map(int, text.split(between))
    return first, second


def measured(many: ManyClips, threads: int, fsyncs: bool) -> Figures:
    """The figures of clips of one size."""
    jobs = [Job(shard, many.folder / "build", threads) for shard in many.shards]
    measure.of_command([*jobs[0].command[:4], "--help"])  # compiles all modules
    loop = stage = Cost()
    starts = []
    for job in jobs:
        loop += measure.of_call(partial(bare_loop, many, job.shard))
        stage += measure.of_command(job.command)
        if len(starts) < 3:
            starts.append(measure.of_command(job.command).cpu)  # all clips are finished
        for root in ("build", "bare"):
            shutil.rmtree(many.folder / root / many.settings.dataset)
            shutil.rmtree(many.folder / root / f"{many.settings.dataset}-clean")
    traced = Job(jobs[0].shard, many.folder / "traced", threads)
    return {
        "overhead_share": round(1 - loop.cpu / stage.cpu, 4),
        "stage_ms": round(1000 * stage.cpu / many.clips, 2),
        "loop_ms": round(1000 * loop.cpu / many.clips, 2),
        "start_up_seconds": round(statistics.median(starts), 3),
    } | ({"fsyncs_per_clip": fsyncs_per_clip(traced)} if fsyncs else {})


def bare_loop(many: ManyClips, shard: Shard) -> None:
    """Render all clips of a shard, without fsync."""
    unsynced = mock.patch.object(render_module, "replacing", partial(replacing, sync=False))
    with unsynced:
        for clip in shard.clips:
            due = shard.due(clip, many.settings, many.folder / "bare")
            render_module.render(due.job, many.settings)


def fsyncs_per_clip(job: Job) -> float:
    """Calls of fsync and fdatasync by a job, per clip."""
    with tempfile.NamedTemporaryFile() as note:
        calls = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", note.name]
        measure.of_command([*calls, *job.command])
        lines = note.read().decode().splitlines()
    count = sum("sync(" in line for line in lines)
    return round(count / len(job.shard.clips), 2)


if __name__ == "__main__":
    main()
