"""The command line of models; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from occludenet_build.config import Config
from occludenet_build.config.models import Models, of_member
from occludenet_build.core.files import write_json, write_text
from occludenet_build.release.cnn_study import MiniRun, mini_kinetics_run
from occludenet_build.results.models import by_degree, study
from occludenet_build.results.models.chart import drops_chart
from occludenet_build.results.models.pairs import compare_pairs
from occludenet_build.results.models.rows import ROWS, read_answers
from occludenet_build.results.text_tables import TextTable, numbers_csv, plain_lines, write_texts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of models."""
    parser.add_argument(
        "--predictions", type=Path, nargs="*", default=[], metavar="FILE",
        help="models/<network>/<arm>-<seed>.parquet",
    )  # fmt: skip
    parser.add_argument(
        "--others", type=Path, nargs="*", default=[], metavar="FILE",
        help="integralaction/<mode>-<seed>.parquet",
    )  # fmt: skip
    parser.add_argument(
        "--precisions", type=Path, nargs="*", default=[], metavar="FILE", help="moc/ap.csv"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write the tables. Raises UserError where there is nothing to compare."""
    models = config.section(Models)
    if args.predictions or args.others or not args.precisions:
        rows, left = read_answers(args.predictions, args.others, models)
    else:
        rows, left = pd.DataFrame(columns=ROWS), {}
    cells = by_degree.accuracy_cells(rows, config.seed)
    written = (
        _write_all(rows, cells, left, args),
        _write_study(rows, cells, _published(config), args.out, config.seed),
    )
    texts = {table.name: _texts(table) for table in written if table is not None}
    write_json(args.out / "tables.json", texts)


def _write_all(
    rows: pd.DataFrame, cells: pd.DataFrame, left: dict[str, int], args: argparse.Namespace
) -> TextTable:
    precisions = by_degree.precision_cells(args.precisions)
    whole = pd.DataFrame([*cells.to_dict("records"), *precisions.to_dict("records")])
    write_text(args.out / "by_degree.csv", numbers_csv(whole.reindex(columns=by_degree.CELL)))
    table = by_degree.text_table(rows, cells, precisions, left)
    write_texts(table, args.out)
    logging.info("%s", "\n".join(plain_lines(table)))
    return table


def _write_study(
    rows: pd.DataFrame, cells: pd.DataFrame, published: study.Published, out: Path, seed: int
) -> TextTable | None:
    """Write the study; without clean twins or degrees only the heads of its files."""
    drops = study.clip_drops(rows)
    found = study.drop_rows(drops, cells, seed, published)
    ranked = found[found["degree"].eq(study.MEAN) & found["rank"].notna()]
    pairs = compare_pairs(drops, ranked, study.MEAN, seed)
    write_text(out / "study.csv", numbers_csv(found))
    write_text(out / "pairs.csv", numbers_csv(pairs))
    if found.empty:
        for name in ("study.md", "study.tex", "study.svg"):  # of an earlier run
            (out / name).unlink(missing_ok=True)
        logging.warning("no network was evaluated on clean twins and a degree: nothing is ranked")
        return None
    table = study.text_table(found, pairs)
    write_texts(table, out)
    write_text(out / "study.svg", drops_chart(found))
    logging.info("%s", "\n".join(plain_lines(table)))
    return table


def _published(config: Config) -> study.Published:
    """The published run of the network of a member, for its frames and temporal stride."""
    members = {member.name: member for member in config.section(Models).members}

    @cache
    def found(name: str) -> MiniRun | None:
        if name not in members:
            return None
        train = of_member(config, members[name]).train
        if train.frames is None:
            return None
        return mini_kinetics_run(train.backbone, train.frames, train.temporal_stride)

    return found


def _texts(table: TextTable) -> dict[str, Any]:
    blocks = [{"title": title, "rows": rows} for title, rows in table.blocks]
    return {"title": table.title, "head": table.head, "blocks": blocks, "notes": table.notes}
