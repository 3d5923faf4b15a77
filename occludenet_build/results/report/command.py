"""The command line of report; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.files import write_text
from occludenet_build.results.report import accuracy, background_bias, facts, figures
from occludenet_build.results.report.accuracy import TrainingScore, scores, set_names
from occludenet_build.results.report.comparison import arms_compared
from occludenet_build.results.report.facts import ReportBuild
from occludenet_build.results.report.page import COMPARED, render_report
from occludenet_build.results.report.strips import make_strips
from occludenet_build.results.report.weak_choices import weaknesses


def summary_lines(build: ReportBuild, config: Config, page: Path) -> Iterator[str]:
    """Lines for the terminal at the end of a run: where the results are, what was ok and what was
    refused for which reason, the accuracies, and the weak choices."""
    found = scores(build)
    yield f"dataset: {build.root / config.composite.dataset}"
    yield f"page:    {page}"
    items = build.root / "paper" / "items.csv"
    if items.exists():
        made = items.read_text().count(",made,")
        yield f"paper:   {items.parent}, {made} tables and figures; {items.name} lists all"
    yield from _item_lines(build)
    yield from _accuracy_lines(found) if found else ["accuracy: nothing was evaluated"]
    compared = arms_compared(build, config.seed)
    for sentence in compared.follows if compared else ():
        yield f"result:  {sentence}"
    for weak in weaknesses(build):
        yield f"weak:    {weak.what}"
        yield f"         instead: {weak.instead}"


def _item_lines(build: ReportBuild) -> Iterator[str]:
    """Numbers of videos that passed each stage; of those that did not, by stage and reason."""
    counts = facts.headline(build)
    if counts:
        yield "videos:  " + ", ".join(f"{count.number} {count.name}" for count in counts)
    for lost in facts.failures(build):
        if lost.stage != "occluders":
            more = lost.count - len(lost.examples)
            names = ", ".join([name for name, _ in lost.examples] + [f"{more} more"] * (more > 0))
            what = f"{lost.count} {lost.reason} ({lost.stage}: {lost.meaning})"
            yield f"refused: {what}: {names}"


def _accuracy_lines(found: list[TrainingScore]) -> Iterator[str]:
    names = set_names(found)
    counts = {s.set: s.clips for s in found}
    yield "top-1, %, by set (clips in brackets)"
    yield "".join([f"{'':14}", *(f"{f'{name} ({counts[name]})':>14}" for name in names)])
    for arm, seed in sorted({(s.arm, s.seed) for s in found}):
        yield _row(f"{arm} {seed}", [s for s in found if (s.arm, s.seed) == (arm, seed)], names)


def _row(name: str, of_training: list[TrainingScore], names: list[str]) -> str:
    by_set = {score.set: f"{100 * score.top1:.1f}" for score in of_training}
    return "".join([f"{name:14}", *(f"{by_set.get(label, '-'):>14}" for label in names)])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of report."""
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, help="the page; default: ROOT/report/index.html")
    parser.add_argument(
        "--summary", action="store_true", help="print a summary of the results and write nothing"
    )
    parser.add_argument(
        "--networks", type=Path, nargs="*", metavar="FILE",
        help="tables that compare networks, models/tables.json, to show; default: those in ROOT",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write the page and its files, or log the summary."""
    build, settings = ReportBuild(args.root), config.report
    page_path = args.out or args.root / "report" / "index.html"
    if args.summary:
        for line in summary_lines(build, config, page_path):
            logging.info("%s", line)
        return
    compared = _compared(args)
    charts = _charts(build, compared)
    examples = make_strips(build, settings.examples, settings.frames, config.seed, args.threads)
    bias = background_bias.bias_figures(build, config.seed)
    page = render_report(build, config, charts, examples, bias, compared)
    folder = page_path.parent
    _write_charts(folder / "figures", charts)
    write_text(folder / "accuracy.csv", accuracy.scores_csv(accuracy.scores(build)))
    write_text(folder / "background_bias.csv", background_bias.figures_csv(bias))
    write_text(folder / "failures.csv", facts.failures_csv(facts.failures(build)))
    write_text(page_path, page)
    missing = ", ".join(build.missing) or "none"
    logging.info("%s: %.1f MB; missing stages: %s", page_path, len(page) / 1e6, missing)


def _compared(args: argparse.Namespace) -> tuple[str, ...]:
    """The stages whose tables of networks are on the page, those of --networks or all."""
    if args.networks is None:
        return COMPARED
    return tuple(one for one in COMPARED if one in {path.parent.name for path in args.networks})


def _charts(build: ReportBuild, compared: Sequence[str]) -> dict[str, str]:
    """SVG by name, of the charts for which there is data; `compared`: as in render_report."""
    clips, scores = build.dataframe("annotate"), accuracy.scores(build)
    charts = {
        "accuracy": figures.accuracy_chart(
            scores, accuracy.seed_means(scores), accuracy.classes_known(build)
        ),
        "loss": figures.loss_chart(build.curves()),
    }
    losses = build.root / "models" / "study.svg"
    shown = "models" in compared and losses.exists()
    charts["models"] = losses.read_text() if shown else None
    if clips is not None:
        charts["occlusion_duration"] = figures.occlusion_duration_chart(clips)
        charts["area_ratio"] = figures.area_ratio_chart(clips)
    return {name: svg for name, svg in charts.items() if svg is not None}


def _write_charts(folder: Path, charts: dict[str, str]) -> None:
    for name, svg in charts.items():
        write_text(folder / f"{name}.svg", svg)
    for old in folder.glob("*.svg"):
        if old.stem not in charts:
            old.unlink()
