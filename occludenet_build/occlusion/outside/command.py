"""The command line of outside; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from occludenet_build.config import Config
from occludenet_build.config.variants import Outside
from occludenet_build.core import ledger, tables
from occludenet_build.core.build import DetailStore, store_folder
from occludenet_build.core.errors import UserError, as_item_error
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import sha256_file
from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.occlusion.counterfactual import COUNTED
from occludenet_build.occlusion.ground_truth import occluder_masks
from occludenet_build.occlusion.outside import CLIPS, MEASURES
from occludenet_build.occlusion.outside.compare import OutsideJob, compare_clip, lost_outside
from occludenet_build.release.terms import clip_path, counterfactual_tree

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of outside."""
    parser.add_argument("--composite", type=Path, required=True, help="composite/S.parquet")
    parser.add_argument("--erased", type=Path, required=True, help="counterfactual/S.parquet")
    parser.add_argument("--masks", type=Path, required=True, help="actor_masks/S.parquet")
    parser.add_argument("--folder", type=Path, help="the clips; overrides outside.folder")
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, required=True, help="outside/S.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: Config) -> None:
    """Compare the clips of a shard with the occluded clips, and write both tables.

    Raises UserError where no folder is named.
    """
    named = args.folder or config.outside.folder
    if named is None:
        raise UserError("outside.folder: wanted a folder of clips, got nothing; set it")
    folder = Path(named).absolute()
    if not folder.is_dir():
        raise UserError(f"outside.folder: wanted a folder of clips, got {folder}")
    sources = tables.read_rows(args.erased)
    measured = [limited(row, config.outside) for row in _measured(args, config, folder, sources)]
    check_items("outside", measured, args.out, config.failures)
    measures = args.out.parent / "frames" / args.out.name
    tables.write_table(tables.from_rows(measured, MEASURES), measures)
    tables.write_table(_table(sources, measured, config), args.out)
    counts = Counter(row["reason"] or "ok" for row in measured)
    logging.info("%s", ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "no clips")


def _measured(
    args: argparse.Namespace, config: Config, folder: Path, sources: list[Row]
) -> list[Row]:
    """The rows of MEASURES of a shard before the limits, without times; known ones are kept."""
    jobs = {job.known["clip"]: job for job in _jobs(args, config, folder, sources)}
    order = sorted(jobs)

    def make(due: list[str]) -> Iterator[ledger.ClipResult]:
        tasks = (jobs[clip] for clip in due)
        yield from in_processes(compare_clip, tasks, args.threads, lost_outside)

    with ledger.locked_ledger(store_folder(args.out), MEASURES) as kept:
        ledger.work_through(kept, {clip: jobs[clip].known["key"] for clip in order}, make)
        rows = kept.close(order).to_pylist()
    # the same clip may lie in another folder now
    return [row | jobs[row["clip"]].known | {"seconds": None} for row in rows]


def limited(row: Row, settings: Outside) -> Row:
    """A row of MEASURES, refused where the clip changed more than the settings allow."""
    limits = {
        "changes_occluder": ("occluder_changed", settings.max_occluder_changed, "the occluder's "
                             "pixels over the actor"),
        "changes_background": ("changed", settings.max_changed, "the pixels outside the mask"),
    }  # fmt: skip
    for reason, (name, limit, what) in limits.items():
        if row["status"] == "ok" and row[name] is not None and row[name] > limit:
            detail = f"{100 * row[name]:.1f} % of {what}"
            row = row | {"status": "skipped", "reason": reason, "detail": detail}
    return row


def _jobs(
    args: argparse.Namespace, config: Config, folder: Path, sources: list[Row]
) -> Iterator[OutsideJob]:
    """A job per occluded clip with a counterfactual."""
    occluded = {row["clip"]: row for row in tables.read_rows(args.composite)}
    masked = {row["clip"]: row["masks_hash"] for row in tables.read_rows(args.masks)}
    shard, truth = args.masks.stem, DetailStore(args.composite.parent / "store")
    with DetailStore(args.masks.parent / "store") as rles, truth:
        for source in sources:
            clip = source["clip"]
            made = occluded.get(clip, {"status": None})
            if source["status"] != "ok" or made["status"] != "ok":
                continue
            masks, occluders = rles.masks(clip, shard), occluder_masks(truth, clip, shard)
            own = dict(zip(source["scales"] or (), source["files"] or (), strict=True))
            for at, (scale, file) in enumerate(zip(made["scales"], made["files"], strict=True)):
                path = _found(folder, PurePosixPath(file), config, made, scale)
                ours = args.root / own[scale] if scale in own else None
                ours = ours if ours is not None and ours.is_file() else None
                known = {name: source[name] for name in ("split", "label")}
                known |= {"clip": f"{scale:.2f}_{clip}", "source": clip, "scale": scale}
                used = (made["file_hashes"][at], masked.get(clip), made["truth_hash"])
                key = _key(config.outside, path, ours, *used)
                yield OutsideJob(
                    known=known | {"path": str(path) if path else None, "key": key},
                    path=path,
                    occluded=args.root / file,
                    ours=ours,
                    frames=made["frames"],
                    masks=masks,
                    occluder=occluders.get(round(scale, 6), {}),
                    dilate=config.outside.dilate,
                    threshold=config.outside.threshold,
                )


def _key(settings: Outside, path: Path | None, ours: Path | None, *hashes: str | None) -> str:
    """Hash of everything that determines the measures of a clip, the limits not among it."""
    files = [_hash(one) for one in (path, ours)]
    own = {"dilate": settings.dilate, "threshold": settings.threshold}
    inputs = (one or "none" for one in (*files, *hashes))
    return ledger.result_key("outside", results_version("outside"), own, *inputs)


def _hash(path: Path | None) -> str | None:
    """The sha256 of a file; None where there is none. One that cannot be read has its reason."""
    try:
        return sha256_file(path) if path else None
    except OSError as error:
        return as_item_error(error).reason


def _found(
    folder: Path, occluded: PurePosixPath, config: Config, made: Row, scale: float
) -> Path | None:
    """The clip of the other program: named as ours, below the folder or the tree in it."""
    tree = counterfactual_tree(config.composite.dataset)
    name = clip_path(tree, made["split"], scale, made["label"], made["clip"])
    for base in (folder / PurePosixPath(name).relative_to(tree), folder / name):
        for suffix in (".mp4", *sorted(VIDEO_SUFFIXES)):
            # not with_suffix: the name of a clip may hold a dot
            path = base.with_name(f"{base.name.removesuffix('.mp4')}{suffix}")
            if path.is_file():
                return path
    return None


def _table(sources: list[Row], measured: list[Row], config: Config) -> pa.Table:
    """The rows of counterfactual/S.parquet with the files of the other program."""
    of_source: dict[str, list[Row]] = {}
    for row in measured:
        of_source.setdefault(row["source"], []).append(row)
    rows = [_source_row(row, of_source.get(row["clip"], [])) for row in sources]
    return tables.from_rows(rows, CLIPS)


def _source_row(row: Row, clips: list[Row]) -> Row:
    kept = ("clip", "status", "reason", "detail", "label", "split", "frames")
    own = {name: row[name] for name in (*kept, "actor_frames", "erased_frames", COUNTED)}
    bad = next((clip for clip in clips if clip["status"] != "ok"), None)
    if bad is not None:
        detail = f"{bad['clip']}: {bad['detail'] or bad['reason']}"
        return own | {name: bad[name] for name in ("status", "reason")} | {
            "key": row["key"], "detail": detail}  # fmt: skip
    hashes = [clip["file_hash"] for clip in clips]
    version = results_version("outside")
    return own | {
        "key": ledger.result_key("outside", version, {}, row["clip"], *hashes),
        "scales": [clip["scale"] for clip in clips],
        "files": [clip["path"] for clip in clips],
        "file_hashes": hashes,
    }
