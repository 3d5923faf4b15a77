"""The command line of poses, and the ledger key of each clip."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.backends import POSERS
from occludenet_build.config.poses import Poses
from occludenet_build.core import ledger, tables
from occludenet_build.core.build import shard_rows
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import short_hash, write_bytes, write_text
from occludenet_build.core.seeds import shard_names
from occludenet_build.core.versions import results_version
from occludenet_build.people import poses
from occludenet_build.people.posers import posefile
from occludenet_build.people.posers.interface import GivenPoses
from occludenet_build.people.posers.registry import pose_clips
from occludenet_build.people.poses import one_clip, sheet, summary
from occludenet_build.release.terms import CLEAN
from occludenet_build.sources.weights import with_local_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of poses."""
    parser.add_argument("what", choices=("find", "summary"), help="the poses, or what they tell")
    parser.add_argument("--clips", type=Path, help="find: select/shards/S.parquet")
    parser.add_argument(
        "--composite",
        type=Path,
        required=True,
        help="find: composite/S.parquet; summary: the folder composite",
    )
    parser.add_argument("--boxes", type=Path, help="find: the folder detect/store")
    parser.add_argument("--poses", type=Path, help="summary: the folder poses")
    parser.add_argument("--shards", type=int, metavar="N", help="summary: number of shards")
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument(
        "--out", type=Path, required=True, help="poses/S.parquet, or the summary, CSV"
    )
    parser.add_argument("--sheet", type=Path, help="summary: JPEG of some skeletons")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="weights, or the JSON file that acquire wrote for them; overrides poses.weights",
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="CPU threads; default: 1"
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Find the poses of a shard, or summarise those of all shards."""
    settings = config.section(Poses)
    if args.what == "summary":
        _summarise(args, settings)
    else:
        _find(args, config, settings)


def _required(args: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(args, name) is None:
            raise UserError(f"poses {args.what}: wanted --{name}, got nothing; give it")


def _find(args: argparse.Namespace, config: Config, settings: Poses) -> None:
    """Find the poses of the clips of one shard; clips in the ledger are not repeated."""
    _required(args, "clips", "boxes")
    settings, weights_sha256 = with_local_weights(settings, args.weights, "poses")
    rows = {row["clip"]: row for row in _made_rows(args, settings)}
    given = _given(settings, rows)
    backend = {"backend": settings.backend, "weights_sha256": weights_sha256}
    jobs = {}
    for clip, row in rows.items():
        sets, problem = _sets(settings, row, args.root, given.get(clip))
        key = key_of(row, sets, settings, weights_sha256, problem)
        truth = args.composite.parent / "store"
        facts = backend | {"key": key}
        jobs[clip] = one_clip.PoseJob(
            row, sets, args.boxes, truth, args.composite.stem, facts, problem
        )
    keys = {clip: job.facts["key"] for clip, job in jobs.items()}

    def make(missing: list[str]) -> Iterator[ledger.ClipResult]:
        due = (jobs[clip] for clip in missing)
        return pose_clips(settings, due, args.threads, one_clip.pose_clip, one_clip.lost_clip)

    store = args.out.parent / "store" / args.out.stem
    with ledger.locked_ledger(store, poses.ROWS, poses.DETAIL) as clip_ledger:
        ledger.work_through(clip_ledger, keys, make)
        check_items("poses", clip_ledger.results(list(rows)), args.out, config.failures)
        table = clip_ledger.close(list(rows), args.out)
    ledger.log_summary(table)


def _made_rows(args: argparse.Namespace, settings: Poses) -> list[dict[str, Any]]:
    """The rows of composite that are ok, with what select knows of their clips."""
    chosen = {row["clip"]: row for row in shard_rows(args.clips, args.out)}
    made = tables.read_rows(args.composite)
    names = ("width", "height", "path", "detect_shard", "boxes_hash")
    return [
        row | {name: chosen[row["clip"]][name] for name in names}
        for row in made
        if row["status"] == "ok" and row["clip"] in chosen and row["split"] in settings.splits
    ]


def _given(settings: Poses, rows: dict[str, dict[str, Any]]) -> posefile.Given:
    """The user's poses of the clips; none for a network."""
    if POSERS[settings.backend].network:
        return {}
    if settings.file is None:
        raise UserError(
            f"poses.file: wanted a file for poses.backend {settings.backend}, got nothing; set it"
        )
    sources = {
        clip: posefile.PosedSource(row["path"], row["width"], row["height"], row["frames"])
        for clip, row in rows.items()
    }
    return posefile.read_given(Path(settings.file), sources, settings.first_frame)


def _sets(
    settings: Poses,
    row: dict[str, Any],
    root: Path,
    given: dict[str, GivenPoses] | ItemError | None,
) -> tuple[tuple[one_clip.SetFile, ...], ItemError | None]:
    """The sets of a clip that are searched, with the user's poses of each; or what is wrong."""
    sets = tuple(one_clip.sets_of(row, root))
    if POSERS[settings.backend].network:
        return sets, None
    if isinstance(given, ItemError):
        return (), given
    known = given or {}
    if settings.backend == "miniworld" and CLEAN in known:
        known = {one.name: known[CLEAN] for one in sets}
    found = (dataclasses.replace(s, given=known[s.name]) for s in sets if s.name in known)
    return tuple(found), None


def key_of(
    row: dict[str, Any],
    sets: tuple[one_clip.SetFile, ...],
    settings: Poses,
    weights_sha256: str | None,
    problem: ItemError | None = None,
) -> str:
    """The ledger key of a clip, a hash over everything that its poses depend on."""
    matters = {name: getattr(settings, name) for name in POSERS[settings.backend].matters}
    searched = [
        text
        for one in sets
        for text in (one.name, one.sha256, one.given.digest_text() if one.given else "")
    ]
    return ledger.result_key(
        "poses",
        results_version("poses"),
        {"backend": settings.backend} | matters,
        str(row["boxes_hash"]),
        str(row["truth_hash"]),
        weights_sha256 or "",
        str(problem or ""),
        short_hash(*searched),
    )


def _summarise(args: argparse.Namespace, settings: Poses) -> None:
    """Write the summary, and the sheet if it is asked for."""
    _required(args, "poses", "shards")
    manifests = [args.poses / f"{name}.parquet" for name in shard_names(args.shards)]
    counts = summary.count(manifests, settings.joint_score)
    write_text(args.out, summary.csv_of(counts))
    for line in summary.lines(counts):
        logging.info("%s", line)
    if args.sheet is not None:
        composites = partial(_composite_row, args.composite)
        picture = sheet.draw_sheet(manifests, composites, args.root, settings.joint_score)
        write_bytes(args.sheet, picture)


def _composite_row(folder: Path, shard: str) -> dict[str, dict[str, Any]]:
    """Clip -> its row in a shard of composite."""
    return {row["clip"]: row for row in tables.read_rows(folder / f"{shard}.parquet")}
