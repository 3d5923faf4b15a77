"""The command line of evaluate; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occludenet_build import accuracy
from occludenet_build.config import Config, Evaluate
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.evaluate.effect import as_csv, effects
from occludenet_build.evaluate.listed import Group
from occludenet_build.evaluate.listed import read as read_listed
from occludenet_build.recognition import predictions as tables
from occludenet_build.recognition.clip_table import Clip, must_be_known, read_clips

if TYPE_CHECKING:
    from occludenet_build.recognition.erase import Erasing
    from occludenet_build.recognition.evaluation import Network
    from occludenet_build.recognition.predict import Answer

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
    groups, skipped = shown(args, settings)

    import torch

    from occludenet_build.recognition.evaluation import Network

    torch.set_num_threads(args.threads)
    network = Network.read(args.model)
    for group in groups:
        must_be_known(group.clips, network.labels, str(args.model))
    rows: list[Row] = []
    for group in groups:
        found, lost = answers(network, group, settings, erasing(args, config, group.clips))
        rows += found
        skipped += lost
    write(args.out, rows, skipped, network, config)


def shown(args: argparse.Namespace, settings: Evaluate) -> tuple[list[Group], list[Row]]:
    """What is evaluated: the build's clips, then those of each list; and what cannot be."""
    groups: list[Group] = []
    skipped: list[Row] = []
    if args.clips is None and not settings.lists:
        raise UserError("wanted --clips or evaluate.lists, got neither; name some clips")
    if args.clips is not None:
        clips = read_clips(args.clips, settings.split)
        groups.append(Group(args.root, clips, str(args.clips)))
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
        group, left_out = read_listed(listed)
        if any(clip.set == listed.name for other in groups for clip in other.clips):
            raise UserError(
                f"evaluate.lists: {listed.name} is a set already; give the list another name"
            )
        for entry in left_out:
            logging.warning("skipped %s of %s: %s", entry["file"], listed.name, entry["reason"])
        groups.append(group)
        skipped += left_out
    return groups, skipped


def erasing(args: argparse.Namespace, config: Config, clips: Sequence[Clip]) -> Erasing | None:
    """What makes the counterfactuals that have no file."""
    at_load = [clip for clip in clips if clip.erased_at_load]
    if not config.evaluate.counterfactuals or not at_load:
        return None

    from occludenet_build.recognition.erase import Erasing

    return Erasing.over(args.clips.parent / "frames", config.counterfactual, config.seed, at_load)


def answers(
    network: Network, group: Group, settings: Evaluate, erased: Erasing | None
) -> tuple[list[Row], list[Row]]:
    """Rows of the clips that could be read, and what could not be."""
    from occludenet_build.recognition.evaluation import predictions

    rows, skipped, unread = [], [], 0
    results = predictions(network, group.clips, group.root, settings, erased)
    for clip, result in results if group.clips else ():
        unread += isinstance(result, str)
        problem = result if isinstance(result, str) else result.problem
        if problem is not None:
            file = clip.file if isinstance(result, str) else clip.counterfactual
            logging.warning("skipped %s: %s", file, problem)
            skipped.append({"set": clip.set, "file": file, "reason": problem})
        if not isinstance(result, str):
            rows.append(row_of(clip, result, network.labels))
    different = {(row["set"], row["file"]) for row in rows}
    assert len(different) == len(rows) == len(group.clips) - unread, "each clip counts once"
    return rows, skipped


def row_of(clip: Clip, answer: Answer, labels: Sequence[str]) -> Row:
    logits = answer.logits.tolist()
    return {
        "clip": clip.clip,
        "set": clip.set,
        "scale": None if math.isnan(clip.scale) else clip.scale,
        "file": clip.file,
        "label": clip.label,
        **accuracy.ranked(logits, labels, clip.label),
        "logits": logits,
        "erased_logits": None if answer.erased is None else answer.erased.tolist(),
        "degree": clip.degree,
        "area_ratio": clip.area_ratio,
        "actor_hidden": clip.actor_hidden,
        "duration_ratio": clip.duration_ratio,
    }


def write(
    path: Path, rows: list[Row], skipped: list[Row], network: Network, config: Config
) -> None:
    settings = config.evaluate
    rows.sort(key=tables.row_order)
    found = accuracy.summary(rows)
    tables.write(rows, network.about(settings), path)
    about = {"split": settings.split, "average": settings.average, "views": settings.views}
    about |= {"crops": settings.crops, "backbone": network.backbone}
    about |= {"arm": network.arm, "seed": network.seed}
    files.write_json(path.with_suffix(".json"), {"sets": found, "skipped": skipped} | about)
    effect = effects(rows, network.labels, config.seed) if settings.counterfactuals else []
    files.write_text(path.with_suffix(".effect.csv"), as_csv(effect))
    tables.log_summary(found, len(network.labels), len(skipped))
