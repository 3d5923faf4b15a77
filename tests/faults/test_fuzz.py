"""200 damaged videos through the stages: each has a row, and no command ends with an error.

benchmarks/fuzz.py runs thousands. A crasher that it finds gets a test of its own in tests/media.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from benchmarks.fuzz import fuzz
from benchmarks.parts.fuzz.mutators import MUTATORS, write_mutants
from benchmarks.parts.fuzz.sources import KINDS, write_sources

pytestmark = pytest.mark.slow
FILES = int(os.environ.get("OCCLUDENET_FUZZ_FILES", "200"))
SEED = 13


def test_every_damaged_video_is_a_row_at_every_stage(tmp_path: Path):
    report = fuzz(tmp_path, FILES, SEED)
    stages = report["stages"]
    names = ["acquire", "index", "detect", "occluders", "select", "actor_masks", "composite"]
    assert list(stages) == names
    assert report["crashes"] == {} and report["hangs"] == [] and report["unexpected"] == []
    assert {name: facts["lacking"] for name, facts in stages.items() if facts["lacking"]} == {}
    assert report["passed"]
    assert stages["index"]["files"] == stages["acquire"]["rows"]["ok"] == FILES
    # the fuzz reaches the last stage, and the first ones refuse something
    assert stages["composite"]["rows"]["ok"] >= FILES / 10
    assert len(stages["index"]["rows"]) >= 4
    assert max(facts["peak_mb"] for facts in stages.values()) < 1500


def test_mutants_depend_on_the_seed_only_and_differ_from_whole_files(tmp_path: Path):
    whole = write_sources(tmp_path / "whole")
    assert set(whole) == set(KINDS)
    count = len(KINDS) * len(MUTATORS)
    first = write_mutants(whole, tmp_path / "a", count, 1)
    random.seed(99)
    again = write_mutants(whole, tmp_path / "b", count, 1)
    other = write_mutants(whole, tmp_path / "c", count, 2)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    differs = sum(a.read_bytes() != b.read_bytes() for a, b in zip(first, other, strict=True))
    assert differs > 0.9 * count
    originals = {kind: path.read_bytes() for kind, path in whole.items()}
    same = [p for p in first if p.read_bytes() == originals[p.stem.split("-", 1)[1]]]
    assert len(same) < 0.05 * count
