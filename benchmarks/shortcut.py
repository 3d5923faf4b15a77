"""Benchmark of CAR: does it keep a network from learning a planted shortcut?

    python benchmarks/shortcut.py [--quick] [--seeds N] [--tied SHARE] [--further]

A small version of the demo's mini-world: five actions before five sceneries. In training, SHARE of
the clips of a class have the scenery of that class; in the crossed test, every figure has the
scenery of each other class, never its own. A network that classifies the scenery is wrong there.
Baseline and CAR start from the same weights and see the same clips in the same order, in the
product's training loop; only the counterfactuals and the loss differ. Each seed has its own world,
test and weights. `oracle` is the baseline trained with scenery independent of the action: an upper
bound. CAR uses the product's defaults, including fill zero; the names of the other arms state what
they change. docs/shortcut.md has results and discussion. Prints tables, and as its last line one
JSON object, in points of top-1 on the crossed test:

    seeds                    number of seeds
    baseline_mean, car_mean  means over them
    car_minus_baseline_mean  mean of the differences, paired by seed
    car_minus_baseline_sd    their standard deviation
    car_wins, car_losses     seeds in which CAR is better, and worse
    car_t_test_p             of the paired t test, two-sided
    oracle_mean, variants_minus_baseline_mean   null and {} with --quick
    setting                  CAR's settings, the share and the size of the world
    read                     trials read from DIR, finished earlier with the same code

About 10 minutes on 2 cores. --quick: baseline and CAR only, 3 seeds, a smaller world and a training
too short to converge: its figures differ from those of the full run. Trials with the same settings
and code that are in DIR (--results, results/shortcut) are read instead of run, also by the full
run; the output states how many.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.shortcut.arms import ARMS, CAR, QUICK, USUAL
from parts.shortcut.outcome import print_table, summary
from parts.shortcut.trial import Trial, finished, run
from parts.shortcut.world import DILATE, World

from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress

REPO = Path(__file__).resolve().parents[1]
TIED = 0.7
SEEDS, EPOCHS = 5, 24
QUICK_SEEDS, QUICK_EPOCHS = 3, 7


def main() -> None:
    args = arguments()
    arms = QUICK if args.quick else tuple(ARMS) if args.further else USUAL
    seeds = range(args.seeds or (QUICK_SEEDS if args.quick else SEEDS))
    trials = planned(arms, seeds, args.tied, args.quick)
    by_trial, read = results_of(trials, args.results, args.workers)
    results = {arm: [by_trial[t] for t in trials if t.arm == arm] for arm in arms}
    print_table(results, seeds)
    print(f"{read} of {len(trials)} trials were finished earlier and read from {args.results}")
    print(json.dumps(summary(results) | {"setting": setting(trials), "read": read}))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument(
        "--seeds", type=int, help=f"number of seeds ({SEEDS}; --quick {QUICK_SEEDS})"
    )
    parser.add_argument(
        "--further", action="store_true", help="also run further fills and settings"
    )
    parser.add_argument(
        "--tied", type=float, default=TIED, help="SHARE (%(default)s; 0.2: no shortcut)"
    )
    parser.add_argument("--results", type=Path, default=REPO / "results/shortcut")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def planned(arms: Sequence[str], seeds: Sequence[int], tied: float, quick: bool) -> list[Trial]:
    """The trials; the arms of a seed follow each other, since they share its world."""
    size = {"train": 24, "test": 6, "crossed": 2} if quick else {}
    epochs = QUICK_EPOCHS if quick else EPOCHS
    return [Trial(arm, World(seed, tied, **size), epochs) for seed in seeds for arm in arms]


def results_of(
    trials: Sequence[Trial], folder: Path, workers: int
) -> tuple[dict[Trial, dict[str, Any]], int]:
    """Trial -> its result, and how many results were read."""
    results = {trial: old for trial in trials if (old := finished(trial, folder)) is not None}
    read = len(results)
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n")  # results are stale after the next edit
    left = [(trial, folder) for trial in trials if trial not in results]
    for trial, new in progress(in_processes(run, left, workers), len(left), "trial"):
        results[trial] = new
    return results, read


def setting(trials: Sequence[Trial]) -> dict[str, Any]:
    """CAR's settings, the share and the size of the world, for the JSON."""
    trial = next(trial for trial in trials if trial.arm == CAR)
    car = {name: value for name, value in asdict(ARMS[CAR]).items() if name != "oracle"}
    return {
        **car,
        "dilate": DILATE,
        "masks": "true",
        "epochs": trial.epochs,
        **{name: value for name, value in asdict(trial.world).items() if name != "seed"},
    }


if __name__ == "__main__":
    main()
