"""Benchmark of composite: CPU and wall time against two floors and two rivals, in one run.

    python benchmarks/composite.py [--quick] [--profile]

Each source gives occluded clips at three scales, with sound, with one thread per encoder. Every
frame is occluded unless stated otherwise. All ratios are medians over interleaved repetitions.
Prints a table, and as its last line one JSON object (--quick skips some of the cases):

    cpu_ratio_to_floor        a running worker, ground truth and hashes included / the same-content
                              floor (one process that decodes the source and encodes the finished
                              pictures; its files have the same bytes)
    cpu_ratio_to_plain_floor  the stage as a process over a shard, start-up included / one ffmpeg
                              per clip that decodes once and encodes three times
    cpu_ratio_started         the same less startup_seconds: the limit for a long shard
    cpu_ratio_of_rival        OpenCV, BGR blend, VideoWriter, ffmpeg, per scale / the plain floor
    cpu_ratio_of_overlay      ffmpeg's overlay filter with a file of commands / the plain floor
    cpu_ratio_shared_70       clips occluded 70 % of the time, in two stretches: a running worker,
                              which encodes the other frames once / the same-content floor, which
                              encodes every output in full; median over the cases at preset medium
    cpu_ratio_shared_70_by_case, cpu_ratio_shared_70_to_plain, size_ratio_shared_70
                              the same by case; against the plain floor; bytes, ours / floor
    cpu_ratio_one_pass        occluded clips, clean twin and counterfactuals in one pass / in two
    startup_seconds           CPU of the stage over a shard that is finished
    worker_scaling            wall time of one running worker / of two, over the same shard
    peak_mib                  peak memory of a worker at 1280x720 and the default preset
    peak_mib_medium           the same at medium, whose encoders buffer 40 pictures each
    peak_mib_with_counterfactuals  the same with the twin and the counterfactuals: seven outputs
    profile                   with --profile: shares of the CPU time of a running worker, by part
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts import measure
from parts.composite.cases import FULL, LARGE, MIDDLE, QUICK, Case, Plan, Size
from parts.composite.process_cases import Processes
from parts.composite.profile import PARTS
from parts.composite.shard_tables import Shard
from parts.composite.synthetic_clips import MOSTLY, Clip
from parts.composite.worker_cases import InWorker

from occludenet_build.config.occlusion import Composite

Results = dict[str, dict[str, float] | float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument(
        "--profile", action="store_true", help="measure the CPU shares of a worker's parts"
    )
    args = parser.parse_args()
    cv2.setNumThreads(1)  # as in the workers of the stage
    with tempfile.TemporaryDirectory(prefix="bench-composite-") as folder:
        measure.print_head("CPU and wall in seconds, medians")
        bench = Bench(QUICK if args.quick else FULL, Path(folder), args.profile)
        results = bench.run()
        if args.profile:
            _print_profiles(bench.profiles)
        print(json.dumps(results | ({"profile": bench.profiles} if args.profile else {})))


class Bench:
    """Runs the cases of a plan and collects the ratios by key and case."""

    def __init__(self, plan: Plan, folder: Path, profile: bool) -> None:
        self.plan, self.folder = plan, folder
        self.profiles: dict[str, dict[str, float]] = {}
        self._profiled = profile
        self.worker = InWorker(folder)
        self.processes = Processes(plan, folder / "stage")
        self._shards: dict[tuple, Shard] = {}

    def run(self) -> Results:
        results = self._every_frame() | self._shared() | self._one_pass()
        results["startup_seconds"] = round(statistics.median(self.processes.starts), 3)
        scaling = self.processes.worker_scaling(Case(MIDDLE, "veryfast"), self._shard(MIDDLE))
        results["worker_scaling"] = round(scaling, 3)
        return results | self._peaks()

    def _shard(self, size: Size) -> Shard:
        return self._made(size, self.plan.frames[size], self.plan.clips)

    def _made(self, size: Size, frames: int, clips: int = 1, **options: Any) -> Shard:
        """A shard of clips; each is written once."""
        key = (size, frames, clips, *options.items())
        if key not in self._shards:
            folder = self.folder / "shards" / str(len(self._shards))
            named = [Clip(folder / "sources", n, size, frames, **options) for n in range(clips)]
            self._shards[key] = Shard(folder, tuple(named)).write()
        return self._shards[key]

    def _every_frame(self) -> Results:
        by_key: dict[str, dict[str, float]] = defaultdict(dict)
        for case in self.plan.in_worker:
            shard = self._shard(case.size)
            ratios = {"cpu_ratio_to_floor": self.worker.to_floor(case, shard, self.plan.repeats)}
            self._profile(str(case), case, shard)
            if case in self.plan.as_processes:
                ratios |= self.processes.ratios(case, shard)
            for key, ratio in ratios.items():
                by_key[key][str(case)] = round(ratio, 3)
        return dict(by_key)

    def _shared(self) -> Results:
        by_kind: dict[str, dict[str, float]] = defaultdict(dict)
        for case in self.plan.shared:
            shard = self._made(case.size, self.plan.shared_frames, present=MOSTLY)
            for kind, ratio in self.worker.shared(case, shard, self.plan.shared_repeats).items():
                by_kind[kind][str(case)] = round(ratio, 3)
            self._profile(f"{case}, 70 %", case, shard)
        medium = [ratio for case, ratio in by_kind["floor"].items() if case.endswith("/medium")]
        return {
            "cpu_ratio_shared_70": round(statistics.median(medium), 3),
            "cpu_ratio_shared_70_by_case": by_kind["floor"],
            "cpu_ratio_shared_70_to_plain": by_kind["plain"],
            "size_ratio_shared_70": by_kind["size"],
        }

    def _one_pass(self) -> Results:
        ratios = {}
        for case, present in self.plan.one_pass:
            shard = self._made(case.size, self.plan.one_pass_frames, present=present)
            name = f"{case}, 70 %" if present is MOSTLY else str(case)
            ratio = self.worker.one_pass(name, case, shard, self.plan.one_pass_repeats)
            ratios[name] = round(ratio, 3)
            self._profile(f"{name}, 7 outputs", case, shard, erased=True)
        return {"cpu_ratio_one_pass": ratios}

    def _peaks(self) -> Results:
        """Peak memory, on a still clip: memory depends on the number of buffered pictures only."""
        default = Composite().preset
        return {
            "peak_mib": self._peak_mib(default),
            "peak_mib_medium": self._peak_mib("medium"),
            "peak_mib_with_counterfactuals": self._peak_mib(default, erased=True),
        }

    def _peak_mib(self, preset: str, *, erased: bool = False) -> float:
        shard = self._made(LARGE, self.plan.peak_frames[preset], still=True)
        shard.write_masks()
        return round(self.processes.peak_mib(Case(LARGE, preset), shard, erased=erased), 1)

    def _profile(self, name: str, case: Case, shard: Shard, *, erased: bool = False) -> None:
        if self._profiled:
            self.profiles[name] = self.worker.profile(case, shard, erased=erased)


def _print_profiles(profiles: dict[str, dict[str, float]]) -> None:
    """Print the shares of the CPU time by case, per cent."""
    print(f"\n{'CPU time of a worker by part, %':38}", *(f"{part:>8}" for part in PARTS))
    for name, shares in profiles.items():
        print(f"{name:38}", *(f"{100 * shares[part]:8.1f}" for part in PARTS))


if __name__ == "__main__":
    main()
