"""The comparison at the head of the page: top-1 of every arm on every set, and what follows.

A difference of two arms is the mean over their seeds, paired by seed and clip. Its interval is a
bootstrap that draws source clips, each with all its seeds and variants, so it tells how far other
clips of the same kind may lead elsewhere, with these trained networks. It does not contain the
variation between trainings, which the deviation over seeds shows. Shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    DIFFERENCES,
    SHARES,
    bootstrap_ratios,
    over_seeds,
    set_order,
)
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.report.facts import ReportBuild

BASELINE = "baseline"
REFERENCES = {"car_swap": "swap"}
"""Arm -> a further arm that it is compared with: what its loss adds to its pictures."""
TITLES = {
    "baseline_long": "baseline, twice the epochs",
    "car": "CAR",
    "car_swap": "CAR + swap",
}
"""How the page calls an arm, where that is not its name."""
_FIRST = (BASELINE, "baseline_long", "car", "swap", "car_swap")
MIN_SEEDS = 3
"""With fewer seeds the variation between trainings is not measured."""


@dataclass(frozen=True)
class Difference:
    """An arm less another one on a set."""

    arm: str
    other: str
    set: str
    mean: float
    low: float
    high: float
    seeds: int
    above: int
    """Seeds in which the arm is better."""

    @property
    def verdict(self) -> str:
        """above, below, or open: the interval contains 0."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "open"

    @property
    def text(self) -> str:
        """Points with their interval: +20.0 (11.2 to 28.9)."""
        return f"{100 * self.mean:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


@dataclass(frozen=True)
class Cell:
    """Accuracy of an arm on a set."""

    arm: str
    set: str
    clips: int
    seeds: int
    top1: float
    """Mean over seeds."""
    deviation: float | None
    """Sample standard deviation over seeds; None for one."""
    low: float
    high: float
    difference: Difference | None
    """To the baseline; None for the baseline itself, and without one."""


@dataclass(frozen=True)
class ArmsCompared:
    """The table and the sentences under it."""

    arms: list[str]
    sets: list[tuple[str, int]]
    """Name and number of clips."""
    cells: dict[tuple[str, str], Cell]
    """By arm and set."""
    further: list[Difference]
    """Of REFERENCES."""
    follows: list[str]
    limits: list[str]


def arms_compared(build: ReportBuild, seed: int) -> ArmsCompared | None:
    """The comparison of a build's arms; None where fewer than two arms were evaluated.

    `seed`: of the bootstrap.
    """
    rows = _rows(build)
    if rows.empty or rows["arm"].nunique() < 2:
        return None
    arms = sorted(set(rows["arm"]), key=lambda arm: (_place(arm), arm))
    sets = _sets(rows)
    against = {arm: BASELINE for arm in arms if BASELINE in arms and arm != BASELINE}
    differences = {
        (arm, name): found
        for name, _ in sets
        for arm, other in against.items()
        if (found := _difference(rows, arm, other, name, seed)) is not None
    }
    further = [
        found
        for arm, other in REFERENCES.items()
        for name, _ in sets
        if (found := _difference(rows, arm, other, name, seed)) is not None
    ]
    cells = {
        (arm, name): _cell(part, differences.get((arm, name)), seed)
        for (arm, name), part in rows.groupby(["arm", "set"])
    }
    every = [*differences.values(), *further]
    return ArmsCompared(
        arms, sets, cells, further, follows(every, [n for n, _ in sets]), limits(every, cells)
    )


def _rows(build: ReportBuild) -> pd.DataFrame:
    """All predictions: arm, seed, set, scale, file, clip and top1 (0 or 1)."""
    columns = ["set", "scale", "file", "clip", "top1"]
    parts = [
        predicted.rows[columns].assign(arm=arm, seed=seed, top1=predicted.rows["top1"].astype(int))
        for (arm, seed), predicted in build.predictions().items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _place(arm: str) -> int:
    return _FIRST.index(arm) if arm in _FIRST else len(_FIRST)


def _sets(rows: pd.DataFrame) -> list[tuple[str, int]]:
    facts = rows.groupby("set").agg(scale=("scale", "first"), clips=("file", "nunique"))
    names = sorted(facts.index, key=lambda name: _order(name, facts.loc[name, "scale"]))
    return [(name, int(facts.loc[name, "clips"])) for name in names]


def _order(name: str, scale: float | None) -> tuple[bool, float, str]:
    return set_order(name, None if pd.isna(scale) else scale)


def _cell(part: pd.DataFrame, difference: Difference | None, seed: int) -> Cell:
    arm, name = str(part["arm"].iloc[0]), str(part["set"].iloc[0])
    mean, deviation = over_seeds(part.groupby("seed")["top1"].mean().tolist())
    low, high = _interval(part, "top1", SHARES, seed)
    clips, seeds = part["file"].nunique(), part["seed"].nunique()
    return Cell(arm, name, clips, seeds, mean, deviation, low, high, difference)


def _difference(
    rows: pd.DataFrame, arm: str, other: str, name: str, seed: int
) -> Difference | None:
    """The arm less the other one, on the seeds and clips that both have; None without any."""
    columns = ["seed", "file", "clip", "top1"]
    ours, theirs = (rows.loc[(rows["arm"] == a) & (rows["set"] == name)] for a in (arm, other))
    both = ours[columns].merge(theirs[columns], on=columns[:3], suffixes=("", "_other"))
    if both.empty:
        return None
    both["less"] = both["top1"] - both["top1_other"]
    by_seed = both.groupby("seed")["less"].mean()
    low, high = _interval(both, "less", DIFFERENCES, seed)
    above = int((by_seed > 0).sum())
    return Difference(arm, other, name, float(by_seed.mean()), low, high, len(by_seed), above)


def _interval(
    rows: pd.DataFrame, value: str, bounds: tuple[float, float], seed: int
) -> tuple[float, float]:
    groups = rows.groupby("clip")[value].agg(["sum", "size"]).astype(float)
    sums, counts = (groups[[name]].to_numpy() for name in ("sum", "size"))
    low, high = bootstrap_ratios(sums, counts, rng(seed, "report", "arms"), bounds=bounds)
    return float(low[0]), float(high[0])


def follows(differences: Sequence[Difference], sets: Sequence[str]) -> list[str]:
    """What the numbers say: a sentence per pair of arms."""
    pairs: dict[tuple[str, str], list[Difference]] = {}
    for one in differences:
        pairs.setdefault((one.arm, one.other), []).append(one)
    return [_sentence(arm, other, found) for (arm, other), found in pairs.items()]


def _sentence(arm: str, other: str, found: Sequence[Difference]) -> str:
    by = {verdict: [d for d in found if d.verdict == verdict] for verdict in _WORDS}
    said = [_WORDS[verdict] + _listed(verdict, part) for verdict, part in by.items() if part]
    return f"{title(arm)}, compared with {title(other)}: {'; '.join(said)}."


_WORDS = {"above": "better on ", "below": "worse on ", "open": "not separable on "}


def _listed(verdict: str, found: Iterable[Difference]) -> str:
    if verdict == "open":
        return ", ".join(f"{d.set} ({100 * d.mean:+.1f})" for d in found)
    return ", ".join(
        f"{d.set}, {d.text} points, {_in_seeds(d, d.above if verdict == 'above' else None)}"
        for d in found
    )


def _in_seeds(d: Difference, above: int | None) -> str:
    return f"in {d.seeds - d.above if above is None else above} of {d.seeds} seeds"


def title(arm: str) -> str:
    """What the page calls an arm.

    >>> title("car_swap"), title("swap"), title("car_a0.5")
    ('CAR + swap', 'swap', 'car_a0.5')
    """
    return TITLES.get(arm, arm)


def limits(differences: Sequence[Difference], cells: dict[tuple[str, str], Cell]) -> list[str]:
    """What does not follow from the numbers."""
    found = ["The intervals draw clips of these sets, with the networks that were trained here."]
    fewest = min(cell.seeds for cell in cells.values())
    if fewest == 1:
        found[0] += " One training per arm: another seed may put the arms in another order."
    elif fewest < MIN_SEEDS:
        found[0] += (
            f" {fewest} seeds per arm do not measure how much trainings differ: a claim about a "
            f"method needs {MIN_SEEDS} or more, and its test over seeds."
        )
    if len(differences) > 1:
        found.append(
            f"There are {len(differences)} differences with an interval of 95 % each: about "
            f"{max(1, round(0.05 * len(differences)))} of them is expected to exclude 0 by chance "
            "where no arm differs."
        )
    if not any(d.verdict == "above" for d in differences):
        found.append("No arm is shown to be better than the baseline on any set.")
    found.append("Nothing is said about other networks, other recipes or other data.")
    return found


def drop(compared: ArmsCompared) -> list[str]:
    """How far each other set lies below the clean one in the baseline, or in the first arm."""
    arm = compared.arms[0]
    clean = compared.cells.get((arm, CLEAN))
    if clean is None:
        return []
    others = [compared.cells[arm, name] for name, _ in compared.sets if name != CLEAN]
    told = [f"{one.set} {100 * (one.top1 - clean.top1):+.1f}" for one in others]
    return [f"{title(arm)}, points of a set less those of clean: {', '.join(told)}."]
