"""Benchmark of the data loader: reading frames of clips against other readers, in one run.

    python benchmarks/loader.py [--quick]

Two kinds of reads, each from opening the file to uint8 pictures of short side 256: 8 frames spread
over a clip of about 10 s (sparse), and 16 frames, 4 apart, from its middle (dense). Readers: ours
(media.video.sample), PyAV decoding every frame (decode_all), torchcodec and decord where installed;
one thread each, in one process, in turn; the best turn of each clip counts. Our pixels must equal
those of decode_all, or the run ends with an error. torchcodec and decord use other scaling filters,
so their mean difference is printed: a wrong frame would differ by many levels. Prints tables, and
as its last line one JSON object (null for a missing rival):

    rate_ratio_to_R       clips per second of ours / of R, sparse and dense together
    rate_ratio_to_R_KIND  the same for one kind
    cpu_ratio_to_R[_KIND] the ratio of clips per CPU second
    clips_per_second      of ours

--quick: four clips, fewer turns. Real clips come from OCCLUDENET_TEST_DATA or ../shared/data;
without them clips are drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.loader import ffmpeg_libraries, inputs
from parts.loader.inputs import ReadJob
from parts.loader.readers import Reader, ours, rivals
from parts.loader.timing import Cost, best_rates, mean_difference, measure_readers

KINDS = ("sparse", "dense")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    args = parser.parse_args()
    ffmpeg_libraries.use_pyav_libraries()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-loader-") as folder:
            print(json.dumps(run(Path(folder), args.quick)))
    finally:
        ffmpeg_libraries.remove_links()


def run(folder: Path, quick: bool) -> dict[str, float | None]:
    jobs, real = inputs.load_jobs(folder, quick)
    others = rivals()
    readers = {"ours": ours} | {k: read for k, read in others.items() if not isinstance(read, str)}
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{len(jobs) // 2} {'real' if real else 'DRAWN'} clips; load {load}")
    for name, reason in others.items():
        if isinstance(reason, str):
            print(f"{name} is missing: {reason}")
    compare(readers, jobs)
    costs = measure_readers(readers, jobs, 3 if quick else 5)
    found = {
        (name, kind): best_rates(
            [c for c, job in zip(costs[name], jobs, strict=True) if fits(job, kind)]
        )
        for name in readers
        for kind in (*KINDS, "all")
    }
    show(readers, found)
    return summary(found, list(others))


def fits(job: ReadJob, kind: str) -> bool:
    return kind in ("all", job.kind)


def compare(readers: dict[str, Reader], jobs: Sequence[ReadJob]) -> None:
    """Print how far other readers' pixels are from ours.

    Raises SystemExit where they are not those of decode_all.
    """
    apart: dict[str, list[float]] = {name: [] for name in readers if name != "ours"}
    for job in jobs:
        pixels = ours(job)
        for name in apart:
            other = readers[name](job)
            apart[name].append(mean_difference(pixels, other))
            if name == "decode_all" and not np.array_equal(pixels, other):
                raise SystemExit(
                    f"{job.path.name}, {job.kind}: pixels differ from those of decode_all"
                )
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
