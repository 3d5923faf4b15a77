"""acquire videos: list the videos of a folder, or the clips of Kinetics, as a table."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.core import names, seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import column
from occludenet_build.release.terms import CLIP_NAME, split_of_name
from occludenet_build.sources.acquire import ucf_crime

VIDEOS = pa.schema(
    [
        column("clip", "string", "id: stem of the file, with a suffix where two stems are equal"),
        column("path", "string", "path of the file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("status", "string", "ok or failed"),
        column("reason", "string", "reason of a failure, from core.errors.REASONS; null if ok"),
        column("detail", "string", "description of the failure; null if ok"),
    ]
)
"""Schema of videos.parquet: a row per file or clip, the input of index."""

_LONGEST_NAME = 180  # bytes: "0.25_" and ".mp4" and a temporary name's dots fit into 255


def acquire_videos(config: cfg.Config, out: Path) -> None:
    """Write a table of the videos with class and split. Raises UserError where there are none."""
    settings = config.acquire
    if settings.videos is None:
        raise UserError("acquire.videos: wanted a folder, got nothing; set it")
    found = names.listing(settings.videos)
    if not found:
        raise UserError(f"acquire.videos: wanted a folder with videos, {settings.videos} has none")
    layout = settings.layout if settings.layout != "auto" else _guess_layout(found)
    stems = [_safe(path.stem) for path in found]
    clips = names.disambiguate(stems, [(str(path),) for path in found])
    rows = [
        _row(Path(settings.videos), path, clip, layout, config)
        for path, clip in zip(found, clips, strict=True)
    ]
    table = tables.from_rows(sorted(rows, key=lambda r: r["clip"]), VIDEOS)
    tables.write_table(table, out)
    ucf_crime.write_ledger(Path(settings.videos), found, out.parent)
    counts = Counter(f"{row['split']}" for row in rows if row["status"] == "ok")
    logging.info("layout %s: %d files, %s", layout, len(rows), dict(sorted(counts.items())))


def _guess_layout(found: list[PurePosixPath]) -> str:
    tops = {path.parts[0] for path in found if len(path.parts) > 1}
    if not tops:
        return "flat"
    return "kinetics" if all(map(split_of_name, tops)) else "classes"


def _safe(stem: str) -> str:
    """Turn a name into printable UTF-8 of bounded length."""
    text = stem.encode("utf-8", "replace").decode()
    plain = "".join(c if c.isprintable() else "_" for c in text)
    return names.shortened(plain, _LONGEST_NAME, text)


def _row(
    root: Path, path: PurePosixPath, clip: str, layout: str, config: cfg.Config
) -> dict[str, Any]:
    row = {"clip": clip, "path": os.fsencode(root / path).decode("utf-8", "replace")}
    depth = {"kinetics": 3, "classes": 2, "flat": 1}[layout]
    named = split_of_name(path.parts[0]) if layout == "kinetics" else _split(clip, config)
    if len(path.parts) != depth or named is None:
        wanted = {"kinetics": "<split>/<class>/<video>", "classes": "<class>/<video>"}
        detail = f"wanted {wanted.get(layout, '<video>')}, got {path}"
        return row | {"status": "failed", "reason": "misplaced", "detail": detail}
    label = config.acquire.flat_class if layout == "flat" else _safe(path.parts[-2])
    return row | {"label": label, "split": named, "status": "ok"}


def _split(clip: str, config: cfg.Config) -> str:
    found = CLIP_NAME.fullmatch(clip)
    origin = found[1] if found else clip
    return seeds.split_of(vars(config.acquire.split), config.seed, origin, "split")


def acquire_kinetics(presence: Path, out: Path) -> None:
    """Write a table of the clips of the stage kinetics; missing clips have status failed.

    Raises UserError where all clips are missing.
    """
    rows = [_kinetics_row(clip) for clip in tables.read_rows(presence)]
    if not any(row["status"] == "ok" for row in rows):
        raise UserError(
            f"acquire: wanted clips of Kinetics, {presence} has {len(rows)} and none is there; "
            "see its column reason"
        )
    tables.write_table(tables.from_rows(rows, VIDEOS), out)
    logging.info("%s", dict(sorted(Counter(row["reason"] or "ok" for row in rows).items())))


def _kinetics_row(clip: dict[str, Any]) -> dict[str, Any]:
    usable = clip["status"] in ("present", "replaced")
    return {name: clip[name] for name in ("clip", "path", "label", "split", "detail")} | {
        "status": "ok" if usable else "failed",
        "reason": None if usable else clip["reason"],
    }
