"""The comparison at the head of the page: top-1 of every arm on every set, and what follows.

A difference of two arms is the mean over their seeds, paired by seed and clip. Its interval is a
bootstrap that draws groups of clips that are not independent (recognition.groups; in most sets each
clip is a group), each with all its seeds, so it tells how far other clips of the same kind may lead
elsewhere, with these trained networks. It does not contain the variation between trainings, which
the deviation over seeds shows. Derived sets are left out: the module background_bias has their
figures. Shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    CONFIDENCE,
    DIFFERENCES,
    SHARES,
    bootstrap_mean,
    over_seeds,
    set_order,
)
from occludenet_build.recognition.groups import groups_of
from occludenet_build.recognition.significance import SEEDS
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.report.accuracy import BASELINE
from occludenet_build.results.report.facts import ReportBuild

REFERENCES = {"car_swap": "swap"}
"""Arm -> a further arm that it is compared with: what its loss adds to its pictures."""
TITLES = {
    "baseline_long": "baseline, twice the epochs",
    "car": "CAR",
    "car_swap": "CAR + swap",
}
"""How the page calls an arm, where that is not its name."""
_FIRST = (BASELINE, "baseline_long", "car", "swap", "car_swap")


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
    below: int

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
    """To the reference; None for the reference itself."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    arm: str
    title: str
    seeds: int
    cells: list[Cell | None]
    """In the order of the sets; None where the arm was not evaluated on a set."""


@dataclass(frozen=True)
class ArmsCompared:
    """The table and the sentences under it."""

    reference: str
    """Title of the arm that the others are compared with."""
    sets: list[tuple[str, int]]
    """Name and number of clips."""
    lines: list[Line]
    several_seeds: bool
    follows: list[str]
    """Sentences that the numbers support."""
    limits: list[str]
    """Sentences on what they do not show."""


def arms_compared(build: ReportBuild, seed: int) -> ArmsCompared | None:
    """The comparison of a build's arms; None where fewer than two arms were evaluated.

    The others are compared with the baseline, or with the first arm where there is none. `seed`:
    of the bootstrap.
    """
    rows = _rows(build)
    arms = sorted(set(rows["arm"]), key=lambda arm: (_place(arm), arm))
    if len(arms) < 2:
        return None
    sets = _sets(rows)
    pairs = [(arm, arms[0]) for arm in arms[1:]]
    further = [(arm, other) for arm, other in REFERENCES.items() if {arm, other} <= set(arms)]
    differences = {
        (*pair, name): found
        for pair in dict.fromkeys([*pairs, *further])
        for name, _ in sets
        if (found := _difference(rows, *pair, name, seed)) is not None
    }
    cells = {
        (arm, name): _cell(part, differences.get((arm, arms[0], name)), seed)
        for (arm, name), part in rows.groupby(["arm", "set"])
    }
    return ArmsCompared(
        title(arms[0]),
        sets,
        [_line(arm, [cells.get((arm, name)) for name, _ in sets]) for arm in arms],
        any(cell.seeds > 1 for cell in cells.values()),
        [*_drop(arms[0], sets, cells), *_follows(list(differences.values()))],
        _limits(list(differences.values()), min(cell.seeds for cell in cells.values())),
    )


def _line(arm: str, cells: list[Cell | None]) -> Line:
    return Line(arm, title(arm), max(cell.seeds for cell in cells if cell), cells)


def _rows(build: ReportBuild) -> pd.DataFrame:
    """All predictions of usual sets: arm, seed, set, scale, file, clip, group, top1 (0 or 1)."""
    columns, derived = ["set", "scale", "file", "clip", "group", "top1"], build.derived_sets()
    parts = [
        predicted.rows[columns].assign(arm=arm, seed=seed, top1=predicted.rows["top1"].astype(int))
        for (arm, seed), predicted in build.predictions().items()
    ]
    if not parts:
        return pd.DataFrame(columns=[*columns, "arm"])
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[~rows["set"].isin(derived)]
    return rows.assign(group=groups_of(rows))


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
    columns = ["seed", "file", "clip", "group", "top1"]
    ours, theirs = (rows.loc[(rows["arm"] == a) & (rows["set"] == name)] for a in (arm, other))
    both = ours[columns].merge(theirs[columns], on=columns[:4], suffixes=("", "_other"))
    if both.empty:
        return None
    both["less"] = both["top1"] - both["top1_other"]
    by_seed = both.groupby("seed")["less"].mean()
    low, high = _interval(both, "less", DIFFERENCES, seed)
    signs = int((by_seed > 0).sum()), int((by_seed < 0).sum())
    return Difference(arm, other, name, float(by_seed.mean()), low, high, len(by_seed), *signs)


def _interval(
    rows: pd.DataFrame, value: str, bounds: tuple[float, float], seed: int
) -> tuple[float, float]:
    random = rng(seed, "report", "arms")
    return bootstrap_mean(rows[value], random, bounds=bounds, groups=rows["group"])


def _drop(arm: str, sets: Sequence[tuple[str, int]], cells: dict[tuple[str, str], Cell]) -> list:
    """How far the sets lie from the clean one in the reference, where it has a clean set."""
    clean = cells.get((arm, CLEAN))
    others = [cells[arm, name] for name, _ in sets if name != CLEAN and (arm, name) in cells]
    if clean is None or not others:
        return []
    told = ", ".join(f"{one.set} {100 * (one.top1 - clean.top1):+.1f}" for one in others)
    return [f"{title(arm)} has {100 * clean.top1:.1f} % on clean, and against that {told} points."]


def _follows(differences: Sequence[Difference]) -> list[str]:
    """What the differences say: a sentence per pair of arms."""
    pairs: dict[tuple[str, str], list[Difference]] = {}
    for one in differences:
        pairs.setdefault((one.arm, one.other), []).append(one)
    return [_sentence(arm, other, found) for (arm, other), found in pairs.items()]


_WORDS = {"above": "better on ", "below": "worse on ", "open": "not separable on "}


def _sentence(arm: str, other: str, found: Sequence[Difference]) -> str:
    by = {verdict: [d for d in found if d.verdict == verdict] for verdict in _WORDS}
    said = [
        _WORDS[verdict] + (", " if verdict == "open" else " and on ").join(map(_told, part))
        for verdict, part in by.items()
        if part
    ]
    return f"{title(arm)}, compared with {title(other)}: {'; '.join(said)}."


def _told(d: Difference) -> str:
    if d.verdict == "open":
        return f"{d.set} ({100 * d.mean:+.1f})"
    agree = d.above if d.verdict == "above" else d.below
    return f"{d.set} by {d.text} points, in {agree} of {d.seeds} seeds"


def title(arm: str) -> str:
    """What the page calls an arm.

    >>> title("car_swap"), title("swap"), title("car_a0.5")
    ('CAR + swap', 'swap', 'car_a0.5')
    """
    return TITLES.get(arm, arm)


def _limits(differences: Sequence[Difference], seeds: int) -> list[str]:
    """What does not follow from the differences; `seeds`: the fewest of an arm."""
    found = [
        "The intervals draw clips, those of one group together (views of a performance, clips of a "
        f"video); the networks are those that were trained here. {_of(seeds)}"
    ]
    if len(differences) > 1:
        chance = max(1, round((1 - CONFIDENCE) * len(differences)))
        found.append(
            f"{len(differences)} differences are shown, each with an interval of 95 %: where arms "
            f"do not differ, about {chance} would still exclude 0."
        )
    if not any(d.verdict == "above" for d in differences):
        found.append("No arm is shown to be better than another on any set.")
    return [*found, "Nothing is said about other networks, recipes or data."]


def _of(seeds: int) -> str:
    if seeds == 1:
        return "With one training per arm, another seed may put the arms in another order."
    if seeds < SEEDS:
        return (
            f"{seeds} seeds per arm hardly measure how much trainings differ: for a claim about a "
            f"method train {SEEDS} or more, and test over seeds."
        )
    return f"How much trainings differ is the deviation over {seeds} seeds in the table."
