"""index: what each video is, from decoding every frame once. The checkpoint of the workflow.

Reads acquire/videos.parquet. Writes, next to --out:

    videos.parquet     a row per video (INDEX below): facts, or the reason why it cannot be used
    shards/NNN.parquet the usable candidates of each shard of detection, SHARD columns

A candidate is a usable video among the first `oversample` x quota of its class and split, in an
order given by a hash: more are not searched for people. With select.assignment published, the
candidates are the source clips that the release names. A shard table is rewritten only when it
changes, so that adding one video reruns one shard.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build import stage
from occludenet_build.core import files, ledger, seeds, tables
from occludenet_build.core.code import digest
from occludenet_build.core.errors import ItemError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.tables import column
from occludenet_build.core.video.probe import VideoInfo, probe
from occludenet_build.release.published import match, read

_FACTS = [
    column("sha256", "string", "hash of the file"),
    column("container", "string", "demuxer"),
    column("codec", "string", "video codec"),
    column("pix_fmt", "string", "pixel format of the decoded frames"),
    column("coded_width", "int32", "stored picture, pixels"),
    column("coded_height", "int32", "stored picture, pixels"),
    column("width", "int32", "displayed picture, pixels: after rotation"),
    column("height", "int32", "displayed picture, pixels"),
    column("rotation", "int32", "degrees counterclockwise from stored to displayed"),
    column("pixel_aspect", "string", "sample aspect ratio, num/den"),
    column("frames", "int32", "frames that decode"),
    column("time_base", "string", "seconds per pts tick, num/den"),
    column("first_pts", "int64", "pts of frame 0"),
    column("duration", "string", "seconds from the first frame to the end of the last, num/den"),
    column("duration_seconds", "float64", "the same, seconds"),
    column("rate", "string", "average frame rate, num/den"),
    column("fps", "float64", "the same, frames per second"),
    column("variable_rate", "bool", "frames are not evenly spaced"),
    column("pts_hash", "string", "hash of all pts"),
    column("audio_codec", "string", "codec of the first sound stream, null if silent"),
    column("audio_streams", "int32", "number of sound streams"),
    column("audio_seconds", "float64", "end of the first sound stream, seconds"),
    column("decode_errors", "int32", "packets that did not decode"),
    column("corrupt_frames", "int32", "frames the decoder calls damaged"),
]
_PLACE = [
    column("path", "string", "the file"),
    column("label", "string", "class name"),
    column("split", "string", "train, val or test"),
]
FACTS = pa.schema([*ledger.STATUS, *_FACTS])
INDEX = pa.schema(
    [
        *ledger.STATUS,
        *_PLACE,
        *_FACTS,
        column("shard", "string", "shard of detection"),
        column("rank", "int32", "place in its class and split in the order of the draw"),
        column("candidate", "bool", "is searched for people"),
    ]
)
SHARD = pa.schema([f for f in INDEX if f.name not in ("status", "reason", "detail", "seconds")])


def main() -> None:
    stage.run("index", __doc__, _arguments, _work)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="table of the room acquire")
    parser.add_argument("--out", type=Path, required=True, help="index/videos.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def _work(args: argparse.Namespace, config: cfg.Config) -> None:
    listed = tables.read_rows(args.videos)
    facts = _facts([r for r in listed if r["status"] == "ok"], config.index, args)
    rows = [_merge(row, facts.get(row["clip"])) for row in listed]
    _mark_duplicates(rows)
    _draw(rows, config)
    if config.select.assignment == "published":
        _take_published(rows, config.select.published)
    table = tables.from_rows(rows, INDEX)
    tables.write(table, args.out)
    _write_shards(rows, args.out.parent / "shards", config.index.shards)
    ledger.log_summary(table)


def _facts(
    listed: list[dict[str, Any]], settings: cfg.Index, args: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Facts per clip; a file is decoded again only when its size or time stamp changed."""
    limits = {"max_decode_errors": settings.max_decode_errors, "max_pixels": settings.max_pixels}
    code = digest("index")
    paths = {row["clip"]: row["path"] for row in listed}
    keys = {
        clip: ledger.key("index", code, limits, path, _stamp(path)) for clip, path in paths.items()
    }
    with ledger.hold(args.out.parent / "store" / "all", FACTS) as book:

        def make(clips: list[str]) -> Iterator[ledger.Result]:
            jobs = [(clip, paths[clip], keys[clip]) for clip in clips]
            for row in in_processes(partial(examine, limits=limits), jobs, args.threads):
                yield ledger.Result(row)

        ledger.work_through(book, keys, make)
        table = book.close(sorted(keys))
    return {row["clip"]: row for row in table.to_pylist()}


def _stamp(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def examine(job: tuple[str, str, str], limits: dict[str, int]) -> dict[str, Any]:
    """The facts of one (clip, path, key), or the reason why there are none."""
    clip, path, key = job
    start = time.monotonic()
    row: dict[str, Any] = {"clip": clip, "status": "ok", "reason": None, "detail": None, "key": key}
    try:
        row |= describe(probe(path, **limits)) | {"sha256": files.sha256_file(path)}
    except ItemError as error:
        row |= {"status": "failed", "reason": error.reason, "detail": error.detail}
    return row | {"seconds": time.monotonic() - start}


def describe(info: VideoInfo) -> dict[str, Any]:
    """A probe as plain columns."""
    width, height = info.display.size
    return {
        "container": info.container,
        "codec": info.codec,
        "pix_fmt": info.pix_fmt,
        "coded_width": info.display.coded_width,
        "coded_height": info.display.coded_height,
        "width": width,
        "height": height,
        "rotation": info.display.rotation,
        "pixel_aspect": _text(info.sample_aspect),
        "frames": info.frames,
        "time_base": _text(info.time_base),
        "first_pts": info.first_pts,
        "duration": _text(info.duration),
        "duration_seconds": float(info.duration),
        "rate": _text(info.fps),
        "fps": float(info.fps),
        "variable_rate": info.variable_rate,
        "pts_hash": info.pts_hash,
        "audio_codec": info.audio_codec,
        "audio_streams": info.audio_streams,
        "audio_seconds": info.audio_seconds,
        "decode_errors": info.decode_errors,
        "corrupt_frames": info.corrupt_frames,
    }


def _text(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _merge(listed: dict[str, Any], facts: dict[str, Any] | None) -> dict[str, Any]:
    """One row; the time stamp in the ledger's key gives way to the content."""
    row = listed | (facts or {})
    row["key"] = files.short_hash(row["clip"], row.get("sha256") or row.get("reason") or "")
    row["seconds"] = None
    return row


def _mark_duplicates(rows: list[dict[str, Any]]) -> None:
    """The same bytes under two names would stand in two splits: the first name keeps them."""
    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda r: r["clip"]):
        if row["status"] != "ok":
            continue
        if first.setdefault(row["sha256"], row["clip"]) != row["clip"]:
            row |= {"status": "skipped", "reason": "duplicate"}
            row["detail"] = f"same bytes as {first[row['sha256']]}"


def _draw(rows: list[dict[str, Any]], config: cfg.Config) -> None:
    """Set shard, rank and candidate; the order is a hash, so no video moves another's shard."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] == "ok":
            row["shard"] = seeds.shard_of(row["clip"], config.index.shards)
            cells.setdefault((row["split"], row["label"]), []).append(row)
    for (split, _), members in cells.items():
        quota = getattr(config.select.quota, split)
        limit = math.inf if quota is None else math.ceil(config.index.oversample * quota)
        members.sort(key=lambda r: seeds.draw(config.seed, r["clip"]))
        for rank, row in enumerate(members):
            row |= {"rank": rank, "candidate": rank < limit}


def _take_published(rows: list[dict[str, Any]], release: str | None) -> None:
    """The candidates are the usable videos that a release names, whatever the quota."""
    choice = match(read(release), rows)
    there = {video["clip"] for _, video in choice if video is not None}
    for row in rows:
        if row["status"] == "ok":
            row["candidate"] = row["clip"] in there
    logging.info("%d published source clips, %d among the videos", len(choice), len(there))


def _write_shards(rows: list[dict[str, Any]], folder: Path, shards: int) -> None:
    # A rank depends on the other videos: it stays out, or one more video would touch all shards.
    names = [name for name in SHARD.names if name not in ("rank", "candidate")]
    schema = pa.schema([SHARD.field(name) for name in names])
    for shard in seeds.shard_names(shards):
        mine = [r for r in rows if r["status"] == "ok" and r["candidate"] and r["shard"] == shard]
        plain = [{name: row.get(name) for name in names} for row in mine]
        tables.write_if_changed(tables.from_rows(plain, schema), folder / f"{shard}.parquet")


if __name__ == "__main__":
    main()
