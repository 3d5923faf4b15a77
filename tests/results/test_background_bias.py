"""BOAcc, HOAcc, SHAcc, SBErr, Contrast and the others, from answers of known numbers."""

from __future__ import annotations

import csv
import io

import pytest

from occludenet_build.core import tables
from occludenet_build.dataset.variants import ITEMS
from occludenet_build.recognition.accuracy import wilson
from occludenet_build.recognition.prediction_table import ModelInfo, write_predictions
from occludenet_build.results.report.accuracy import scores
from occludenet_build.results.report.background_bias import bias_figures, figures_csv
from occludenet_build.results.report.facts import ReportBuild

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


def test_the_figures_are_those_of_their_definitions(build):
    found = {(row.measure, row.set): row for row in bias_figures(build, 0)}
    values = {key: round(row.value, 4) for key, row in found.items()}
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
    assert len(rows) == 17 and rows[0]["arm"] == "car" and rows[2]["measure"] == "BOAcc"
    assert {score.set for score in scores(build)} == {"clean", "D-25"}


def test_other_programs_have_the_figures_too(build):
    rows = [row for name in ("human", "swap-far-1") for row in predicted(name)]
    dump = ModelInfo(model="I3D", labels=LABELS)
    write_predictions(rows, dump, build.root / "predictions/I3D.parquet")
    found = [row for row in bias_figures(ReportBuild(build.root), 0) if row.arm == "I3D"]
    assert [(row.measure, row.set, row.value) for row in found] == [
        ("HOAcc", "human", 0.7),
        ("SHAcc", "far", 0.5),
        ("SBErr", "far", 0.4),
    ]


def test_without_derived_sets_there_is_nothing(tmp_path):
    about = ModelInfo(model="tiny3d", labels=LABELS, arm="car", seed=0)
    write_predictions(predicted("clean"), about, tmp_path / "evaluate/car-0.parquet")
    assert bias_figures(ReportBuild(tmp_path), 0) == []
