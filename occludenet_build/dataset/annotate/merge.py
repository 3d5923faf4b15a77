"""Join the tables of a build into one row per output clip, in the order of the release."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core import tables
from occludenet_build.core.build import detail_file, store_folder
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.versions import results_version
from occludenet_build.dataset.annotate.frames import (
    CompositedClip,
    FrameShard,
    OcclusionMeasures,
    finished_shard,
)
from occludenet_build.release.terms import (
    CLEAN,
    SPLITS,
    class_order,
    label_ids,
    occluder_type_order,
    set_name,
)

Row = dict[str, Any]

_OF_SELECT = [
    *("clip", "status", "reason", "split", "label", "category", "occluder"),
    *("height", "width"),
]
_FILES = ["scales", "files", "file_hashes"]
_OF_COMPOSITE = [
    *("clip", "status", "reason", "split", "label", "category", "occluder", "frames"),
    *("occluded_frames", "fps", "duration_seconds", *_FILES, "clean_file", "clean_hash"),
]
_OF_TWINS = ["clip", "status", "key", *_FILES]


@dataclass(frozen=True)
class BuildTables:
    """Paths of the tables of a build; manifests of one shard have the same file name."""

    select: Path
    occluders: Path
    composite: list[Path]
    counterfactual: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)


def release_order(row: Row) -> tuple:
    """Sort key of a source clip: split, class, occluder type, id."""
    kind = occluder_type_order(row["category"])
    return SPLITS.index(row["split"]), class_order(row["label"]), kind, row["clip"]


def candidate_rows(select: Path) -> list[Row]:
    """The rows of select without the clips that are not in the replayed release.

    Their classes define the label ids, their splits the CSV files.
    """
    return [row for row in tables.read_rows(select, _OF_SELECT) if row["reason"] != "not_published"]


def join_tables(
    build: BuildTables, frames: Path, threads: int = 1, *, erase_clean: bool = True
) -> tuple[list[Row], dict[str, int]]:
    """Return the rows of CLIPS and the label ids, and write tables of frames into `frames`.

    With `erase_clean`, clean twins get a counterfactual too, which train makes at load time.

    Raises UserError where the tables contradict each other.
    """
    chosen = {row["clip"]: row for row in candidate_rows(build.select)}
    manifests = {path.stem: tables.read_rows(path, _OF_COMPOSITE) for path in build.composite}
    _log_absent(chosen, manifests)
    made = [_checked_row(row, chosen) for rows in manifests.values() for row in rows if _ok(row)]
    twins = _by_clip(build.counterfactual)
    seconds = _generation_seconds(build.composite)
    measured = _write_frames(build, manifests, chosen, frames, threads)
    labels = label_ids(row["label"] for row in chosen.values())
    rows: list[Row] = []
    for row in sorted(made, key=release_order):
        common = _common_columns(row, chosen[row["clip"]], labels, seconds)
        twin = twins.get(row["clip"])
        rows.extend(_clean_rows(row, common, twin if erase_clean else None))
        rows.extend(_occluded_rows(row, common, twin, measured))
    return rows, labels


def _ok(row: Row) -> bool:
    return row["status"] == "ok"


def _log_absent(chosen: dict[str, Row], manifests: dict[str, list[Row]]) -> None:
    seen = {row["clip"]: row for rows in manifests.values() for row in rows}
    absent = Counter(
        f"{row['status']}: {row['reason']}" for row in (chosen | seen).values() if not _ok(row)
    )
    absent["not composited"] = sum(_ok(r) for clip, r in chosen.items() if clip not in seen)
    named = ", ".join(f"{n} {why}" for why, n in sorted(absent.items()) if n) or "none"
    logging.info("%d source clips composited; absent: %s", sum(map(_ok, seen.values())), named)


def _checked_row(row: Row, chosen: dict[str, Row]) -> Row:
    """A row of composite after a comparison with select; it belongs in the occluded sets."""
    clip, choice = row["clip"], chosen.get(row["clip"])
    if choice is None:
        raise UserError(
            f"composite: {clip}: wanted a clip of select, got one that it lacks; "
            "run composite again"
        )
    for name in ("split", "label", "category", "occluder"):
        if row[name] != choice[name]:
            raise UserError(
                f"composite: {clip}: wanted {name} {choice[name]!r} as in select, got "
                f"{row[name]!r}; run composite again"
            )
    if row["occluded_frames"] < 1:
        raise UserError(f"composite: {clip}: wanted an occluded frame, got none in an occluded set")
    if not row["fps"] > 0:
        raise UserError(f"composite: {clip}: wanted an average frame rate, got {row['fps']}")
    if not len(row["scales"]) == len(row["files"]) == len(row["file_hashes"]) > 0:
        raise UserError(f"composite: {clip}: wanted a file and a hash per scale {row['scales']}")
    return row


def _by_clip(paths: list[Path]) -> dict[str, Row]:
    read = (row for path in paths for row in tables.read_rows(path, _OF_TWINS))
    return {row["clip"]: row for row in read if _ok(row)}


def _generation_seconds(manifests: list[Path]) -> dict[str, float]:
    """Source clip -> measured time, seconds; only the store has it."""
    seconds: dict[str, float] = {}
    for manifest in manifests:
        table = tables.read_table(store_folder(manifest) / "rows.parquet", ["clip", "seconds"])
        seconds.update(zip(*(table[name].to_pylist() for name in ("clip", "seconds")), strict=True))
    return seconds


def _write_frames(
    build: BuildTables,
    manifests: dict[str, list[Row]],
    chosen: dict[str, Row],
    out: Path,
    threads: int,
) -> dict[tuple[str, str], OcclusionMeasures]:
    """Write the table of frames of every shard; return (clip, set) -> measures."""
    masks = {path.stem: path for path in build.masks}
    todo = (
        _shard(path, manifests[path.stem], masks.get(path.stem), chosen, out)
        for path in build.composite
    )
    results = progress(in_processes(finished_shard, todo, threads), len(build.composite), "shard")
    return {(one.clip, one.set): one for shard in results for one in shard}


def _shard(
    manifest: Path, rows: list[Row], masks: Path | None, chosen: dict[str, Row], out: Path
) -> FrameShard:
    clips = []
    for row in filter(_ok, rows):
        choice = chosen[row["clip"]]
        sets = {float(np.float32(s)): set_name(s) for s in row["scales"]}
        clips.append(
            CompositedClip(
                clip=row["clip"],
                height=choice["height"],
                width=choice["width"],
                frames=row["frames"],
                occluded_frames=row["occluded_frames"],
                sets=sets,
            )
        )
    detail = None
    if masks is not None:
        _check_mask_sizes(masks, {clip.clip: clip for clip in clips})
        detail = detail_file(masks)
    contents = (sha256_file(path) for path in (manifest, masks) if path is not None)
    key = short_hash(results_version("annotate"), repr(clips), *contents)
    return FrameShard(clips, detail_file(manifest), detail, out / manifest.name, key)


def _check_mask_sizes(path: Path, clips: dict[str, CompositedClip]) -> None:
    for row in filter(_ok, tables.read_rows(path, ["clip", "status", "height", "width"])):
        clip = clips.get(row["clip"])
        if clip is not None and (row["height"], row["width"]) != (clip.height, clip.width):
            raise UserError(
                f"{path}: {clip.clip}: wanted masks of {clip.width}x{clip.height}, got "
                f"{row['width']}x{row['height']}; run actor_masks again"
            )


def _common_columns(
    row: Row, choice: Row, labels: dict[str, int], seconds: dict[str, float]
) -> Row:
    """The columns that all output clips of one source share."""
    copied = ("clip", "split", "label", "frames", "fps", "duration_seconds")
    outputs = len(row["files"]) + (row["clean_file"] is not None)
    if seconds.get(row["clip"]) is None:
        raise UserError(
            f"composite: {row['clip']}: wanted its measured time in the store, got none; run "
            "composite again"
        )
    return {name: row[name] for name in copied} | {
        "label_id": labels[choice["label"]],
        "generation_seconds": seconds[row["clip"]] / outputs,
    }


def _clean_rows(row: Row, common: Row, twin: Row | None) -> Iterator[Row]:
    """The clean twin. Its counterfactual is never a file: train erases the actor at load time."""
    if row["clean_file"] is not None:
        yield common | {
            "counterfactual_hash": f"load:clean:{twin['key']}" if twin is not None else None,
            "set": CLEAN,
            "scale": 0.0,
            "file": row["clean_file"],
            "file_hash": row["clean_hash"],
            "occluded_frames": 0,
            "occlusion_seconds": 0.0,
            "duration_ratio": 0.0,
            "degree": 0.0,
            "area_ratio": 0.0,
        }


def _occluded_rows(
    row: Row, common: Row, twin: Row | None, measured: dict[tuple[str, str], OcclusionMeasures]
) -> Iterator[Row]:
    erased = {scale: names for scale, *names in _files(twin)} if twin is not None else {}
    for scale, file, file_hash in _files(row):
        found = measured[row["clip"], set_name(scale)]
        counterfactual, counterfactual_hash = erased.get(scale, (None, _at_load_time(twin)))
        yield common | {
            "set": found.set,
            "scale": scale,
            "file": file,
            "file_hash": file_hash,
            "counterfactual": counterfactual,
            "counterfactual_hash": counterfactual_hash,
            "occluder": row["occluder"],
            "category": row["category"],
            "occluded_frames": found.occluded_frames,
            "occlusion_seconds": found.occluded_frames / row["fps"],
            "duration_ratio": found.occluded_frames / row["frames"],
            "degree": found.degree,
            "area_ratio": found.area_ratio,
            "actor_hidden": found.actor_hidden,
        }


def _at_load_time(twin: Row | None) -> str | None:
    """`load:` and the key of masks, fill and clip, for a counterfactual without a file."""
    return f"load:{twin['key']}" if twin is not None and not twin["files"] else None


def _files(row: Row) -> list[tuple[float, str, str]]:
    """(scale, file, hash), ascending."""
    return sorted(zip(row["scales"], row["files"], row["file_hashes"], strict=True))
