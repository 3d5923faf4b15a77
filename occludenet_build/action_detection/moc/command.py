"""The command line of moc; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.moc import NETWORKS, TRAININGS, Moc, for_training, with_sets
from occludenet_build.core import files, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.versions import results_version
from occludenet_build.release.terms import set_name
from occludenet_build.sources.weights import local_file

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of moc."""
    parser.add_argument("what", choices=("train", "evaluate", "summary"))
    parser.add_argument("--root", type=Path, help="folder of the build")
    parser.add_argument("--network", choices=NETWORKS, help="train; evaluate: a published file")
    parser.add_argument("--trained-on", choices=TRAININGS, help="train: which videos")
    parser.add_argument("--seed", type=int, help="train; default: the first of the settings")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="train: a file to start from, or acquire's record of it; overrides the settings",
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="evaluate: a network of train, or with --network a published checkpoint",
    )
    parser.add_argument("--tables", type=Path, help="summary: the folder moc")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="FILE.pt, evaluate: FILE.tubes.parquet, summary: ap.csv",
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Train a network, evaluate one, or summarise."""
    required = {
        "train": ("root", "network", "trained_on"),
        "evaluate": ("root", "model"),
        "summary": ("tables",),
    }
    for name in required[args.what]:
        if getattr(args, name) is None:
            option = name.replace("_", "-")
            raise UserError(f"moc {args.what}: wanted --{option}, got nothing; give it")
    {"train": _train, "evaluate": _evaluate, "summary": _summarise}[args.what](args, config)


def _settings(config: Config) -> Moc:
    return with_sets(config.section(Moc), [set_name(one) for one in config.composite.scales])


def _train(args: argparse.Namespace, config: Config) -> None:
    settings = _settings(config)
    seed = settings.seeds[0] if args.seed is None else args.seed
    named = args.weights or settings.weights
    weights = local_file(named, settings.weights_sha256, "moc.weights")
    settings = for_training(settings, args.network, args.trained_on, seed)

    import torch

    from occludenet_build.action_detection.moc.sets import Source
    from occludenet_build.action_detection.moc.training import DetectorTraining, train_detector
    from occludenet_build.recognition.distributed import process_group

    source = Source(args.root, settings.truth, config.seed)
    key = "moc.occluded" if args.trained_on == "occluded" else "moc.trained_on"
    sets = list(source.sets(settings.occluded, "train", key).values())
    _log_left_out(sets)
    one = DetectorTraining(
        args.network,
        args.trained_on,
        seed,
        uniform_integer(config.seed, "moc", str(seed)) >> 1,  # torch takes 63 bits
        settings,
        sets,
        weights,
        _checked(source, settings),
    )
    store = args.out.parent / "store" / args.out.stem
    with (
        process_group(settings) as (process, device),
        files.folder_lock(store) if process.first else nullcontext(),
    ):
        process.wait()
        torch.set_num_threads(max(1, args.threads // process.size))
        version, share = results_version("moc"), config.failures.share_of("train")
        rows = train_detector(one, process, device, args.out, version, share)
        if process.first:
            write_rows(args.out.with_suffix(".csv"), rows, tuple(rows[0]))
            logging.info("wrote %s", args.out)


def _checked(source: Any, settings: Moc) -> Sequence[Any]:
    """The videos by which the epoch is chosen, of the sets that are trained on."""
    if settings.choice == "last":
        return ()
    split = "test" if "model_choice" in settings.as_released else "val"
    found = source.sets(settings.occluded, split, "moc.choice").values()
    return [video for one in found for video in one.videos]


def _log_left_out(sets: Sequence[Any]) -> None:
    for one in sets:
        for name, error in sorted(one.left_out.items()):
            logging.warning("left out %s/%s: %s", one.name, name, error)


def _evaluate(args: argparse.Namespace, config: Config) -> None:
    settings = _settings(config)

    import torch

    from occludenet_build.action_detection.moc import evaluation
    from occludenet_build.action_detection.moc.sets import Source, check_labels
    from occludenet_build.action_detection.moc.training import TrainedDetector

    torch.set_num_threads(args.threads)
    sets = Source(args.root, settings.truth, config.seed).sets(
        settings.tests, settings.split, "moc.tests"
    )
    labels = next(iter(sets.values())).labels
    if args.network is None:
        trained = TrainedDetector.read(args.model)
    else:
        trained = TrainedDetector.published(args.model, args.network, settings, labels)
    check_labels(sets, trained.labels, "moc.tests")
    found = evaluation.evaluate(trained, list(sets.values()), settings)
    check_items("evaluate", [*({} for _ in range(found.videos)), *found.skipped], args.out,
                config.failures)  # fmt: skip
    base = args.out.with_name(args.out.name.removesuffix(".tubes.parquet"))
    about = {name: getattr(trained, name) for name in ("network", "trained_on", "seed")}
    for row in found.skipped:
        logging.warning("skipped %s/%s: %s %s", *row.values())
    for row in found.ap:
        logging.info(
            "%s, %s: %.2f %% (%.2f to %.2f) of %d videos",
            *(row[name] for name in ("set", "metric", "value", "low", "high", "n")),
        )
    tables.write_table(
        tables.from_rows(found.attention, evaluation.ATTENTION),
        Path(f"{base}.attention.parquet"),
    )
    tables.write_table(tables.from_rows(found.tubes, evaluation.TUBES), args.out)
    files.write_json(Path(f"{base}.json"), about | {"ap": found.ap, "skipped": found.skipped})


def _summarise(args: argparse.Namespace, config: Config) -> None:
    """Write ap.csv, and attention.csv and ap.md beside it, of all networks in the folder."""
    from occludenet_build.action_detection.moc import results

    settings = config.section(Moc)
    named = [
        args.tables / f"{network}-{trained_on}-{seed}.json"
        for network in NETWORKS
        for trained_on in TRAININGS
        for seed in settings.seeds
    ]
    paths = [path for path in named if path.exists()]
    if not paths:
        raise UserError(
            f"wanted evaluations in {args.tables}, got none, such as {named[0].name}; run moc "
            "evaluate first"
        )
    ap, attention = results.ap_rows(paths), results.attention_rows(paths)
    write_rows(args.out, ap, results.AP_COLUMNS)
    write_rows(args.out.with_name("attention.csv"), attention, results.ATTENTION_COLUMNS)
    files.write_text(args.out.with_name("ap.md"), results.page(ap, attention))


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write rows as CSV with a header."""
    files.write_text(path, csv_text(columns, ([row[name] for name in columns] for row in rows)))
