"""Command line of acquire, and `acquire archives`: surveillance videos from archives.

The docstring of the package documents the commands. UCF-Crime is distributed as zip files with
members such as `Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4`. `acquire archives` keeps the
innermost folder of a video, which is its class; it skips other files. In --folder:

    <class>/<video>    the videos
    .archives/         lists, records, and archives while they are needed (sources.transfer.bundles)

The JSON of --out has `folder`; `archives`, sorted by address: status, reason, detail, bytes, sha256
(null for a local file), videos (their number), and refused, a count per reason; and `classes`, the
number of videos of each class.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.config.published_files import RELEASE_LICENCE
from occludenet_build.core import failures, files, names
from occludenet_build.core.errors import UserError
from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.core.settings import is_url
from occludenet_build.sources.acquire import coco, engine, recorded, ucf_crime, videos
from occludenet_build.sources.transfer.bundles import MAY_PASS, deliver_archives
from occludenet_build.sources.transfer.unpack_target import Delivery, UnpackTarget


def acquire_archives(config: cfg.Config, folder: Path, out: Path) -> None:
    """Fetch and unpack missing archives into `folder`, and write the note `out`.

    Archives that failed for a reason that may pass are tried again by the next start. Raises
    UserError where too many archives fail, and where they have no video.
    """
    sources = config.segments.archives
    if not sources:
        raise UserError("segments.archives: wanted archives of videos, got nothing; set it")
    rows, classes = [], Counter[str]()
    target = UnpackTarget(folder / ".archives", folder, _path_for)
    for delivery in deliver_archives(sources, target, config.download):
        rows.append(_row(delivery))
        classes += Counter(Path(target).parent.name for target in delivery.delivered)
    if not classes:
        reasons = ", ".join(sorted({row["reason"] or "no video in it" for row in rows}))
        raise UserError(
            f"segments.archives: wanted videos, {len(rows)} archives have none ({reasons}); "
            "correct them, or set segments.videos"
        )
    if any(row["reason"] in MAY_PASS for row in rows):
        failures.request_attempt(out)
    rows.sort(key=lambda row: row["address"])
    files.write_json(
        out, {"folder": str(folder), "archives": rows, "classes": dict(sorted(classes.items()))}
    )
    ucf_crime.write_ledger(folder, names.listing(folder), out.parent)
    logging.info("%d videos of %d classes in %s", classes.total(), len(classes), folder)


def acquire_release(config: cfg.Config, out: Sequence[Path]) -> None:
    """Fetch the release's overall annotations: `out` are their files, named {split}_d.csv.

    Raises UserError where select.published is no address, or a file is not fetched.
    """
    address = config.select.published
    if address is None or not is_url(address):
        raise UserError(f"select.published: wanted an http(s) address, got {address}")
    for path in out:
        url = f"{address.rstrip('/')}/{path.name}"
        request = recorded.FileRequest(url, None, "select.published")
        note = recorded.fetch_recorded(request, config.download, path)
        logging.info("%s: sha256 %s (%s)", path, note["sha256"], RELEASE_LICENCE)


def _path_for(name: str) -> str | None:
    """Path of a member below the target folder: its innermost folder and its name.

    None for files that are not videos.

    >>> _path_for("Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4"), _path_for("Abuse/notes.txt")
    ('Abuse/Abuse001_x264.mp4', None)
    """
    *folders, file = name.split("/")
    if file.startswith(".") or Path(file).suffix.lower() not in VIDEO_SUFFIXES:
        return None
    return "/".join([*folders[-1:], file])


def _row(delivery: Delivery) -> dict[str, Any]:
    refused = Counter(piece.reason for piece in delivery.pieces if piece.status == "failed")
    names = ("address", "status", "reason", "detail", "bytes", "sha256")
    return {name: getattr(delivery, name) for name in names} | {
        "videos": len(delivery.delivered),
        "refused": dict(refused),
    }


SECTIONS = tuple(
    name for name, section in vars(cfg.Config()).items() if hasattr(section, "weights")
)
"""Stages whose settings name weights."""


WHAT = ("videos", "coco", "weights", "engine", "archives", "release")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("what", choices=WHAT)
    parser.add_argument(
        "--out", type=Path, nargs="+", required=True, help="output table or JSON file; release: CSV"
    )
    parser.add_argument(
        "--kinetics", type=Path, help="videos: table of the stage kinetics, instead of a folder"
    )
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="coco, archives: folder for downloads"
    )
    parser.add_argument(
        "--stage", choices=SECTIONS, help="weights, engine: stage whose settings name them"
    )
    parser.add_argument(
        *("--source",),
        metavar="FILE|URL",
        help="weights: file or address; engine: file or note of acquire; overrides the settings",
    )
    parser.add_argument(
        "--sha256", metavar="HEX", help="weights: required hash; overrides the settings"
    )
    parser.add_argument(
        "--offline", action="store_true", help="open no connection, like download.offline: true"
    )


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Acquire the input that `args.what` names. Raises UserError where a setting is missing."""
    if args.what != "release" and len(args.out) != 1:
        raise UserError(f"acquire {args.what}: wanted one --out, got {len(args.out)}")
    out = args.out[0]
    if args.offline:
        config = dataclasses.replace(
            config, download=dataclasses.replace(config.download, offline=True)
        )
    if args.what == "videos" and args.kinetics is not None:
        videos.acquire_kinetics(args.kinetics, out)
    elif args.what == "videos":
        videos.acquire_videos(config, out)
    elif args.what == "coco":
        coco.acquire_coco(config, args.folder or out.with_name("coco"), out)
    elif args.what == "archives":
        acquire_archives(config, _folder(args), out)
    elif args.what == "release":
        acquire_release(config, args.out)
    elif args.what == "engine":
        engine.acquire_engine(config, args.stage or "detect", args.source, out)
    else:
        recorded.acquire_weights(_weights_request(args, config), config.download, out)


def _folder(args: argparse.Namespace) -> Path:
    if args.folder is None:
        raise UserError("acquire archives: wanted --folder, got nothing")
    return args.folder


def _weights_request(args: argparse.Namespace, config: cfg.Config) -> recorded.FileRequest:
    section = getattr(config, args.stage) if args.stage else None
    if args.stage in ("detect", "actor_masks", "poses"):
        section = cfg.with_published_weights(args.stage, section)
    source = args.source or (section.weights if section else None)
    sha256 = args.sha256 or (section.weights_sha256 if section else None)
    if source is None:
        where = f"{args.stage}.weights is not set" if args.stage else "neither was given"
        raise UserError(f"acquire weights: wanted --source or a --stage with weights, {where}")
    return recorded.FileRequest(
        source, sha256, f"{args.stage}.weights" if args.stage else "--source"
    )
