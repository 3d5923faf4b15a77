"""demo: the whole workflow on a drawn mini-world, without network, weights or GPU.

    occludenet demo
    occludenet demo /scratch/try --cores 4

Draws clips and COCO pictures into FOLDER/build/demo/world and runs every stage on them; the results
are in FOLDER/build/demo, the last lines say where dataset and report lie. A second call goes on
from what is there. About 5 minutes on 2 cores. The settings are demo/config.yaml of the project.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from occludenet_build import project
from occludenet_build.config import Config
from occludenet_build.core.errors import UserError

WORLD = Path("build/demo/world")
"""Where demo/*.yaml look for it, below the folder that the workflow runs in."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="made if it is not there; default: ."
    )
    add_running(parser)


def add_running(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that runs the workflow."""
    parser.add_argument("--cores", type=int, metavar="N", help="default: all that there are")
    parser.add_argument("-n", "--dry-run", action="store_true", help="only say what would run")


def run(args: argparse.Namespace, config: Config) -> None:
    cores = wanted_cores(args)
    args.folder.mkdir(parents=True, exist_ok=True)
    draw_world(args.folder / WORLD)
    settings = project.project_root() / "demo" / "config.yaml"
    project.snakemake(args.folder, [settings], cores, args.dry_run)
    if not args.dry_run:
        say_how_it_ended(args.folder / "build" / "demo", config)


def wanted_cores(args: argparse.Namespace) -> int:
    """Those of --cores. Raises UserError for less than one."""
    if args.cores is not None and args.cores < 1:
        raise UserError(f"--cores: wanted at least 1, got {args.cores}; give more")
    return args.cores or project.cores()


def draw_world(folder: Path) -> None:
    """Draw the mini-world into `folder`, unless it stands there."""
    project.find_demo()
    from demo.world.build import build
    from demo.world.plan import Settings

    drawn = build(folder, Settings(), project.cores())
    logging.info("the mini-world %s %s", "is drawn into" if drawn else "is already in", folder)


def say_how_it_ended(build: Path, config: Config) -> None:
    """The last lines: what was made, what failed, where the page is."""
    from occludenet_build.report import command as report

    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    report.run(parser.parse_args(["--root", str(build), "--summary"]), config)
