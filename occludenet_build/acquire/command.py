"""The command line of acquire; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.acquire import archives, coco, recorded, videos
from occludenet_build.core.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("what", choices=("videos", "coco", "weights", "archives"))
    parser.add_argument("--out", type=Path, required=True, help="table or JSON that is written")
    parser.add_argument("--kinetics", type=Path, help="videos: table of the stage kinetics")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="for what is fetched")
    parser.add_argument("--stage", choices=recorded.SECTIONS, help="weights: those of its settings")
    parser.add_argument("--source", metavar="FILE|URL", help="weights: wins over the settings")
    parser.add_argument("--sha256", metavar="HEX", help="weights: what they must have")
    parser.add_argument("--offline", action="store_true", help="as download.offline: true")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Acquire what `args.what` says."""
    if args.offline:
        config = dataclasses.replace(
            config, download=dataclasses.replace(config.download, offline=True)
        )
    if args.what == "videos" and args.kinetics is not None:
        videos.acquire_kinetics(args.kinetics, args.out)
    elif args.what == "videos":
        videos.acquire_videos(config, args.out)
    elif args.what == "coco":
        coco.acquire_coco(config, args.folder or args.out.with_name("coco"), args.out)
    elif args.what == "archives":
        archives.acquire_archives(config, _folder(args), args.out)
    else:
        recorded.acquire_weights(_wanted(args, config), config.download, args.out)


def _folder(args: argparse.Namespace) -> Path:
    if args.folder is None:
        raise UserError("acquire archives: wanted --folder, got nothing")
    return args.folder


def _wanted(args: argparse.Namespace, config: cfg.Config) -> recorded.Wanted:
    section = getattr(config, args.stage) if args.stage else None
    source = args.source or (section.weights if section else None)
    sha256 = args.sha256 or (section.weights_sha256 if section else None)
    if source is None:
        where = f"{args.stage}.weights is not set" if args.stage else "neither was given"
        raise UserError(f"acquire weights: wanted --source or a --stage with weights, {where}")
    return recorded.Wanted(source, sha256, f"{args.stage}.weights" if args.stage else "--source")
