"""README and CONTRIBUTING say what the code does."""

from __future__ import annotations

import re

import pytest
from conftest import REPO

from occludenet_build.cli import TOOLS
from occludenet_build.stages import STAGES

PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").glob("*.md"))]


def test_the_table_of_stages_is_that_of_the_code():
    rows = re.findall(r"^\| `?(\w+)`? \| (.+?) \| .* \|$", (REPO / "README.md").read_text(), re.M)
    told = {name: summary for name, summary in rows if name in STAGES}
    assert list(told) == list(STAGES)
    assert told == {name: stage.summary for name, stage in STAGES.items()}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / link).exists(), f"{path.name}: {link}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_commands_and_files_that_are_named_exist(path):
    text = path.read_text()
    commands = set(re.findall(r"(?:^|`|bin/)occludenet ([a-z_]+)", text, re.M))
    assert commands <= {*STAGES, *TOOLS}
    for name in re.findall(r"\b((?:occludenet_build|tests|workflow|benchmarks)/[\w/]+\.\w+)", text):
        assert (REPO / name).exists(), f"{path.name}: {name}"
