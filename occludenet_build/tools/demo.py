"""demo: run the whole workflow on a small synthetic data set, without network, weights or GPU.

    occludenet demo
    occludenet demo /scratch/try --cores 4
    occludenet demo --all-sets
    occludenet demo --models

The command draws clips and COCO images into FOLDER/build/demo/world and runs every stage on them.
The results are in FOLDER/build/demo; the last lines of the output name the dataset and the report.
A second call continues an interrupted run. The demo takes about 5 minutes on 2 cores. Its settings
are demo/config.yaml of the project.

With --all-sets it also draws surveillance videos and recordings, from which it makes OccludeNet-S,
-I and -M, trains and evaluates on each, and writes every export, into FOLDER/build/all_sets; this
takes about 12 minutes. Its settings are demo/all_sets.yaml, after demo/config.yaml.

With --models it trains a small network of every family of the other papers on the clips instead,
and compares them by degree of occlusion, in FOLDER/build/models; this takes less than 10 minutes.
Its settings are demo/models.yaml, after demo/config.yaml.
"""

from __future__ import annotations

import argparse
import logging
from fractions import Fraction
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_text
from occludenet_build.tools import project

WORLD = Path("build/demo/world")
"""Path of the synthetic data set in demo/*.yaml, relative to the working directory."""
SETS = WORLD / "sets"
"""Path of the drawn surveillance videos and recordings in demo/all_sets.yaml."""


SLOW = (Fraction(25, 2), Fraction(15), Fraction(12))
"""Frames per second of the drawn views: half of what cameras have, for half the time."""
OTHERS = 0
"""People besides the actor in the drawn recordings: background subtraction, the only detector
without weights, takes people who walk into each other for one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        help="folder to run in; created if missing; default: .",
    )
    more = parser.add_mutually_exclusive_group()
    more.add_argument(
        "--all-sets", action="store_true",
        help="also OccludeNet-S, -I and -M, and every export",
    )  # fmt: skip
    more.add_argument(
        "--models", action="store_true",
        help="the networks of the other papers, in one table by degree of occlusion",
    )  # fmt: skip
    add_snakemake_arguments(parser)


def add_snakemake_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that runs the workflow."""
    parser.add_argument("--cores", type=int, metavar="N", help="number of CPU cores; default: all")
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="list the jobs without running them"
    )
    parser.add_argument(
        "--target",
        default="all",
        help="what to build, such as dataset: clips and annotations without training; default: all",
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Draw the data set, run the workflow on it and print a summary."""
    cores = cores_of(args)
    args.folder.mkdir(parents=True, exist_ok=True)
    draw_world(args.folder / WORLD)
    demo = project.project_root() / "demo"
    configs, targets, build = [demo / "config.yaml"], [args.target], "demo"
    if args.all_sets:
        draw_sets(args.folder / SETS)
        configs, build = [*configs, demo / "all_sets.yaml"], "all_sets"
        targets += ["export"] if args.target == "all" else []
    if args.models:
        configs, build = [*configs, demo / "models.yaml"], "models"
        targets = ["models"] if args.target == "all" else targets
    project.snakemake(args.folder, configs, cores, args.dry_run, *targets)
    if args.dry_run:
        return
    if args.models:
        print_tables(args.folder / "build" / build)
    else:
        print_summary(args.folder / "build" / build, config)


def cores_of(args: argparse.Namespace) -> int:
    """Number of cores from --cores, default all. Raises UserError for less than 1."""
    if args.cores is not None and args.cores < 1:
        raise UserError(f"--cores: wanted at least 1, got {args.cores}; give more")
    return args.cores or project.cores()


def draw_world(folder: Path) -> None:
    """Draw the synthetic data set into `folder`, unless it already exists there."""
    project.find_demo()
    from demo.world.build import build
    from demo.world.plan import Settings

    drawn = build(folder, Settings(), project.cores())
    logging.info("synthetic data set: %s %s", "drawn into" if drawn else "found in", folder)


def draw_sets(folder: Path) -> None:
    """Draw surveillance videos and recordings into `folder`, unless these exist there."""
    project.find_demo()
    from demo.world.rig import Rig, draw_recordings
    from demo.world.surveillance import Surveillance, draw_surveillance

    watched, rig = Surveillance(), Rig(rates=SLOW, others=OTHERS, truth=False)
    finished, drawn = folder / "drawn.txt", f"{watched}\n{rig}\n"
    if finished.exists() and finished.read_text() == drawn:
        logging.info("surveillance videos and recordings: found in %s", folder)
        return
    videos = draw_surveillance(folder, watched, project.cores())
    files = draw_recordings(folder, rig, project.cores())
    write_text(finished, drawn)
    logging.info("%d surveillance videos, %d recordings: drawn into %s", videos, len(files), folder)


def print_tables(build: Path) -> None:
    """Print the tables of a build's networks, if it has them, and where they are."""
    from occludenet_build.results.text_tables import TextTable, plain_lines

    folder = build / "models"
    if not (folder / "tables.json").exists():
        return
    for name, table in read_json(folder / "tables.json").items():
        blocks = [(block["title"], block["rows"]) for block in table["blocks"]]
        shown = TextTable(name, table["title"], table["head"], blocks, table["notes"])
        notes = [f"- {note}" for note in shown.notes]
        print("\n".join(["", *plain_lines(shown), *notes]))
    print(f"\ntables: {folder}, by_degree and study (.csv, .md, .tex), study.svg, pairs.csv")


def print_summary(build: Path, config: Config) -> None:
    """Print the summary of a build: results, failures and the path of the report."""
    from occludenet_build.results.report import command as report

    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    report.run(parser.parse_args(["--root", str(build), "--summary"]), config)
