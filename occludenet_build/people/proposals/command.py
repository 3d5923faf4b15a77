"""The command line of proposals; the package's docstring is its contract.

One video from its boxes to its best windows.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import occludenet_build.people.proposals as stage
from occludenet_build.config import Config
from occludenet_build.config.people import Proposals
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.build import Boxes, clip_rows, detail_file
from occludenet_build.core.errors import ItemError
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.people.proposals import WINDOWS, person_tracks, review_page, windows
from occludenet_build.people.proposals.hiding import Sight, measure_sights
from occludenet_build.people.proposals.scene import stretches
from occludenet_build.people.proposals.sheets import CandidateSheet, sheets


@dataclass(frozen=True)
class ProposalJob:
    """All that a worker needs for one video."""

    video: dict[str, Any]
    """Its row of the index."""
    boxes: Boxes
    """Everybody's, as detect stores them."""
    key: str
    settings: Proposals
    problem: ItemError | None = None
    """Why it cannot be looked at, where that is known beforehand."""


def find_windows(job: ProposalJob) -> Result:
    """The windows of one video. A video that does not read becomes a failed row."""
    return attempt({"clip": job.video["clip"], "key": job.key}, lambda: _look(job))


def _look(job: ProposalJob) -> tuple[dict[str, Any], pa.Table]:
    if job.problem is not None:
        raise job.problem
    video, settings = job.video, job.settings
    view = person_tracks.VideoShape(video["width"], video["height"], video["fps"])
    tracks = person_tracks.person_tracks(job.boxes, view)
    seen: dict[int, list[Sight]] = {}
    cuts: list[float] = []
    fixed: list[bool] = []
    for stretch in stretches(video["path"]) if tracks else ():
        for track, here in measure_sights(tracks, stretch, view).items():
            seen.setdefault(track, []).extend(here)
        cuts += stretch.cuts
        fixed += [stretch.fixed] * len(stretch.frames)
    found = windows.best_windows(seen, video["duration_seconds"], cuts, settings)
    made = [one for one in sheets(video["path"], found) if one.blur <= settings.max_blur]
    share = float(np.mean(fixed)) if fixed else None
    facts = {"people": len(tracks), "candidates": len(made), "fixed": share}
    return facts, _detail(video["clip"], made)


def _detail(clip: str, made: list[CandidateSheet]) -> pa.Table:
    rows = [
        {
            "clip": clip,
            "start_seconds": one.window.start,
            "end_seconds": one.window.end,
            "track": one.window.track,
            "score": one.window.hidden,
            "present": one.window.present,
            "measured": one.window.measured,
            "shown": one.window.shown,
            "blur": one.blur,
            "sheet": one.jpeg,
        }
        for one in made
    ]
    return pa.Table.from_pylist(rows, WINDOWS)


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
    rows = review_page.merge_decisions(folder / "review.csv", candidates)
    text = review_page.render_page(candidates, [row["sheet"] for row in best], rows, len(videos))
    files.write_text(folder / "index.html", text)
    review_page.write_review(folder / "review.csv", rows)
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
        yield from in_processes(find_windows, map(job, missing), args.threads)

    return keys, make


def _job(
    clip: str,
    known: dict[str, Row],
    found: dict[str, tuple[Row, Path]],
    keys: dict[str, str],
    settings: Proposals,
) -> ProposalJob:
    row, manifest = found.get(clip, (None, None))
    job = ProposalJob(known[clip], Boxes.of(None), keys[clip], settings)
    if row is None or manifest is None:
        problem = ItemError("no_boxes", "no manifest of detect has it")
        return dataclasses.replace(job, problem=problem)
    if row["status"] == "failed":
        return dataclasses.replace(job, problem=ItemError(row["reason"], row["detail"] or ""))
    return dataclasses.replace(job, boxes=Boxes.of(clip_rows(detail_file(manifest), clip)))
