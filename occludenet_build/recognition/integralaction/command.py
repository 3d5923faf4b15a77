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
    POSE_SOURCES,
    Integralaction,
    for_mode,
)
from occludenet_build.core import files, tables
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.versions import results_version
from occludenet_build.recognition import prediction_table
from occludenet_build.recognition.clip_table import (
    check_labels_known,
    read_clips,
    read_labels,
    training_clips,
)
from occludenet_build.recognition.integralaction import gates
from occludenet_build.recognition.integralaction.pose_sources import (
    PoseSource,
    poses_of_build,
    poses_of_list,
)
from occludenet_build.recognition.listed_sets import EvaluationGroup, read_listed_set
from occludenet_build.sources.weights import local_file

if TYPE_CHECKING:
    from occludenet_build.recognition.integralaction.evaluation import TrainedMode

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of integralaction."""
    parser.add_argument("what", choices=("train", "evaluate", "summary"))
    parser.add_argument("--clips", type=Path, help="annotate/clips.parquet")
    parser.add_argument("--labels", type=Path, help="train: annotate/labels.json")
    parser.add_argument("--poses", type=Path, help="the folder poses of a build")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the clip files")
    parser.add_argument("--mode", choices=MODES, help="train: what the network sees")
    parser.add_argument("--seed", type=int, help="train; default: the first of the settings")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="train: ImageNet weights, or acquire's record of them; overrides the settings",
    )
    parser.add_argument(
        "--starts",
        type=Path,
        nargs=2,
        metavar=("RGB_ONLY.pt", "POSE_ONLY.pt"),
        help="train rgb_pose: the networks of both other modes",
    )
    parser.add_argument("--model", type=Path, help="evaluate: a network of train")
    parser.add_argument("--tables", type=Path, help="summary: the folder integralaction")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument(
        "--out", type=Path, required=True, help="FILE.pt, FILE.parquet, or summary: modes.csv"
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Train a mode, evaluate a network, or summarise."""
    required = {
        "train": ("clips", "labels", "mode"),
        "evaluate": ("clips", "model"),
        "summary": ("tables",),
    }
    for name in required[args.what]:
        if getattr(args, name) is None:
            raise UserError(f"integralaction {args.what}: wanted --{name}, got nothing; give it")
    {"train": _train, "evaluate": _evaluate, "summary": _summarise}[args.what](args, config)


def _poses(args: argparse.Namespace, mode: str, skeletons: str | None) -> PoseSource | None:
    """The poses of the build's clips; None for a mode that sees none."""
    if mode == "rgb_only":
        return None
    if args.poses is None and skeletons is None:
        raise UserError(
            f"integralaction {args.what}: wanted --poses for {mode}, got nothing; give the folder "
            "poses of the build, or set integralaction.skeletons"
        )
    return poses_of_build(args.poses or Path(), skeletons)


def _train(args: argparse.Namespace, config: Config) -> None:
    settings = config.section(Integralaction)
    seed = settings.seeds[0] if args.seed is None else args.seed
    starts = _starts(args, settings)
    settings = for_mode(settings, args.mode, seed)
    labels = read_labels(args.labels)
    clips = training_clips(args.clips, labels, settings.scales, reads_erased=False)
    poses = _poses(args, args.mode, settings.skeletons)

    import torch

    from occludenet_build.recognition.distributed import process_group
    from occludenet_build.recognition.integralaction import training as trainings

    derived = uniform_integer(config.seed, "integralaction", str(seed)) >> 1  # torch takes 63 bits
    clips = trainings.long_enough(clips, settings)
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

    from occludenet_build.recognition.integralaction.evaluation import TrainedMode

    torch.set_num_threads(args.threads)
    trained = TrainedMode.read(args.model)
    clips = read_clips(args.clips, settings.split)
    build = EvaluationGroup(args.root, clips, str(args.clips))
    poses = _poses(args, trained.mode, settings.skeletons)
    found = _Found.of(trained)
    found.add(trained, build, poses, settings)
    for number in range(len(settings.lists)):
        found.add(trained, *_listed(settings, number, found), settings)
    check_items("evaluate", [*found.gates, *found.lost], args.out, config.failures)
    _write(args.out, found, trained, settings)


@dataclasses.dataclass
class _Found:
    """Rows of the tables that an evaluation writes."""

    predictions: dict[str, list[Row]]
    """By source of poses; rgb_only has the first alone."""
    gates: list[Row] = dataclasses.field(default_factory=list)
    skipped: list[Row] = dataclasses.field(default_factory=list)
    lost: list[Row] = dataclasses.field(default_factory=list)
    """`skipped` in the form of a ledger's rows, without what the lists only name."""

    @classmethod
    def of(cls, trained: TrainedMode) -> _Found:
        return cls({source: [] for source in trained.sources or POSE_SOURCES[:1]})

    def add(
        self,
        trained: TrainedMode,
        group: EvaluationGroup,
        poses: PoseSource | None,
        settings: Integralaction,
    ) -> None:
        """Predict the clips of a group."""
        from occludenet_build.recognition.integralaction import evaluation

        check_labels_known(group.clips, trained.labels, group.where)
        answers = evaluation.answers(trained, group.clips, group.root, poses, settings)
        for clip, given in answers if group.clips else ():
            if isinstance(given, str):
                logging.warning("skipped %s: %s", clip.file, given)
                self.skipped.append({"set": clip.set, "file": clip.file, "reason": given})
                reason, _, detail = given.partition(": ")
                self.lost.append({"clip": clip.file, "reason": reason, "detail": detail})
                continue
            for source, answer in zip(self.predictions, given, strict=True):
                row = evaluation.prediction_row(clip, answer, trained.labels)
                row["group"] = group.independent.get(clip.file)
                self.predictions[source].append(row)
                facts = {"poses": source, "gate": answer.gate, "found": answer.found}
                kept = {name: row[name] for name in gates.GATES.names if name in row}
                self.gates.append(kept | facts | {"seed": trained.seed})


def _listed(
    settings: Integralaction, number: int, found: _Found
) -> tuple[EvaluationGroup, PoseSource]:
    """The clips of a list with this build's names of their classes, and their poses."""
    from occludenet_build.recognition.integralaction.evaluation import renamed

    listed, key = settings.lists[number], f"integralaction.lists[{number}]"
    group, left_out = read_listed_set(listed, key)
    found.skipped += left_out
    if listed.classes is not None:
        names = read_json(Path(listed.classes))
        clips = renamed(group.clips, names, f"{key}.classes")
        group = dataclasses.replace(group, clips=clips)
    return group, poses_of_list(listed)


def _write(path: Path, found: _Found, trained: TrainedMode, settings: Integralaction) -> None:
    """Write the tables of an evaluation; log the accuracies."""
    from occludenet_build.recognition.accuracy import summarise_sets

    about = trained.about(settings.views)
    summary: dict[str, Any] = {"skipped": found.skipped, "mode": trained.mode}
    for source, rows in found.predictions.items():
        rows.sort(key=prediction_table.row_order)
        name = path if source == POSE_SOURCES[0] else path.with_suffix(f".{source}.parquet")
        prediction_table.write_predictions(rows, about, name)
        summary[source] = summarise_sets(rows)
        logging.info("%s, poses of the %s clips", trained.mode, source)
        prediction_table.log_summary(summary[source], len(trained.labels), len(found.skipped))
    table = tables.from_rows(found.gates, gates.GATES)
    tables.write_table(table, path.with_suffix(".gates.parquet"))
    files.write_json(path.with_suffix(".json"), summary)


def _summarise(args: argparse.Namespace, config: Config) -> None:
    """Write modes.csv and gate.csv beside it, of all networks in the folder."""
    settings = config.section(Integralaction)
    found = {}
    for mode in MODES:
        for source in POSE_SOURCES[:1] if mode == "rgb_only" else POSE_SOURCES:
            kind = "" if source == POSE_SOURCES[0] else f".{source}"
            names = [args.tables / f"{mode}-{seed}{kind}.parquet" for seed in settings.seeds]
            shown = "" if mode == "rgb_only" else source
            found[mode, shown] = [path for path in names if path.exists()]
    of_both = [args.tables / f"{BOTH}-{seed}.gates.parquet" for seed in settings.seeds]
    gated = gates.gate_rows([path for path in of_both if path.exists()])
    modes = gates.mode_rows(found)
    write_rows(args.out, modes, gates.MODE_COLUMNS)
    write_rows(args.out.with_name("gate.csv"), gated, gates.GATE_COLUMNS)
    for row in (*modes, *gated):
        logging.info("%s", ", ".join(f"{name} {value}" for name, value in row.items()))


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write rows as CSV with a header."""
    files.write_text(path, csv_text(columns, ([row[name] for name in columns] for row in rows)))
