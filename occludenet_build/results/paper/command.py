"""The command line of paper; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import csv_text, write_bytes, write_text
from occludenet_build.results.paper import dataset, robustness, table, tables
from occludenet_build.results.paper.inputs import Inputs, MissingInput, read_inputs
from occludenet_build.results.paper.items import ITEMS, SUFFIXES, targets

TABLES: dict[str, Callable[[Inputs], table.PaperTable]] = {
    "table_1": dataset.table_1,
    "table_2": tables.table_2,
    "table_3": tables.table_3,
    "table_4": tables.table_4,
    "table_5": tables.table_5,
    "table_6": tables.table_6,
    "table_robustness": robustness.table_robustness,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of paper."""
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=list(targets()),
        help="make only these items, of: " + ", ".join(targets()),
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="output folder; default: ROOT/paper")


def run(args: argparse.Namespace, config: Config) -> None:
    """Make the items of --only, or all whose inputs exist, and items.csv.

    Raises UserError where --root is not a folder. An item of --only that cannot be made ends it
    with MissingInput.
    """
    if not args.root.is_dir():
        raise UserError(f"--root: wanted the folder of a build, got {args.root}")
    inputs = read_inputs(args.root, config)
    folder = args.out or args.root / "paper"
    if args.only:
        for name in dict.fromkeys(item for target in args.only for item in targets()[target]):
            make_item(name, inputs, folder)
        return
    statuses = [_tried(name, inputs, folder) for name in ITEMS]
    write_text(folder / "items.csv", csv_text(["name", "status", "reason"], statuses))
    made = sum(status == "made" for _, status, _ in statuses)
    logging.info("%s: %d of %d made", folder / "items.csv", made, len(statuses))


def make_item(name: str, inputs: Inputs, folder: Path) -> None:
    """Write the files of an item into `folder`; ends with MissingInput without its inputs."""
    if name in TABLES:
        table.write_table(TABLES[name](inputs), folder)
    else:
        drawn = _figures()[name](inputs)
        write_text(folder / f"{name}.svg", drawn.chart.svg)
        write_bytes(folder / f"{name}.png", drawn.chart.png)
        write_text(folder / f"{name}.csv", table.numbers_csv(drawn.numbers))
    logging.info("%s: made", name)


@cache
def _figures() -> dict[str, Callable[[Inputs], Any]]:
    """Functions that make figures; imported only for a figure, as pictures need video decoding."""
    from occludenet_build.results.paper.figures import FIGURES
    from occludenet_build.results.paper.pictures import PICTURES

    return FIGURES | PICTURES


def _tried(name: str, inputs: Inputs, folder: Path) -> tuple[str, str, str]:
    try:
        make_item(name, inputs, folder)
    except MissingInput as error:
        logging.warning("%s: not made: %s", name, error)
        for suffix in SUFFIXES[ITEMS[name].kind]:  # from an earlier run, which had the inputs
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
        return name, "missing", str(error)
    return name, "made", ""
