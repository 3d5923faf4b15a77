"""The end of a run in a few lines: where things lie, and the accuracies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.report.accuracy import Score, scores, sets
from occludenet_build.report.build import Build


def summary(build: Build, config: Config, page: Path) -> Iterator[str]:
    """Lines for the terminal."""
    found = scores(build)
    yield f"dataset: {build.root / config.composite.dataset}"
    yield f"page:    {page}"
    items = build.root / "paper" / "items.csv"
    if items.exists():
        made = items.read_text().count(",made,")
        yield f"paper:   {items.parent}, {made} tables and figures; the others: {items.name}"
    if not found:
        yield "accuracy: nothing was evaluated"
        return
    names = sets(found)
    counts = {s.set: s.clips for s in found}
    yield "top-1, %, by set (clips in brackets)"
    yield "".join([f"{'':14}", *(f"{f'{name} ({counts[name]})':>12}" for name in names)])
    for arm, seed in sorted({(s.arm, s.seed) for s in found}):
        yield _row(f"{arm} {seed}", [s for s in found if (s.arm, s.seed) == (arm, seed)], names)


def _row(name: str, mine: list[Score], names: list[str]) -> str:
    by_set = {score.set: f"{100 * score.top1:.1f}" for score in mine}
    return "".join([f"{name:14}", *(f"{by_set.get(label, '-'):>12}" for label in names)])
