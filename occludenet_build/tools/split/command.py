"""Command line of split; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from pathlib import Path
from typing import Any

from occludenet_build.config import Config, load, recorded
from occludenet_build.core.build_lock import sole_user
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import attempts
from occludenet_build.core.files import sha256_file
from occludenet_build.core.quantities import byte_text, size
from occludenet_build.core.settings import is_url
from occludenet_build.core.start_record import read_settings
from occludenet_build.stages import TABLES
from occludenet_build.tools.plan.command import given
from occludenet_build.tools.project import plain_path
from occludenet_build.tools.split import Part
from occludenet_build.tools.split.folder import Source, write_folder
from occludenet_build.tools.split.shards import (
    all_shards,
    distribute,
    handed_stages,
    lister_of,
    missing_shards,
    pixels,
)

UPSTREAM = ("index", "occluders")
"""Stages that a job may ask to run again, because a source or cut-out has changed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("machines", type=int, metavar="N", help="number of machines")
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="YAML", help="as for snakemake"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for machine-1, machine-2, .."
    )
    parser.add_argument(
        "--speeds", type=float, nargs="+", metavar="X",
        help="speed of each machine, in any unit; default: all the same",
    )  # fmt: skip
    parser.add_argument(
        "--copy", action="store_true", help="copy videos and other files of needs.txt too"
    )


def run(args: argparse.Namespace, _: Config) -> None:
    """Write the folders of the machines.

    Raises UserError for wrong arguments, settings with which the build was not started, and if
    there is nothing to hand out.
    """
    speeds = _speeds(args)
    config, build = load_build(args.configfile)
    with sole_user(build, "split"):
        lister = lister_of(build)
        stages = handed_stages(lister)
        shards = missing_shards(build, stages, all_shards(config, lister))
        if not shards:
            raise UserError(
                f"wanted shards of {', '.join(stages)} that {build} lacks, it has all; start "
                "snakemake, which does the rest"
            )
        source = Source(build, given(args.configfile, Path()), config, lister)
        work = {shard: pixels(build / _table(lister, shard)) for shard in shards}
        for number, share in enumerate(distribute(work, speeds), 1):
            part = _part(f"machine-{number}", source, stages, share)
            _write(args, part, source, sum(work[s] for s in share) / max(1, sum(work.values())))


def _table(lister: str, shard: str) -> str:
    return f"{lister}/shards/{shard}.parquet"


def _part(machine: str, source: Source, stages: tuple[str, ...], shards: list[str]) -> Part:
    build, config = source.build, source.config
    names = [_table(source.lister, shard) for shard in shards]
    return Part(
        machine,
        named_folder(config),
        _portable(config.build_dir),
        stages,
        tuple(shards),
        {name: sha256_file(build / name) for name in names},
        {TABLES[name]: attempts(build / TABLES[name]) for name in UPSTREAM},
    )


def load_build(configfiles: list[Path]) -> tuple[Config, Path]:
    """The configuration, and the folder of its build.

    Raises UserError if the last start of the build had other settings.
    """
    # as the workflow reads it, so that the settings of its jobs are the same texts
    config = load(given(configfiles, Path()), require_files=False)
    build = Path(config.build_dir)
    if not build.is_dir():
        raise UserError(
            f"wanted the build {build} in {Path.cwd()}, there is none; run this where you run "
            "snakemake, with the same --configfile"
        )
    before = read_settings(build)
    if before is not None:
        now = json.loads(json.dumps(recorded(config)))
        differ = sorted(name for name in now if _differs(name, now[name], before[0].get(name)))
        if differ:
            raise UserError(
                f"wanted the settings with which {build} was started last, got others in "
                f"{', '.join(differ)}; give the same --configfile, or start snakemake first"
            )
    return config, build


def named_folder(config: Config) -> str:
    """build_dir as the workflow names it in the paths of its outputs."""
    return plain_path(config.build_dir.rstrip("/"), is_output=True)


def _differs(section: str, now: Any, before: Any) -> bool:
    """Whether a section is another one; a fetched release is recorded by its folder."""
    if section == "select" and is_url(now["published"] or "") and isinstance(before, dict):
        now, before = now | {"published": None}, before | {"published": None}
    return bool(now != before)


def _speeds(args: argparse.Namespace) -> list[float]:
    if args.machines < 1:
        raise UserError(f"N: wanted at least 1 machine, got {args.machines}")
    speeds = args.speeds or [1.0] * args.machines
    if len(speeds) != args.machines or not all(speed > 0 for speed in speeds):
        raise UserError(f"--speeds: wanted {args.machines} numbers above 0, got {speeds}")
    if args.out.exists() and any(args.out.glob("machine-*")):
        raise UserError(
            f"--out: wanted a folder without machine-*, {args.out} has some; merge and remove "
            "them, or choose another folder"
        )
    return speeds


def _portable(build_dir: str) -> str:
    """build_dir in the folder of a machine: the same if it is a plain path below the folder."""
    path = Path(build_dir)
    below = not path.is_absolute() and ".." not in path.parts
    below = below and not ({*"{}"} & {*build_dir} or build_dir.startswith("-"))
    return path.as_posix() if below else "build"


def _write(args: argparse.Namespace, part: Part, source: Source, share: float) -> None:
    """Write a folder under a temporary name, then rename it."""
    folder = args.out / part.machine
    temporary = args.out / f".{part.machine}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        needs = write_folder(temporary, part, source, args.copy)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    copied = [n for n in needs if args.copy and not Path(n).is_absolute()]
    logging.info(
        "%s: %d shards of %s, %.0f %% of the pixels; %s; needs %d files from outside",
        *(folder, len(part.shards), " and ".join(part.stages), 100 * share),
        *(byte_text(size(folder)), len(needs) - len(copied)),
    )
