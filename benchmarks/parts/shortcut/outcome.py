"""Statistics of the trials: means, differences paired by seed, the printed table, the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest, ttest_rel

from occludenet_build.recognition.accuracy import over_seeds
from parts.shortcut.arms import BASELINE, CAR, ORACLE

Results = Mapping[str, Sequence[Mapping[str, float]]]
"""Arm -> results of its trials, in the order of the seeds."""


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


def crossed(results: Results, arm: str) -> list[float]:
    """Top-1 of an arm on the crossed test, by seed, per cent."""
    return [found["crossed"] for found in results[arm]]


def print_table(results: Results, seeds: Sequence[int]) -> None:
    """Print the values by seed, the differences to the baseline, and further means."""
    wide = max(map(len, results))
    print(
        f"top-1 on the crossed test, per cent\n{'':{wide}}", *(f" seed {s}" for s in seeds), end=""
    )
    print("    mean     sd   less baseline     sd  won:lost   p(t)  p(sign)")
    for arm in results:
        values = crossed(results, arm)
        mean, sd = over_seeds(values)
        print(f"{arm:{wide}}", *(f"{value:7.1f}" for value in values), end="")
        print(f" {mean:7.1f} {_number(sd, 6)}", _against(results, arm))
    print(
        f"\nmeans over the seeds, per cent\n{'':{wide}}  own scenery  follows scenery  "
        "scenery alone  train top-1     KL"
    )
    for arm, found in results.items():
        own, scenery, alone, top1, kl = (
            over_seeds([one[name] for one in found])[0]
            for name in ("own", "scenery", "without_actor", "train_top1", "kl")
        )
        cells = f"{own:12.1f} {scenery:16.1f} {alone:14.1f} {top1:12.1f} {kl:6.3f}"
        print(f"{arm:{wide}} {cells}")


def _against(results: Results, arm: str) -> str:
    if arm in (BASELINE, ORACLE):
        return ""
    d = Difference.of(crossed(results, arm), crossed(results, BASELINE))
    score = f"{d.wins}:{d.losses}"
    p = f"{_number(d.t_test, 6, 3)}   {d.sign_test:.3f}"
    return f"        {d.mean:+7.1f} {_number(d.sd, 6)} {score:>9} {p}"


def _number(value: float | None, width: int, digits: int = 1) -> str:
    return " " * (width - 1) + "-" if value is None else f"{value:{width}.{digits}f}"


def summary(results: Results) -> dict[str, Any]:
    """The figures of the JSON, points of top-1 on the crossed test."""
    baseline, car = crossed(results, BASELINE), crossed(results, CAR)
    d = Difference.of(car, baseline)
    return {
        "seeds": len(baseline),
        "baseline_mean": over_seeds(baseline)[0],
        "car_mean": over_seeds(car)[0],
        "car_minus_baseline_mean": d.mean,
        "car_minus_baseline_sd": d.sd,
        "car_wins": d.wins,
        "car_losses": d.losses,
        "car_t_test_p": d.t_test,
        "oracle_mean": over_seeds(crossed(results, ORACLE))[0] if ORACLE in results else None,
        "variants_minus_baseline_mean": {
            arm: Difference.of(crossed(results, arm), baseline).mean
            for arm in results
            if arm not in (BASELINE, CAR, ORACLE)
        },
    }
