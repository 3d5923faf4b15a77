"""acquire videos: list the videos of a folder, or the clips of Kinetics, as a table."""

from __future__ import annotations

import difflib
import logging
import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.core import names, seeds, tables
from occludenet_build.core.errors import ItemError, UserError, as_item_error
from occludenet_build.core.tables import column
from occludenet_build.release.class_lists import expanded, plain_label
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
    """Write a table of the videos with class and split.

    Raises UserError where there are none, none is usable, or the layout is unclear.
    """
    settings = config.acquire
    if settings.videos is None:
        raise UserError("acquire.videos: wanted a folder, got nothing; set it")
    root = Path(settings.videos)
    tree = names.read_tree(root)
    found = sorted([*tree.files, *tree.unread])
    if not found:
        raise UserError(f"acquire.videos: wanted a folder with videos, {root} has none")
    layout = settings.layout if settings.layout != "auto" else guess_layout(found)
    clips = names.disambiguate([_safe(path.stem) for path in found], [(str(p),) for p in found])
    rows = [_row(root, path, clip, layout, config) for path, clip in zip(found, clips, strict=True)]
    _unify_labels(rows)
    chosen = _of_classes(rows, settings.classes) if settings.classes else rows
    table = tables.from_rows(sorted(chosen, key=lambda r: r["clip"]), VIDEOS)
    _log_listing(layout, chosen, tree)
    tables.write_table(table, out)
    named = [p for p, row in zip(found, rows, strict=True) if row.get("reason") != "not_utf8"]
    ucf_crime.write_ledger(root, named, out.parent)


def guess_layout(found: list[PurePosixPath]) -> str:
    """The layout of files with these paths below the folder: kinetics, classes or flat.

    Raises UserError where some folders are named like splits and others not, unless most files, or
    none, lie as <split>/<class>/<video>.
    """
    tops = {path.parts[0] for path in found if len(path.parts) > 1}
    if not tops:
        return "flat"
    splits = {top for top in tops if split_of_name(top)}
    if splits == tops:
        return "kinetics"
    in_splits = sum(len(path.parts) == 3 and path.parts[0] in splits for path in found)
    if not in_splits:
        return "classes"
    others = ", ".join(ascii(top)[1:-1] for top in sorted(tops - splits)[:5])
    if in_splits <= len(found) / 2:
        raise UserError(
            f"acquire.layout: wanted folders of splits or of classes, got both: {in_splits} of "
            f"{len(found)} files lie as <split>/<class>/<video>, the others in {others}; set "
            "kinetics or classes, or move the others away"
        )
    logging.warning("acquire.layout: kinetics; not named like a split, so left out: %s", others)
    return "kinetics"


def _unify_labels(rows: list[dict[str, Any]]) -> None:
    """One form for classes whose folders are equal on macOS (NFC and NFD), in place."""
    labelled = [row for row in rows if row.get("label") is not None]
    unified = names.unify_accents([row["label"] for row in labelled])
    for row, label in zip(labelled, unified, strict=True):
        row["label"] = label


def _of_classes(rows: list[dict[str, Any]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of these classes, and those of files whose class is unknown.

    Raises UserError for a class without videos; those that a list of classes stands for may lack
    some, which are logged, but not all.
    """
    folders = {plain_label(row["label"]): row["label"] for row in rows if row.get("label")}
    for name in classes:
        wanted = [one for one in expanded([name]) if plain_label(one) not in folders]
        if len(wanted) == len(expanded([name])):
            close = difflib.get_close_matches(plain_label(name), folders, n=3)
            meant = " or ".join(repr(folders[match]) for match in close) or "one of its classes"
            raise UserError(
                f"acquire.classes: wanted a class of acquire.videos, got {name!r}; did you mean "
                f"{meant}?"
            )
        if wanted:
            logging.warning(
                "acquire.classes: %s: %d classes have no videos, such as %s",
                name,
                len(wanted),
                wanted[0],
            )
    taken = set(map(plain_label, expanded(classes)))
    return [row for row in rows if not row.get("label") or plain_label(row["label"]) in taken]


def _log_listing(layout: str, rows: list[dict[str, Any]], tree: names.Tree) -> None:
    """Log the counts. Raises UserError where no file is usable."""
    counts = Counter(f"{row['split']}" for row in rows if row["status"] == "ok")
    failed = [row for row in rows if row["status"] != "ok"]
    reasons = Counter(row["reason"] for row in failed)
    if not counts:
        raise UserError(
            f"acquire.videos: wanted videos, none of {len(rows)} files is usable by the layout "
            f"{layout} ({_counted(reasons)}), first: {failed[0]['reason']}: {failed[0]['detail']}"
        )
    logging.info("layout %s: %d files, %s", layout, len(rows), dict(sorted(counts.items())))
    if failed:
        first = f"{failed[0]['path']}: {failed[0]['detail']}"
        logging.warning("left out: %s; first %s", _counted(reasons), first)
    for link in tree.repeated[:10]:
        logging.warning("%a is a link to a folder that is listed already; not followed", str(link))


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))


def _safe(stem: str) -> str:
    """Turn a name into printable UTF-8 of bounded length."""
    text = stem.encode("utf-8", "replace").decode()
    plain = "".join(c if c.isprintable() else "_" for c in text)
    return names.shortened(plain, _LONGEST_NAME, text)


def _row(
    root: Path, path: PurePosixPath, clip: str, layout: str, config: cfg.Config
) -> dict[str, Any]:
    """The row of a file. One that is failed here is so by its name or place, or was not there when
    it was listed: a link that leads nowhere, a folder that must not be read."""
    shown = os.fsencode(root / path).decode("utf-8", "backslashreplace")
    row: dict[str, Any] = {"clip": clip, "path": shown, "status": "ok"}
    try:
        names.require_utf8(root / path)
        _check_present(root / path)
        row["split"] = _split_of(path, clip, layout, config)
    except ItemError as error:
        return row | {"status": "failed", "reason": error.reason, "detail": error.detail}
    label = config.acquire.flat_class if layout == "flat" else _safe(path.parts[-2])
    return row | {"label": label}


def _check_present(path: Path) -> None:
    """Raises ItemError: missing for a link that leads nowhere, no_permission, unreachable."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            os.scandir(path).close()  # it could not be listed
    except OSError as error:
        found = as_item_error(error)
        if found.reason == "missing" and path.is_symlink():
            target = os.fsencode(path.readlink()).decode("utf-8", "backslashreplace")
            detail = (
                f"a link that leads nowhere, to {target}; fetch the file (git annex get, dvc pull)"
            )
            raise ItemError("missing", detail) from error
        if found.reason == "no_permission":
            detail = f"{path}: {error.strerror}; let this user read it and the folders above it"
            raise ItemError("no_permission", detail) from error
        raise found from error


def _split_of(path: PurePosixPath, clip: str, layout: str, config: cfg.Config) -> str:
    """Raises ItemError misplaced."""
    depth = {"kinetics": 3, "classes": 2, "flat": 1}[layout]
    named = split_of_name(path.parts[0]) if layout == "kinetics" else _split(clip, config)
    if len(path.parts) != depth or named is None:
        wanted = {"kinetics": "<split>/<class>/<video>", "classes": "<class>/<video>"}
        raise ItemError("misplaced", f"wanted {wanted.get(layout, '<video>')}, got {path}")
    return named


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
