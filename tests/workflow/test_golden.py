"""Results change only with their version: hashes of what each stage makes of a tiny build."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
from support import golden
from support.workflow import SETTINGS, Build

from occludenet_build.stages import STAGES

GOLDEN = copy.deepcopy(SETTINGS)
GOLDEN["composite"] |= {"instruction_set": "portable"}
GOLDEN["train"] |= {"size": 72, "short_side": 72}
GOLDEN |= {"evaluate": {"workers": 0}, "attention": {"workers": 0}}
GOLDEN |= {"audit": {"backend": "motion", "clips": 4}}

SLOW = ("train", "evaluate", "attention", "paper", "report", "residual_actor", "audit")


@pytest.fixture(scope="module")
def dataset(world, tmp_path_factory) -> Path:
    build = Build(tmp_path_factory.mktemp("golden"), world, GOLDEN)
    build.run("dataset")
    return build.folder / "build"


@pytest.fixture(scope="module")
def everything(world, tmp_path_factory) -> Path:
    build = Build(tmp_path_factory.mktemp("golden"), world, GOLDEN)
    build.run("all", "residual_actor", "audit")
    return build.folder / "build"


def test_every_stage_has_golden_results_or_says_why_not():
    assert set(STAGES) == set(golden.RESULTS) | set(golden.WITHOUT)
    assert not set(golden.RESULTS) & set(golden.WITHOUT)


@pytest.mark.parametrize("stage", [s for s in golden.RESULTS if s not in SLOW])
def test_results_of_the_dataset_are_as_before(dataset, stage):
    said = golden.verdict(stage, golden.measured(dataset, stage))
    assert said == golden.SAME, f"{stage} {said}"


@pytest.mark.slow
@pytest.mark.parametrize("stage", SLOW)
def test_results_are_as_before(everything, stage):
    said = golden.verdict(stage, golden.measured(everything, stage))
    assert said == golden.SAME, f"{stage} {said}"


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> dict[str, str]:
    """Golden results of detect that were just written."""
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    monkeypatch.setattr(golden, "RESULTS", {"detect": golden.RESULTS["detect"]})
    (tmp_path / "build/detect").mkdir(parents=True)
    found = {"detect/000.parquet": "0123"}
    monkeypatch.setattr(golden, "measured", lambda build, stage: dict(found))
    assert golden.update(tmp_path) == {"detect": golden.DUE}
    assert golden.verdict("detect", found) == golden.SAME
    return found


def bump(monkeypatch) -> None:
    row = STAGES["detect"]
    monkeypatch.setitem(
        STAGES, "detect", dataclasses.replace(row, results_version=row.results_version + 1)
    )


def test_changed_results_ask_for_a_bump_and_are_not_recorded(recorded, tmp_path, monkeypatch):
    recorded["detect/000.parquet"] = "4567"
    monkeypatch.setattr(golden, "measured", lambda build, stage: dict(recorded))
    before = (tmp_path / "detect.json").read_text()
    assert "bump it in occludenet_build/stages.py" in golden.update(tmp_path)["detect"]
    assert (tmp_path / "detect.json").read_text() == before
    bump(monkeypatch)
    assert golden.update(tmp_path) == {"detect": golden.DUE}
    assert golden.verdict("detect", recorded) == golden.SAME


def test_a_bump_without_changed_results_is_refused(recorded, tmp_path, monkeypatch):
    bump(monkeypatch)
    assert "take the bump back" in golden.update(tmp_path)["detect"]
