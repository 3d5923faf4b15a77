"""Which cases run, on how many clips and frames, and how often."""

from __future__ import annotations

from dataclasses import dataclass, replace

from occludenet_build.config.occlusion import Composite
from parts.composite.synthetic_clips import ALWAYS, MOSTLY, Present

Size = tuple[int, int]
SMALL, MIDDLE, LARGE = (340, 256), (640, 360), (1280, 720)
CRF = {"medium": 23.0, "veryfast": 21.0}


@dataclass(frozen=True)
class Case:
    """Clips of one size, encoded with one preset."""

    size: Size
    preset: str

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]}/{self.preset}"

    @property
    def settings(self) -> Composite:
        """Settings of composite: three scales, no clean twin."""
        return Composite(clean_twin=False, preset=self.preset, crf=CRF[self.preset])

    @property
    def with_twin(self) -> Composite:
        """The same settings with a clean twin."""
        return replace(self.settings, clean_twin=True)


Cases = tuple[Case, ...]


def _cases(*sizes: Size) -> Cases:
    return tuple(Case(size, preset) for size in sizes for preset in CRF)


@dataclass(frozen=True)
class Plan:
    """The cases of a run and their sizes."""

    clips: int
    """Clips in each shard, for all cases but those below."""
    frames: dict[Size, int]
    in_worker: Cases
    as_processes: Cases
    shared: Cases
    """Cases with clips of `shared_frames` frames that are occluded 70 % of the time."""
    shared_frames: int
    one_pass: tuple[tuple[Case, Present], ...]
    """Cases with the intervals in which the actor is in the picture."""
    one_pass_frames: int
    one_pass_repeats: int
    peak_frames: dict[str, int]
    """Preset -> frames, more than its encoder buffers."""
    scaling_clips: int
    scaling_repeats: int
    repeats: int
    shared_repeats: int
    process_repeats: int
    rival_repeats: int
    starts: int
    """Repetitions of the start-up."""


FULL = Plan(
    clips=3, frames={SMALL: 250, MIDDLE: 125, LARGE: 45}, repeats=4, process_repeats=3,
    in_worker=_cases(SMALL, MIDDLE, LARGE),
    as_processes=(*_cases(SMALL, MIDDLE), Case(LARGE, "veryfast")),
    rival_repeats=2, shared=_cases(SMALL, MIDDLE), shared_frames=250, shared_repeats=3,
    one_pass=(
        (Case(MIDDLE, "veryfast"), ALWAYS), *((case, MOSTLY) for case in _cases(MIDDLE)),
    ),
    one_pass_frames=250, one_pass_repeats=2,
    peak_frames={"veryfast": 60, "medium": 60},
    scaling_clips=12, scaling_repeats=3, starts=3,
)  # fmt: skip
QUICK = Plan(
    clips=1, frames={SMALL: 40, MIDDLE: 32, LARGE: 10}, repeats=3, process_repeats=2,
    in_worker=(Case(SMALL, "medium"), Case(MIDDLE, "veryfast"), Case(LARGE, "veryfast")),
    as_processes=(Case(SMALL, "medium"),),
    rival_repeats=1, shared=(Case(SMALL, "medium"),), shared_frames=160, shared_repeats=1,
    one_pass=((Case(SMALL, "veryfast"), ALWAYS),), one_pass_frames=40, one_pass_repeats=1,
    peak_frames={"veryfast": 24, "medium": 52},
    scaling_clips=4, scaling_repeats=1, starts=1,
)  # fmt: skip
