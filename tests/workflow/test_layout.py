"""The architecture: who may import whom, and what Snakemake's rules rest on."""

from __future__ import annotations

import ast
import re
import statistics
from functools import cache

import pytest
import yaml
from conftest import REPO

from occludenet_build.config.backends import DETECTORS, MASKERS, POSERS, TRAINED
from occludenet_build.core import versions
from occludenet_build.stages import STAGES

PACKAGE = "occludenet_build"
ORDER = (
    *("stages", "core", "media", "config", "command", "release", "sources", "people"),
    *("occlusion", "dataset", "recognition", "action_detection", "results", "tools", "cli"),
    "__main__",
)
"""Wings and top-level modules in the order of the data: each imports only what stands before it."""


def short(module: str) -> str:
    """Without the package's name."""
    return module.removeprefix(PACKAGE).lstrip(".")


def wing(module: str) -> str:
    return short(module).split(".")[0]


def stage_of(module: str) -> str | None:
    """The stage whose package or module this is or belongs to."""
    found = [s for s in STAGES.values() if f"{module}.".startswith(f"{s.module}.")]
    return found[0].name if found else None


@cache
def imported(module: str) -> set[str]:
    """The modules that are imported; of a package only what is taken from its own __init__."""
    found = set()
    for node in ast.walk(ast.parse(versions.source_file(module).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in KNOWN else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in KNOWN}
    return found - {PACKAGE, module}


KNOWN = set(versions.package_modules())


def test_files_of_tests_have_different_names():
    """pytest refuses two files of one name in folders that are no packages."""
    names = [path.name for path in (REPO / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("module", sorted(KNOWN - {PACKAGE}))
def test_a_wing_imports_no_later_one(module):
    here = ORDER.index(wing(module))
    for other in imported(module):
        assert ORDER.index(wing(other)) <= here, f"{module} imports {other}"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage):
    for module in KNOWN:
        if stage_of(module) == stage:
            others = {stage_of(other) for other in imported(module)} - {None, stage}
            assert not others, (module, others)


def test_there_is_no_circle():
    """Not between a package and its own modules either."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in sorted(imported(module)):
                visit(other, (*path, module))
            done.add(module)

    for module in sorted(KNOWN):
        visit(module, ())


@cache
def outside(module: str, deferred: bool = True) -> set[str]:
    """Top-level names of foreign packages that a module imports, anywhere in it.

    `deferred`: also those that it imports in a function, or for type checkers only.
    """
    found = set()
    nodes = [ast.parse(versions.source_file(module).read_text())]
    while nodes:
        node = nodes.pop()
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if deferred or not (for_types or isinstance(node, ast.FunctionDef)):
            nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_video_core_decodes():
    users = {m for m in versions.package_modules() if "av" in outside(m)}
    assert all(m.startswith(f"{PACKAGE}.media.video.") for m in users), users


@pytest.mark.parametrize(
    "module",
    [
        "config",
        "command",
        "core.names",
        "release.published",
        "tools.cluster",
        "tools.project",
        "core.settings",
        "core.seeds",
        "core.versions",
        "core.errors",
    ],
)
def test_what_the_workflow_imports_needs_no_package(module):
    """Snakemake may run where only Snakemake is installed."""
    import sys

    allowed = set(sys.stdlib_module_names) | {PACKAGE}
    for name in versions.import_closure(f"{PACKAGE}.{module}"):
        foreign = outside(name, deferred=False) - allowed
        assert not foreign, (name, foreign)


@pytest.mark.parametrize("module", versions.package_modules())
def test_modules_say_what_they_are_and_stay_readable(module):
    text = versions.source_file(module).read_text()
    assert ast.get_docstring(ast.parse(text)) or not text.strip(), f"{module} has no docstring"
    assert len(text.splitlines()) <= 400


def test_every_stage_has_its_rule_file_its_package_and_its_line_in_the_snakefile():
    rules = {p.stem for p in (REPO / "workflow").glob("*.smk")} - {"common"}
    assert rules == set(STAGES)
    assert {stage.module for stage in STAGES.values()} <= KNOWN
    included = re.findall(r'include: "workflow/(\w+)\.smk"', (REPO / "Snakefile").read_text())
    assert included[0] == "common" and sorted(included[1:]) == sorted(rules)


def test_the_map_is_neither_too_fine_nor_too_coarse():
    lengths = {
        m: len(versions.source_file(m).read_text().splitlines())
        for m in KNOWN
        if versions.source_file(m).name != "__init__.py"
    }
    assert len(lengths) <= 520
    assert 100 <= statistics.median(lengths.values()) <= 220
    small = {short(m) for m, length in lengths.items() if length < 40}
    assert small <= SMALL, small - SMALL


SMALL = {
    "__main__",
    "sources.kinetics.youtube.child",  # a program of its own, which must import nothing
    "core.openmp",  # the command line imports it before anything that loads torch
    "config.results",  # every wing has its settings
    "media.imaging.perceptual_hash",  # occluders and leaks share it
}
"""Modules of less than 40 lines, each with its reason."""


def test_the_digest_of_a_stage_covers_what_it_runs_only():
    composite, detect = (
        versions.import_closure(STAGES[name].module) for name in ("composite", "detect")
    )
    assert f"{PACKAGE}.occlusion.frame_buffer" in composite - detect
    assert f"{PACKAGE}.people.tracking.actor" in detect
    # loaded by name, from the table of backends
    assert f"{PACKAGE}.people.detectors.yolo" in detect - composite
    assert f"{PACKAGE}.people.maskers.sam" in versions.import_closure(STAGES["actor_masks"].module)
    assert f"{PACKAGE}.recognition.train" not in composite


def constraints() -> dict[str, str]:
    lines = (REPO / "constraints.txt").read_text().splitlines()
    pins = (line.split("==") for line in lines if "==" in line)
    return {name.lower().replace("_", "-"): version for name, version in pins}


ENVIRONMENTS = {path.stem: path for path in sorted((REPO / "envs").glob("*.yaml"))}


def requirements(environment: str) -> list[str]:
    """What pip installs into an environment: by its file, and by the script after that."""
    file = ENVIRONMENTS[environment]
    entries = yaml.safe_load(file.read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    script = file.with_suffix(".post-deploy.sh")
    return pip + (re.findall(r"\S+==\S+", script.read_text()) if script.exists() else [])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_conda_environments_pin_what_the_constraints_pin(environment):
    for requirement in requirements(environment):
        name, version = requirement.split("==")
        assert constraints()[name.lower()] == version, requirement


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_package_brings_an_opencv_with_windows(environment):
    """trackers asks for opencv-python: a script installs it without what it asks for."""
    file = ENVIRONMENTS[environment].read_text()
    assert "trackers==" not in file and not re.search(r"opencv-python=|ultralytics=", file)
    script = ENVIRONMENTS[environment].with_suffix(".post-deploy.sh")
    if script.exists():
        from importlib.metadata import requires

        assert "pip install --no-deps trackers==" in script.read_text()
        needs = {
            re.match(r"[\w-]+", text)[0] for text in requires("trackers") if "extra" not in text
        }
        named = {requirement.split("==")[0] for requirement in requirements(environment)}
        assert needs - {"opencv-python"} <= named


NAMES = {
    "cv2": "opencv-python-headless",
    "ultralytics": "ultralytics-opencv-headless",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "segment_anything": "segment-anything",
}
BACKENDS = [("detectors", row) for row in DETECTORS.values()]
BACKENDS += [("maskers", row) for row in MASKERS.values()]
BACKENDS += [("posers", row) for row in POSERS.values()]
NETWORKS = {
    *(
        f"{PACKAGE}.people.{kind}.{row.loads.split(':')[0]}"
        for kind, row in BACKENDS
        if row.network
    ),
    *(f"{PACKAGE}.people.detectors.{name}" for name in ("exports", "oom_fallback")),
    *(f"{PACKAGE}.core.{name}" for name in ("engines", "torch_models", "ultralytics_import")),
    f"{PACKAGE}.sources.acquire.engine",
}
"""Modules whose packages are only imported where a network runs."""


def jobs() -> list[tuple[str, str, str]]:
    """Rule, the stage that it calls, and its environment; two where the settings choose it."""
    found = []
    for path in sorted((REPO / "workflow").glob("*.smk")):
        rules = re.split(r"^ *(?:use )?(?:rule|checkpoint) (\w+)", path.read_text(), flags=re.M)[1:]
        for name, text in zip(rules[::2], rules[1::2], strict=True):
            call = re.search(r"occludenet_build (\w+)", text)
            conda = re.search(r"conda:\n +(.*)\n", text)
            if call is not None:
                assert conda is not None, f"{name} has no environment"
                chosen = re.search(r'without="(\w+)"', conda[1])
                fixed = re.fullmatch(r'"\.\./envs/(\w+)\.yaml"', conda[1])
                names = ["torch", chosen[1]] if chosen else [fixed[1]]
                found += [(name, call[1], environment) for environment in names]
    return found


@pytest.mark.parametrize(("rule", "stage", "environment"), jobs())
def test_an_environment_holds_all_that_its_stage_imports(rule, stage, environment):
    """Every foreign import of the code a rule runs is in the rule's environment file."""
    import sys

    names = {requirement.split("==")[0].lower() for requirement in requirements(environment)}
    left_out = set() if environment == "torch" else NETWORKS
    for module in versions.import_closure(STAGES[stage].module, lambda m: m not in left_out):
        foreign = outside(module) - set(sys.stdlib_module_names) - {PACKAGE}
        foreign -= {"backports"}  # of Python before 3.11.4; the environment's is newer
        missing = {NAMES.get(name, name) for name in foreign} - names
        assert not missing, (environment, module, missing)


def test_only_stages_with_a_network_have_pytorch():
    with_torch = {stage for _, stage, environment in jobs() if environment == "torch"}
    with_masks = {"actor_masks", "measure", "poses", "recordings"}
    assert with_torch == {"acquire", "detect", *with_masks, *TRAINED, "predictions"}
