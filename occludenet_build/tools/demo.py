"""demo: run the whole workflow on a small synthetic data set, without network, weights or GPU.

    occludenet demo
    occludenet demo /scratch/try --cores 4

The command draws clips and COCO images into FOLDER/build/demo/world and runs every stage on them.
The results are in FOLDER/build/demo; the last lines of the output name the dataset and the report.
A second call continues an interrupted run. The demo takes about 5 minutes on 2 cores. Its settings
are demo/config.yaml of the project.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.tools import project

WORLD = Path("build/demo/world")
"""Path of the synthetic data set in demo/*.yaml, relative to the working directory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        help="folder to run in; created if missing; default: .",
    )
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
    settings = project.project_root() / "demo" / "config.yaml"
    project.snakemake(args.folder, [settings], cores, args.dry_run, args.target)
    if not args.dry_run:
        print_summary(args.folder / "build" / "demo", config)


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


def print_summary(build: Path, config: Config) -> None:
    """Print the summary of a build: results, failures and the path of the report."""
    from occludenet_build.results.report import command as report

    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    report.run(parser.parse_args(["--root", str(build), "--summary"]), config)
