"""The command line of composite; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.composite import CLIPS, ERASED, FILES
from occludenet_build.composite.shard import Due, Shard
from occludenet_build.composite.work import make
from occludenet_build.compositing.ground_truth import TRUTH
from occludenet_build.core import ledger
from occludenet_build.core.errors import UserError
from occludenet_build.core.outputs import intact, remove_stale
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.video.encoder import available


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stage's command line."""
    parser.add_argument("--clips", type=Path, required=True, help="select/shards/NNN.parquet")
    parser.add_argument("--boxes", type=Path, required=True, help="detect/store")
    parser.add_argument("--bank", type=Path, required=True, help="folder of the cut-outs")
    parser.add_argument("--masks", type=Path, help="actor_masks/NNN.parquet")
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, required=True, help="composite/NNN.parquet")
    parser.add_argument("--erased", type=Path, help="counterfactual/NNN.parquet; needs --masks")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Make what is missing of a shard and write its tables.

    Raises UserError where counterfactuals are wanted and no masks are given.
    """
    if args.erased and config.counterfactual.splits and not args.masks:
        raise UserError("composite: wanted --masks for --erased, got none; give actor_masks' table")
    shard = Shard(args, config)
    with ExitStack() as stack:
        books = {"occluded": stack.enter_context(_book(args.out, CLIPS, TRUTH))}
        if args.erased:
            books["erased"] = stack.enter_context(_book(args.erased, ERASED, None))
        _make_missing(shard, books, args, config)
        for (name, book), out in zip(books.items(), (args.out, args.erased), strict=False):
            before = book.kept_rows()
            table = book.close(sorted(shard.keys[name]), out)
            remove_stale(before, table, args.root, FILES)
            ledger.log_summary(table)


def _book(out: Path, rows: pa.Schema, detail: pa.Schema | None) -> Any:
    return ledger.hold(out.parent / "store" / out.stem, rows, detail)


def _make_missing(
    shard: Shard, books: dict[str, ledger.Ledger], args: argparse.Namespace, config: cfg.Config
) -> None:
    """Each clip once, for whatever of it is missing."""
    missing = {
        name: set(ledger.missing(book, shard.keys[name], lambda row: intact(args.root, row, FILES)))
        for name, book in books.items()
    }
    clips = sorted(set().union(*missing.values()))
    if not clips:
        return
    codec = available(config.composite.codec)
    settings = dataclasses.replace(config.composite, codec=codec)
    due = (_due(shard, clip, missing, settings) for clip in clips)
    results = in_processes(partial(make, settings=settings), due, args.threads)
    for made in progress(results, len(clips), "clip"):
        for name, result in made.items():
            books[name].commit(result)


def _due(shard: Shard, clip: str, missing: dict[str, set[str]], settings: cfg.Composite) -> Due:
    return shard.due(clip, {name for name, clips in missing.items() if clip in clips}, settings)
