"""The end of a run in a few lines: where things lie, and the accuracies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.report.accuracy import Score, scores
from occludenet_build.report.build import Build


def summary(build: Build, config: Config, page: Path) -> Iterator[str]:
    """Lines for the terminal."""
    found = scores(build)
    yield f"dataset: {build.root / config.composite.dataset}"
    yield f"page:    {page}"
    if not found:
        yield "accuracy: nothing was evaluated"
        return
    sets = sorted({(s.scale, s.set) for s in found})
    counts = {s.set: s.clips for s in found}
    yield "top-1, %, by scale of the occluder (clips in brackets)"
    yield "".join([f"{'':14}", *(f"{f'{name} ({counts[name]})':>12}" for _, name in sets)])
    for arm, seed in sorted({(s.arm, s.seed) for s in found}):
        yield _row(f"{arm} {seed}", [s for s in found if (s.arm, s.seed) == (arm, seed)], sets)


def _row(name: str, mine: list[Score], sets: list[tuple[float, str]]) -> str:
    by_set = {score.set: f"{100 * score.top1:.1f}" for score in mine}
    return "".join([f"{name:14}", *(f"{by_set.get(label, '-'):>12}" for _, label in sets)])
