"""The command line of kinetics; the package's docstring is its contract."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.core.errors import UserError
from occludenet_build.kinetics.annotations import Lists, read_lists
from occludenet_build.kinetics.clip import Found
from occludenet_build.kinetics.presence_table import presence_rows, write_presence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("--out", type=Path, required=True, help="table that is written")
    parser.add_argument("--folder", type=Path, required=True, help="what is fetched goes there")
    parser.add_argument("--threads", type=int, default=1, help="files looked at at once")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Fetch or search, and write the tables. Raises UserError for no route."""
    if config.kinetics.route not in ROUTES:
        raise UserError(
            f"kinetics.route: wanted one of {', '.join(ROUTES)}, got {config.kinetics.route}"
        )
    lists = read_lists(config, args.folder)
    found = ROUTES[config.kinetics.route](lists, args.folder, config, args.threads)
    rows = presence_rows(lists.wanted, found)
    write_presence(rows, args.out, config.download.failure_budget)


# A route is imported when it is taken: each has its own needs.
def _archives(lists: Lists, folder: Path, config: cfg.Config, threads: int) -> Iterator[Found]:
    from occludenet_build.kinetics.archives import fetch_archives

    return fetch_archives(lists, folder, config, threads)


def _youtube(lists: Lists, folder: Path, config: cfg.Config, threads: int) -> Iterator[Found]:
    from occludenet_build.kinetics.youtube.fetch import fetch_clips

    return fetch_clips(lists.wanted, folder / "videos", config, threads)


def _mirror(lists: Lists, folder: Path, config: cfg.Config, threads: int) -> Iterator[Found]:
    from occludenet_build.kinetics.mirror import search_mirror

    return search_mirror(lists, folder, config, threads)


ROUTES: dict[str, Callable[[Lists, Path, cfg.Config, int], Iterator[Found]]] = {
    "archives": _archives,
    "youtube": _youtube,
    "mirror": _mirror,
}
