"""Benchmark of the compositor: CPU and wall against two floors and two rivals, in one run.

    python benchmarks/composite.py [--quick]

Three occluded clips from each source, with sound, one thread per encoder, every frame occluded.
All ratios are medians over interleaved repetitions. Prints a table, and as its last line one JSON
object (--quick leaves out some of the cases):

    cpu_ratio_to_floor        a running worker, ground truth and hashes included / the same-content
                              floor (decode and the same encodes of the finished pictures in one
                              process; the files are the same bytes)
    cpu_ratio_to_plain_floor  the room as a whole process over a shard, start-up counted / one
                              ffmpeg per clip that decodes once and encodes three times
    cpu_ratio_started         the same less startup_seconds: what a long shard comes to
    cpu_ratio_of_rival        OpenCV, BGR blend, VideoWriter, ffmpeg, per scale / the plain floor
    cpu_ratio_of_overlay      ffmpeg's overlay filter with a file of commands / the plain floor
    startup_seconds           CPU of the room over a shard that is finished
    worker_scaling            wall of one running worker / of two, over the same shard
    peak_mib                  peak memory of a worker at 1280x720
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
from compositor import measure, routes
from compositor.clips import Clip, Shard
from compositor.measure import Cost

from occludenet_build.compositing.render import ClipJob
from occludenet_build.config import Composite
from occludenet_build.core.pool import in_processes

Found = dict[str, dict[str, float] | float]
SETTINGS = Composite(clean_twin=False)
_STARTS = 3  # how often the start-up is measured
CRF = {"medium": 23.0, "veryfast": 21.0}


Size = tuple[int, int]
SMALL, MIDDLE, LARGE = (340, 256), (640, 360), (1280, 720)
ALL = tuple((size, preset) for size in (SMALL, MIDDLE, LARGE) for preset in CRF)


@dataclass(frozen=True)
class Plan:
    """Which cases run, over how much, how often."""

    in_worker: tuple[tuple[Size, str], ...]
    as_processes: tuple[tuple[Size, str], ...]
    clips: int
    frames: dict[Size, int]
    repeats: int
    rival_repeats: int
    scaling_repeats: int
    scaling_clips: int


FULL = Plan(
    in_worker=ALL, as_processes=ALL, clips=3, frames={SMALL: 250, MIDDLE: 125, LARGE: 50},
    repeats=5, rival_repeats=3, scaling_repeats=3, scaling_clips=16,
)  # fmt: skip
QUICK = Plan(
    in_worker=((SMALL, "medium"), (MIDDLE, "veryfast"), (LARGE, "veryfast")),
    as_processes=((SMALL, "medium"), (LARGE, "veryfast")),
    clips=1, frames={SMALL: 50, MIDDLE: 40, LARGE: 12},
    repeats=3, rival_repeats=1, scaling_repeats=1, scaling_clips=4,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    plan = QUICK if parser.parse_args().quick else FULL
    cv2.setNumThreads(1)  # as in the workers of the room
    with tempfile.TemporaryDirectory(prefix="bench-composite-") as folder:
        _head()
        print(json.dumps(Bench(plan, Path(folder)).run()))


def _head() -> None:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; CPU and wall in seconds, medians")
    titles = f"{'case':20} {'way':34} {'CPU':>8} {'wall':>8} {'CPU/floor':>9}  lowest-highest"
    print(titles, flush=True)


class Bench:
    """Runs the cases of a plan and collects ratios by key and case."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.out = folder / "out"
        self.out.mkdir()
        self._shards: dict[Size, Shard] = {}
        self._starts: list[float] = []  # CPU seconds of the room over finished shards

    def run(self) -> Found:
        by_key: dict[str, dict[str, float]] = defaultdict(dict)
        self._warm_up()
        for size, preset in self.plan.in_worker:
            case, shard = f"{size[0]}x{size[1]}/{preset}", self._shard(size)
            settings = replace(SETTINGS, preset=preset, crf=CRF[preset])
            ratios = {"cpu_ratio_to_floor": self._in_worker(case, shard, settings)}
            if (size, preset) in self.plan.as_processes:
                ratios |= self._processes(case, shard, settings)
            for key, ratio in ratios.items():
                by_key[key][case] = round(ratio, 3)
        return by_key | {
            "startup_seconds": round(statistics.median(self._starts), 3),
            "worker_scaling": round(self._worker_scaling(), 3),
            "peak_mib": round(self._peak_mib(), 1),
        }

    def _warm_up(self) -> None:
        """The first start of the room reads and compiles all modules: that is nobody's cost."""
        measure.of_command([sys.executable, "-m", "occludenet_build.composite", "--help"])

    def _shard(self, size: Size) -> Shard:
        if size not in self._shards:
            folder = self.folder / f"{size[0]}x{size[1]}"
            frames = self.plan.frames[size]
            clips = [Clip(folder / "sources", n, size, frames) for n in range(self.plan.clips)]
            self._shards[size] = Shard(folder, tuple(clips)).write()
        return self._shards[size]

    def _in_worker(self, case: str, shard: Shard, settings: Composite) -> float:
        """Ours and the same-content floor in this process, clip by clip, in turn."""
        ours, floor = [Cost()] * self.plan.repeats, [Cost()] * self.plan.repeats
        for clip in shard.clips:
            job = shard.job(clip, settings, self.folder / "build")
            same_content = routes.SameContent(job, settings, self.folder / "floor")
            for number in range(self.plan.repeats):
                # first the one, then the other: the second finds a warmer machine
                steps = [(ours, partial(routes.ours, job, settings)), (floor, same_content)]
                for costs, step in steps[:: 1 if number % 2 else -1]:
                    costs[number] += measure.of_call(step)
            same_content.check()
        _line(case, "same-content floor, in a worker", floor, floor)
        return _line(case, "ours, in a worker", ours, floor)

    def _processes(self, case: str, shard: Shard, settings: Composite) -> dict[str, float]:
        costs: dict[str, list[Cost]] = defaultdict(list)
        for number in range(self.plan.repeats):
            root = self.folder / "room" / case / str(number)
            costs["plain"].append(self._each(shard, partial(routes.plain, settings=settings)))
            command = routes.room(shard, settings, root)
            costs["room"].append(measure.of_command(command))
            if len(self._starts) < _STARTS:
                self._starts.append(measure.of_command(command).cpu)  # all clips are finished
            if number < self.plan.rival_repeats:
                for name in ("rival", "overlay"):
                    route = partial(getattr(routes, name), shard, settings=settings)
                    costs[name].append(self._each(shard, route))
        return self._process_ratios(case, costs)

    def _each(self, shard: Shard, command: Callable[..., list]) -> Cost:
        """One process per clip."""
        return sum(
            (measure.of_command(command(clip, folder=self.out)) for clip in shard.clips), Cost()
        )

    def _process_ratios(self, case: str, costs: dict[str, list[Cost]]) -> dict[str, float]:
        plain = costs["plain"]
        _line(case, "plain floor: ffmpeg, no occluder", plain, plain)
        start = statistics.median(self._starts)
        started = [Cost(cost.cpu - start, cost.wall) for cost in costs["room"]]
        return {
            "cpu_ratio_to_plain_floor": _line(case, "ours, whole process", costs["room"], plain),
            "cpu_ratio_started": _line(case, "ours, without start-up", started, plain),
            "cpu_ratio_of_rival": _line(case, "OpenCV route", costs["rival"], plain),
            "cpu_ratio_of_overlay": _line(case, "overlay filter", costs["overlay"], plain),
        }

    def _worker_scaling(self) -> float:
        shard = self._shard(MIDDLE)
        settings = replace(SETTINGS, preset="veryfast")
        ratios = []
        for number in range(self.plan.scaling_repeats):
            one, two = (self._span(shard, settings, n, str(number)) for n in (1, 2))
            ratios.append(one / two)
            print(f"running workers, wall: one {one:.2f} s, two {two:.2f} s: {one / two:.3f} x")
        return statistics.median(ratios)

    def _span(self, shard: Shard, settings: Composite, workers: int, name: str) -> float:
        """Wall from the first clip's start to the last one's end, in running processes."""
        roots = [self.folder / f"scaling-{name}" / str(n) for n in range(self.plan.scaling_clips)]
        clips = [shard.clips[n % len(shard.clips)] for n in range(len(roots))]
        jobs = [shard.job(c, settings, root) for c, root in zip(clips, roots, strict=True)]
        times = list(in_processes(partial(_timed, settings=settings), jobs, workers))
        return max(end for _, end in times) - min(start for start, _ in times)

    def _peak_mib(self) -> float:
        root = self.folder / "peak"
        room = [str(w) for w in routes.room(self._shard(LARGE), SETTINGS, root)]
        # of the program's own memory: what wait4 tells includes this process before the exec
        code = "import runpy, sys; sys.argv = ['composite', *sys.argv[2:]]\n"
        code += f"runpy.run_module({room[2]!r}, run_name='__main__')\n"
        code += "text = open('/proc/self/status').read().split('VmHWM:')[1]\n"
        code += f"open({str(self.out / 'peak')!r}, 'w').write(text.split()[0])"
        measure.of_command([sys.executable, "-c", code, *room[2:]])
        return int((self.out / "peak").read_text()) / 1024


def _timed(job: ClipJob, settings: Composite) -> tuple[float, float]:
    start = time.monotonic()
    routes.ours(job, settings)
    return start, time.monotonic()


def _line(case: str, name: str, costs: list[Cost], floor: list[Cost]) -> float:
    """Print medians of one way; return the median of its CPU ratios to the floor."""
    ratios = [a.cpu / b.cpu for a, b in zip(costs, floor, strict=False)]
    cpu, wall = (statistics.median(getattr(c, kind) for c in costs) for kind in ("cpu", "wall"))
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.3f}-{max(ratios):.3f}"
    print(f"{case:20} {name:34} {cpu:8.2f} {wall:8.2f} {ratio:9.3f}  {spread}", flush=True)
    return ratio


if __name__ == "__main__":
    main()
