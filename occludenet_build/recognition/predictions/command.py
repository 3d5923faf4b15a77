"""The command line of predictions; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.recognition import Dump
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.accuracy import summarise_sets
from occludenet_build.recognition.prediction_table import (
    LOGIT_COLUMNS,
    ModelInfo,
    log_summary,
    row_order,
    write_predictions,
)
from occludenet_build.recognition.predictions.answers import SUFFIX, AnswerRows, read_answers
from occludenet_build.recognition.predictions.rows import BuildClips, DumpRows, Row, read_dump


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of predictions."""
    parser.add_argument("--model", required=True, help="a model of predictions.dumps, or its slug")
    parser.add_argument("--clips", type=Path, help="annotate/clips.parquet; default: none")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write the table of --model and its JSON file.

    Raises UserError where no dump is of that model, or where its dumps contradict each other.
    """
    dumps = [d for d in config.predictions.dumps if args.model in (d.model, d.slug)]
    if not dumps:
        models = sorted({dump.model for dump in config.predictions.dumps})
        raise UserError(
            f"--model: wanted one of predictions.dumps ({', '.join(models) or 'none'}), got "
            f"{args.model}; name its dumps"
        )
    known = BuildClips(args.clips)
    found = [_read(dump, known) for dump in dumps]
    labels = found[0].labels
    parts = [in_label_order(part, dump, labels) for part, dump in zip(found, dumps, strict=True)]
    rows = sorted((row for part in parts for row in part), key=row_order)
    check_each_clip_once(rows, dumps[0].model)
    options = number_of_options(found, dumps[0].model)
    about = ModelInfo(dumps[0].model, labels, average=found[0].average, options=options)
    write_predictions(rows, about, args.out)
    skipped = [row for part in found for row in part.skipped]
    sources = [file_entry(*pair, known) for pair in zip(dumps, found, strict=True)]
    sets = summarise_sets(rows)
    note = {"sets": sets, "skipped": skipped, "files": sources, "model": about.model}
    answers = [part.answers for part in found if isinstance(part, AnswerRows)]
    note |= {"answers": answers} if answers else {}
    files.write_json(args.out.with_suffix(".json"), note)
    for source in sources:
        logging.info("%(file)s: %(rows)d rows of %(set)s, %(known)d of this build", source)
    log_summary(sets, len(labels), len(skipped))


def _read(dump: Dump, known: BuildClips) -> DumpRows:
    is_answers = Path(dump.file).suffix.lower() == SUFFIX
    return read_answers(dump, known) if is_answers else read_dump(dump, known)


def number_of_options(found: Sequence[DumpRows], model: str) -> int | None:
    """Number of options that the model chose among; None: among all classes.

    Raises UserError where its files differ in it, because their accuracies do not compare.
    """
    counts = {part.options if isinstance(part, AnswerRows) else None for part in found}
    if len(counts) > 1:
        shown = ", ".join(sorted("all" if one is None else str(one) for one in counts))
        raise UserError(
            f"predictions.dumps: wanted one number of options for {model}, got {shown}; give the "
            "files different models"
        )
    return counts.pop()


def in_label_order(found: DumpRows, dump: Dump, labels: Sequence[str]) -> list[Row]:
    """The rows with their logits in the order of `labels`, since a table has one order.

    Raises UserError where the dump has other labels.
    """
    if set(found.labels) != set(labels):
        only = sorted(set(found.labels) ^ set(labels))
        raise UserError(
            f"label maps do not match: {dump.file} and the first dump of {dump.model} name "
            f"different classes, such as {', '.join(only[:5])}; give them different models"
        )
    order = [found.labels.index(label) for label in labels]
    return [
        row | {name: _reordered(row.get(name), order) for name in LOGIT_COLUMNS}
        for row in found.rows
    ]


def _reordered(values: Sequence[float] | None, order: Sequence[int]) -> list[float] | None:
    return None if values is None else [values[position] for position in order]


def check_each_clip_once(rows: Sequence[Row], model: str) -> None:
    """Raises UserError where a clip has two rows in one set."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row["set"], row["clip"]) in seen:
            raise UserError(
                f"predictions.dumps: {model} has {row['clip']} of {row['set']} twice; each clip "
                "counts once"
            )
        seen.add((row["set"], row["clip"]))


def file_entry(dump: Dump, found: DumpRows, known: BuildClips) -> dict[str, Any]:
    """An entry of `files` in the JSON file: set, file, rows, known (clips of this build)."""
    count = sum(known.of(dump.set, row["file"]) is not None for row in found.rows)
    return {"set": dump.set, "file": dump.file, "rows": len(found.rows), "known": count}
