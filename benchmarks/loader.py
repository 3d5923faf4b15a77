"""Benchmark of reading clips: our loader's decoding against other readers, in one run.

    python benchmarks/loader.py [--quick]

Two kinds of work, each from opening the file to uint8 pictures of short side 256: 8 frames spread
over a clip of about 10 s (sparse), and 16 frames, 4 apart, out of its middle (dense). Readers: ours
(media.video.sample), PyAV decoding every frame (decode_all), torchcodec and decord where they are
installed; one thread each, in one process, turn by turn, the best turn of each clip counts. Ours
must have the very pixels of decode_all, or the run ends with an error; torchcodec and decord scale
in their own way, so for them the mean difference is shown: another frame would be many levels off.
Prints tables, and as its last line one JSON object (null for a rival that is missing):

    rate_ratio_to_R       clips per second of ours / of R, sparse and dense together
    rate_ratio_to_R_KIND  the same of one kind
    cpu_ratio_to_R[_KIND] clips per CPU second, the same way
    clips_per_second      of ours

--quick: four clips, fewer turns. Real clips come from OCCLUDENET_TEST_DATA or ../shared/data;
without them clips are drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from loading import libraries, material
from loading.material import Job
from loading.readers import Reader, ours, rivals
from loading.turns import Cost, difference, measured, rates

KINDS = ("sparse", "dense")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    args = parser.parse_args()
    libraries.borrowed()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-loader-") as folder:
            print(json.dumps(run(Path(folder), args.quick)))
    finally:
        libraries.give_back()


def run(folder: Path, quick: bool) -> dict[str, float | None]:
    jobs, real = material.found(folder, quick)
    others = rivals()
    readers = {"ours": ours} | {k: read for k, read in others.items() if not isinstance(read, str)}
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{len(jobs) // 2} {'real' if real else 'DRAWN'} clips; load {load}")
    for name, why in others.items():
        if isinstance(why, str):
            print(f"{name} is missing: {why}")
    compare(readers, jobs)
    costs = measured(readers, jobs, 3 if quick else 5)
    found = {
        (name, kind): rates(
            [c for c, job in zip(costs[name], jobs, strict=True) if fits(job, kind)]
        )
        for name in readers
        for kind in (*KINDS, "all")
    }
    show(readers, found)
    return summary(found, list(others))


def fits(job: Job, kind: str) -> bool:
    return kind in ("all", job.kind)


def compare(readers: dict[str, Reader], jobs: Sequence[Job]) -> None:
    """The frames of all readers are the same, ours to the last digit."""
    apart: dict[str, list[float]] = {name: [] for name in readers if name != "ours"}
    for job in jobs:
        mine = ours(job)
        for name in apart:
            theirs = readers[name](job)
            apart[name].append(difference(mine, theirs))
            if name == "decode_all" and not np.array_equal(mine, theirs):
                raise SystemExit(f"{job.path.name}, {job.kind}: other pixels than decode_all's")
    for name, values in apart.items():
        print(
            f"{name}: {np.mean(values):.2f} levels from ours, at most {max(values):.2f} in a clip"
        )


def show(readers: dict[str, Reader], found: dict[tuple[str, str], Cost]) -> None:
    heads = [f"{kind} {unit}" for kind in KINDS for unit in ("clips/s", "per CPU s")]
    print("\n" + f"{'':12}" + "".join(f"{head:>18}" for head in heads))
    for name in readers:
        values = [v for k in KINDS for v in (found[name, k].wall, found[name, k].cpu)]
        print(f"{name:12}" + "".join(f"{value:18.2f}" for value in values))


def summary(found: dict[tuple[str, str], Cost], names: Sequence[str]) -> dict[str, float | None]:
    values: dict[str, float | None] = {"clips_per_second": round(found["ours", "all"].wall, 2)}
    for name in names:
        for kind in ("all", *KINDS):
            mine, theirs = found["ours", kind], found.get((name, kind))
            end = "" if kind == "all" else f"_{kind}"
            wall = round(mine.wall / theirs.wall, 3) if theirs else None
            cpu = round(mine.cpu / theirs.cpu, 3) if theirs else None
            values |= {f"rate_ratio_to_{name}{end}": wall, f"cpu_ratio_to_{name}{end}": cpu}
    return values


if __name__ == "__main__":
    main()
