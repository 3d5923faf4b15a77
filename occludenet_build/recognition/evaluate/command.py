"""The command line of evaluate; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occludenet_build.config import Config
from occludenet_build.config.protocols import with_protocol
from occludenet_build.config.recognition import Evaluate
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.recognition import accuracy
from occludenet_build.recognition import prediction_table as tables
from occludenet_build.recognition.clip_table import ClipRow, check_labels_known, read_clips
from occludenet_build.recognition.evaluate.effect import causal_effects, effects_csv
from occludenet_build.recognition.evaluate.tde import log_tde, tde_by_set
from occludenet_build.recognition.groups import named_group
from occludenet_build.recognition.listed_sets import EvaluationGroup, read_listed_set

if TYPE_CHECKING:
    from occludenet_build.recognition.erase import Erasing
    from occludenet_build.recognition.frame_masks import ActorPixels
    from occludenet_build.recognition.predict import ClipPrediction, TrainedNetwork

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of evaluate."""
    parser.add_argument(
        "--clips", type=Path, help="annotate/clips.parquet; default: only evaluate.lists"
    )
    parser.add_argument(
        "--more", type=Path, nargs="*", default=[], help="further tables: variants/clips.parquet"
    )
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the clip files")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        help="a network written by train, or a classifier of transformers: its folder, or its "
        "name in the local cache",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")


def run(args: argparse.Namespace, config: Config) -> None:
    """Evaluate a network on the clips of the build and of the lists, and write the tables."""
    settings = config.evaluate
    groups, skipped = evaluation_groups(args, settings)

    import torch

    from occludenet_build.recognition.predict import TrainedNetwork

    torch.set_num_threads(args.threads)
    labels = (clip.label for group in groups for clip in group.clips)
    network = TrainedNetwork.read(args.model).spelled_as(labels)
    settings = with_protocol(settings, network.family, network.input.stride)
    config = dataclasses.replace(config, evaluate=settings)
    for group in groups:
        check_labels_known(group.clips, network.labels, str(args.model))
    rows: list[Row] = []
    unread: list[Row] = []
    for group in groups:
        erased = counterfactuals_of(args, config, group.clips)
        found, lost = predict_group(network, group, settings, *erased)
        rows += found
        unread += lost
    # what a list names and nobody has is a fact, and no outage
    check_items("evaluate", [*rows, *map(_failed_row, unread)], args.out, config.failures)
    skipped += unread
    write_results(args.out, rows, skipped, network, config)


def _failed_row(skipped: Row) -> Row:
    """An entry of `skipped` in the form of a ledger's row."""
    reason, _, detail = skipped["reason"].partition(": ")
    return {"clip": skipped["file"], "reason": reason, "detail": detail}


def evaluation_groups(
    args: argparse.Namespace, settings: Evaluate
) -> tuple[list[EvaluationGroup], list[Row]]:
    """The clips of the build and of each list, and entries of `skipped` for unusable lines.

    Raises UserError where no table and no list is given, where counterfactuals are required
    but the build has none, or where a list has the name of another set.
    """
    if args.clips is None and not settings.lists and not args.more:
        raise UserError("wanted --clips, --more or evaluate.lists, got none; name some clips")
    groups = [] if args.clips is None else [_group_of_build(args, settings)]
    for table in args.more:
        groups.append(_grouped(args, settings, table, read_clips(table, settings.split)))
    skipped: list[Row] = []
    for listed in settings.lists:
        group, left_out = read_listed_set(listed)
        if any(clip.set == listed.name for other in groups for clip in other.clips):
            raise UserError(
                f"evaluate.lists: {listed.name} is a set already; give the list another name"
            )
        for entry in left_out:
            logging.warning("skipped %s of %s: %s", entry["file"], listed.name, entry["reason"])
        groups.append(group)
        skipped += left_out
    return groups, skipped


def _group_of_build(args: argparse.Namespace, settings: Evaluate) -> EvaluationGroup:
    clips = read_clips(args.clips, settings.split)
    if not clips:
        # A few videos of the user's own may all fall into other splits: no reason to stop.
        logging.warning(
            "%s has no clip of the split %s, so nothing of it is evaluated; change "
            "evaluate.split or acquire.split",
            args.clips,
            settings.split,
        )
    elif settings.counterfactuals and not any(clip.erased_hash for clip in clips):
        raise UserError(
            f"{args.clips}: wanted counterfactuals for evaluate.counterfactuals, got none for "
            f"{len(clips)} clips; build with {settings.split} in counterfactual.splits"
        )
    return _grouped(args, settings, args.clips, clips)


def _grouped(
    args: argparse.Namespace, settings: Evaluate, table: Path, clips: list[ClipRow]
) -> EvaluationGroup:
    named = settings.group
    groups = {} if named is None else {c.file: named_group(named, c.clip) for c in clips}
    return EvaluationGroup(args.root, clips, str(table), groups)


def counterfactuals_of(
    args: argparse.Namespace, config: Config, clips: Sequence[ClipRow]
) -> tuple[ActorPixels | None, Erasing | None]:
    """Where the actors of the clips are erased, and the eraser for counterfactuals without a file.

    (None, None) where no counterfactual is predicted. Raises UserError where masks are missing.
    """
    erased = [clip for clip in clips if clip.erased_hash]
    if not config.evaluate.counterfactuals or not erased:
        return None, None

    from occludenet_build.recognition.erase import read_actors

    return read_actors(args.clips.parent / "frames", config, erased)


def predict_group(
    network: TrainedNetwork,
    group: EvaluationGroup,
    settings: Evaluate,
    actors: ActorPixels | None = None,
    erasing: Erasing | None = None,
) -> tuple[list[Row], list[Row]]:
    """Rows of PREDICTIONS for the clips that can be read, entries of `skipped` for the others."""
    from occludenet_build.recognition.predict import predict_clips

    rows, skipped, unread = [], [], 0
    results = predict_clips(network, group.clips, group.root, settings, actors, erasing)
    for clip, result in results if group.clips else ():
        unread += isinstance(result, str)
        problem = result if isinstance(result, str) else result.problem
        if problem is not None:
            file = clip.file if isinstance(result, str) else clip.counterfactual
            logging.warning("skipped %s: %s", file, problem)
            skipped.append({"set": clip.set, "file": file, "reason": problem})
        if not isinstance(result, str):
            row = prediction_row(clip, result, network.labels)
            rows.append(row | {"group": group.independent.get(clip.file)})
    different = {(row["set"], row["file"]) for row in rows}
    assert len(different) == len(rows) == len(group.clips) - unread, "each clip counts once"
    return rows, skipped


def prediction_row(clip: ClipRow, prediction: ClipPrediction, labels: Sequence[str]) -> Row:
    """A row of PREDICTIONS; `labels` are in the order of the logits.

    Logits are float32 (K,): as lists those of all clips of Kinetics' classes would take a gigabyte.
    """
    logits, erased = prediction.logits, prediction.erased
    return {
        "clip": clip.clip,
        "set": clip.set,
        "scale": None if math.isnan(clip.scale) else clip.scale,
        "file": clip.file,
        "label": clip.label,
        **accuracy.rank_logits(logits.tolist(), labels, clip.label),
        "logits": logits.numpy().copy(),
        "erased_logits": None if erased is None else erased.numpy().copy(),
        "degree": clip.degree,
        "area_ratio": clip.area_ratio,
        "actor_hidden": clip.actor_hidden,
        "duration_ratio": clip.duration_ratio,
    }


def write_results(
    path: Path, rows: list[Row], skipped: list[Row], network: TrainedNetwork, config: Config
) -> None:
    """Write the table of predictions, its JSON summary and its causal effects; log the summary."""
    from occludenet_build.recognition.predict import evaluation_input

    settings = config.evaluate
    rows.sort(key=tables.row_order)
    sets = accuracy.summarise_sets(rows)
    tables.write_predictions(rows, network.about(settings), path)
    about = {"split": settings.split, "average": settings.average, "views": settings.views}
    about |= {"crops": settings.crops, "backbone": network.backbone}
    about |= {"arm": network.arm, "seed": network.seed}
    seen = evaluation_input(network, settings)
    about |= {"sampling": settings.sampling, "size": seen.size, "short_side": seen.short_side}
    if settings.crop_places != "even":  # summaries of earlier versions have no such entry
        about |= {"crop_places": settings.crop_places}
    erased = settings.counterfactuals
    weights = settings.tde if erased else ()
    tde = tde_by_set(rows, network.labels, weights)
    summary = {"sets": sets, "tde": tde, "skipped": skipped}
    files.write_json(path.with_suffix(".json"), summary | about)
    effect = causal_effects(rows, network.labels, config.seed, weights) if erased else []
    files.write_text(path.with_suffix(".effect.csv"), effects_csv(effect, weights))
    tables.log_summary(sets, len(network.labels), len(skipped))
    log_tde(tde)
