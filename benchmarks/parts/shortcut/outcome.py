"""Statistics of the trials: means, differences paired by seed, the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest, ttest_rel

from occludenet_build.recognition.accuracy import over_seeds
from parts.shortcut.arms import BASELINE, CAR, CAR_SWAP, LONG, LONG_SWAP, ORACLE, SWAP

Results = Mapping[str, Sequence[Mapping[str, float]]]
"""Arm -> results of its trials, in the order of the seeds."""
COMPARED = {"car": (CAR, BASELINE), "swap": (SWAP, BASELINE), "car_swap": (CAR_SWAP, SWAP)}
"""Prefix of keys of the JSON -> the arm, and the arm that it is compared with."""
_NAMES = {BASELINE: "baseline", SWAP: "swap"}


@dataclass(frozen=True)
class Difference:
    """Difference of two arms, paired by seed, in points."""

    mean: float
    sd: float | None
    wins: int
    losses: int
    t_test: float | None
    """Two-sided p of the paired t test; None for fewer than two seeds or equal arms."""
    sign_test: float
    """Two-sided p of the sign test: wins out of wins and losses."""

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> Difference:
        """From the values of two arms, in the order of the seeds."""
        each = [one - other for one, other in zip(ours, theirs, strict=True)]
        mean, sd = over_seeds(each)
        wins, losses = sum(d > 0 for d in each), sum(d < 0 for d in each)
        return cls(
            mean,
            sd,
            wins,
            losses,
            float(ttest_rel(ours, theirs).pvalue) if sd else None,
            float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
        )


def values(results: Results, arm: str, name: str = "crossed") -> list[float]:
    """A result of an arm by seed; by default top-1 on the crossed test, per cent."""
    return [found[name] for found in results[arm]]


def mean(results: Results, arm: str, name: str = "crossed") -> float | None:
    """Mean of a result over the seeds; None where the arm was not run."""
    return over_seeds(values(results, arm, name))[0] if arm in results else None


def difference(results: Results, arm: str, other: str, name: str = "crossed") -> Difference | None:
    """The difference of two arms; None where one was not run."""
    if arm not in results or other not in results:
        return None
    return Difference.of(values(results, arm, name), values(results, other, name))


def summary(results: Results) -> dict[str, Any]:
    """The figures of the JSON, points of top-1 on the crossed test."""
    found: dict[str, Any] = {
        "seeds": max(map(len, results.values())),
        "baseline_mean": mean(results, BASELINE),
        "car_mean": mean(results, CAR),
        "swap_mean": mean(results, SWAP),
        "car_swap_mean": mean(results, CAR_SWAP),
    }
    for prefix, (arm, other) in COMPARED.items():
        found |= _keys(prefix, _NAMES[other], difference(results, arm, other))
    rest = [arm for arm in results if arm not in (BASELINE, CAR, ORACLE)]
    return found | {
        "long_mean": mean(results, LONG),
        "long_swap_mean": mean(results, LONG_SWAP),
        "oracle_mean": mean(results, ORACLE),
        "variants_minus_baseline_mean": _less_baseline(results, rest, "crossed"),
        "own_minus_baseline_mean": _less_baseline(
            results, [arm for arm in results if arm not in (BASELINE, ORACLE)], "own"
        ),
    }


def _keys(prefix: str, other: str, d: Difference | None) -> dict[str, Any]:
    return {
        f"{prefix}_minus_{other}_mean": d and d.mean,
        f"{prefix}_minus_{other}_sd": d and d.sd,
        f"{prefix}_wins": d and d.wins,
        f"{prefix}_losses": d and d.losses,
        f"{prefix}_t_test_p": d and d.t_test,
    }


def _less_baseline(results: Results, arms: Sequence[str], name: str) -> dict[str, float]:
    found = {arm: difference(results, arm, BASELINE, name) for arm in arms}
    return {arm: d.mean for arm, d in found.items() if d is not None}
