"""The command line of plan; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.plan import build, coco, configs, measure, rates, storage, table
from occludenet_build.plan.counts import counts
from occludenet_build.plan.disk import disks
from occludenet_build.plan.estimate import estimate
from occludenet_build.plan.fetch import fetches
from occludenet_build.plan.rules import TARGETS
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
        "--rates", type=Path, nargs="+", default=[], metavar="BUILD|JSON",
        help="build_dir of earlier builds on this machine, or files of --save-rates",
    )  # fmt: skip
    parser.add_argument(
        "--measure",
        action="store_true",
        help="build a sample of the videos; so it is without --rates",
    )
    parser.add_argument(
        "--sample", type=int, default=24, metavar="N", help="videos opened and built; default: 24"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="everything, as JSON")
    parser.add_argument("--save-rates", type=Path, metavar="JSON", help="for --rates")


def run(args: argparse.Namespace, _: Config) -> None:
    if args.sample < 1 or (args.cores is not None and args.cores < 1):
        raise UserError("wanted --sample and --cores of at least 1, got less")
    cores = args.cores or rates.cores()
    config = configs.load(args.configfile, Path.cwd())
    videos = world(config, args.sample)
    known = _rates(args, config, videos)
    if args.save_rates:
        rates.save(known, args.save_rates)
    objects, photos = coco.known(config)
    items = counts(config, videos, known.yields, objects, args.target)
    whole = estimate(config, items, known, cores, args.target)
    build_dir, dataset = Path(config.build_dir), config.composite.dataset
    wanted = fetches(config, photos)
    places = disks(
        config,
        round(sum(size or 0 for size in whole.stored.values())),
        not whole.unknown and None not in whole.stored.values(),
        wanted,
        sum(storage.used(build_dir, room, dataset) for room in storage.ROOMS),
    )
    sys.stdout.write(table.text(items, whole, wanted, places, cores))
    sys.stdout.write("".join(f"{line}\n" for line in _origins(videos, known)))
    if args.out:
        about: dict[str, Any] = {"counts": items, "cores": cores, "videos": videos.origin}
        about |= dataclasses.asdict(whole) | {"fetch": [vars(f) for f in wanted]}
        about |= {"disks": [vars(d) | {"has_room": d.has_room} for d in places]}
        files.write_json(args.out, about | {"rates": dataclasses.asdict(known)})
    if not all(place.has_room for place in places):
        logging.error("the disk has not the room; make some, or set build_dir or download.folder")
        sys.exit(1)


def _rates(args: argparse.Namespace, config: Config, videos: World) -> rates.Rates:
    """What is measured wins over files, and files over each other in their order."""
    sources = [
        rates.learn([build.read(path)], str(path)) if path.is_dir() else rates.load(path)
        for path in args.rates
    ]
    if args.measure or not sources:
        cores = min(args.cores or rates.cores(), rates.cores())
        reason = measure.obstacle(config, videos)
        if reason and not args.measure:
            logging.warning("no rates: %s; give --rates, or fetch with snakemake acquire", reason)
        else:
            sources.insert(0, measure.measure(config, videos, args.sample, cores, args.target))
    return rates.merged(sources or [rates.Rates()], config)


def _origins(videos: World, known: rates.Rates) -> list[str]:
    """Where the figures come from."""
    sources = sorted({rate.source for rate in known.rules.values()})
    here, there = rates.this_machine(), known.machine
    lines = [f"videos: {videos.origin}", f"rates: {', '.join(sources) or 'none'}"]
    if there and there != here:
        lines.append(
            f"the rates are of another machine: {there.get('cpu')}, {there.get('cores')} cores, "
            f"{known.date}"
        )
    if known.rules and known.start_cpu is None:
        lines.append("Snakemake's own time is not in it; --measure knows it")
    if known.yields.usable is None:
        lines.append("every video counts as usable, with an actor in every frame")
    return lines
