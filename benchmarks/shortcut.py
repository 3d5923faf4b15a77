"""Benchmark of CAR and swap: do they keep a network from learning a planted shortcut?

    python benchmarks/shortcut.py [--quick] [--seeds N] [--tied SHARE] [--missing SHARE]
        [--pretrained | --backbone NAME --weights FILE] [--further]

A small version of the demo's mini-world: five actions before five sceneries. In training, SHARE of
the clips of a class have the scenery of that class; in the crossed test, every figure has the
scenery of each other class, never its own. A network that classifies the scenery is wrong there.
All arms of a seed start from the same weights and see the same clips in the same order, in the
product's training loop; only what is done to the pictures, and the loss, differ. Each seed has its
own world, test and weights. `baseline, twice the epochs` has the compute of CAR, whose step passes
each clip and its counterfactual; `swap` has that of the baseline. `oracle` is the baseline trained
with scenery independent of the action: an upper bound. Settings that an arm's name does not state
are the product's defaults, such as the fill zero. docs/shortcut.md has results and discussion.
Prints tables, and as its last line one JSON object, in points of top-1 on the crossed test:

    seeds                    number of seeds
    baseline_mean, car_mean  means over them; car has the product's defaults
    car_minus_baseline_mean  mean of the differences, paired by seed
    car_minus_baseline_sd    their standard deviation
    car_wins, car_losses     seeds in which CAR is better than the baseline, and worse
    car_t_test_p             of the paired t test, two-sided
    swap_minus_baseline_mean, _sd, swap_wins, swap_losses, swap_t_test_p
                             the same of `swap, fill median` against the baseline
    car_swap_minus_swap_mean, _sd, car_swap_wins, car_swap_losses, car_swap_t_test_p
                             the same of `car + swap, fill median` against `swap, fill median`
    own_minus_baseline_mean  by arm: top-1 before the own scenery, less the baseline's
    long_mean, long_swap_mean    the baseline's and swap's with twice the epochs, which is the
                             compute of car and of car + swap; null with --quick
    oracle_mean, variants_minus_baseline_mean   null with --quick; all other arms by name
    setting                  CAR's settings, the network, and the world
    read                     trials read from DIR, finished earlier with the same code

About 25 minutes on 2 cores. --quick: four arms, 3 seeds, a smaller world and a training too short
to converge: its figures differ from those of the full run. Trials with the same settings and code
that are in DIR (--results, results/shortcut) are read instead of run, also by the full run; the
output states how many.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.shortcut.arms import ARMS, CAR, QUICK, USUAL, Network
from parts.shortcut.outcome import summary
from parts.shortcut.pretraining import pretrained
from parts.shortcut.tables import print_tables
from parts.shortcut.trial import Trial, finished, run
from parts.shortcut.world import HEIGHT, World

from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.recognition.backbones.registry import BACKBONES

REPO = Path(__file__).resolve().parents[1]
TIED = 0.7
FIRST, SEEDS, EPOCHS = 100, 8, 24
"""The arms were chosen on seeds below FIRST."""
QUICK_SEEDS, QUICK_EPOCHS = 3, 7
QUICK_WORLD = {"train": 24, "test": 6, "crossed": 2}


def main() -> int:
    """Run what is missing, and print; returns the exit code, 2 for an error of the user."""
    logging.basicConfig(format="%(message)s")
    args = arguments()
    try:
        network = network_of(args)
        results, trials, read = outcome(args, network)
    except UserError as error:
        logging.error("%s", error)
        return 2
    print_tables(results, [trial.world.seed for trial in trials if trial.arm == trials[0].arm])
    print(f"{read} of {len(trials)} trials were finished earlier and read from {args.results}")
    print(json.dumps(summary(results) | {"setting": setting(trials), "read": read}))
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument(
        "--seeds", type=_whole, help=f"number of seeds ({SEEDS}; --quick {QUICK_SEEDS})"
    )
    parser.add_argument("--first", type=int, default=FIRST, help="the first seed (%(default)s)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, metavar="ARM", help="these arms only")
    parser.add_argument(
        "--further", action="store_true", help="also run further fills and settings"
    )
    parser.add_argument(
        "--tied", type=_share, default=TIED, help="SHARE (%(default)s; 0.2: no shortcut)"
    )
    parser.add_argument(
        "--missing",
        type=_share,
        default=0.0,
        help="share of the actor that its masks miss, a connected part (%(default)s)",
    )
    parser.add_argument(
        "--pretrained",
        action="store_true",
        help="the network is trained before, on other actions and sceneries",
    )
    parser.add_argument("--backbone", choices=BACKBONES, help="another network, in its own size")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a checkpoint of it")
    parser.add_argument("--learning-rate", type=float, help=f"({Network.learning_rate})")
    parser.add_argument("--epochs", type=_whole, help=f"({EPOCHS}; --quick {QUICK_EPOCHS})")
    parser.add_argument("--results", type=Path, default=REPO / "results/shortcut")
    parser.add_argument("--workers", type=_whole, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number from 1 on, got {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"wanted a share from 0 to 1, got {text!r}")
    return value


def network_of(args: argparse.Namespace) -> Network:
    """The network of --backbone, --weights and --learning-rate, untrained with --pretrained.

    Raises UserError for weights that are not a file.
    """
    given: dict[str, Any] = {}
    if args.backbone and args.backbone != Network.backbone:
        seen = BACKBONES[args.backbone].input
        given = {"backbone": args.backbone, "frames": seen.frames, "size": seen.size}
    if args.weights:
        if not args.weights.is_file():
            raise UserError(f"--weights: wanted a file, {args.weights} is none; correct the path")
        given |= {"weights": str(args.weights), "weights_sha256": files.sha256_file(args.weights)}
    if args.learning_rate is not None:
        given["learning_rate"] = args.learning_rate
    if args.pretrained and args.weights:
        raise UserError("wanted --pretrained or --weights, got both; leave one out")
    return Network(**given)


def outcome(
    args: argparse.Namespace, network: Network
) -> tuple[dict[str, list[dict[str, Any]]], list[Trial], int]:
    """Results by arm in the order of the seeds, the trials, and how many results were read."""
    arms = tuple(args.arms or (QUICK if args.quick else tuple(ARMS) if args.further else USUAL))
    count = args.seeds or (QUICK_SEEDS if args.quick else SEEDS)
    world = World(args.first, args.tied, missing=args.missing, height=network.size or HEIGHT)
    world = replace(world, **QUICK_WORLD) if args.quick else world
    epochs = args.epochs or (QUICK_EPOCHS if args.quick else EPOCHS)
    _make(args.results)
    if args.pretrained:
        network = pretrained(network, world, epochs, args.results)
    trials = planned(arms, count, world, epochs, network)
    by_trial, read = results_of(trials, args.results, args.workers)
    return {arm: [by_trial[t] for t in trials if t.arm == arm] for arm in arms}, trials, read


def planned(
    arms: Sequence[str], count: int, world: World, epochs: int, network: Network
) -> list[Trial]:
    """The trials of `count` seeds from that of `world` on; the arms of a seed follow each other,
    since they share its world."""
    worlds = [replace(world, seed=world.seed + number) for number in range(count)]
    return [Trial(arm, one, epochs, network) for one in worlds for arm in arms]


def _make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n")  # results are stale after the next edit


def results_of(
    trials: Sequence[Trial], folder: Path, workers: int
) -> tuple[dict[Trial, dict[str, Any]], int]:
    """Trial -> its result, and how many results were read."""
    results = {trial: old for trial in trials if (old := finished(trial, folder)) is not None}
    read = len(results)
    left = [(trial, folder) for trial in trials if trial not in results]
    for trial, new in progress(in_processes(run, left, workers), len(left), "trial"):
        results[trial] = new
    return results, read


def setting(trials: Sequence[Trial]) -> dict[str, Any]:
    """CAR's settings, the network and the world, for the JSON."""
    trial = trials[0]
    car = {name: value for name, value in asdict(ARMS[CAR]).items() if name != "oracle"}
    return {
        **car,
        "dilate": trial.world.dilate,
        "masks": f"miss {trial.world.missing:g}" if trial.world.missing else "true",
        "epochs": trial.epochs,
        **asdict(trial.network),
        **{name: value for name, value in asdict(trial.world).items() if name != "seed"},
    }


if __name__ == "__main__":
    sys.exit(main())
