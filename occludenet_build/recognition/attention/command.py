"""The command line of attention; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import occludenet_build.recognition.attention as stage
from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.progress import progress
from occludenet_build.recognition.clip_table import Clip, check_labels_known, read_clips

if TYPE_CHECKING:
    from occludenet_build.recognition.attention.maps import ClassActivationMap
    from occludenet_build.recognition.predict import TrainedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, help="annotate/clips.parquet")
    parser.add_argument("--root", type=Path, default=Path(), help="folder the clip files lie in")
    parser.add_argument("--model", type=Path, help="a network written by train")
    parser.add_argument("--tables", type=Path, nargs="*", help="what was written, to sum up")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace, config: Config) -> None:
    if args.tables:
        from occludenet_build.recognition.attention.summary import write_summary

        write_summary(args.tables, args.out, config.seed)
    elif args.clips and args.model:
        _look(args, config)
    else:
        raise UserError(
            "attention: wanted --clips and --model, to make maps, or --tables, to sum up, got "
            "neither; see --help"
        )


def _look(args: argparse.Namespace, config: Config) -> None:
    settings = config.attention
    clips = read_clips(args.clips, config.evaluate.split)
    if not clips:
        logging.warning("%s has no clip of the split %s", args.clips, config.evaluate.split)

    import torch

    from occludenet_build.recognition.attention.maps import (
        FrameMasks,
        MaskedViews,
        class_activation_maps,
        draw_clips,
    )
    from occludenet_build.recognition.backbones.registry import BACKBONES
    from occludenet_build.recognition.datasets import Frames
    from occludenet_build.recognition.predict import TrainedNetwork

    torch.set_num_threads(args.threads)
    network = TrainedNetwork.read(args.model)
    check_labels_known(clips, network.labels, str(args.model))
    layout = BACKBONES[network.backbone].layout
    layout = dataclasses.replace(layout, layer=settings.layer or layout.layer)
    chosen = draw_clips(clips, settings.clips, config.seed)
    clips = [clip for clip in clips if clip.clip in set(chosen)]
    masks = FrameMasks.over(args.clips.parent / "frames", chosen)
    source = Frames(args.root, network.input.short_side, keep=False)
    views = MaskedViews(clips, source, masks, network.input)
    names = _names(args.out, chosen[: settings.pictures])
    same = {"arm": network.arm, "seed": network.seed, "backbone": network.backbone}
    rows = []
    results = class_activation_maps(network, layout, views, settings) if clips else ()
    for clip, made in progress(zip(clips, results, strict=True), len(clips), "clip"):
        row = _row(clip) | same | {"layer": layout.layer}
        rows.append(row | _found(made, names, network, args.out))
    tables.write(tables.from_rows(rows, stage.ATTENTION_TABLE), args.out)
    _log(rows)


def _names(out: Path, drawn: list[str]) -> dict[str, str]:
    """Source clip -> how its pictures begin; ids may hold what file systems do not take."""
    folder = out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9][0-9]_*"):
        old.unlink()
    return {clip: f"{folder.name}/{number:03d}" for number, clip in enumerate(drawn)}


def _row(clip: Clip) -> dict[str, Any]:
    return {name: getattr(clip, name) for name in ("clip", "set", "scale", "file", "label")}


def _found(
    made: ClassActivationMap | Any, names: dict[str, str], network: TrainedNetwork, out: Path
) -> dict[str, Any]:
    """What the maps say of a clip, or why there are none; its pictures, if it is drawn."""
    from occludenet_build.recognition.attention.maps import UnreadableClip
    from occludenet_build.recognition.attention.pictures import write_map_arrays, write_map_strip

    if isinstance(made, UnreadableClip):
        return {"status": "failed", "reason": made.reason, "detail": made.detail or None}
    row = made.row()
    if made.clip.clip in names:
        row["picture"] = f"{names[made.clip.clip]}_{made.clip.set}.npz"
        path = out.parent / row["picture"]
        write_map_arrays(path, made, network)
        write_map_strip(path.with_suffix(".png"), made)
    return row


def _log(rows: list[dict[str, Any]]) -> None:
    for (name, what), count in sorted(
        Counter((row["set"], row["reason"] or "ok") for row in rows).items()
    ):
        logging.info("%-8s %6d %s", name, count, what)
