"""Measurements of whole processes: the stage with its start-up, ffmpeg, and the rivals."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from occludenet_build.config.occlusion import Composite
from occludenet_build.core.pool import in_processes
from occludenet_build.occlusion.clip_results import ClipTask
from parts import measure
from parts.composite import commands
from parts.composite.cases import Case, Plan
from parts.composite.floor import composite_clip
from parts.composite.shard_tables import Shard
from parts.measure import Cost, print_line


class Processes:
    """Measures cases as processes. `starts`: CPU seconds of the stage over finished shards."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder, self._out = plan, folder, folder / "out"
        self._out.mkdir(parents=True)
        self.starts: list[float] = []
        # The first start compiles all modules, which no later start does.
        measure.of_command([sys.executable, "-m", "occludenet_build", "composite", "--help"])

    def ratios(self, case: Case, shard: Shard) -> dict[str, float]:
        """The CPU ratios of one case, by key."""
        costs: dict[str, list[Cost]] = defaultdict(list)
        settings = case.settings
        for number in range(self._plan.process_repeats):
            command = commands.stage(shard, settings, self._folder / str(case) / str(number))
            costs["plain"].append(self._each(shard, partial(commands.plain, settings=settings)))
            costs["stage"].append(measure.of_command(command))
            if len(self.starts) < self._plan.starts:
                self.starts.append(measure.of_command(command).cpu)  # all clips are finished
            if number < self._plan.rival_repeats:
                for name in ("rival", "overlay"):
                    route = partial(getattr(commands, name), shard, settings=settings)
                    costs[name].append(self._each(shard, route))
        return self._ratios(str(case), costs)

    def _each(self, shard: Shard, command: Callable[..., measure.Words]) -> Cost:
        """One process per clip."""
        commands = [command(clip, folder=self._out) for clip in shard.clips]
        return sum(map(measure.of_command, commands), Cost())

    def _ratios(self, case: str, costs: dict[str, list[Cost]]) -> dict[str, float]:
        plain, start = costs["plain"], statistics.median(self.starts)
        print_line(case, "plain floor: ffmpeg, no occluder", plain, plain)
        started = [Cost(cost.cpu - start, cost.wall) for cost in costs["stage"]]
        return {
            "cpu_ratio_to_plain_floor": print_line(
                case, "ours, whole process", costs["stage"], plain
            ),
            "cpu_ratio_started": print_line(case, "ours, without start-up", started, plain),
            "cpu_ratio_of_rival": print_line(case, "OpenCV route", costs["rival"], plain),
            "cpu_ratio_of_overlay": print_line(case, "overlay filter", costs["overlay"], plain),
        }

    def peak_mib(self, case: Case, shard: Shard, *, erased: bool) -> float:
        """Peak MiB of the stage over one clip; `erased`: with the twin and counterfactuals."""
        settings = case.with_twin if erased else case.settings
        root = self._folder / "peak" / str(case) / str(erased)
        peak = measure.peak_mib(commands.stage(shard, settings, root, erased=erased))
        print(f"{case}: peak {peak:.0f} MiB with {7 if erased else 3} outputs", flush=True)
        return peak

    def worker_scaling(self, case: Case, shard: Shard) -> float:
        """Wall time of one running worker / of two, over the same clips."""
        ratios = []
        for number in range(self._plan.scaling_repeats):
            root = self._folder / "scaling" / str(number)
            one, two = (self._span(shard, case.settings, root, n) for n in (1, 2))
            ratios.append(one / two)
            print(f"running workers, wall: one {one:.2f} s, two {two:.2f} s: {one / two:.3f} x")
        return statistics.median(ratios)

    def _span(self, shard: Shard, settings: Composite, root: Path, workers: int) -> float:
        """Wall time from the start of the first clip to the end of the last, in running workers."""
        count = self._plan.scaling_clips
        clips = [shard.clips[n % len(shard.clips)] for n in range(count)]
        dues = [shard.due(clip, settings, root / str(n)) for n, clip in enumerate(clips)]
        (started := root / f"started-{workers}").mkdir(parents=True)
        work = partial(_timed, settings=settings, started=started, workers=workers)
        times = list(in_processes(work, dues, workers))
        return max(end for _, end in times) - min(start for start, _ in times)


def _timed(due: ClipTask, settings: Composite, started: Path, workers: int) -> tuple[float, float]:
    (started / str(os.getpid())).touch()
    while len(list(started.iterdir())) < workers:  # wait until all workers have started
        time.sleep(0.002)
    start = time.monotonic()
    composite_clip(due, settings)
    return start, time.monotonic()
