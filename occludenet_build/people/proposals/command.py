"""The command line of proposals, and the work on one video, from its boxes to its windows."""

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
from occludenet_build.core import files, ledger, seeds, tables
from occludenet_build.core.build import ClipBoxes, detail_file, read_clip_rows, source_identity
from occludenet_build.core.errors import ItemError
from occludenet_build.core.failures import check_items
from occludenet_build.core.ledger import ClipResult, attempt
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.people.proposals import WINDOWS, person_tracks, review_page, windows
from occludenet_build.people.proposals.evidence import confirmed
from occludenet_build.people.proposals.hiding import measure_sights
from occludenet_build.people.proposals.keypoints import Keypoints, read_keypoints
from occludenet_build.people.proposals.scene import stretches
from occludenet_build.people.proposals.sheets import CandidateSheet, sheets
from occludenet_build.people.proposals.sights import Sight

Row = dict[str, Any]

_NOT_IN_KEY = ("candidates",)
"""Settings that do not change the windows of a video."""


@dataclass(frozen=True)
class ProposalJob:
    """Everything that a worker process needs for one video."""

    video: dict[str, Any]
    """Its row in the index."""
    boxes: ClipBoxes
    """The boxes of all people, as detect stores them."""
    key: str
    """Its key in the ledger."""
    settings: Proposals
    joints: Keypoints | None = None
    """The joints of the people in it, if the user has some."""
    problem: ItemError | None = None
    """Why the video cannot be searched, where that is known beforehand."""


def find_windows(job: ProposalJob) -> ClipResult:
    """The windows of one video. A video that cannot be decoded becomes a failed row."""
    return attempt({"clip": job.video["clip"], "key": job.key}, lambda: _search(job))


def _lost(job: ProposalJob, error: ItemError) -> ClipResult:
    return ledger.lost({"clip": job.video["clip"], "key": job.key}, error)


def _search(job: ProposalJob) -> tuple[dict[str, Any], pa.Table]:
    """The columns of VIDEOS and the rows of WINDOWS."""
    if job.problem is not None:
        raise job.problem
    video, settings = job.video, job.settings
    view = person_tracks.VideoShape(video["width"], video["height"], video["fps"])
    tracks = person_tracks.person_tracks(job.boxes, view)
    sights: dict[int, list[Sight]] = {}
    cuts: list[float] = []
    fixed: list[bool] = []
    everybody = job.boxes.detected.by_frame()
    for stretch in stretches(video["path"], everybody) if tracks else ():
        for track, seen in measure_sights(tracks, stretch, view, job.joints).items():
            sights.setdefault(track, []).extend(seen)
        cuts += stretch.cuts
        fixed += [stretch.fixed] * len(stretch.frames)
    best = windows.best_windows(confirmed(sights), video["duration_seconds"], cuts, settings)
    made = [one for one in sheets(video["path"], best) if one.blur <= settings.max_blur]
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
            "shown": one.window.height_share,
            "blur": one.blur,
            "evidence": "+".join(one.window.evidence.kinds),
            "side": one.window.evidence.side,
            "edge": one.window.evidence.edge,
            "moments": one.window.evidence.moments,
            "people": one.window.evidence.people,
            "height_error": one.window.evidence.error,
            "sheet": one.jpeg,
        }
        for one in made
    ]
    return pa.Table.from_pylist(rows, WINDOWS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of proposals."""
    parser.add_argument(
        "--videos", type=Path, required=True, help="the videos: index/videos.parquet"
    )
    parser.add_argument(
        "--detect", type=Path, nargs="+", required=True, help="detect's tables, or their folder"
    )
    parser.add_argument(
        "--shards", type=int, metavar="N", help="number of tables in a folder given; default: all"
    )
    parser.add_argument(
        "--keypoints", type=Path, help="joints of the people, a Parquet file; default: none"
    )
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Propose windows of all videos; videos in the ledger are not repeated."""
    settings, folder = config.proposals, args.out.parent
    videos = [row for row in tables.read_rows(args.videos) if row["status"] == "ok"]
    keys, make = _jobs(videos, args, settings)
    with ledger.locked_ledger(
        folder / "store" / "all", stage.VIDEOS, stage.WINDOWS
    ) as video_ledger:
        ledger.work_through(video_ledger, keys, make)
        results = video_ledger.results(sorted(keys))
        check_items("proposals", results, args.out, config.failures)
        manifest = video_ledger.close(sorted(keys), folder / "videos.parquet")
        windows = tables.read_rows(video_ledger.detail_path)
    ledger.log_summary(manifest)
    best = sorted(windows, key=lambda row: (-row["score"], row["clip"], row["start_seconds"]))
    best = best[: settings.candidates]
    _write_outputs(args.out, best, videos)
    logging.info("%d windows, %d on the page %s", len(windows), len(best), folder / "index.html")


def _write_outputs(out: Path, best: list[Row], videos: list[Row]) -> None:
    """Write candidates.parquet, index.html and review.csv."""
    folder = out.parent
    candidates = list(_candidates(best, videos))
    table = [{name: row[name] for name in stage.CANDIDATES.names} for row in candidates]
    tables.write_table(tables.from_rows(table, stage.CANDIDATES), out)
    rows = review_page.merge_decisions(folder / "review.csv", candidates)
    text = review_page.render_page(candidates, [row["sheet"] for row in best], rows, len(videos))
    files.write_text(folder / "index.html", text)
    review_page.write_review(folder / "review.csv", rows)


def _candidates(best: list[Row], videos: list[Row]) -> Iterator[Row]:
    """Rows of CANDIDATES, with the sheets, from rows of WINDOWS in order of their score."""
    by_name = {row["clip"]: row for row in videos}
    for rank, window in enumerate(best, 1):
        video = by_name[window["clip"]]
        path = Path(video["path"])
        more = {"label": video["label"], "split": video["split"], "rank": rank}
        yield window | more | {"video": f"{path.parent.name}/{path.name}"}


def _jobs(
    videos: list[Row], args: argparse.Namespace, settings: Proposals
) -> tuple[dict[str, str], Any]:
    """Video -> key, and the function that makes the results of missing videos."""
    manifests = seeds.shard_tables(args.detect, args.shards)
    searched = {row["clip"]: (row, path) for path in manifests for row in tables.read_rows(path)}
    version, by_name = results_version("proposals"), {row["clip"]: row for row in videos}
    plain = {k: v for k, v in dataclasses.asdict(settings).items() if k not in _NOT_IN_KEY}
    joints = read_keypoints(args.keypoints) if args.keypoints else {}
    plain["keypoints"] = files.sha256_file(args.keypoints) if args.keypoints else None
    keys = {}
    for clip, row in by_name.items():
        boxes, _ = searched.get(clip, (None, None))
        made_from = (boxes["boxes_hash"] or boxes["reason"] or "") if boxes else "not searched"
        keys[clip] = ledger.result_key(
            "proposals", version, plain, source_identity(row), row["path"], made_from
        )
    job = partial(
        _job, by_name=by_name, searched=searched, keys=keys, settings=settings, joints=joints
    )

    def make(missing: list[str]) -> Iterator[ledger.ClipResult]:
        yield from in_processes(find_windows, map(job, missing), args.threads, _lost)

    return keys, make


def _job(
    clip: str,
    by_name: dict[str, Row],
    searched: dict[str, tuple[Row, Path]],
    keys: dict[str, str],
    settings: Proposals,
    joints: dict[str, Keypoints],
) -> ProposalJob:
    row, manifest = searched.get(clip, (None, None))
    own = joints.get(clip)
    job = ProposalJob(by_name[clip], ClipBoxes.of(None), keys[clip], settings, own)
    if row is None or manifest is None:
        problem = ItemError("no_boxes", "no manifest of detect has it")
        return dataclasses.replace(job, problem=problem)
    if row["status"] == "failed":
        return dataclasses.replace(job, problem=ItemError(row["reason"], row["detail"] or ""))
    return dataclasses.replace(job, boxes=ClipBoxes.of(read_clip_rows(detail_file(manifest), clip)))
