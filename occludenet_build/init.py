"""init: a copy of the workflow to edit: Snakefile, settings, rules, profiles, environments, demo.

    occludenet init my_build
    cd my_build; snakemake --cores 8 --configfile mine.yaml -- all

Nothing is overwritten: a folder that holds one of these files already is refused.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from pathlib import Path

from occludenet_build import project
from occludenet_build.config import Config
from occludenet_build.core.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="made if it is not there")


def run(args: argparse.Namespace, config: Config) -> None:
    there = [name for name in project.FILES if (args.folder / name).exists()]
    if there:
        raise UserError(
            f"{args.folder}: wanted a folder without {there[0]}, got one that holds it; "
            "give another, or remove it first"
        )
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in project.FILES:
        _copy(project.project_root() / name, args.folder / name)
        logging.info("wrote %s", args.folder / name)
    logging.info("next: cd %s, then snakemake --cores N --configfile mine.yaml", args.folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)
