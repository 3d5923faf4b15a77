"""The command line of evaluate; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occludenet_build.config import Config
from occludenet_build.config.protocols import with_protocol
from occludenet_build.config.recognition import Evaluate, ListedSet
from occludenet_build.core import files
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.core.failures import check_items
from occludenet_build.recognition import accuracy
from occludenet_build.recognition import prediction_table as tables
from occludenet_build.recognition.clip_table import ClipRow, check_labels_known, read_clips
from occludenet_build.recognition.evaluate.effect import causal_effects, effects_csv
from occludenet_build.recognition.evaluate.tde import log_tde, tde_by_set
from occludenet_build.recognition.groups import named_group
from occludenet_build.recognition.lists import read_label_map, read_list, source_clips

if TYPE_CHECKING:
    from occludenet_build.recognition.erase import Erasing
    from occludenet_build.recognition.frame_masks import ActorPixels
    from occludenet_build.recognition.predict import ClipPrediction, TrainedNetwork

Row = dict[str, Any]


@dataclass(frozen=True)
class EvaluationGroup:
    """Clips whose files are relative to one folder."""

    root: Path
    clips: list[ClipRow]
    where: str
    """The table or list that names the clips, for error messages."""
    independent: dict[str, str] = field(default_factory=dict)
    """The group of clips that are not independent, by file; empty where none is named."""


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


def read_listed_set(listed: ListedSet) -> tuple[EvaluationGroup, list[dict[str, str]]]:
    """The clips of a list, each file once, and entries of `skipped` for its unusable lines.

    Raises UserError where the list or its label map cannot be read, where a line has no label, or
    where the list gives one file two labels.
    """
    names = None if listed.label_map is None else read_label_map(listed.label_map)
    lines = read_list(listed.file, names, listed.group)
    root = Path(listed.root or Path(listed.file).parent)
    clips, skipped, groups = [], [], {}
    first: dict[tuple[int, int], ClipRow] = {}
    for line, source in zip(lines, source_clips([line.file for line in lines]), strict=True):
        if line.label is None:
            raise UserError(
                f"evaluate.lists: {listed.file}: wanted a label beside {line.file}, got none"
            )
        clip = _listed_clip(listed.name, source, line.file, line.label)
        identity = _file_identity(root / line.file)
        if identity is None:
            skipped.append(_skipped(clip, "missing", REASONS["missing"]))
        elif identity in first:
            _check_same_label(first[identity], clip, listed.file)
            skipped.append(_skipped(clip, "duplicate", f"it is {first[identity].file}"))
        else:
            first[identity] = clip
            clips.append(clip)
            if line.group is not None:
                groups[clip.file] = line.group
    return EvaluationGroup(root, clips, listed.file, groups), skipped


def _listed_clip(set_name: str, source: str, file: str, label: str) -> ClipRow:
    facts = {"frames": 0, "area_ratio": None, "duration_ratio": None, "scale": math.nan}
    hashes = {"file_hash": "", "counterfactual": None, "counterfactual_hash": None}
    return ClipRow(clip=source, set=set_name, split="", label=label, file=file, **facts, **hashes)  # type: ignore[arg-type]


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode, which all links to a file share; None where there is no regular file."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: the name cannot be that of a file
        return None
    # opening a pipe would wait for a writer
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _skipped(clip: ClipRow, reason: str, detail: str) -> dict[str, str]:
    return {"set": clip.set, "file": clip.file, "reason": f"{reason}: {detail}"}


def _check_same_label(first: ClipRow, other: ClipRow, path: str) -> None:
    if first.label != other.label:
        raise UserError(
            f"evaluate.lists: {path}: {first.file} and {other.file} are one file, but the list "
            f"calls it {first.label} and {other.label}; correct the list"
        )


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
    """A row of PREDICTIONS; `labels` are in the order of the logits."""
    logits = prediction.logits.tolist()
    return {
        "clip": clip.clip,
        "set": clip.set,
        "scale": None if math.isnan(clip.scale) else clip.scale,
        "file": clip.file,
        "label": clip.label,
        **accuracy.rank_logits(logits, labels, clip.label),
        "logits": logits,
        "erased_logits": None if prediction.erased is None else prediction.erased.tolist(),
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
