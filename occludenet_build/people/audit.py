"""audit: compares the actor's boxes with a second detector's, in a sample of the chosen clips.

It is a separate target. `audit sample` draws the clips; detect runs on them with audit's detector
instead of its own (the rule audit_detect); `audit compare` compares the boxes of both. No other
stage reads the results, and no clip is excluded because of them.

sample   reads   select/clips.parquet
         writes  audit/sample.parquet    a row per drawn clip (SAMPLE), the input of detect
compare  reads   audit/sample.parquet, detect/store/, audit/detect/sample.parquet and its store
         writes  audit/clips.parquet     a row per clip (CLIPS below)
                 audit/summary.json      means over all clips and by class; the second detector; the
                                         clips with the least agreement

In a frame with an actor box, the second detector's box is the one that overlaps it most, of
whichever person: the question is whether there is a person where the occluder will be placed.
`same_actor` tests more: whether the second detector's boxes lead to the same choice of the actor.
Filled boxes of the actor count, since the occluder covers them; filled boxes of the second detector
do not.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.config import Config
from occludenet_build.config.people import Audit
from occludenet_build.core import seeds, tables
from occludenet_build.core.build import ClipBoxes, DetailStore
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column
from occludenet_build.media.imaging import boxes as geometry

SAMPLE = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("path", "string", "the source file"),
        column("sha256", "string", "hash of the source file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("detect_shard", "string", "shard of detect that holds its boxes"),
        column("boxes_hash", "string", "hash of its boxes: a change makes a new comparison"),
        column("frames", "int32", "frames of the source"),
        column("width", "int32", "width of the displayed picture, pixels"),
        column("height", "int32", "height of the displayed picture, pixels"),
        column("fps", "float64", "average frame rate, frames per second"),
    ]
)

CLIPS = pa.schema(
    [
        *(field for field in STATUS if field.name not in ("key", "seconds")),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("frames", "int32", "frames of the clip"),
        column("actor_frames", "int32", "frames with an actor box, filled boxes included"),
        column("compared_frames", "int32", "of these, frames with a box of the second detector"),
        column("mean_iou", "float64", "IoU of the actor's box and the second detector's box that "
               "overlaps it most, mean over compared_frames; null if none"),
        column("agreeing_frames", "int32", "compared frames with an IoU of audit.iou or more"),
        column("only_first", "int32", "frames with an actor box, none of the second detector"),
        column("only_second", "int32", "frames in which only the second detector has a box"),
        column("same_actor", "int32", "frames in which the actors of both overlap by audit.iou"),
    ]
)  # fmt: skip

Row = dict[str, Any]

WORST = 20
"""Clips with the least agreement that the summary lists."""
_COUNTS = ("actor_frames", "compared_frames", "agreeing_frames", "only_first", "only_second")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of audit."""
    parser.add_argument("what", choices=("sample", "compare"), help="the step to run")
    parser.add_argument("--clips", type=Path, help="sample: select/clips.parquet")
    parser.add_argument("--sample", type=Path, help="compare: audit/sample.parquet")
    parser.add_argument("--first", type=Path, metavar="DIR", help="compare: detect/store")
    parser.add_argument("--second", type=Path, help="compare: audit/detect/sample.parquet")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")


def run(args: argparse.Namespace, config: Config) -> None:
    """Draw the sample, or compare the two detectors.

    Raises UserError where an option that the step needs is missing.
    """
    needed = {"sample": ("clips",), "compare": ("sample", "first", "second")}[args.what]
    missing = [f"--{name}" for name in needed if getattr(args, name) is None]
    if missing:
        raise UserError(f"audit {args.what}: wanted {', '.join(missing)}, got nothing; give it")
    if args.what == "sample":
        chosen = [row for row in tables.read_rows(args.clips) if row["status"] == "ok"]
        rows = sample(chosen, config.audit.clips, config.seed)
        tables.write_table(tables.from_rows(rows, SAMPLE), args.out)
        logging.info("%d of %d chosen clips", len(rows), len(chosen))
    else:
        _compare(args, config.audit)


def sample(chosen: list[Row], count: int, seed: int) -> list[Row]:
    """Rows of SAMPLE of `count` clips, drawn by a hash of the seed and the name, sorted by name."""
    order = sorted(chosen, key=lambda row: seeds.uniform_integer(seed, row["clip"], "audit"))
    drawn = sorted(order[:count], key=lambda row: row["clip"])
    return [{name: row[name] for name in SAMPLE.names} for row in drawn]


def _compare(args: argparse.Namespace, settings: Audit) -> None:
    second_rows = {row["clip"]: row for row in tables.read_rows(args.second)}
    rows = []
    with DetailStore(args.first) as first, DetailStore(args.second.parent / "store") as second:
        for clip in tables.read_rows(args.sample):
            row = _first_columns(clip, second_rows.get(clip["clip"]))
            if row["status"] == "ok":
                boxes = first.rows(clip["clip"], clip["detect_shard"])
                if boxes is None:
                    raise UserError(
                        f"audit compare: wanted boxes of {clip['clip']} in "
                        f"{args.first}/{clip['detect_shard']}, got none; run detect"
                    )
                other = second.rows(clip["clip"], args.second.stem)
                row |= compare(ClipBoxes.of(boxes), ClipBoxes.of(other), settings.iou)
            rows.append(row)
    tables.write_table(tables.from_rows(rows, CLIPS), args.out)
    result = summary(rows) | {"second": _second_detector(second_rows, settings)}
    write_json(args.out.parent / "summary.json", result)
    _log(result["all"])


def _first_columns(clip: Row, second: Row | None) -> Row:
    """The columns of CLIPS that are known before the boxes are compared."""
    row = {name: clip[name] for name in ("clip", "label", "split", "frames")}
    if second is None:
        raise UserError(f"audit compare: wanted {clip['clip']} in --second, got none; run detect")
    if second["status"] == "failed":
        return row | {name: second[name] for name in ("status", "reason", "detail")}
    return row | {"status": "ok"}


def _second_detector(rows: dict[str, Row], settings: Audit) -> Row:
    """The second detector, for the summary."""
    hashes = sorted({row["weights_sha256"] for row in rows.values() if row["weights_sha256"]})
    return {
        "backend": settings.backend,
        "weights_sha256": hashes,
        "image_size": settings.image_size,
        "iou": settings.iou,
    }


def _log(means: Row) -> None:
    if not means["actor_frames"]:
        logging.info("%d clips, no frame with an actor", means["clips"])
        return
    logging.info(
        "%d clips, %d frames with an actor: the second detector agrees in %.1f %%, finds nobody in "
        "%.1f %%, and has the same actor in %.1f %%",
        means["clips"],
        means["actor_frames"],
        100 * means["agreeing_share"],
        100 * means["only_first_share"],
        100 * means["same_actor_share"],
    )


def compare(first: ClipBoxes, second: ClipBoxes, least_iou: float) -> Row:
    """The columns of CLIPS that compare the boxes of two detectors in one clip.

    least_iou: IoU from which two boxes agree. The second detector's filled boxes do not count, as
    it detected nobody there.
    """
    second = second.detected
    actor, people = first.actor.by_frame(), first.by_frame()
    second_people, second_actor = second.by_frame(), second.actor.by_frame()
    both = sorted(set(actor) & set(second_people))
    overlaps = np.array([_best_iou(actor[frame], second_people[frame]) for frame in both])
    with_actors = set(actor) & set(second_actor)
    same = [f for f in with_actors if _best_iou(actor[f], second_actor[f]) >= least_iou]
    return {
        "actor_frames": len(actor),
        "compared_frames": len(both),
        "mean_iou": float(overlaps.mean()) if both else None,
        "agreeing_frames": int((overlaps >= least_iou).sum()),
        "only_first": len(set(actor) - set(second_people)),
        "only_second": len(set(second_people) - set(people)),
        "same_actor": len(same),
    }


def _best_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Largest IoU between boxes float32 (N, 4) and (M, 4), N, M > 0."""
    return float(geometry.iou(first, second).max())


def summary(rows: Iterable[Row]) -> Row:
    """Means over the frames of all clips and of each class, and the clips that agree least.

    rows: rows of CLIPS; only those with status ok count.
    """
    compared = [row for row in rows if row["status"] == "ok"]
    labels = sorted({row["label"] for row in compared})
    worst = sorted(compared, key=lambda row: (_agreement(row), row["clip"]))[:WORST]
    return {
        "all": _means(compared),
        "classes": {
            label: _means([row for row in compared if row["label"] == label]) for label in labels
        },
        "least_agreement": [
            {"clip": row["clip"], "agreeing_share": _agreement(row)} for row in worst
        ],
    }


def _agreement(row: Row) -> float:
    return row["agreeing_frames"] / max(1, row["actor_frames"])


def _means(rows: list[Row]) -> Row:
    total = {name: sum(row[name] for row in rows) for name in (*_COUNTS, "same_actor", "frames")}
    weighted = sum(row["mean_iou"] * row["compared_frames"] for row in rows if row["mean_iou"])
    return {
        "clips": len(rows),
        "actor_frames": total["actor_frames"],
        "mean_iou": _share(weighted, total["compared_frames"]),
        "agreeing_share": _share(total["agreeing_frames"], total["actor_frames"]),
        "only_first_share": _share(total["only_first"], total["actor_frames"]),
        "only_second_share": _share(total["only_second"], total["frames"]),
        "same_actor_share": _share(total["same_actor"], total["actor_frames"]),
    }


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
