"""The command line of proposals; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import occludenet_build.proposals as stage
from occludenet_build.config import Config, Proposals
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.build import Boxes, clip_rows, detail_file
from occludenet_build.core.errors import ItemError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.proposals import page, review
from occludenet_build.proposals.search import Job, search

Row = dict[str, Any]

_OF_THE_PAGE = ("candidates",)
"""Settings that change no window of a video."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="index/videos.parquet")
    parser.add_argument("--detect", type=Path, nargs="+", required=True, help="its manifests")
    parser.add_argument("--out", type=Path, required=True, help="proposals/candidates.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: Config) -> None:
    settings, folder = config.proposals, args.out.parent
    videos = [row for row in tables.read_rows(args.videos) if row["status"] == "ok"]
    keys, make = _jobs(videos, args, settings)
    with ledger.hold(folder / "store" / "all", stage.VIDEOS, stage.WINDOWS) as book:
        ledger.work_through(book, keys, make)
        manifest = book.close(sorted(keys), folder / "videos.parquet")
        windows = tables.read_rows(book.detail_path)
    ledger.log_summary(manifest)
    best = sorted(windows, key=lambda row: (-row["score"], row["clip"], row["start_seconds"]))
    best = best[: settings.candidates]
    candidates = list(_candidates(best, videos))
    table = [{name: row[name] for name in stage.CANDIDATES.names} for row in candidates]
    tables.write(tables.from_rows(table, stage.CANDIDATES), args.out)
    rows = review.merged(folder / "review.csv", candidates)
    text = page.render(candidates, [row["sheet"] for row in best], rows, len(videos))
    files.write_text(folder / "index.html", text)
    review.write(folder / "review.csv", rows)
    logging.info("%d windows, %d on the page %s", len(windows), len(best), folder / "index.html")


def _candidates(best: list[Row], videos: list[Row]) -> Iterator[Row]:
    known = {row["clip"]: row for row in videos}
    for rank, window in enumerate(best, 1):
        video = known[window["clip"]]
        path = Path(video["path"])
        place = {"label": video["label"], "split": video["split"], "rank": rank}
        yield window | place | {"video": f"{path.parent.name}/{path.name}"}


def _jobs(
    videos: list[Row], args: argparse.Namespace, settings: Proposals
) -> tuple[dict[str, str], Any]:
    """Video -> key, and what makes the missing ones."""
    found = {row["clip"]: (row, path) for path in args.detect for row in tables.read_rows(path)}
    version, known = results_version("proposals"), {row["clip"]: row for row in videos}
    plain = {k: v for k, v in dataclasses.asdict(settings).items() if k not in _OF_THE_PAGE}
    keys = {}
    for clip, row in known.items():
        boxes, _ = found.get(clip, (None, None))
        made_from = (boxes["boxes_hash"] or boxes["reason"] or "") if boxes else "not searched"
        keys[clip] = ledger.key("proposals", version, plain, row["sha256"], row["path"], made_from)
    job = partial(_job, known=known, found=found, keys=keys, settings=settings)

    def make(missing: list[str]) -> Iterator[ledger.Result]:
        yield from in_processes(search, map(job, missing), args.threads)

    return keys, make


def _job(
    clip: str,
    known: dict[str, Row],
    found: dict[str, tuple[Row, Path]],
    keys: dict[str, str],
    settings: Proposals,
) -> Job:
    row, manifest = found.get(clip, (None, None))
    job = Job(known[clip], Boxes.of(None), keys[clip], settings)
    if row is None or manifest is None:
        problem = ItemError("no_boxes", "no manifest of detect has it")
        return dataclasses.replace(job, problem=problem)
    if row["status"] == "failed":
        return dataclasses.replace(job, problem=ItemError(row["reason"], row["detail"] or ""))
    return dataclasses.replace(job, boxes=Boxes.of(clip_rows(detail_file(manifest), clip)))
