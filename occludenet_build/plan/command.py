"""The command line of plan; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from occludenet_build import config as cfg
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.plan import fetch, rates
from occludenet_build.plan.counts import counts
from occludenet_build.plan.disk import disks
from occludenet_build.plan.estimate import estimate, table
from occludenet_build.plan.jobs import TARGETS
from occludenet_build.plan.videos import World, world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="YAML", help="as of snakemake"
    )
    parser.add_argument(
        "--target", choices=tuple(TARGETS), default="all", help="as of snakemake; default: all"
    )
    parser.add_argument("--cores", type=int, help="as of snakemake; default: this machine's")
    parser.add_argument(
        "--build", type=Path, nargs="+", default=[], metavar="DIR",
        help="build_dir of earlier builds on this machine, for the rates; none: make demo, or "
        "build 20 of your videos first",
    )  # fmt: skip
    parser.add_argument(
        "--sample", type=int, default=24, metavar="N", help="videos that are opened; default: 24"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="everything, as JSON")


def run(args: argparse.Namespace, _: cfg.Config) -> None:
    if args.sample < 1 or (args.cores is not None and args.cores < 1):
        raise UserError("wanted --sample and --cores of at least 1, got less")
    cores = args.cores or rates.cores()
    config = load(args.configfile, Path.cwd())
    videos = world(config, args.sample)
    known = rates.merged([rates.learn(folder) for folder in args.build], config)
    objects, photos = fetch.coco(config)
    items = counts(config, videos, known.yields, objects, args.target)
    whole = estimate(config, items, known, args.target)
    wanted = fetch.fetches(config, photos)
    build_dir, dataset = Path(config.build_dir), config.composite.dataset
    places = disks(
        config,
        round(sum(size or 0 for size in whole.stored.values())),
        not whole.unknown and None not in whole.stored.values(),
        wanted,
        sum(rates.used(build_dir, name, dataset) for name in rates.PLACES),
    )
    sys.stdout.write(table(items, whole, wanted, places, cores))
    sys.stdout.write("".join(f"{line}\n" for line in _origins(videos, known)))
    if args.out:
        about: dict[str, Any] = {"counts": items, "cores": cores, "videos": videos.origin}
        about |= dataclasses.asdict(whole) | {"fetch": [vars(f) for f in wanted]}
        about |= {"disks": [vars(d) | {"has_room": d.has_room} for d in places]}
        files.write_json(args.out, about | {"rates": dataclasses.asdict(known)})
    if not all(place.has_room for place in places):
        logging.error("the disk has no room; make some, or set build_dir or download.folder")
        sys.exit(1)


def load(configfiles: Sequence[Path], base: Path) -> cfg.Config:
    """config.yaml of the folder `base`, if it has one, then `configfiles` over it, as Snakemake
    merges them. Raises UserError for a file that is no YAML, or wrong settings."""
    values: dict[str, Any] = {}
    first = base / "config.yaml"
    for file in (*([first] if first.exists() else []), *configfiles):
        update_config(values, _read(file))
    return cfg.load(values, base.absolute())


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"--configfile: wanted YAML, {file} does not read: {line}") from error
    if not isinstance(values, dict):
        raise UserError(f"--configfile: wanted stage: settings in {file}, got {values!r:.80}")
    return values


def _origins(videos: World, known: rates.Rates) -> list[str]:
    """Where the figures come from."""
    sources = sorted({rate.source for rate in known.rules.values()})
    lines = [f"videos: {videos.origin}"]
    lines.append(
        f"rates: {', '.join(sources)}; Snakemake's own time is not in them"
        if sources
        else "rates: none; run make demo, or build 20 of your videos, and give its build_dir as "
        "--build"
    )
    if known.yields.usable is None:
        lines.append("every video counts as usable, with an actor in every frame")
    return lines
