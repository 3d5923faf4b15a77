"""acquire: what there is to build from. Reads the user's own folders.

    acquire videos   -> videos.parquet   a row per file under acquire.videos
    acquire coco     -> coco.json        where the COCO images and instances lie, with their hash
    acquire weights  -> weights.json     a weights file with its hash

A videos folder has one of three layouts: `<split>/<class>/<video>` (as Kinetics tools write it),
`<class>/<video>`, or videos alone (one class). Where no folder names the split, it follows from a
hash of the clip's name; two cuts of one YouTube video fall into the same split. Files whose name
begins with a dot are passed over.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build import stage
from occludenet_build.core import files, seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import column

VIDEOS = pa.schema(
    [
        column("clip", "string", "id: the file's stem, with a suffix where two would be alike"),
        column("path", "string", "the file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("status", "string", "ok or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS"),
        column("detail", "string", "what exactly"),
    ]
)

SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
"""Folder names that stand for a split."""

_KINETICS_NAME = re.compile(r"^(?P<youtube>.{11})_\d{6}_\d{6}$")
_LONGEST_NAME = 180  # bytes: "0.25_" and ".mp4" and a temporary name's dots fit into 255


def main() -> None:
    stage.run("acquire", __doc__, _arguments, _work)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("videos", "coco", "weights"))
    parser.add_argument("--out", type=Path, required=True, help="table or JSON that is written")
    parser.add_argument("--source", type=Path, help="weights: the file")


def _work(args: argparse.Namespace, config: cfg.Config) -> None:
    if args.what == "videos":
        acquire_videos(config, args.out)
    elif args.what == "coco":
        acquire_coco(config.acquire, args.out)
    else:
        if args.source is None:
            raise UserError("acquire weights: wanted --source FILE, got nothing")
        files.write_json(args.out, _weights(args.source))


def acquire_videos(config: cfg.Config, out: Path) -> None:
    """List the videos with their class and split."""
    settings = config.acquire
    if settings.videos is None:
        raise UserError("acquire.videos: wanted a folder, got nothing; set it")
    found = sorted(_listing(Path(settings.videos)))
    if not found:
        raise UserError(f"acquire.videos: wanted a folder with videos, {settings.videos} has none")
    layout = settings.layout if settings.layout != "auto" else _guess_layout(found)
    names = _clip_names(found)
    rows = [_row(Path(settings.videos), path, names[path], layout, config) for path in found]
    table = tables.from_rows(sorted(rows, key=lambda r: r["clip"]), VIDEOS)
    tables.write(table, out)
    counts = Counter(f"{row['split']}" for row in rows if row["status"] == "ok")
    logging.info("layout %s: %d files, %s", layout, len(rows), dict(sorted(counts.items())))


def listing_digest(folder: Path | str) -> str:
    """A digest of names and sizes below a folder: adding a file changes it, touching does not."""
    root = Path(folder)
    return files.short_hash(
        *(f"{path} {(root / path).stat().st_size}" for path in sorted(_listing(root)))
    )


def _listing(root: Path) -> Iterator[PurePosixPath]:
    if not root.is_dir():
        raise UserError(f"acquire.videos: wanted a folder, got {root}")
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [s for s in subfolders if not s.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield PurePosixPath((Path(folder) / name).relative_to(root).as_posix())


def _guess_layout(found: list[PurePosixPath]) -> str:
    tops = {path.parts[0] for path in found if len(path.parts) > 1}
    if not tops:
        return "flat"
    return "kinetics" if all(top.lower() in SPLITS for top in tops) else "classes"


def _clip_names(found: list[PurePosixPath]) -> dict[PurePosixPath, str]:
    """A name per file, good for a file name, that no other file has."""
    stems = {path: _safe(path.stem) for path in found}
    often = Counter(stem.casefold() for stem in stems.values())
    return {
        path: stem if often[stem.casefold()] == 1 else f"{stem}-{files.short_hash(str(path))[:6]}"
        for path, stem in stems.items()
    }


def _safe(stem: str) -> str:
    """Printable UTF-8 of bounded length."""
    text = stem.encode("utf-8", "replace").decode()
    text = "".join(c if c.isprintable() else "_" for c in text)
    if len(text.encode()) <= _LONGEST_NAME:
        return text
    short = text.encode()[: _LONGEST_NAME - 7].decode("utf-8", "ignore")
    return f"{short}-{files.short_hash(stem.encode('utf-8', 'replace').decode())[:6]}"


def _row(
    root: Path, path: PurePosixPath, clip: str, layout: str, config: cfg.Config
) -> dict[str, Any]:
    row = {"clip": clip, "path": os.fsencode(root / path).decode("utf-8", "replace")}
    depth = {"kinetics": 3, "classes": 2, "flat": 1}[layout]
    if len(path.parts) != depth or (layout == "kinetics" and path.parts[0].lower() not in SPLITS):
        wanted = {"kinetics": "<split>/<class>/<video>", "classes": "<class>/<video>"}
        detail = f"wanted {wanted.get(layout, '<video>')}, got {path}"
        return row | {"status": "failed", "reason": "misplaced", "detail": detail}
    split = SPLITS[path.parts[0].lower()] if layout == "kinetics" else _split(clip, config)
    label = config.acquire.flat_class if layout == "flat" else _safe(path.parts[-2])
    return row | {"label": label, "split": split, "status": "ok"}


def _split(clip: str, config: cfg.Config) -> str:
    named = _KINETICS_NAME.match(clip)
    origin = named["youtube"] if named else clip
    return seeds.split_of(vars(config.acquire.split), config.seed, origin, "split")


def acquire_coco(settings: cfg.Acquire, out: Path) -> None:
    """Note where COCO lies, with a hash of the instances."""
    if settings.coco_images is None or settings.coco_instances is None:
        raise UserError("acquire: wanted coco_images and coco_instances, got nothing; set both")
    instances = Path(settings.coco_instances)
    if not instances.is_file():
        raise UserError(f"acquire.coco_instances: wanted a JSON file, got {instances}")
    files.write_json(
        out,
        {
            "images": settings.coco_images,
            "instances": str(instances),
            "instances_sha256": files.sha256_file(instances),
        },
    )


def _weights(path: Path) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size == 0:
        raise UserError(f"weights: wanted a file, got {path}, which is missing or empty")
    return {"path": str(path), "sha256": files.sha256_file(path), "bytes": path.stat().st_size}


def read_weights(table: Path) -> tuple[Path, str]:
    """(file, sha256) from what `acquire weights` wrote."""
    noted = json.loads(table.read_text())
    return Path(noted["path"]), noted["sha256"]


if __name__ == "__main__":
    main()
