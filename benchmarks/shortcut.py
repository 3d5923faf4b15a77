"""Benchmark of CAR itself: a shortcut is planted; does CAR keep a network from taking it?

    python benchmarks/shortcut.py [--quick] [--seeds N] [--tied SHARE] [--further]

The demo's mini-world, small: five actions before five sceneries. In training a class is shown
before its own scenery in SHARE of its clips; in the crossed test every figure stands before the
scenery of each other class, never its own. A network that reads the scenery is wrong there.
Baseline and CAR begin with the same weights and see the same clips in the same order, by the
product's training loop; only the counterfactuals and the loss differ. Each seed has its own world,
test and weights. `oracle` is the baseline trained where scenery says nothing: what is in reach.
CAR has the product's defaults, fill zero among them; the other arms say what they change.
docs/shortcut.md has the outcome and the reasons. Prints tables, and as the last
line one JSON object, in points of top-1 on the crossed test:

    seeds                    how many
    baseline_mean, car_mean  means over them
    car_minus_baseline_mean  mean of the differences, paired by seed
    car_minus_baseline_sd    their standard deviation
    car_wins, car_losses     seeds in which CAR is better, or worse
    car_t_test_p             of the paired t test, two-sided
    oracle_mean, variants_minus_baseline_mean   null and {} with --quick
    setting                  CAR's settings, the share and the size of the world
    read                     trials read from DIR, where the same code has finished them earlier

About 10 minutes on 2 cores. --quick: baseline and CAR only, 3 seeds, a smaller world and a training
so short that the network is not trained out: its figures are not those of the whole run. Trials of
the same settings and code that DIR (--results, results/shortcut) holds are read and not run again,
by the whole run too; what is printed says how many.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shortcutting.arms import ARMS, CAR, QUICK, USUAL
from shortcutting.outcome import print_table, summary
from shortcutting.trial import Trial, finished, run
from shortcutting.world import DILATE, World

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
    found, read = results_of(trials, args.results, args.workers)
    results = {arm: [found[t] for t in trials if t.arm == arm] for arm in arms}
    print_table(results, seeds)
    print(f"{read} of {len(trials)} trials were finished earlier and read from {args.results}")
    print(json.dumps(summary(results) | {"setting": setting(trials), "read": read}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--seeds", type=int, help=f"how many ({SEEDS}; --quick {QUICK_SEEDS})")
    parser.add_argument("--further", action="store_true", help="also more fills and settings")
    parser.add_argument("--tied", type=float, default=TIED, help="share (%(default)s; 0.2: none)")
    parser.add_argument("--results", type=Path, default=REPO / "results/shortcut")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def planned(arms: Sequence[str], seeds: Sequence[int], tied: float, quick: bool) -> list[Trial]:
    """A seed's arms stand together: they share its world."""
    size = {"train": 24, "test": 6, "crossed": 2} if quick else {}
    epochs = QUICK_EPOCHS if quick else EPOCHS
    return [Trial(arm, World(seed, tied, **size), epochs) for seed in seeds for arm in arms]


def results_of(
    trials: Sequence[Trial], folder: Path, workers: int
) -> tuple[dict[Trial, dict[str, Any]], int]:
    """What the trials found, and how many of them were read."""
    found = {trial: old for trial in trials if (old := finished(trial, folder)) is not None}
    read = len(found)
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n")  # what is finished is old with the next edit
    left = [(trial, folder) for trial in trials if trial not in found]
    for trial, new in progress(in_processes(run, left, workers), len(left), "trial"):
        found[trial] = new
    return found, read


def setting(trials: Sequence[Trial]) -> dict[str, Any]:
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
