"""init: copy the workflow into a folder for editing.

    occludenet init my_build
    cd my_build; snakemake --cores 8 --configfile mine.yaml -- all

The copy contains the Snakefile, settings, rules, profiles, environments, recipes and the demo.
Nothing is overwritten: a folder that already has one of these files is an error.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.tools import project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="target folder; created if missing"
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Copy the files. Raises UserError if the folder already has one of them."""
    existing = [name for name in project.FILES if (args.folder / name).exists()]
    if existing:
        raise UserError(
            f"{args.folder}: wanted a folder without {existing[0]}, got one that has it; "
            "choose another folder, or remove it"
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
