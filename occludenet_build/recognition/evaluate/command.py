"""The command line of evaluate; the package's docstring is its contract.

Sets that are given by a list: their clips, and which lines are none.
"""

from __future__ import annotations

import argparse
import logging
import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occludenet_build.config import Config
from occludenet_build.config.recognition import Evaluate, ListedSet
from occludenet_build.core import files
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.recognition import accuracy
from occludenet_build.recognition import prediction_table as tables
from occludenet_build.recognition.clip_table import Clip, check_labels_known, read_clips
from occludenet_build.recognition.evaluate.effect import causal_effects, effects_csv
from occludenet_build.recognition.lists import read_label_map, read_list, source_clips


@dataclass(frozen=True)
class EvaluationGroup:
    """Clips of one root."""

    root: Path
    clips: list[Clip]
    where: str
    """What they are of, for errors."""


def read_listed_set(listed: ListedSet) -> tuple[EvaluationGroup, list[dict[str, str]]]:
    """The clips of a list, each file once, and the lines that are left out with their reason.

    Raises UserError: a list or label map that does not read, a line without a label, a file that
    the list gives two labels.
    """
    names = None if listed.label_map is None else read_label_map(listed.label_map)
    lines = read_list(listed.file, names)
    root = Path(listed.root or Path(listed.file).parent)
    clips, skipped = [], []
    first: dict[tuple[int, int], Clip] = {}
    for line, source in zip(lines, source_clips([line.file for line in lines]), strict=True):
        if line.label is None:
            raise UserError(
                f"evaluate.lists: {listed.file}: wanted a label beside {line.file}, got none"
            )
        clip = _clip(listed.name, source, line.file, line.label)
        found = _identity(root / line.file)
        if found is None:
            skipped.append(_left_out(clip, "missing", REASONS["missing"]))
        elif found in first:
            _must_be_alike(first[found], clip, listed.file)
            skipped.append(_left_out(clip, "duplicate", f"it is {first[found].file}"))
        else:
            first[found] = clip
            clips.append(clip)
    return EvaluationGroup(root, clips, listed.file), skipped


def _clip(set_name: str, source: str, file: str, label: str) -> Clip:
    facts = {"frames": 0, "area_ratio": None, "duration_ratio": None, "scale": math.nan}
    hashes = {"file_hash": "", "counterfactual": None, "counterfactual_hash": None}
    return Clip(clip=source, set=set_name, split="", label=label, file=file, **facts, **hashes)  # type: ignore[arg-type]


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode, which all links to a file share; None where there is no file."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: no name for a file
        return None
    # a pipe would wait for somebody who writes
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _left_out(clip: Clip, reason: str, detail: str) -> dict[str, str]:
    return {"set": clip.set, "file": clip.file, "reason": f"{reason}: {detail}"}


def _must_be_alike(first: Clip, other: Clip, path: str) -> None:
    if first.label != other.label:
        raise UserError(
            f"evaluate.lists: {path}: {first.file} and {other.file} are one file, but the list "
            f"calls it {first.label} and {other.label}; correct the list"
        )


if TYPE_CHECKING:
    from occludenet_build.recognition.erase import Erasing
    from occludenet_build.recognition.predict import ClipPrediction, TrainedNetwork

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clips", type=Path, help="annotate/clips.parquet; without it only evaluate.lists"
    )
    parser.add_argument("--root", type=Path, default=Path(), help="folder the clip files lie in")
    parser.add_argument("--model", type=Path, required=True, help="a network written by train")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")


def run(args: argparse.Namespace, config: Config) -> None:
    settings = config.evaluate
    groups, skipped = evaluation_groups(args, settings)

    import torch

    from occludenet_build.recognition.predict import TrainedNetwork

    torch.set_num_threads(args.threads)
    network = TrainedNetwork.read(args.model)
    for group in groups:
        check_labels_known(group.clips, network.labels, str(args.model))
    rows: list[Row] = []
    for group in groups:
        found, lost = predict_group(network, group, settings, erasing_of(args, config, group.clips))
        rows += found
        skipped += lost
    write_results(args.out, rows, skipped, network, config)


def evaluation_groups(
    args: argparse.Namespace, settings: Evaluate
) -> tuple[list[EvaluationGroup], list[Row]]:
    """What is evaluated: the build's clips, then those of each list; and what cannot be."""
    groups: list[EvaluationGroup] = []
    skipped: list[Row] = []
    if args.clips is None and not settings.lists:
        raise UserError("wanted --clips or evaluate.lists, got neither; name some clips")
    if args.clips is not None:
        clips = read_clips(args.clips, settings.split)
        groups.append(EvaluationGroup(args.root, clips, str(args.clips)))
        if not clips:
            # A handful of the user's own videos may all fall into other splits: not a reason to
            # stop.
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


def erasing_of(args: argparse.Namespace, config: Config, clips: Sequence[Clip]) -> Erasing | None:
    """What makes the counterfactuals that have no file."""
    at_load = [clip for clip in clips if clip.erased_at_load]
    if not config.evaluate.counterfactuals or not at_load:
        return None

    from occludenet_build.recognition.erase import Erasing

    return Erasing.over(args.clips.parent / "frames", config.counterfactual, config.seed, at_load)


def predict_group(
    network: TrainedNetwork, group: EvaluationGroup, settings: Evaluate, erased: Erasing | None
) -> tuple[list[Row], list[Row]]:
    """Rows of the clips that could be read, and what could not be."""
    from occludenet_build.recognition.predict import predict_clips

    rows, skipped, unread = [], [], 0
    results = predict_clips(network, group.clips, group.root, settings, erased)
    for clip, result in results if group.clips else ():
        unread += isinstance(result, str)
        problem = result if isinstance(result, str) else result.problem
        if problem is not None:
            file = clip.file if isinstance(result, str) else clip.counterfactual
            logging.warning("skipped %s: %s", file, problem)
            skipped.append({"set": clip.set, "file": file, "reason": problem})
        if not isinstance(result, str):
            rows.append(prediction_row(clip, result, network.labels))
    different = {(row["set"], row["file"]) for row in rows}
    assert len(different) == len(rows) == len(group.clips) - unread, "each clip counts once"
    return rows, skipped


def prediction_row(clip: Clip, answer: ClipPrediction, labels: Sequence[str]) -> Row:
    logits = answer.logits.tolist()
    return {
        "clip": clip.clip,
        "set": clip.set,
        "scale": None if math.isnan(clip.scale) else clip.scale,
        "file": clip.file,
        "label": clip.label,
        **accuracy.rank_logits(logits, labels, clip.label),
        "logits": logits,
        "erased_logits": None if answer.erased is None else answer.erased.tolist(),
        "degree": clip.degree,
        "area_ratio": clip.area_ratio,
        "actor_hidden": clip.actor_hidden,
        "duration_ratio": clip.duration_ratio,
    }


def write_results(
    path: Path, rows: list[Row], skipped: list[Row], network: TrainedNetwork, config: Config
) -> None:
    settings = config.evaluate
    rows.sort(key=tables.row_order)
    found = accuracy.summarise_sets(rows)
    tables.write(rows, network.about(settings), path)
    about = {"split": settings.split, "average": settings.average, "views": settings.views}
    about |= {"crops": settings.crops, "backbone": network.backbone}
    about |= {"arm": network.arm, "seed": network.seed}
    files.write_json(path.with_suffix(".json"), {"sets": found, "skipped": skipped} | about)
    effect = causal_effects(rows, network.labels, config.seed) if settings.counterfactuals else []
    files.write_text(path.with_suffix(".effect.csv"), effects_csv(effect))
    tables.log_summary(found, len(network.labels), len(skipped))
