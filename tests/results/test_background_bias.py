"""BOAcc, HOAcc, SHAcc, SBErr, Contrast and the others, from answers of known numbers."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.dataset.variants import ITEMS
from occludenet_build.recognition.accuracy import wilson
from occludenet_build.recognition.prediction_table import ModelInfo, write_predictions
from occludenet_build.results.report import background_bias
from occludenet_build.results.report.accuracy import scores
from occludenet_build.results.report.background_bias import (
    bias_figures,
    figures_csv,
    figures_table,
)
from occludenet_build.results.report.command import run
from occludenet_build.results.report.facts import ReportBuild
from occludenet_build.results.report.read_out import first_half, read_out

LABELS = ("run", "sit", "hop", "row")
CLIPS = {f"clip-{n}": LABELS[n % 2] for n in range(10)}
SCENE = "hop"
"""Class of all backgrounds."""

RIGHT = {
    "clean": range(10),
    "D-25": range(6),
    "D-25-greyed": range(8),
    "background": range(3),
    "human": range(7),
    "swap-random-1": range(4),
    "swap-random-2": range(2),
    "swap-far-1": range(5),
    "swap-same-1": range(9),
    "scuba-stripes": range(8),
    "scufo-stripes": range(2, 5),
    "ring": range(6),
    "ring-flat": range(5),
}
"""Set -> clips that are recognised; all others are said to be of SCENE, but for clip 9: row."""


def predicted(name: str) -> list[dict]:
    rows = []
    for number, (clip, label) in enumerate(CLIPS.items()):
        said = label if number in RIGHT[name] else "row" if number == 9 else SCENE
        row = {"clip": clip, "set": name, "file": f"{name}/{clip}", "label": label}
        scale = {"clean": 0.0, "D-25": 0.25}.get(name)
        row |= {"predicted": said, "top1": said == label, "top5": True, "scale": scale}
        rows.append(row | {"logits": [float(one == said) for one in LABELS]})
    return rows


@pytest.fixture
def build(tmp_path) -> ReportBuild:
    items = [
        {"clip": f"{name}/{clip}", "set": name, "source": clip, "status": "ok"}
        | {"background_label": label if "same" in name else SCENE if "swap" in name else None}
        for name in RIGHT
        if name not in ("clean", "D-25")
        for clip, label in CLIPS.items()
    ]
    tables.write_table(tables.from_rows(items, ITEMS), tmp_path / "variants/items/000.parquet")
    rows = [row for name in RIGHT for row in predicted(name)]
    about = ModelInfo(model="tiny3d", labels=LABELS, arm="car", seed=0)
    write_predictions(rows, about, tmp_path / "evaluate/car-0.parquet")
    return ReportBuild(tmp_path)


def page_of(root: Path) -> str:
    out = root / "report/index.html"
    run(Namespace(root=root, out=out, summary=False, networks=None, threads=1), Config())
    return out.read_text()


def test_the_figures_are_those_of_their_definitions(build):
    found = {(row.measure, row.set): row for row in bias_figures(build, 0)}
    refitted = {name for measure, name in found if measure == "refitted"}
    assert refitted == {"ring", "ring-flat", "background", "human"}
    values = {key: round(row.value, 4) for key, row in found.items() if key[0] != "refitted"}
    assert values == {
        ("accuracy", "clean"): 1.0,
        ("accuracy", "D-25"): 0.6,
        ("BOAcc", "background"): 0.3,
        ("HOAcc", "human"): 0.7,
        ("SHAcc", "random"): 0.3,
        ("SBErr", "random"): 0.6,  # 5 and 7 of 20: clip 9 says another class
        ("SHAcc", "far"): 0.5,
        ("SBErr", "far"): 0.4,
        ("SHAcc", "same"): 0.9,
        ("SCUBA", "stripes"): 0.8,
        ("SCUFO", "stripes"): 0.3,
        ("Contrast", "stripes"): 0.5,  # 0, 1, 5, 6, 7
        ("ring", "ring"): 0.6,
        ("ring-flat", "ring-flat"): 0.5,
        ("ring-pixels", "ring"): 0.1,
        ("greyed", "D-25"): 0.8,
        ("greyed-gain", "D-25"): 0.2,
    }
    assert (found["BOAcc", "background"].low, found["BOAcc", "background"].high) == wilson(3, 10)
    swapped = found["SHAcc", "random"]
    assert (swapped.n, swapped.clips) == (20, 10)
    assert swapped.low < 0.3 < swapped.high and swapped.chance == 0.25
    gain = found["greyed-gain", "D-25"]
    assert gain.low <= 0.2 <= gain.high and gain.chance is None


def test_the_table_is_written_and_derived_sets_leave_the_table_of_accuracies(build):
    text = figures_csv(bias_figures(build, 0))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 21 and rows[0]["arm"] == "car" and rows[2]["measure"] == "BOAcc"
    assert {score.set for score in scores(build)} == {"clean", "D-25"}


def test_other_programs_have_the_figures_too(build):
    rows = [row for name in ("human", "swap-far-1") for row in predicted(name)]
    dump = ModelInfo(model="I3D", labels=LABELS)
    write_predictions(rows, dump, build.root / "predictions/I3D.parquet")
    found = [row for row in bias_figures(ReportBuild(build.root), 0) if row.arm == "I3D"]
    assert [(row.measure, row.set, row.value) for row in found if row.measure != "refitted"] == [
        ("HOAcc", "human", 0.7),
        ("SHAcc", "far", 0.5),
        ("SBErr", "far", 0.4),
    ]


def test_without_derived_sets_there_is_nothing(tmp_path):
    about = ModelInfo(model="tiny3d", labels=LABELS, arm="car", seed=0)
    write_predictions(predicted("clean"), about, tmp_path / "evaluate/car-0.parquet")
    assert bias_figures(ReportBuild(tmp_path), 0) == []


# chance, n and groups where models and clips differ


def test_chance_is_that_of_the_options_and_cells_say_where_models_differ(build):
    dump = ModelInfo(model="LLM", labels=LABELS, options=2)
    rows = predicted("human")[:8]
    write_predictions(rows, dump, build.root / "predictions/LLM.parquet")
    found = bias_figures(ReportBuild(build.root), 0)
    of_llm = [row for row in found if row.arm.startswith("LLM")]
    assert [(row.measure, row.chance, row.n) for row in of_llm] == [("HOAcc", 0.5, 8)]
    shared = figures_table(found)["shared"]
    assert shared["HOAcc", "human"] == {"n": None, "chance": None}
    assert shared["BOAcc", "background"] == {"n": 10, "chance": 0.25}
    page = page_of(build.root)
    section = page.partition('id="background-bias"')[2].partition("</section>")[0]
    assert "; n 8; chance 50.0 %" in section and "; n 10; chance 25.0 %" in section
    assert section.count("; chance") == 2 and "by group</small>" not in section


def test_a_share_of_grouped_clips_has_the_interval_by_group(tmp_path):
    """Two views of each of five performances that agree: the truth is of five, not of ten."""
    rows = predicted("human")
    for number, row in enumerate(rows):
        row |= {"clip": f"show-{number // 2}/cam{number % 2}", "top1": number < 6}
    items = [{"clip": r["clip"], "set": "human", "source": r["clip"], "status": "ok"} for r in rows]
    tables.write_table(tables.from_rows(items, ITEMS), tmp_path / "variants/items/000.parquet")
    about = ModelInfo(model="tiny3d", labels=LABELS, arm="car", seed=0)
    write_predictions(rows, about, tmp_path / "evaluate/car-0.parquet")
    found = bias_figures(ReportBuild(tmp_path), 0)
    (one,) = [row for row in found if row.measure == "HOAcc"]
    assert (one.n, one.clips, one.groups, one.value) == (10, 10, 5, 0.6)
    assert (one.low, one.high) == wilson(6, 10)
    assert one.group_high - one.group_low > one.high - one.low
    text = list(csv.DictReader(io.StringIO(figures_csv(found))))
    assert text[0]["groups"] == "5" and float(text[0]["group_low"]) < one.low
    page = page_of(tmp_path)
    assert "; 5 groups: " in page and "by group</small>" in page


def test_the_figures_are_computed_once_for_a_report(build, monkeypatch):
    calls = []

    def counted(*given):
        calls.append(given)
        return bias_figures(*given)

    monkeypatch.setattr(background_bias, "bias_figures", counted)
    assert 'id="background-bias"' in page_of(build.root) and len(calls) == 1
    assert "BOAcc" in (build.root / "report/background_bias.csv").read_text()


# the read-out


def planted(clips: int, classes: int, strength: float, seed: int = 0, views: int = 1):
    """Logits of 12 numbers in which a class is a direction of length `strength` in noise of 1."""
    random = np.random.default_rng(seed)
    number = np.arange(clips) // views % classes
    directions = np.linalg.qr(random.normal(size=(12, 12)))[0][:classes]
    logits = strength * directions[number] + random.normal(size=(clips, 12))
    groups = [f"g{at // views}" for at in range(clips)]
    return 3 + 5 * logits, [f"class {at}" for at in number], groups


def test_a_class_that_logits_carry_linearly_is_read_out_and_noise_is_at_chance():
    assert read_out(*planted(600, 6, 6.0), 0).mean() > 0.95
    noise = [read_out(*planted(600, 6, 0.0, seed), seed).mean() for seed in range(10)]
    assert np.mean(noise) == pytest.approx(1 / 6, abs=0.015)


def test_a_frequent_class_does_not_raise_chance_and_few_clips_do_not_lower_it():
    groups = [f"g{at}" for at in range(600)]
    labels = ["often" if at % 4 else "rare" for at in range(600)]
    found = [read_out(np.random.default_rng(s).normal(size=(600, 12)), labels, groups, s).mean()
             for s in range(10)]  # fmt: skip
    assert np.mean(found) == pytest.approx(0.5, abs=0.04)
    few = [read_out(*planted(24, 6, 0.0, seed), seed).mean() for seed in range(60)]
    assert np.mean(few) == pytest.approx(1 / 6, abs=0.03)


def test_a_group_is_in_one_half_and_the_order_of_the_clips_does_not_count():
    """Noise that is the same in all views of a group would be learnt by heart otherwise."""
    random = np.random.default_rng(1)
    logits, labels, groups = planted(240, 4, 0.0, views=4)
    logits = random.normal(size=(60, 200)).repeat(4, axis=0)
    labels = [label for label in random.choice(["a", "b"], 60) for _ in range(4)]
    half = first_half(labels, groups, 3)
    assert all(len(set(half[at : at + 4])) == 1 for at in range(0, 240, 4))
    assert 0.4 < half.mean() < 0.6
    right = read_out(logits, labels, groups, 3)
    assert right.mean() < 0.7
    order = random.permutation(240)
    again = read_out(logits[order], [labels[at] for at in order], [groups[at] for at in order], 3)
    assert (again == right[order]).all()


def test_without_two_groups_or_classes_there_is_no_read_out():
    logits, labels, groups = planted(12, 2, 1.0)
    assert read_out(logits, ["a"] * 12, groups, 0) is None
    assert read_out(logits, labels, ["one"] * 12, 0) is None


def test_the_read_out_stands_among_the_figures_with_its_own_chance(tmp_path):
    """Networks that are never right on rings, but whose logits tell the class."""
    labels = tuple(f"class {at}" for at in range(12))
    logits, told, _ = planted(120, 4, 8.0)
    rows = [
        {"clip": f"clip-{at}", "set": "ring", "file": f"ring/{at}", "label": label, "scale": None}
        | {"predicted": "class 11", "top1": False, "top5": False, "logits": logits[at].tolist()}
        for at, label in enumerate(told)
    ]
    items = [{"clip": r["clip"], "set": "ring", "source": r["clip"], "status": "ok"} for r in rows]
    tables.write_table(tables.from_rows(items, ITEMS), tmp_path / "variants/items/000.parquet")
    about = ModelInfo(model="tiny3d", labels=labels, arm="car", seed=0)
    write_predictions(rows, about, tmp_path / "evaluate/car-0.parquet")
    plain, refitted = bias_figures(ReportBuild(tmp_path), 0)
    assert (plain.measure, plain.value, plain.chance) == ("ring", 0.0, 1 / 12)
    assert (refitted.measure, refitted.set, refitted.n) == ("refitted", "ring", 120)
    assert refitted.value > 0.95 and refitted.chance == 0.25
    assert 0.9 < refitted.low < refitted.value <= refitted.high
