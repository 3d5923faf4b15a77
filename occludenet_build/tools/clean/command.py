"""Command line of clean; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.build_lock import sole_user
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import first_output, request_attempt
from occludenet_build.core.progress import progress
from occludenet_build.core.quantities import byte_text
from occludenet_build.stages import STAGES
from occludenet_build.tools.clean.holdings import (
    Holding,
    dataset_of,
    holding,
    listing_tables,
    spared,
)

WORDS = sorted({word for stage in STAGES.values() for word in stage.unique})
"""What --even may name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("build", type=Path, metavar="BUILD", help="build folder")
    parser.add_argument(
        "--stage", nargs="+", required=True, choices=tuple(STAGES), metavar="STAGE",
        help="stages whose results go",
    )  # fmt: skip
    parser.add_argument(
        "--even", nargs="+", default=[], choices=WORDS, metavar="WORD",
        help=f"also remove what no run can make again: {', '.join(WORDS)}",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="remove it; else it is only listed")


def run(args: argparse.Namespace, _: Config) -> None:
    """List what would go and, with --yes, remove it.

    Raises UserError if there is no such build, it is at work, or a file cannot be removed.
    """
    logging.getLogger().setLevel(logging.WARNING)  # no line of CPU time after the list
    if not any((args.build / name).is_dir() for name in STAGES):
        raise UserError(f"wanted the folder of a build, got {args.build}; give its build_dir")
    if not args.yes:
        _print(args.build, _going(args), "would remove")
        print("nothing was removed; with --yes it is")
        return
    with sole_user(args.build, "clean"):
        found = _going(args)
        _print(args.build, found, "removing")
        sys.stdout.flush()
        remove(args.build, found)


def _going(args: argparse.Namespace) -> list[Holding]:
    """What goes, the tables that list clips of other stages first."""
    dataset, keep = dataset_of(args.build), spared(args.build, args.even)
    asked = list(dict.fromkeys(args.stage))
    found = [holding(args.build, name, dataset, keep) for name in asked]
    listed = {
        other.stage: other
        for one in found
        for other in listing_tables(args.build, one, asked, keep)
    }
    return [*listed.values(), *found]


def remove(build: Path, found: Iterable[Holding]) -> None:
    """Remove the files in their order, and the folders that are then empty.

    First their jobs are asked for: Snakemake runs no job for a file that is missing while all that
    is made of it is there. Raises UserError for a file that cannot be removed.
    """
    names = [name for one in found for name in one.going]
    for table in sorted(filter(None, {first_output(build / name) for name in names})):
        request_attempt(table)
    folders: set[Path] = set()
    for name in progress(iter(names), len(names), "file"):
        path = build / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"{path} cannot be removed: {error.strerror}; mend that and give the same command "
                "again"
            ) from error
        folders.add(path.parent)
    for folder in sorted(folders, reverse=True):
        _remove_empty(folder, build)


def _remove_empty(folder: Path, build: Path) -> None:
    """Remove a folder and those above it, below the build, that are empty and no links."""
    while folder != build and not folder.is_symlink():
        try:
            folder.rmdir()
        except OSError:  # not empty, or removed with another one
            if folder.exists():
                return
        folder = folder.parent


def _print(build: Path, found: list[Holding], verb: str) -> None:
    print(f"{verb} of {build}:")
    width = max(len(one.stage) for one in found)
    for one in found:
        where = ", ".join(_places(one)) or "nothing"
        why = f" ({one.because})" if one.because else ""
        print(f"  {one.stage:{width}}  {byte_text(one.bytes):>10}  {where}{why}")
    for name, why in _summed({name: why for one in found for name, why in one.kept.items()}):
        print(f"stays: {name}: {why}")
    print(f"frees {byte_text(sum(one.bytes for one in found))}")
    for line in _consequences(build, found):
        print(line)


def _places(one: Holding) -> Iterator[str]:
    """Number of files by the first folder."""
    for name, number in sorted(Counter(file.split("/")[0] for file in one.going).items()):
        yield f"{number:,} file{'s' if number > 1 else ''} in {name}/"


def _summed(kept: dict[str, str], most: int = 5) -> Iterator[tuple[str, str]]:
    """The files that stay; more than a few of one folder and reason as their number."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, why in sorted(kept.items()):
        groups.setdefault((name.split("/")[0], why), []).append(name)
    for (folder, why), names in groups.items():
        if len(names) <= most:
            yield from ((name, why) for name in names)
        else:
            yield f"{len(names):,} files in {folder}/", why


def _consequences(build: Path, found: list[Holding]) -> Iterator[str]:
    """What the next start makes again, and what runs again because it reads that."""
    gone = {one.stage for one in found if one.going}
    if not gone:
        return
    made = ", ".join(name for name in STAGES if name in gone)
    yield f"the next start of the workflow makes again, if your settings ask for it: {made}"
    after = [name for name in readers(gone) if (build / name).is_dir()]
    if after:
        yield f"and runs again, making only what is then different: {', '.join(after)}"


def readers(names: Iterable[str]) -> list[str]:
    """The stages that read results of these, directly or not, without them."""
    first = set(names)
    reached, size = set(first), 0
    while len(reached) > size:
        size = len(reached)
        reached |= {s.name for s in STAGES.values() if not reached.isdisjoint(s.reads)}
    return [name for name in STAGES if name in reached - first]
