"""The HTML page of the report. The template escapes all text that comes from the build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from occludenet_build.config import Config
from occludenet_build.config.occlusion import Quota
from occludenet_build.media.imaging import sheets
from occludenet_build.media.imaging.thumbnails import COLOURS, read_cutout, resize_image
from occludenet_build.results.report import accuracy, facts, figures
from occludenet_build.results.report.background_bias import BiasFigure, figures_table
from occludenet_build.results.report.comparison import arms_compared
from occludenet_build.results.report.facts import TABLES, ReportBuild
from occludenet_build.results.report.strips import Strip
from occludenet_build.results.report.weak_choices import weaknesses

_SHEET = 10
"""Number of cut-outs that the page shows of a category."""
_CUTOUT_PX = 92
"""Longer side of a cut-out, pixels."""
COMPARED = ("models", "integralaction")
"""Stages that compare networks: their tables.json has tables for the page."""
_ALL_CLASSES = 60
"""With more rows of classes than this, only the classes below quota are listed."""


def render_report(
    build: ReportBuild,
    config: Config,
    charts: dict[str, str],
    examples: list[Strip],
    bias: Sequence[BiasFigure] = (),
    compared: Sequence[str] = COMPARED,
) -> str:
    """The page as HTML text.

    `charts`: SVG by name; `examples`: strips of frames; `bias`: background_bias.bias_figures;
    `compared`: those of COMPARED whose tables the page shows.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    fills = build.json("residual_actor/fills.json") or {}
    environment.filters |= {"n": _thousands, "percent": _percent, "hex": _hex, "code": _code}
    return environment.get_template("page.html.j2").render(
        name=config.composite.dataset,
        seed=config.seed,
        missing=build.missing,
        weak=weaknesses(build, config.train),
        stages=len(TABLES),
        compared=arms_compared(build, config.seed),
        headline=facts.headline(build),
        charts={name: Markup(figures.inline_svg(svg)) for name, svg in charts.items()},
        examples=examples,
        drawn=COLOURS,
        occlusion=occlusion_summary(build),
        failures=facts.failures(build),
        erased_actors=facts.erased_actors(build),
        residual_actor=build.json("residual_actor/built/summary.json"),
        fills=fills,
        bias=figures_table(bias),
        filled_classes=sorted({name for sums in fills.values() for name in sums["by_class"]}),
        bank=build.json("occluders/summary.json"),
        sheet=_sheet(build, config.seed),
        paper=_paper(build),
        models=_networks(build, compared),
        **_classes(build, config),
        **_accuracy(build, config),
    )


def _networks(build: ReportBuild, compared: Sequence[str]) -> dict[str, Any]:
    """The tables of the stages that compare networks, by name."""
    found = [build.json(f"{stage}/tables.json") or {} for stage in compared]
    return {name: table for tables in found for name, table in tables.items()}


def _paper(build: ReportBuild) -> dict[str, list[str]]:
    """Files of the paper's tables and figures by name, relative to the build's folder."""
    found: dict[str, list[str]] = {}
    for kind in ("table", "figure"):
        for path in sorted(build.root.glob(f"paper/{kind}_*.*"), key=lambda p: _number(p.stem)):
            found.setdefault(path.stem, []).append(f"paper/{path.name}")
    return found


def _number(name: str) -> tuple[int, str]:
    """Sort key that puts figure_4a before figure_14."""
    digits = "".join(filter(str.isdigit, name))
    return int(digits or 0), name


def _thousands(number: int) -> str:
    return f"{number:,}"


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None or pd.isna(share) else f"{100 * share:.{digits}f} %"


def _code(text: str) -> Markup:
    """A text as HTML, with what is between backticks as code.

    >>> print(_code("`a --b` & c"))
    <code>a --b</code> &amp; c
    """
    parts = [escape(part) for part in text.split("`")]
    marked = (f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
    return Markup("".join(marked))


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def occlusion_summary(build: ReportBuild) -> dict[str, Any] | None:
    """Shares of source clips by occlusion duration, and median hidden shares, if there are any."""
    clips = build.dataframe("annotate")
    occluded = clips[clips["set"] != facts.CLEAN] if clips is not None else None
    if occluded is None or occluded.empty:
        return None
    ratios = occluded.groupby("clip")["duration_ratio"].first()
    by_set = occluded.groupby(["scale", "set"])[["area_ratio", "actor_hidden"]].median()
    return {
        "clips": len(ratios),
        "none": float((ratios == 0).mean()),
        "brief": float((ratios < 0.1).mean()),
        "always": float((ratios >= 0.99).mean()),
        "medians": [(name, row["area_ratio"], row["actor_hidden"])
                    for (_, name), row in by_set.iterrows()],
    }  # fmt: skip


def _sheet(build: ReportBuild, seed: int) -> list[tuple[str, list[tuple[str, facts.BankCutout]]]]:
    folder = build.root / "occluders"
    sheet = []
    for category, rows in facts.cutouts(build, _SHEET, seed):
        images = ((_cutout(folder / row.file), row) for row in rows)
        sheet.append((category, [(image, row) for image, row in images if image is not None]))
    return sheet


def _cutout(path: Path) -> str | None:
    """A data URI of a transparent cut-out; None if the file cannot be read."""
    rgba = read_cutout(path)
    if rgba is None:
        return None
    factor = min(1.0, _CUTOUT_PX / max(rgba.shape[:2]))
    width, height = (max(1, round(side * factor)) for side in rgba.shape[1::-1])
    return sheets.data_uri("png", sheets.png(resize_image(rgba, (width, height))))


def _classes(build: ReportBuild, config: Config) -> dict[str, Any]:
    quota = config.select.quota
    if config.select.assignment == "published":
        quota = Quota(train=None, val=None, test=None)
    rows = facts.classes(build, quota)
    selected = build.dataframe("select") is not None
    short = [row for row in rows if row.short and selected]
    totals: dict[str, Counter[str]] = {split: Counter() for split in facts.SPLITS}
    for row in rows:
        for name in ("videos", "decodable", "searched", "actor", "chosen", "composited", "short"):
            totals[row.split][name] += getattr(row, name)
        totals[row.split]["classes"] += 1
        totals[row.split]["short classes"] += bool(row.short)
    return {
        "selected": selected,
        "quota": vars(quota),
        "totals": {split: total for split, total in totals.items() if total},
        "classes": rows if len(rows) <= _ALL_CLASSES else short,
        "all_classes": len(rows) <= _ALL_CLASSES,
    }


def _accuracy(build: ReportBuild, config: Config) -> dict[str, Any]:
    scores, pairs = accuracy.scores(build), accuracy.baseline_comparisons(build)
    pairs, over_seeds = accuracy.corrected(pairs, accuracy.seed_comparisons(pairs))
    return {
        "scores": scores,
        "means": accuracy.seed_means(scores),
        "pairs": pairs,
        "over_seeds": over_seeds,
        "tests": sum(
            p is not None for p in [one.holm for one in pairs] + [one.holm for one in over_seeds]
        ),
        "grouped": any(score.groups < score.clips for score in scores),
        "effects": _effects(build),
        "classes_known": accuracy.classes_known(build),
        "evaluated_split": config.evaluate.split,
        "unread": _unread(build),
        "training": config.train,
    }


def _effects(build: ReportBuild) -> list[tuple[str, int, dict[str, Any]]]:
    """(arm, seed, row) of the causal effect over whole sets."""
    return [
        (arm, seed, row)
        for (arm, seed), table in build.effects().items()
        for row in table[table["eq1"].isna()].to_dict("records")
    ]


def _unread(build: ReportBuild) -> int:
    """Number of clips that evaluate could not read, summed over trainings."""
    notes = (build.json(f"evaluate/{path.stem}.json") for path in build.files("evaluate"))
    skipped = (entry for note in notes if note for entry in note.get("skipped", []))
    return sum(not entry["reason"].startswith("duplicate") for entry in skipped)
