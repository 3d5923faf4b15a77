"""Command line of kinetics, and the tables of all routes: selected clips, and counts per class.

The docstring of the package documents inputs and outputs. Many clips of Kinetics no longer exist,
and the quota of a build decides how many it needs. Therefore a share of missing clips above
download.failure_budget is only a warning. `acquire` stops a build if no clip is present.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.config.backends import modules_of
from occludenet_build.core import extras, failures, files, tables
from occludenet_build.core.errors import REASONS, UserError
from occludenet_build.core.tables import column
from occludenet_build.sources.kinetics import mirror_state
from occludenet_build.sources.kinetics.annotations import AnnotationLists, read_lists
from occludenet_build.sources.kinetics.clip import KineticsClip, RouteResult

PRESENCE = pa.schema(
    [
        column("clip", "string", "id and file name: <youtube id>_<start:06d>_<end:06d>"),
        column("youtube_id", "string", "id of the YouTube video"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("start_seconds", "int32", "start in the YouTube video, seconds"),
        column("end_seconds", "int32", "end in the YouTube video, seconds"),
        column("status", "string", "present, replaced (by the replacement pack), corrupt, missing"),
        column("reason", "string", "why not present, from core.errors.REASONS; null if it is"),
        column("detail", "string", "description of the reason; null without one"),
        column("origin", "string", "archive, address or mirror of the clip"),
        column("path", "string", "path of the file; null if missing"),
        column("bytes", "int64", "size of the file, bytes; null if missing"),
    ]
)
"""Schema of clips.parquet."""

STATUSES = ("present", "replaced", "corrupt", "missing")
_HEADER = ("split", "class", "listed", *STATUSES, "share")
_WORST = 5
_SPLIT_ORDER = ("train", "val", "test")


def presence_rows(
    wanted: Sequence[KineticsClip], found: Iterable[RouteResult]
) -> list[dict[str, Any]]:
    """A row of PRESENCE for each clip of `wanted`, sorted by name; missing without a result."""
    results = {one.clip: one for one in found}
    rows = [
        _row(results.get(clip) or RouteResult(clip, "missing", "missing", "no route has a result"))
        for clip in wanted
    ]
    return sorted(rows, key=lambda row: row["clip"])


def _row(found: RouteResult) -> dict[str, Any]:
    clip = found.clip
    if found.status not in STATUSES or (found.reason not in REASONS and not found.is_present):
        raise ValueError(f"{clip.name}: no such status or reason: {found.status} {found.reason}")
    return {
        "clip": clip.name,
        "youtube_id": clip.youtube_id,
        "label": clip.label,
        "split": clip.split,
        "start_seconds": clip.start,
        "end_seconds": clip.end,
        "status": found.status,
        "reason": found.reason,
        "detail": found.detail,
        "origin": _utf8(found.origin),
        "path": _utf8(found.path),
        "bytes": found.bytes,
    }


def _utf8(text: str | Path | None) -> str | None:
    """Convert to UTF-8, which names on disk need not be."""
    return None if text is None else os.fsencode(text).decode("utf-8", "replace")


def write_presence(rows: Sequence[Mapping[str, Any]], out: Path, budget: float) -> None:
    """Write the table `out` and classes.csv beside it, and log a summary.

    `budget`: largest share of missing clips without a warning, 0 to 1.
    """
    classes = class_rows(rows)
    files.write_text(out.with_name("classes.csv"), _as_csv(classes))
    tables.write_table(tables.from_rows(rows, PRESENCE), out)
    _summarise(rows, classes, budget)


def class_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Counts per split and class, sorted by the number of missing clips, descending.

    `share` is the share of present clips, 0 to 1.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row["split"], row["label"]][row["status"]] += 1
    found = [
        {"split": split, "class": label, "listed": count.total(), "share": _share(count)}
        | {status: count[status] for status in STATUSES}
        for (split, label), count in counts.items()
    ]
    return sorted(
        found, key=lambda c: (-_missing_count(c), _SPLIT_ORDER.index(c["split"]), c["class"])
    )


def _share(counts: Mapping[str, int]) -> float:
    total = sum(counts.get(status, 0) for status in STATUSES)
    return (counts.get("present", 0) + counts.get("replaced", 0)) / total if total else 0.0


def _missing_count(counts: Mapping[str, Any]) -> int:
    return counts["corrupt"] + counts["missing"]


def _as_csv(classes: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dict(row) | {"share": f"{row['share']:.4f}"} for row in classes)
    return text.getvalue()


def _summarise(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[Mapping[str, Any]], budget: float
) -> None:
    for split in _SPLIT_ORDER:
        of_split = [row for row in rows if row["split"] == split]
        if of_split:
            logging.info("%s: %s", split, _line(of_split))
    for row in classes[:_WORST]:
        if _missing_count(row):
            there = row["listed"] - _missing_count(row)
            name = f"{row['split']}/{row['class']}"
            logging.info("most missing: %s, %d of %d present", name, there, row["listed"])
    lacking = sum(_missing_count(row) for row in classes)
    if lacking > budget * len(rows):
        logging.warning(
            "%d of %d selected clips (%.1f %%) are not present, more than download.failure_budget "
            "(%.1f %%); the build continues with the others, classes.csv has the numbers",
            *(lacking, len(rows), 100 * lacking / len(rows), 100 * budget),
        )


def _line(rows: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(row["status"] for row in rows)
    reasons = Counter(row["reason"] for row in rows if row["reason"])
    there = f"{counts['present'] + counts['replaced']} of {len(rows)} present"
    numbers = ", ".join(f"{counts[status]} {status}" for status in STATUSES)
    why = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    return f"{there} ({100 * _share(counts):.1f} %): {numbers}" + (f" ({why})" if why else "")


def check_outage(
    rows: Sequence[Mapping[str, Any]], passing: Collection[str], out: Path, config: cfg.Config
) -> None:
    """Ask for another attempt at the next start if the failures of the clips `passing` may pass.

    The reason `missing` alone is a fact: no archive and no folder has the clip. Raises UserError
    where more than failures.outage_share.kinetics of the clips failed so; those that a build
    without network lacks do not count.
    """
    of_outage = [
        {**row, "reason": row["reason"] if row["clip"] in passing else None} for row in rows
    ]
    judged = [row for row in of_outage if row["reason"] != "offline"]
    if len(judged) < len(rows):
        failures.request_attempt(out)
    failures.check_items("kinetics", judged, out, config.failures)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("--out", type=Path, required=True, help="output table")
    parser.add_argument("--folder", type=Path, required=True, help="folder for downloads")
    parser.add_argument("--threads", type=int, default=1, help="files checked in parallel")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Fetch or find the clips, and write the tables. Raises UserError for an unknown route."""
    if config.kinetics.route not in ROUTES:
        raise UserError(
            f"kinetics.route: wanted one of {', '.join(ROUTES)}, got {config.kinetics.route}"
        )
    route = config.kinetics.route
    extras.require(modules_of("kinetics", {"route": route}), f"kinetics.route {route}")
    lists = read_lists(config, args.folder)
    mirror = config.kinetics.mirror if route == "mirror" else None
    state = mirror_state.folders_digest(mirror) if mirror else None
    found = list(ROUTES[route](lists, args.folder, config, args.threads))
    rows = presence_rows(lists.selected, found)
    if state is not None and any(row["status"] == "missing" for row in rows):
        mirror_state.note_state(args.out, state)
    check_outage(rows, {one.clip.name for one in found if one.passing}, args.out, config)
    write_presence(rows, args.out, config.download.failure_budget)


# Imported when used, since each route has its own dependencies.
def _archives(
    lists: AnnotationLists, folder: Path, config: cfg.Config, threads: int
) -> Iterator[RouteResult]:
    from occludenet_build.sources.kinetics.archives import fetch_archives

    return fetch_archives(lists, folder, config, threads)


def _youtube(
    lists: AnnotationLists, folder: Path, config: cfg.Config, threads: int
) -> Iterator[RouteResult]:
    from occludenet_build.sources.kinetics.youtube.fetch import fetch_clips

    return fetch_clips(lists.selected, folder / "videos", config, threads)


def _mirror(
    lists: AnnotationLists, folder: Path, config: cfg.Config, threads: int
) -> Iterator[RouteResult]:
    from occludenet_build.sources.kinetics.mirror import search_mirror

    return search_mirror(lists, folder, config, threads)


ROUTES: dict[str, Callable[[AnnotationLists, Path, cfg.Config, int], Iterator[RouteResult]]] = {
    "archives": _archives,
    "youtube": _youtube,
    "mirror": _mirror,
}
