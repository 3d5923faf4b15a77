"""evaluate: what a trained network says about every clip of a split, clean and occluded.

Reads  annotate/clips.parquet, the clips in it, a network written by train. How many frames it
       sees and how large is the network's own matter and comes from its checkpoint.
Writes --out, Parquet, a row per clip, each clip once (columns: PREDICTIONS below); the same name
       with .json: {"sets": [{"set", "scale", "n", "top1", "top5"}], "skipped": [{"file",
       "reason"}], "average", "views", "crops", "backbone", "arm", "seed"}, top1 and top5 in
       percent of the n clips that could be read.

A clip is seen in evaluate.views even samplings in time and evaluate.crops crops; softmax or
logits of these are averaged. Labels are compared by name: a label that the network does not know
stops the room. A clip that cannot be read has no row; it is counted, logged and listed.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build import stage
from occludenet_build.config import Config
from occludenet_build.core import files, tables
from occludenet_build.core.tables import column
from occludenet_build.recognition.table import Clip, must_be_known, read_clips

PREDICTIONS = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "clean, D-25, D-50, D-75"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0: clean"),
        column("file", "string", "the clip, relative to the build's folder"),
        column("label", "string", "what it shows"),
        column("predicted", "string", "what the network says: the label of the largest logit"),
        column("top1", "bool", "predicted is the label"),
        column("top5", "bool", "the label is among the 5 largest logits"),
        column("logits", pa.list_(pa.float32()), "of the averaged prediction, in the order of the "
               "network's labels: mean logits, or the logarithm of the mean softmax"),
        column("area_ratio", "float64", "share of the actor's box hidden, mean of occluded frames"),
        column("duration_ratio", "float64", "share of the clip's time in which it is occluded"),
    ]
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, required=True, help="annotate/clips.parquet")
    parser.add_argument("--root", type=Path, default=Path(), help="folder the clip files lie in")
    parser.add_argument("--model", type=Path, required=True, help="a network written by train")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")


def work(args: argparse.Namespace, config: Config) -> None:
    settings = config.evaluate
    clips = read_clips(args.clips, settings.split)
    if not clips:
        # A handful of the user's own videos may all fall into other splits: not a reason to stop.
        logging.warning(
            "%s has no clip of the split %s, so nothing is evaluated; change evaluate.split or "
            "acquire.split",
            args.clips,
            settings.split,
        )

    import torch

    from occludenet_build.recognition.evaluation import Network, predictions

    torch.set_num_threads(args.threads)
    network = Network.read(args.model)
    must_be_known(clips, network.labels, str(args.model))
    rows, skipped = [], []
    results = predictions(network, clips, args.root, settings) if clips else ()
    for clip, result in results:
        if isinstance(result, str):
            logging.warning("skipped %s: %s", clip.file, result)
            skipped.append({"file": clip.file, "reason": result})
        else:
            rows.append(row_of(clip, result, network.labels))
    rows.sort(key=lambda row: (row["scale"], row["set"], row["file"]))
    summary = accuracies(rows)
    tables.write(tables.from_rows(rows, PREDICTIONS), args.out)
    about = {"average": settings.average, "views": settings.views, "crops": settings.crops}
    files.write_json(
        args.out.with_suffix(".json"),
        {"sets": summary, "skipped": skipped} | about | network.described(),
    )
    log_summary(summary, len(skipped))


def row_of(clip: Clip, logits: np.ndarray, labels: list[str]) -> dict[str, Any]:
    """`logits` (K,) of one clip as its row; of equal logits the first counts as larger."""
    ranked = [labels[position] for position in np.argsort(-logits, kind="stable")[:5]]
    return {
        "clip": clip.clip,
        "set": clip.set,
        "scale": clip.scale,
        "file": clip.file,
        "label": clip.label,
        "predicted": ranked[0],
        "top1": ranked[0] == clip.label,
        "top5": clip.label in ranked,
        "logits": logits.tolist(),
        "area_ratio": clip.area_ratio,
        "duration_ratio": clip.duration_ratio,
    }


def accuracies(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """n, top1 and top5 of every set, in the order of the rows."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["set"], []).append(row)
    return [
        {
            "set": name,
            "scale": group[0]["scale"],
            "n": len(group),
            "top1": 100 * sum(row["top1"] for row in group) / len(group),
            "top5": 100 * sum(row["top5"] for row in group) / len(group),
        }
        for name, group in groups.items()
    ]


def log_summary(summary: list[dict[str, Any]], skipped: int) -> None:
    logging.info("%-8s %6s %7s %7s", "set", "n", "top-1 %", "top-5 %")
    for entry in summary:
        values = (entry[name] for name in ("set", "n", "top1", "top5"))
        logging.info("%-8s %6d %7.1f %7.1f", *values)
    if skipped:
        logging.warning("%d clips could not be read", skipped)


if __name__ == "__main__":
    stage.run("evaluate", __doc__, add_arguments, work)
