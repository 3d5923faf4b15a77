"""Command line of merge; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.build import BuildTables
from occludenet_build.core.build_lock import sole_user
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import attempts, request_attempt
from occludenet_build.core.versions import RERUN_ON
from occludenet_build.stages import STAGES
from occludenet_build.tools.merge.check import (
    Refused,
    Shard,
    check_equal,
    check_job,
    check_made_by,
    named_hashes,
    read_part,
    read_whole,
)
from occludenet_build.tools.merge.records import JobRecords
from occludenet_build.tools.merge.take import take_clips, take_tables
from occludenet_build.tools.split import Part
from occludenet_build.tools.split.command import load_build, named_folder
from occludenet_build.tools.split.shards import all_shards, missing_shards


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "parts", type=Path, nargs="+", metavar="FOLDER", help="folders machine-1, machine-2, .."
    )
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="YAML", help="as for snakemake"
    )
    parser.add_argument(
        "--mixed", action="store_true",
        help="also take clips of other encoders, libraries or instruction sets",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=4, help="worker processes; default: 4")


def run(args: argparse.Namespace, _: Config) -> None:
    """Take the shards of the folders. Exits with 1 if some are refused or missing.

    Raises UserError for wrong arguments, and a folder that is not of this build.
    """
    config, build = load_build(args.configfile)
    os.environ[RERUN_ON] = config.rerun_on
    parts = {folder: read_part(folder) for folder in args.parts}
    named = named_folder(config)
    for folder, part in parts.items():
        if part.of != named:
            raise UserError(
                f"{folder}: wanted shards of {named}, got those of {part.of}; run this "
                "where you ran `occludenet split`, with the same --configfile"
            )
    with sole_user(build, "merge"):
        taking = Taking(config, build, JobRecords(Path.cwd()), args.mixed, args.threads)
        for folder, part in parts.items():
            shards = [Shard(folder, part, s, n) for s in part.stages for n in part.shards]
            taking.take(folder, shards)
            for table, count in part.attempts.items():
                if attempts(folder / part.build / table) > count:
                    request_attempt(build / table)
    missing = list(_missing(config, build, parts.values()))
    for line in missing:
        logging.error("missing: %s", line)
    if taking.refused or missing:
        sys.exit(1)
    logging.info("all shards are there; start snakemake, which goes on from here")


class Taking:
    """Takes shards into a build, one after the other."""

    def __init__(
        self, config: Config, build: Path, ours: JobRecords, mixed: bool, threads: int
    ) -> None:
        self.config, self.build, self.ours = config, build, ours
        self.mixed, self.threads = mixed, threads
        self.refused = 0
        self.made_by = {} if mixed else _made_by(build)

    def take(self, folder: Path, shards: Iterable[Shard]) -> None:
        """Take the shards of a folder; log what is taken, and why some are not."""
        theirs, taken, known = JobRecords(folder), 0, 0
        for shard in shards:
            try:
                if self._take_one(shard, theirs):
                    taken += 1
                else:
                    known += 1
            except Refused as error:
                self.refused += 1
                logging.error("%s: %s", shard, error)
        logging.info("%s: %d shards taken, %d were there already", folder, taken, known)

    def _take_one(self, shard: Shard, theirs: JobRecords) -> bool:
        """Take a shard; False if the build has it, with equal rows. Raises Refused."""
        check_job(shard, self.config, self.build, theirs)
        rows = read_whole(shard)
        if not missing_shards(self.build, [shard.stage], [shard.name]):
            check_equal(shard, self.build, rows)
            return False
        if not self.mixed:
            check_made_by(rows, self.made_by, str(shard.folder))
        take_clips(shard, self.build, named_hashes(rows, shard.stage), self.threads)
        take_tables(shard, self.build, theirs, self.ours)
        return True


def _made_by(build: Path) -> dict[str, str]:
    """Encoder, libraries, .. of the first clips that the build has already; empty without any."""
    known: dict[str, str] = {}
    path = next(iter(BuildTables(build).files("composite")), None)
    if path is not None:
        check_made_by({path.name: tables.read_table(path)}, known, str(path))
    return known


def _missing(config: Config, build: Path, parts: Iterable[Part]) -> Iterator[str]:
    """The shards that the build still lacks, and which folder was to make them."""
    makers = {(s, n): part.machine for part in parts for s in part.stages for n in part.shards}
    for stage in dict.fromkeys(stage for stage, _ in makers):
        for shard in missing_shards(build, [stage], all_shards(config, STAGES[stage].shards)):
            maker = makers.get((stage, shard), "no folder that was given")
            yield f"{stage}/{shard}, of {maker}"
