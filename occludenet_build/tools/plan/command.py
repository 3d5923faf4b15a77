"""Command line of plan; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from occludenet_build import config as cfg
from occludenet_build.config.integralaction import Integralaction
from occludenet_build.config.moc import Moc
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.tools.plan import fetch, rates
from occludenet_build.tools.plan.counts import TARGETS, counts
from occludenet_build.tools.plan.estimate import Disk, Estimate, disks, estimate, table
from occludenet_build.tools.plan.videos import VideoSet, videos_of
from occludenet_build.tools.project import cores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="YAML", help="as for snakemake"
    )
    parser.add_argument(
        "--target", choices=tuple(TARGETS), default="all", help="as for snakemake; default: all"
    )
    parser.add_argument("--cores", type=int, help="as for snakemake; default: all of this machine")
    parser.add_argument(
        "--build", type=Path, metavar="DIR",
        help="build_dir of an earlier build on this machine, for the rates; without one, run "
        "make demo or build 20 of your videos first",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="JSON", help="write all values as JSON")


def run(args: argparse.Namespace, _: cfg.Config) -> None:
    """Print the plan and write it to --out.

    Raises UserError for wrong arguments. Exits with 1 if the disk space is not sufficient.
    """
    if args.cores is not None and args.cores < 1:
        raise UserError(f"--cores: wanted at least 1, got {args.cores}")
    config = load(args.configfile, Path.cwd())
    known = rates.learn(args.build) if args.build else rates.Rates()
    videos = videos_of(config)
    objects, photos = fetch.coco(config)
    items = counts(config, videos, known.yields, objects, args.target)
    costs = estimate(config, items, known, args.target)
    downloads, used = fetch.fetches(config, photos), args.cores or cores()
    spaces = _disks(config, costs, downloads)
    sys.stdout.write(table(items, costs, downloads, spaces, used))
    lines = [*_origins(videos, known, args.build), *left_out(config, args.target)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if args.out:
        values = {"counts": items, "cores": used, "videos": videos.origin}
        values |= {"fetch": [vars(download) for download in downloads]}
        values |= {"disks": [vars(disk) | {"has_room": disk.has_room} for disk in spaces]}
        values |= {"rates": dataclasses.asdict(known)} | dataclasses.asdict(costs)
        files.write_json(args.out, values)
    if not all(disk.has_room for disk in spaces):
        logging.error("not enough disk space; free some, or set build_dir or download.folder")
        sys.exit(1)


def _disks(config: cfg.Config, costs: Estimate, downloads: Sequence[fetch.Fetch]) -> list[Disk]:
    build, dataset = Path(config.build_dir), config.composite.dataset
    present = sum(rates.used(build, name, dataset) for name in rates.STAGE_FILES)
    sizes = costs.stored.values()
    known = not costs.unknown and None not in sizes
    return disks(config, sum(size or 0 for size in sizes), known, downloads, present)


def load(configfiles: Sequence[Path], base: Path) -> cfg.Config:
    """Merge config.yaml of the folder `base`, if it exists, and `configfiles`, as Snakemake does.

    Raises UserError for a file that is not YAML or for wrong settings.
    """
    return cfg.load(given(configfiles, base), base.absolute())


def given(configfiles: Sequence[Path], base: Path) -> dict[str, Any]:
    """What these files say, merged; raises UserError for a file that is not YAML."""
    values: dict[str, Any] = {}
    first = base / "config.yaml"
    for file in (*([first] if first.exists() else []), *configfiles):
        update_config(values, _read(file))
    return values


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"--configfile: wanted YAML, {file} does not read: {line}") from error
    if not isinstance(values, dict):
        raise UserError(
            f"--configfile: wanted a mapping stage: settings in {file}, got {values!r:.80}"
        )
    return values


def _origins(videos: VideoSet, known: rates.Rates, build: Path | None) -> Iterator[str]:
    """Lines that state the origin of the estimates."""
    yield f"videos: {videos.origin}"
    if build:
        yield f"rates: {build}; without the time of Snakemake itself"
    else:
        yield "rates: none; run make demo or build 20 of your videos, and give it as --build"
    if known.yields.usable is None:
        yield "assumption: every video is usable and has an actor in every frame"


def left_out(config: cfg.Config, target: str) -> Iterator[str]:
    """A line that names what the target runs and the plan does not count."""
    asked = {"integralaction": config.section(Integralaction).modes}
    asked |= {"moc": config.section(Moc).networks}
    names = [stage for stage, networks in asked.items() if networks]
    if names and target == "all":
        yield f"not in this plan: trainings and evaluations of {' and '.join(names)}"
