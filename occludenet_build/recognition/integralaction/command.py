"""The command line of integralaction; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occludenet_build.config import Config
from occludenet_build.config.integralaction import (
    BOTH,
    MODES,
    Integralaction,
    for_mode,
)
from occludenet_build.core import files
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.versions import results_version
from occludenet_build.recognition.clip_table import (
    ClipRow,
    read_clips,
    read_labels,
    training_clips,
)
from occludenet_build.recognition.integralaction import gates
from occludenet_build.recognition.integralaction.page_tables import page_tables
from occludenet_build.recognition.integralaction.pose_sources import BuildPoses, poses_of_list
from occludenet_build.recognition.listed_sets import EvaluationGroup, read_listed_set
from occludenet_build.sources.weights import local_file

if TYPE_CHECKING:
    from occludenet_build.recognition.integralaction.evaluation import TrainedMode

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of integralaction."""
    parser.add_argument("what", choices=("train", "evaluate", "summary"))
    parser.add_argument("--clips", type=Path, help="annotate/clips.parquet")
    parser.add_argument(
        "--labels",
        type=Path,
        help="train: annotate/labels.json; evaluate: the classes of a published checkpoint",
    )
    parser.add_argument("--poses", type=Path, help="the folder poses of a build")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the clip files")
    parser.add_argument(
        "--mode",
        choices=MODES,
        help="what the network sees; evaluate: of a published checkpoint, given with --labels",
    )
    parser.add_argument("--seed", type=int, help="default: the first of the settings")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="train: what rgb_only and pose_only start from, or acquire's record of it; overrides "
        "the settings",
    )
    parser.add_argument(
        "--starts",
        type=Path,
        nargs=2,
        metavar=("RGB_ONLY.pt", "POSE_ONLY.pt"),
        help="train rgb_pose: the networks of both other modes",
    )
    parser.add_argument(
        "--model", type=Path, help="evaluate: a network of train, or a published checkpoint"
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="summary: <mode>-<seed>.parquet, beside which their other tables lie",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument(
        "--out", type=Path, required=True, help="FILE.pt, FILE.parquet, or summary: modes.csv"
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Train a mode, evaluate a network, or summarise."""
    required = {
        "train": ("clips", "labels", "mode"),
        "evaluate": ("clips", "model"),
        "summary": ("predictions",),
    }
    for name in required[args.what]:
        if getattr(args, name) is None:
            raise UserError(f"integralaction {args.what}: wanted --{name}, got nothing; give it")
    {"train": _train, "evaluate": _evaluate, "summary": _summarise}[args.what](args, config)


def _poses(args: argparse.Namespace, mode: str, clips: Sequence[ClipRow]) -> BuildPoses | None:
    """The poses of the build's clips; None for a mode that sees none."""
    if mode == "rgb_only":
        return None
    if args.poses is None:
        raise UserError(
            f"integralaction {args.what}: wanted --poses for {mode}, got nothing; give the folder "
            "poses of the build"
        )
    poses = BuildPoses(args.poses)
    poses.check_known(clips)
    return poses


def _train(args: argparse.Namespace, config: Config) -> None:
    settings = config.section(Integralaction)
    seed = settings.seeds[0] if args.seed is None else args.seed
    starts = _starts(args, settings)
    settings = for_mode(settings, args.mode, seed)
    labels = read_labels(args.labels)
    clips = training_clips(args.clips, labels, settings.scales, reads_erased=False)

    import torch

    from occludenet_build.recognition.distributed import process_group
    from occludenet_build.recognition.integralaction import training as trainings

    derived = uniform_integer(config.seed, "integralaction", str(seed)) >> 1  # torch takes 63 bits
    clips = trainings.long_enough(clips, settings)
    poses = _poses(args, args.mode, clips)
    one = trainings.ModeTraining(args.mode, seed, derived, settings, labels, clips, poses, starts)
    store = args.out.parent / "store" / args.out.stem
    with (
        process_group(settings) as (process, device),
        files.folder_lock(store) if process.first else nullcontext(),
    ):
        process.wait()
        torch.set_num_threads(max(1, args.threads // process.size))
        version, share = results_version("integralaction"), config.failures.share_of("train")
        rows = trainings.train_mode(one, process, device, args.root, args.out, version, share)
        if process.first:
            write_rows(args.out.with_suffix(".csv"), rows, tuple(rows[0]))
            logging.info("wrote %s", args.out)


def _starts(args: argparse.Namespace, settings: Integralaction) -> tuple[Path, ...]:
    """The files that a training starts from."""
    if args.mode == BOTH:
        if args.starts is None:
            raise UserError(
                "integralaction train: wanted --starts with the networks of rgb_only and pose_only "
                "for rgb_pose, got nothing; train these first"
            )
        return tuple(args.starts)
    named = args.weights or settings.weights
    found = local_file(named, settings.weights_sha256, "integralaction.weights")
    return () if found is None else (Path(found),)


def _evaluate(args: argparse.Namespace, config: Config) -> None:
    """Predict the clips of the build and of the lists, with the poses of each source."""
    settings = config.section(Integralaction)

    import torch

    from occludenet_build.recognition.integralaction.evaluated import Evaluated

    torch.set_num_threads(args.threads)
    trained = _trained(args, settings)
    clips = read_clips(args.clips, settings.split)
    build = EvaluationGroup(args.root, clips, str(args.clips))
    found = Evaluated.of(trained)
    found.add(build, _poses(args, trained.mode, clips), settings)
    for number, listed in enumerate(settings.lists):
        group, left_out = _listed(settings, number)
        found.skipped += left_out
        found.add(group, poses_of_list(listed) if trained.sees_poses else None, settings)
    found.write(args.out, settings.views, config.failures)


def _trained(args: argparse.Namespace, settings: Integralaction) -> TrainedMode:
    """The network to evaluate: one of `train`, or with --mode and --labels any checkpoint."""
    from occludenet_build.recognition.integralaction.evaluation import TrainedMode

    if args.mode is None or args.labels is None:
        return TrainedMode.read(args.model)
    seed = settings.seeds[0] if args.seed is None else args.seed
    return TrainedMode.of(args.model, args.mode, read_labels(args.labels), settings, seed)


def _listed(settings: Integralaction, number: int) -> tuple[EvaluationGroup, list[Row]]:
    """The clips of a list with this build's names of their classes, and its unusable lines."""
    from occludenet_build.recognition.integralaction.evaluation import renamed

    listed, key = settings.lists[number], f"integralaction.lists[{number}]"
    group, left_out = read_listed_set(listed, key)
    if listed.classes is None:
        return group, left_out
    clips = renamed(group.clips, read_json(Path(listed.classes)), f"{key}.classes")
    return dataclasses.replace(group, clips=clips), left_out


def _summarise(args: argparse.Namespace, config: Config) -> None:
    """Write modes.csv, and gate.csv and tables.json beside it."""
    gated = gates.gate_rows([path.with_suffix(".gates.parquet") for path in args.predictions])
    modes = gates.mode_rows(args.predictions)
    write_rows(args.out, modes, gates.MODE_COLUMNS)
    write_rows(args.out.with_name("gate.csv"), gated, gates.GATE_COLUMNS)
    files.write_json(args.out.with_name("tables.json"), page_tables(modes, gated))
    for row in (*modes, *gated):
        logging.info("%s", ", ".join(f"{name} {value}" for name, value in row.items()))


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write rows as CSV with a header."""
    files.write_text(path, csv_text(columns, ([row[name] for name in columns] for row in rows)))
