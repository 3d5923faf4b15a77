"""Results change only with their version: hashes of what each stage makes of a tiny build."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from support import golden
from support.workflow import SETTINGS, Build

from occludenet_build.stages import STAGES

GOLDEN = copy.deepcopy(SETTINGS)
GOLDEN["composite"] |= {"instruction_set": "portable"}
# small crops: in some views nothing of the actor is seen
GOLDEN["train"] |= {"size": 16, "short_side": 160, "frames": 2}
GOLDEN |= {"attention": {"workers": 0}, "audit": {"backend": "motion", "clips": 4}}
GOLDEN |= {"evaluate": {"workers": 0, "views": 1, "counterfactuals": True}}
ERASED = {"counterfactual": {"splits": ["train", "test"]}}

SLOW = ("train", "evaluate", "attention", "paper", "report", "residual_actor", "audit")


@pytest.fixture(scope="module")
def dataset(world, tmp_path_factory) -> Path:
    plain = GOLDEN | {"evaluate": {"workers": 0}}
    build = Build(tmp_path_factory.mktemp("golden"), world, plain)
    build.run("dataset")
    return build.folder / "build"


@pytest.fixture(scope="module")
def everything(world, tmp_path_factory) -> Path:
    build = Build(tmp_path_factory.mktemp("golden"), world, GOLDEN | ERASED)
    build.run("all", "residual_actor", "audit")
    return build.folder / "build"


def test_every_stage_has_golden_results_or_says_why_not():
    assert set(STAGES) == set(golden.RESULTS) | set(golden.WITHOUT)
    assert not set(golden.RESULTS) & set(golden.WITHOUT)


def check(build: Path, stage: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        golden.update(build, stage)
    said = golden.verdict(stage, golden.measured(build, stage))
    assert said == golden.SAME, f"{stage} {said}"


@pytest.mark.parametrize("stage", [s for s in golden.RESULTS if s not in SLOW])
def test_results_of_the_dataset_are_as_before(dataset, stage, request):
    check(dataset, stage, request)


@pytest.mark.slow
@pytest.mark.parametrize("stage", SLOW)
def test_results_are_as_before(everything, stage, request):
    check(everything, stage, request)


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> dict[str, Any]:
    """Golden results of detect that were just written."""
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    found: dict[str, Any] = {
        "detect/000.parquet": "0123",
        "train/car-0.csv": {"rows": "ab", "means": {"loss": 2.0}},
    }
    monkeypatch.setattr(golden, "measured", lambda build, stage: found)
    assert golden.verdict("detect", found) == golden.DUE
    golden.update(tmp_path, "detect")
    assert golden.verdict("detect", found) == golden.SAME
    return copy.deepcopy(found)


def bump(monkeypatch) -> None:
    row = STAGES["detect"]
    monkeypatch.setitem(
        STAGES, "detect", dataclasses.replace(row, results_version=row.results_version + 1)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"detect/000.parquet": "4567"},
        {"detect/001.parquet": "0123"},
        {"train/car-0.csv": {"rows": "ab", "means": {"loss": 2.3}}},
        {"train/car-0.csv": {"rows": "ac", "means": {"loss": 2.0}}},
    ],
)
def test_changed_results_ask_for_a_bump_and_are_not_recorded(
    recorded, change, tmp_path, monkeypatch
):
    found = recorded | change
    monkeypatch.setattr(golden, "measured", lambda build, stage: found)
    before = (tmp_path / "detect.json").read_text()
    assert "bump it in occludenet_build/stages.py" in golden.verdict("detect", found)
    golden.update(tmp_path, "detect")
    assert (tmp_path / "detect.json").read_text() == before
    bump(monkeypatch)
    golden.update(tmp_path, "detect")
    assert golden.verdict("detect", found) == golden.SAME


def test_another_processor_s_rounding_is_no_change(recorded):
    found = recorded | {"train/car-0.csv": {"rows": "ab", "means": {"loss": 2.1}}}
    assert golden.verdict("detect", found) == golden.SAME


def test_a_bump_without_changed_results_is_refused(recorded, monkeypatch):
    bump(monkeypatch)
    assert "take the bump back" in golden.verdict("detect", recorded)
