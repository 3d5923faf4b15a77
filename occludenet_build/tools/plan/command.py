"""Command line of plan; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from occludenet_build import config as cfg
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.tools.plan import fetch, rates
from occludenet_build.tools.plan.counts import TARGETS, Counts, counts
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
        "--build", type=Path, nargs="+", default=[], metavar="DIR",
        help="build_dir of earlier builds on this machine, for the rates; without one, run "
        "make demo or build 20 of your videos first",
    )  # fmt: skip
    parser.add_argument(
        "--sample", type=int, default=24, metavar="N", help="number of videos to open; default: 24"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="write all values as JSON")


def run(args: argparse.Namespace, _: cfg.Config) -> None:
    """Print the plan and write it to --out.

    Raises UserError for wrong arguments. Exits with 1 if the disk space is not sufficient.
    """
    if args.sample < 1 or (args.cores is not None and args.cores < 1):
        raise UserError("wanted --sample and --cores of at least 1, got less")
    plan = _plan(args)
    sys.stdout.write(table(plan.counts, plan.estimate, plan.downloads, plan.disks, plan.cores))
    sys.stdout.write("".join(f"{line}\n" for line in _origins(plan.videos, plan.rates)))
    if args.out:
        files.write_json(args.out, plan.as_json())
    if not all(disk.has_room for disk in plan.disks):
        logging.error("not enough disk space; free some, or set build_dir or download.folder")
        sys.exit(1)


@dataclass(frozen=True)
class Plan:
    """All values of a plan."""

    cores: int
    videos: VideoSet
    rates: rates.Rates
    counts: Counts
    estimate: Estimate
    downloads: list[fetch.Fetch]
    disks: list[Disk]

    def as_json(self) -> dict[str, Any]:
        """The plan as plain values, for --out."""
        values: dict[str, Any] = {"counts": self.counts, "cores": self.cores}
        values |= {"videos": self.videos.origin} | dataclasses.asdict(self.estimate)
        values |= {"fetch": [vars(download) for download in self.downloads]}
        values |= {"disks": [vars(disk) | {"has_room": disk.has_room} for disk in self.disks]}
        return values | {"rates": dataclasses.asdict(self.rates)}


def _plan(args: argparse.Namespace) -> Plan:
    config = load(args.configfile, Path.cwd())
    videos = videos_of(config, args.sample)
    known = rates.merged([rates.learn(folder) for folder in args.build], config)
    objects, photos = fetch.coco(config)
    items = counts(config, videos, known.yields, objects, args.target)
    costs = estimate(config, items, known, args.target)
    downloads = fetch.fetches(config, photos)
    build_dir, dataset = Path(config.build_dir), config.composite.dataset
    spaces = disks(
        config,
        round(sum(size or 0 for size in costs.stored.values())),
        not costs.unknown and None not in costs.stored.values(),
        downloads,
        sum(rates.used(build_dir, name, dataset) for name in rates.STAGE_FILES),
    )
    return Plan(args.cores or cores(), videos, known, items, costs, downloads, spaces)


def load(configfiles: Sequence[Path], base: Path) -> cfg.Config:
    """Merge config.yaml of the folder `base`, if it exists, and `configfiles`, as Snakemake does.

    Raises UserError for a file that is not YAML or for wrong settings.
    """
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
        raise UserError(
            f"--configfile: wanted a mapping stage: settings in {file}, got {values!r:.80}"
        )
    return values


def _origins(videos: VideoSet, known: rates.Rates) -> list[str]:
    """Lines that state the origin of the estimates."""
    sources = sorted({rate.source for rate in known.rules.values()})
    lines = [f"videos: {videos.origin}"]
    lines.append(
        f"rates: {', '.join(sources)}; without the time of Snakemake itself"
        if sources
        else "rates: none; run make demo, or build 20 of your videos, and give its build_dir as "
        "--build"
    )
    if known.yields.usable is None:
        lines.append("assumption: every video is usable and has an actor in every frame")
    return lines
