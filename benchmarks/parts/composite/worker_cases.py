"""Measurements inside a running worker: in this process, clip by clip, in turn with a floor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from occludenet_build.config.occlusion import Composite
from occludenet_build.occlusion.clip_results import ClipTask
from parts import measure
from parts.composite import check, commands
from parts.composite.cases import Case
from parts.composite.floor import Floor, composite_clip
from parts.composite.profile import Profile
from parts.composite.shard_tables import Shard
from parts.measure import Step, print_line


class InWorker:
    """Measures cases in this process; all files are written into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._build, self._floor, self._out = (folder / n for n in ("build", "floor", "out"))
        self._out.mkdir()

    def to_floor(self, case: Case, shard: Shard, repeats: int) -> float:
        """CPU ratio to the same-content floor, every frame occluded; the files have equal bytes."""
        parts = []
        for clip in shard.clips:
            due = shard.due(clip, case.settings, self._build)
            floor = Floor(due, case.settings, self._floor)
            steps = {"floor": _step(floor), "ours": _composite_step([due], case.settings)}
            parts.append(measure.in_turn(steps, repeats))
            floor.check()
            check.same_bytes(floor.ours, floor.files)
        costs = measure.add_clips(parts)
        print_line(str(case), "same-content floor, in a worker", costs["floor"], costs["floor"])
        return print_line(str(case), "ours, in a worker", costs["ours"], costs["floor"])

    def shared(self, case: Case, shard: Shard, repeats: int) -> dict[str, float]:
        """Ratios with the actor in 70 % of the frames; the floors encode every output in full."""
        parts, sizes = [], []
        for clip in shard.clips:
            due = shard.due(clip, case.settings, self._build)
            floor = Floor(due, case.settings, self._floor)
            plain = commands.plain(clip, case.settings, self._out)
            steps = {"floor": _step(floor), "plain": partial(measure.of_command, plain)}
            steps |= {"ours": _composite_step([due], case.settings)}
            parts.append(measure.in_turn(steps, repeats))
            floor.check()
            check.same_to_a_player(floor.ours, floor.files, clip.path)
            sizes.append(_bytes(floor.ours) / _bytes(floor.files))
        costs, name = measure.add_clips(parts), f"{case}, 70 %"
        print_line(name, "same-content floor, unshared", costs["floor"], costs["floor"])
        to_floor = print_line(name, "ours, segments shared", costs["ours"], costs["floor"])
        to_plain = print_line(name, "ours / plain floor", costs["ours"], costs["plain"])
        print(f"{name:26} bytes, ours / floor: {median(sizes):.3f}", flush=True)
        return {"floor": to_floor, "plain": to_plain, "size": median(sizes)}

    def one_pass(self, name: str, case: Case, shard: Shard, repeats: int) -> float:
        """CPU ratio: occluded clips, twin and counterfactuals in one pass / in two passes."""
        parts, settings = [], case.with_twin
        one, two = self._build / "one", self._build / "two"
        for clip in shard.clips:
            whole = shard.due(clip, settings, one, ("occluded", "erased"))
            apart = [shard.due(clip, settings, two, (made,)) for made in ("occluded", "erased")]
            steps = {
                "two": _composite_step(apart, settings),
                "one": _composite_step([whole], settings),
            }
            parts.append(measure.in_turn(steps, repeats))
            files = [out.file for out in whole.job.outputs]
            check.same_bytes([one / file for file in files], [two / file for file in files])
        costs = measure.add_clips(parts)
        print_line(name, "7 outputs in two passes", costs["two"], costs["two"])
        return print_line(name, "7 outputs in one pass / in two", costs["one"], costs["two"])

    def profile(self, case: Case, shard: Shard, *, erased: bool) -> dict[str, float]:
        """Part -> its share of the CPU time of composite."""
        profile, settings = Profile(), case.with_twin if erased else case.settings
        for clip in shard.clips:
            made = ("occluded", "erased") if erased else ("occluded",)
            due = shard.due(clip, settings, self._build, made)
            with profile:
                composite_clip(due, settings)
        return profile.shares()


def _step(function: Callable[[], object]) -> Step:
    return partial(measure.of_call, function)


def _composite_step(dues: list[ClipTask], settings: Composite) -> Step:
    def work() -> None:
        for due in dues:
            composite_clip(due, settings)

    return _step(work)


def _bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)
