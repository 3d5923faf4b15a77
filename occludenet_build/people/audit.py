"""audit: what a second detector says of the actor's boxes, in a sample of the chosen clips.

A target of its own. First `audit sample` draws the clips; detect searches them with audit's
detector instead of its own (the rule audit_detect); then `audit compare` holds the two against
each other. Nothing else reads what it writes, and no clip is dropped for it.

sample   reads   select/clips.parquet
         writes  audit/sample.parquet    the drawn clips, as detect reads them (detect's --videos)
compare  reads   audit/sample.parquet, detect/store/, audit/detect/sample.parquet and its store
         writes  audit/clips.parquet     a row per clip (CLIPS below)
                 audit/summary.json      means over all clips and by class; who was compared; the
                                         clips with the least agreement

In a frame with an actor the second detector's box is the one that overlaps the actor's box most,
whoever it is of: the question is whether there is a person where the occluder will stand.
`same_actor` asks more: whether the second detector's boxes would have made the same person the
actor. Filled boxes of the actor count, since an occluder stands on them; those of the second
detector do not.

Two detectors on one clip: how far their boxes agree, frame by frame; and means over clips.
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
from occludenet_build.core.build import Boxes, Store
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
        column("boxes_hash", "string", "hash of its boxes: new ones are compared anew"),
        column("frames", "int32", "frames of the source"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("fps", "float64", "average frame rate, frames per second"),
    ]
)

CLIPS = pa.schema(
    [
        *(field for field in STATUS if field.name not in ("key", "seconds")),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("frames", "int32", "frames of the clip"),
        column("actor_frames", "int32", "frames with an actor box, filled ones included"),
        column("compared_frames", "int32", "of these, frames in which the second has a box"),
        column("mean_iou", "float64", "of the actor's box and the second's that overlaps it most, "
               "over compared_frames; null if there are none"),
        column("agreeing_frames", "int32", "compared frames with an overlap of at least audit.iou"),
        column("only_first", "int32", "frames with an actor box in which the second finds nobody"),
        column("only_second", "int32", "frames in which only the second finds somebody"),
        column("same_actor", "int32", "frames in which the second's actor overlaps by audit.iou"),
    ]
)  # fmt: skip


Row = dict[str, Any]

WORST = 20
"""So many clips the summary names."""
_COUNTS = ("actor_frames", "compared_frames", "agreeing_frames", "only_first", "only_second")


def compare(first: Boxes, second: Boxes, least_iou: float) -> Row:
    """The columns of CLIPS that the boxes of two detectors in one clip tell.

    Boxes that the second detector's tracks fill in do not count: nobody was seen there.
    """
    second = second.detected
    mine, everybody = first.actor.by_frame(), first.by_frame()
    theirs, their_actor = second.by_frame(), second.actor.by_frame()
    both = sorted(set(mine) & set(theirs))
    overlaps = np.array([_best(mine[frame], theirs[frame]) for frame in both])
    same = [f for f in set(mine) & set(their_actor) if _best(mine[f], their_actor[f]) >= least_iou]
    return {
        "actor_frames": len(mine),
        "compared_frames": len(both),
        "mean_iou": float(overlaps.mean()) if both else None,
        "agreeing_frames": int((overlaps >= least_iou).sum()),
        "only_first": len(set(mine) - set(theirs)),
        "only_second": len(set(theirs) - set(everybody)),
        "same_actor": len(same),
    }


def _best(first: np.ndarray, second: np.ndarray) -> float:
    """Largest IoU between boxes (N, 4) and (M, 4), N, M > 0."""
    return float(geometry.iou(first, second).max())


def summary(rows: Iterable[Row]) -> Row:
    """Means over frames, of all clips and of each class; the clips with the least agreement."""
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("sample", "compare"))
    parser.add_argument("--clips", type=Path, help="sample: select/clips.parquet")
    parser.add_argument("--sample", type=Path, help="compare: audit/sample.parquet")
    parser.add_argument("--first", type=Path, metavar="DIR", help="compare: detect/store")
    parser.add_argument("--second", type=Path, help="compare: audit/detect/sample.parquet")
    parser.add_argument("--out", type=Path, required=True, help="the table that is written")


def run(args: argparse.Namespace, config: Config) -> None:
    needed = {"sample": ("clips",), "compare": ("sample", "first", "second")}[args.what]
    missing = [f"--{name}" for name in needed if getattr(args, name) is None]
    if missing:
        raise UserError(f"audit {args.what}: wanted {', '.join(missing)}, got nothing; give it")
    if args.what == "sample":
        chosen = [row for row in tables.read_rows(args.clips) if row["status"] == "ok"]
        rows = sample(chosen, config.audit.clips, config.seed)
        tables.write(tables.from_rows(rows, SAMPLE), args.out)
        logging.info("%d of %d chosen clips", len(rows), len(chosen))
    else:
        _compare(args, config.audit)


def sample(chosen: list[Row], count: int, seed: int) -> list[Row]:
    """Rows of SAMPLE of the `count` clips that a hash puts first, sorted by name."""
    order = sorted(chosen, key=lambda row: seeds.integer(seed, row["clip"], "audit"))
    drawn = sorted(order[:count], key=lambda row: row["clip"])
    return [{name: row[name] for name in SAMPLE.names} for row in drawn]


def _compare(args: argparse.Namespace, settings: Audit) -> None:
    searched = {row["clip"]: row for row in tables.read_rows(args.second)}
    rows = []
    with Store(args.first) as first, Store(args.second.parent / "store") as second:
        for clip in tables.read_rows(args.sample):
            row = _row(clip, searched.get(clip["clip"]))
            if row["status"] == "ok":
                mine = first.rows(clip["clip"], clip["detect_shard"])
                if mine is None:
                    raise UserError(
                        f"audit compare: wanted boxes of {clip['clip']} in "
                        f"{args.first}/{clip['detect_shard']}, got none; run detect"
                    )
                theirs = second.rows(clip["clip"], args.second.stem)
                row |= compare(Boxes.of(mine), Boxes.of(theirs), settings.iou)
            rows.append(row)
    tables.write(tables.from_rows(rows, CLIPS), args.out)
    found = summary(rows) | {"second": _described(searched, settings)}
    write_json(args.out.parent / "summary.json", found)
    _tell(found["all"])


def _row(clip: Row, found: Row | None) -> Row:
    """What the tables say of a clip before its boxes are compared."""
    row = {name: clip[name] for name in ("clip", "label", "split", "frames")}
    if found is None:
        raise UserError(f"audit compare: wanted {clip['clip']} in --second, got none; run detect")
    if found["status"] == "failed":
        return row | {name: found[name] for name in ("status", "reason", "detail")}
    return row | {"status": "ok"}


def _described(searched: dict[str, Row], settings: Audit) -> Row:
    hashes = sorted({row["weights_sha256"] for row in searched.values() if row["weights_sha256"]})
    return {
        "backend": settings.backend,
        "weights_sha256": hashes,
        "image_size": settings.image_size,
        "iou": settings.iou,
    }


def _tell(found: Row) -> None:
    if not found["actor_frames"]:
        logging.info("%d clips, no frame with an actor", found["clips"])
        return
    logging.info(
        "%d clips, %d frames with an actor: somebody stands there for both in %.1f %%, the second "
        "finds nobody in %.1f %%, has the same actor in %.1f %%",
        found["clips"],
        found["actor_frames"],
        100 * found["agreeing_share"],
        100 * found["only_first_share"],
        100 * found["same_actor_share"],
    )
