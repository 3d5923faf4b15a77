"""The command line of report; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.files import write_text
from occludenet_build.report import accuracy, facts, figures
from occludenet_build.report.build import Build
from occludenet_build.report.page import render
from occludenet_build.report.strips import strips
from occludenet_build.report.summary import summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of report."""
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, help="default: ROOT/report/index.html")
    parser.add_argument("--summary", action="store_true", help="say how it ended, write nothing")
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write the page and its files, or log the summary. Raises UserError without a build."""
    build, wanted = Build(args.root), config.report
    page_path = args.out or args.root / "report" / "index.html"
    if args.summary:
        for line in summary(build, config, page_path):
            logging.info("%s", line)
        return
    charts = _charts(build)
    examples = strips(build, wanted.examples, wanted.frames, config.seed, args.threads)
    page = render(build, config, charts, examples)
    folder = page_path.parent
    _write_charts(folder / "figures", charts)
    write_text(folder / "accuracy.csv", accuracy.scores_csv(accuracy.scores(build)))
    write_text(folder / "failures.csv", facts.failures_csv(facts.failures(build)))
    write_text(page_path, page)
    missing = ", ".join(build.missing) or "nothing"
    logging.info("%s: %.1f MB; not there: %s", page_path, len(page) / 1e6, missing)


def _charts(build: Build) -> dict[str, str]:
    """Name -> SVG, of those for which there is data."""
    clips, scores = build.dataframe("annotate"), accuracy.scores(build)
    charts = {
        "accuracy": figures.accuracy(scores, accuracy.means(scores), accuracy.classes_known(build)),
        "loss": figures.loss(build.curves()),
    }
    if clips is not None:
        charts["occlusion_duration"] = figures.occlusion_duration(clips)
        charts["area_ratio"] = figures.area_ratio(clips)
    return {name: svg for name, svg in charts.items() if svg is not None}


def _write_charts(folder: Path, charts: dict[str, str]) -> None:
    for name, svg in charts.items():
        write_text(folder / f"{name}.svg", svg)
    for old in folder.glob("*.svg"):
        if old.stem not in charts:
            old.unlink()
