"""The architecture: who may import whom, and what Snakemake's rules rest on."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from conftest import REPO

from occludenet_build.cli import TOOLS
from occludenet_build.core import code
from occludenet_build.stages import STAGES

PACKAGE = "occludenet_build"
FLOORS = [
    *("stages", "core", "accuracy", "config", "command"),
    *("project", "transfer", "coco", "release", "compositing", "recognition"),
]
"""From the ground up; whatever is not here or in ROOF is a stage or tool, and imports no other."""
ROOF = ["demo", "run", "cli", "__main__"]
"""Above the stages, from below."""


def top(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def floor(module: str) -> int:
    name = top(module)
    if name in ROOF:
        return len(FLOORS) + 1 + ROOF.index(name)
    return FLOORS.index(name) if name in FLOORS else len(FLOORS)


@pytest.mark.parametrize("module", code.modules())
def test_imports_go_one_way(module):
    for other in code.imports(module):
        if top(other) in ("", top(module)):
            continue
        if (top(module), top(other)) == ("core", "config"):
            pytest.fail(f"{module} imports {other}")
        assert floor(other) < floor(module), f"{module} imports {other}"


def test_there_is_no_circle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in sorted(code.imports(module)):
                if other != module and not module.startswith(other + "."):
                    visit(other, (*path, module))
            done.add(module)

    for module in code.modules():
        visit(module, ())


def outside(module: str) -> set[str]:
    """Top-level names of foreign packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(code.source_file(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_video_core_decodes():
    users = {m for m in code.modules() if "av" in outside(m)}
    assert all(m.startswith(f"{PACKAGE}.core.video.") for m in users), users


@pytest.mark.parametrize(
    "module",
    ["config", "command", "project", "core.settings", "core.seeds", "core.code", "core.errors"],
)
def test_what_the_workflow_imports_needs_no_package(module):
    """Snakemake may run where only Snakemake is installed."""
    import sys

    allowed = set(sys.stdlib_module_names) | {PACKAGE, "numpy"}
    for name in code.closure(f"{PACKAGE}.{module}"):
        foreign = outside(name) - allowed
        assert not foreign, (name, foreign)


@pytest.mark.parametrize("module", code.modules())
def test_modules_say_what_they_are_and_stay_readable(module):
    text = code.source_file(module).read_text()
    assert ast.get_docstring(ast.parse(text)) or not text.strip(), f"{module} has no docstring"
    assert len(text.splitlines()) <= 400


def test_every_stage_has_its_rule_file():
    rooms = {m.split(".")[1] for m in code.modules() if floor(m) == len(FLOORS) and m != PACKAGE}
    rooms -= {*TOOLS}
    rules = {p.stem for p in (REPO / "workflow").glob("*.smk")} - {"common"}
    assert rooms == rules == set(STAGES)
    snakefile = (REPO / "Snakefile").read_text()
    assert re.findall(r'include: "workflow/(\w+)\.smk"', snakefile)[0] == "common"
    assert set(re.findall(r'include: "workflow/(\w+)\.smk"', snakefile)) == rules | {"common"}


def test_an_edit_changes_the_digest_of_what_runs_it_only(tmp_path, monkeypatch):
    assert f"{PACKAGE}.compositing.frame_buffer" in code.closure(f"{PACKAGE}.composite")
    assert f"{PACKAGE}.compositing.frame_buffer" not in code.closure(f"{PACKAGE}.detect")
    assert f"{PACKAGE}.detect.yolo" in code.closure(f"{PACKAGE}.detect")
    assert f"{PACKAGE}.train" not in code.closure(f"{PACKAGE}.composite")


def constraints() -> dict[str, str]:
    lines = (REPO / "constraints.txt").read_text().splitlines()
    pins = (line.split("==") for line in lines if "==" in line)
    return {name.lower().replace("_", "-"): version for name, version in pins}


@pytest.mark.parametrize("path", sorted((REPO / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_conda_environments_pin_what_the_constraints_pin(path):
    env = yaml.safe_load(path.read_text())
    (pip,) = [entry["pip"] for entry in env["dependencies"] if isinstance(entry, dict)]
    for requirement in pip:
        name, version = requirement.split("==")
        assert constraints()[name.lower()] == version, requirement


NAMES = {
    "cv2": "opencv-python",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "segment_anything": "segment-anything",
}


@pytest.mark.parametrize("path", sorted((REPO / "workflow").glob("*.smk")), ids=lambda p: p.stem)
def test_an_environment_holds_all_that_its_rooms_import(path):
    """Every foreign import of the code a rule runs is in the rule's environment file."""
    import sys

    used = re.findall(r'conda:\s+"\.\./(envs/\w+\.yaml)"', path.read_text())
    for env in set(used):
        listed = yaml.safe_load((REPO / env).read_text())["dependencies"][-1]["pip"]
        names = {requirement.split("==")[0].lower() for requirement in listed}
        for module in code.closure(f"{PACKAGE}.{path.stem}"):
            foreign = outside(module) - set(sys.stdlib_module_names) - {PACKAGE}
            missing = {NAMES.get(name, name) for name in foreign} - names
            assert not missing, (env, module, missing)
