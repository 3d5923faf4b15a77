"""What an upgrade reruns: the stages with a new version, and the stages after them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.workflow import SETTINGS, Build, repository

from occludenet_build.core import versions
from occludenet_build.core.versions import RERUN_ON, results_version
from occludenet_build.stages import STAGES

TARGETS = ("composite", "train")


def edited(path: Path, pattern: str, replacement: str) -> None:
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text, (path, pattern)
    path.write_text(changed)


@pytest.fixture(scope="module")
def trained(built, tmp_path_factory) -> Build:
    """A finished build with a training."""
    build = built.copied(tmp_path_factory.mktemp("upgraded"))
    build.run(*TARGETS)
    return build


@pytest.fixture
def upgraded(trained, tmp_path) -> Build:
    """The same build, with another checkout."""
    return Build(trained.folder, None, SETTINGS, repository(tmp_path))


def test_comments_formatting_and_renamed_functions_rerun_nothing(upgraded):
    package = upgraded.repo / "occludenet_build"
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace("\n    ", "\n  ") + "\n# a comment\n")
    edited(package / "people" / "detect" / "command.py", r"def _boxes_hash\(", "def _hash_of(")
    for path in (upgraded.repo / "workflow").glob("*.smk"):
        path.write_text(path.read_text().replace("python -m occ", "python  -m occ") + "# more\n")
    (upgraded.repo / "envs" / "video.yaml").write_text("dependencies: []\n")
    assert upgraded.planned(*TARGETS) == {}


BUMPS = [
    ("detect", "results_version=", {"detect_shard", "select"}),
    ("actor_masks", "results_version=", {"actor_masks_shard", "composite_shard"}),
    ("composite", "parts=", {"composite_shard"}),
    ("train", "results_version=", {"train_arm"}),
]
AFTER = {"composite_shard", "actor_masks_shard", "annotate", "train_arm"}


@pytest.mark.parametrize(("stage", "what", "rules"), BUMPS, ids=[f"{b[0]}" for b in BUMPS])
def test_a_new_version_reruns_the_stage_and_those_after_it(upgraded, stage, what, rules):
    bump(upgraded.repo, stage, what)
    said = upgraded.run(*TARGETS, "-n")
    planned = set(upgraded.counted(said, TARGETS))
    assert rules <= planned <= rules | AFTER
    name = "counterfactual" if what == "parts=" else stage
    before, now = re.search(r"before: '([^']*)' now: '([^']*)'", said.replace('"', "'")).groups()
    assert (f"{name} 1" in before, f"{name} 2" in now) == (True, True)


def bump(repo: Path, stage: str, what: str) -> None:
    """Change the version of a stage or of its part, as a developer would in STAGES."""
    row = f'dataclasses.replace(STAGES["{stage}"], '
    value = "2" if what == "results_version=" else '{"counterfactual": 2}'
    path = repo / "occludenet_build" / "stages.py"
    line = f'\nimport dataclasses\n\nSTAGES["{stage}"] = {row}{what}{value})\n'
    path.write_text(path.read_text() + line)


def test_a_new_version_of_a_part_reruns_that_part_only(upgraded, tmp_path):
    build = upgraded.copied(tmp_path / "copy")
    before = build.clips()
    bump(build.repo, "composite", "parts=")
    build.run("composite")
    made = {name for name, stamp in build.clips().items() if stamp != before[name]}
    assert made == {name for name in before if name.startswith("OccludeNet-D-counterfactual")}


@pytest.mark.slow
def test_with_rerun_on_code_an_edit_reruns_the_stages_that_run_it(upgraded, tmp_path):
    build = upgraded.copied(tmp_path / "copy")
    build.settings["rerun_on"] = "code"
    assert build.planned("composite") != {}
    build.run("composite", "--touch")
    for path in (build.repo / "occludenet_build").rglob("*.py"):
        path.write_text(path.read_text().replace('"""', '"""Moreover, ', 1) + "\n# a comment\n")
    assert build.planned("composite") == {}
    changed = build.repo / "occludenet_build" / "occlusion" / "frame_buffer.py"
    changed.write_text(changed.read_text() + "\nANSWER = 42\n")
    assert set(build.planned("composite")) == {"composite_shard"}


def test_the_ledger_and_the_rule_hold_the_same_version(monkeypatch):
    assert results_version("detect") == f"detect {STAGES['detect'].results_version}"
    assert results_version("index", "facts") == f"facts {STAGES['index'].parts['facts']}"
    monkeypatch.setenv(RERUN_ON, "code")
    assert results_version("detect").startswith("detect 1 ")
    # the digest of the part does not cover the rest of the stage
    assert results_version("index", "facts").split()[-1] == versions.code_digest(
        "occludenet_build.sources.index.facts"
    )
    assert versions.code_digest("occludenet_build.sources.index.facts") != versions.code_digest(
        "occludenet_build.sources.index"
    )
