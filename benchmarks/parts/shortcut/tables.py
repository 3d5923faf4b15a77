"""The tables that the benchmark prints."""

from __future__ import annotations

from collections.abc import Sequence

from occludenet_build.recognition.accuracy import over_seeds
from parts.shortcut.arms import BASELINE, ORACLE
from parts.shortcut.outcome import COMPARED, Difference, Results, difference, mean, values

_SEEDS_SHOWN = 10
MEANS = {
    "own scenery": "own",
    "follows scenery": "scenery",
    "scenery alone": "without_actor",
    "TDE": "tde",
    "TDE own": "tde_own",
    "train": "train_top1",
    "KL": "kl",
    "passes": "passes",
    "CPU s": "cpu_seconds",
}
"""Column -> name in a result."""


def print_tables(results: Results, seeds: Sequence[int]) -> None:
    """Print the values by seed, the differences to the baseline, and further means."""
    wide = max(map(len, results))
    _print_crossed(results, seeds, wide)
    for prefix, (arm, other) in COMPARED.items():
        d = difference(results, arm, other)
        if d is not None and prefix == "car_swap":
            print(f"{arm} less {other}: {_told(d)}")
    _print_means(results, wide)


def _print_crossed(results: Results, seeds: Sequence[int], wide: int) -> None:
    shown = seeds[:_SEEDS_SHOWN] if len(seeds) <= _SEEDS_SHOWN else ()
    print(f"top-1 on the crossed test, per cent, {len(seeds)} seeds from {seeds[0]} on")
    print(" " * wide, *(f"{f'seed {seed}':>8}" for seed in shown), end="")
    print("    mean     sd   less baseline     sd  won:lost    p(t)  p(sign)")
    for arm in results:
        found = values(results, arm)
        average, sd = over_seeds(found)
        print(f"{arm:{wide}}", *(f"{value:8.1f}" for value in found if shown), end="")
        d = None if arm in (BASELINE, ORACLE) else difference(results, arm, BASELINE)
        against = "" if d is None else f"        {_told(d)}"
        print(f" {average:7.1f} {_number(sd, 6)} {against}")


def _told(d: Difference) -> str:
    p = f"{_number(d.t_test, 7, 4)}  {d.sign_test:7.4f}"
    return f"{d.mean:+7.1f} {_number(d.sd, 6)} {f'{d.wins}:{d.losses}':>9} {p}"


def _print_means(results: Results, wide: int) -> None:
    print("\nmeans over the seeds; per cent, except KL, passes (baseline: 1) and CPU s of training")
    print(" " * wide, "  ".join(f"{column:>8}" for column in MEANS))
    for arm in results:
        cells = []
        for column, name in MEANS.items():
            digits = 3 if name == "kl" else 1
            cells.append(_number(mean(results, arm, name), max(8, len(column)), digits))
        print(f"{arm:{wide}}", "  ".join(cells))


def _number(value: float | None, width: int, digits: int = 1) -> str:
    return " " * (width - 1) + "-" if value is None else f"{value:{width}.{digits}f}"
