"""The cases inside a running worker: in this process, clip by clip, in turn with their floors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from compositor import check, measure, routes
from compositor.measure import Step, line
from compositor.plan import Case
from compositor.profile import Profile
from compositor.shard import Shard
from compositor.worker import Floor, ours
from occludenet_build.config.occlusion import Composite
from occludenet_build.occlusion.composite import Due


class InWorker:
    """`folder`: where everything is written."""

    def __init__(self, folder: Path) -> None:
        self._build, self._floor, self._out = (folder / n for n in ("build", "floor", "out"))
        self._out.mkdir()

    def to_floor(self, case: Case, shard: Shard, repeats: int) -> float:
        """Every frame occluded: the floor's files are the same bytes as ours."""
        parts = []
        for clip in shard.clips:
            due = shard.due(clip, case.settings, self._build)
            floor = Floor(due, case.settings, self._floor)
            steps = {"floor": _step(floor), "ours": _ours([due], case.settings)}
            parts.append(measure.in_turn(steps, repeats))
            floor.check()
            check.same_bytes(floor.ours, floor.files)
        costs = measure.added(parts)
        line(str(case), "same-content floor, in a worker", costs["floor"], costs["floor"])
        return line(str(case), "ours, in a worker", costs["ours"], costs["floor"])

    def shared(self, case: Case, shard: Shard, repeats: int) -> dict[str, float]:
        """The actor there 70 % of the time; the floors encode every output whole."""
        parts, sizes = [], []
        for clip in shard.clips:
            due = shard.due(clip, case.settings, self._build)
            floor = Floor(due, case.settings, self._floor)
            plain = routes.plain(clip, case.settings, self._out)
            steps = {"floor": _step(floor), "plain": partial(measure.of_command, plain)}
            steps |= {"ours": _ours([due], case.settings)}
            parts.append(measure.in_turn(steps, repeats))
            floor.check()
            check.same_to_a_player(floor.ours, floor.files, clip.path)
            sizes.append(_bytes(floor.ours) / _bytes(floor.files))
        costs, name = measure.added(parts), f"{case}, 70 %"
        line(name, "same-content floor, unshared", costs["floor"], costs["floor"])
        to_floor = line(name, "ours, runs shared", costs["ours"], costs["floor"])
        to_plain = line(name, "ours / plain floor", costs["ours"], costs["plain"])
        print(f"{name:26} bytes, ours / floor: {median(sizes):.3f}", flush=True)
        return {"floor": to_floor, "plain": to_plain, "size": median(sizes)}

    def one_pass(self, name: str, case: Case, shard: Shard, repeats: int) -> float:
        """Occluded clips, twin and counterfactuals at once / the counterfactuals by themselves."""
        parts, settings = [], case.with_twin
        one, two = self._build / "one", self._build / "two"
        for clip in shard.clips:
            whole = shard.due(clip, settings, one, ("occluded", "erased"))
            apart = [shard.due(clip, settings, two, (made,)) for made in ("occluded", "erased")]
            steps = {"two": _ours(apart, settings), "one": _ours([whole], settings)}
            parts.append(measure.in_turn(steps, repeats))
            files = [out.file for out in whole.job.outputs]
            check.same_bytes([one / file for file in files], [two / file for file in files])
        costs = measure.added(parts)
        line(name, "7 outputs in two passes", costs["two"], costs["two"])
        return line(name, "7 outputs in one pass / in two", costs["one"], costs["two"])

    def profile(self, case: Case, shard: Shard, *, erased: bool) -> dict[str, float]:
        """Part -> its share of the CPU of ours."""
        profile, settings = Profile(), case.with_twin if erased else case.settings
        for clip in shard.clips:
            made = ("occluded", "erased") if erased else ("occluded",)
            due = shard.due(clip, settings, self._build, made)
            with profile:
                ours(due, settings)
        return profile.shares()


def _step(function: Callable[[], object]) -> Step:
    return partial(measure.of_call, function)


def _ours(dues: list[Due], settings: Composite) -> Step:
    def work() -> None:
        for due in dues:
            ours(due, settings)

    return _step(work)


def _bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)
