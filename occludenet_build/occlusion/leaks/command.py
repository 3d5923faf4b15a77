"""Command line of leaks; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

import occludenet_build.occlusion.leaks as stage
from occludenet_build.config import Config
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.build import source_identity
from occludenet_build.core.errors import ItemError
from occludenet_build.core.failures import check_items
from occludenet_build.core.ledger import ClipResult, attempt
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.media.video.sample import thumbnails_at
from occludenet_build.occlusion.leaks import HASHES, findings, lists
from occludenet_build.occlusion.leaks.duplicates import HashedClip, find_duplicates
from occludenet_build.occlusion.leaks.hashes import SIDE, picture_hashes
from occludenet_build.occlusion.leaks.lists import youtube_segment

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of leaks."""
    parser.add_argument("--clips", type=Path, required=True, help="select/clips.parquet")
    parser.add_argument("--out", type=Path, required=True, help="leaks/clips.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: Config) -> None:
    """Hash the chosen clips, run the checks and write the tables."""
    settings = config.leaks
    known_lists = [lists.read_list(path) for path in settings.lists]
    chosen = [row for row in tables.read_rows(args.clips) if row["status"] == "ok"]
    clips = _hashed(chosen, config, args)
    hashed = read_hashes(clips, _store(args) / "detail.parquet")
    rows = [
        *findings.same_video_rows(clips),
        *findings.near_duplicate_rows(find_duplicates(hashed, settings), clips, settings),
        *(row for listed in known_lists for row in findings.in_list_rows(clips, listed)),
    ]
    counted = [row for listed in known_lists for row in lists.count_rows(clips, listed)]
    _write(args.out.parent, clips, rows, counted)


def _store(args: argparse.Namespace) -> Path:
    return args.out.parent / "store" / "all"


def _hashed(chosen: list[Row], config: Config, args: argparse.Namespace) -> list[Row]:
    """The rows of all clips, including those that cannot be read."""
    version, per_second = results_version("leaks"), config.leaks.frames_per_second
    by_clip = {row["clip"]: row for row in chosen}
    keys = {
        clip: ledger.result_key("leaks", version, {"per_second": per_second}, *_key_inputs(row))
        for clip, row in by_clip.items()
    }

    def make(missing: list[str]) -> Iterator[ledger.ClipResult]:
        jobs = (HashJob(by_clip[clip], keys[clip], per_second) for clip in missing)
        yield from in_processes(hash_clip, jobs, args.threads, _lost)

    with ledger.locked_ledger(_store(args), stage.CLIPS, stage.HASHES) as opened:
        ledger.work_through(opened, keys, make)
        check_items("leaks", opened.results(sorted(keys)), args.out, config.failures)
        table = opened.close(sorted(keys), args.out)
    ledger.log_summary(table)
    return table.to_pylist()


def _key_inputs(row: Row) -> tuple[str, ...]:
    return source_identity(row), row["path"], row["split"], row["label"]


@dataclass(frozen=True)
class HashJob:
    """The input of a worker that hashes one clip."""

    clip: Row
    key: str
    per_second: float
    """Pictures per second."""


def hash_clip(job: HashJob) -> ClipResult:
    """The hashes of one clip; a clip that cannot be read is a failed row."""
    return attempt(_known(job), lambda: _hashes(job))


def _lost(job: HashJob, error: ItemError) -> ClipResult:
    return ledger.lost(_known(job), error)


def _known(job: HashJob) -> Row:
    """The columns that are known before hashing."""
    name = job.clip["clip"]
    segment = youtube_segment(name)
    row: Row = {"clip": name, "key": job.key}
    row |= {"split": job.clip["split"], "label": job.clip["label"]}
    return row | {"youtube_id": segment[0] if segment else None}


def _hashes(job: HashJob) -> tuple[Row, pa.Table]:
    per_second = Fraction(job.per_second).limit_denominator(1000)
    all_hashes = {
        k: picture_hashes(p) for k, p in thumbnails_at(job.clip["path"], per_second, SIDE)
    }
    hashes = {k: value for k, value in all_hashes.items() if value is not None}
    counts = {"pictures": len(hashes), "plain_pictures": len(all_hashes) - len(hashes)}
    return counts, _detail(job.clip["clip"], hashes)


def _detail(clip: str, hashes: dict[int, tuple[int, int]]) -> pa.Table:
    whole, inner = zip(*hashes.values(), strict=True) if hashes else ((), ())
    return pa.table(
        {
            "clip": pa.array([clip] * len(hashes), pa.string()),
            "slot": pa.array(list(hashes), pa.int32()),
            "hash": pa.array(whole, pa.uint64()),
            "inner_hash": pa.array(inner, pa.uint64()),
        },
        schema=HASHES,
    )


def read_hashes(clips: list[Row], path: Path) -> list[HashedClip]:
    """The hashed clips, in the order of the table at `path`.

    `clips`: rows of leaks.CLIPS, which give the splits.
    """
    splits = {clip["clip"]: clip["split"] for clip in clips}
    return [one for part in tables.row_group_parts(path) for one in _hashed_clips(part, splits)]


def _hashed_clips(table: pa.Table, splits: dict[str, str]) -> Iterator[HashedClip]:
    names = table["clip"].combine_chunks().dictionary_encode()
    slots = table["slot"].to_numpy().astype(np.int64)
    hashes = np.stack([table["hash"].to_numpy(), table["inner_hash"].to_numpy()])
    which = names.indices.to_numpy()
    # The rows of a clip are contiguous.
    edges = np.flatnonzero(np.diff(which, prepend=-1, append=-1))
    for name, (start, stop) in zip(
        names.dictionary.to_pylist(), pairwise(edges.tolist()), strict=True
    ):
        yield HashedClip(name, splits[name], slots[start:stop], hashes[:, start:stop])


def _write(folder: Path, clips: list[Row], rows: list[Row], counted: list[Row]) -> None:
    table = tables.from_rows(rows, stage.FINDINGS)
    tables.write_table(table, folder / "findings.parquet")
    with files.replacing(folder / "findings.csv") as temporary:
        pacsv.write_csv(table, temporary)
    tables.write_table(tables.from_rows(counted, stage.LISTS), folder / "lists.parquet")
    summary = findings.leak_summary(clips, rows, lists.list_notes(counted, clips))
    files.write_json(folder / "summary.json", summary)
    for line in findings.summary_lines(summary):
        logging.info("%s", line)
