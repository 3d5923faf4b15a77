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
from occludenet_build.core.failures import check_items
from occludenet_build.core.progress import progress
from occludenet_build.recognition.clip_table import ClipRow, check_labels_known, read_clips

if TYPE_CHECKING:
    from occludenet_build.recognition.attention.maps import ClassActivationMap
    from occludenet_build.recognition.backbones.spec import FeatureLayout
    from occludenet_build.recognition.predict import TrainedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of attention."""
    parser.add_argument("--clips", type=Path, help="annotate/clips.parquet")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the clip files")
    parser.add_argument("--model", type=Path, help="a network written by train")
    parser.add_argument("--tables", type=Path, nargs="*", help="tables of attention to summarise")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace, config: Config) -> None:
    """Make the maps of --model, or summarise --tables. Raises UserError without either."""
    if args.tables:
        from occludenet_build.recognition.attention.summary import write_summary

        write_summary(args.tables, args.out, config.seed)
    elif args.clips and args.model:
        _make_maps(args, config)
    else:
        raise UserError(
            "attention: wanted --clips and --model to make maps, or --tables to summarise them, "
            "got neither; see --help"
        )


def _make_maps(args: argparse.Namespace, config: Config) -> None:
    settings = config.attention
    clips = read_clips(args.clips, config.evaluate.split)
    if not clips:
        logging.warning("%s has no clip of the split %s", args.clips, config.evaluate.split)

    import torch

    from occludenet_build.recognition.attention.maps import (
        MaskedViews,
        class_activation_maps,
        draw_clips,
    )
    from occludenet_build.recognition.datasets import FrameReader
    from occludenet_build.recognition.frame_masks import FrameMasks
    from occludenet_build.recognition.predict import TrainedNetwork

    torch.set_num_threads(args.threads)
    network = TrainedNetwork.read(args.model)
    check_labels_known(clips, network.labels, str(args.model))
    layout = _layout(network, settings.layer)
    chosen = draw_clips(clips, settings.clips, config.seed)
    clips = [clip for clip in clips if clip.clip in set(chosen)]
    masks = FrameMasks.over(args.clips.parent / "frames", chosen)
    source = FrameReader(args.root, network.input.short_side, keep=False)
    views = MaskedViews(clips, source, masks, network.input)
    names = _names(args.out, chosen[: settings.pictures])
    same = {"arm": network.arm, "seed": network.seed, "backbone": network.backbone}
    rows = []
    results = class_activation_maps(network, layout, views, settings) if clips else ()
    for clip, made in progress(zip(clips, results, strict=True), len(clips), "clip"):
        row = _row(clip) | same | {"layer": layout.layer}
        rows.append(row | _found(made, names, network, args.out))
    check_items("attention", rows, args.out, config.failures)
    tables.write_table(tables.from_rows(rows, stage.ATTENTION_TABLE), args.out)
    _log(rows)


def _layout(network: TrainedNetwork, layer: str | None) -> FeatureLayout:
    """The backbone's layout; `layer` (attention.layer), where given, replaces its layer."""
    layout = network.layout()
    return dataclasses.replace(layout, layer=layer or layout.layer)


def _names(out: Path, clips: list[str]) -> dict[str, str]:
    """Prefix of the picture files by source clip: a number, since ids may not be file names."""
    folder = out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9][0-9]_*"):
        old.unlink()
    return {clip: f"{folder.name}/{number:03d}" for number, clip in enumerate(clips)}


def _row(clip: ClipRow) -> dict[str, Any]:
    return {name: getattr(clip, name) for name in ("clip", "set", "scale", "file", "label")}


def _found(
    made: ClassActivationMap | Any, names: dict[str, str], network: TrainedNetwork, out: Path
) -> dict[str, Any]:
    """Columns from a clip's map, or the reason for its absence; writes the clip's pictures."""
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
