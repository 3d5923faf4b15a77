"""The command line `occludenet <command>`: every stage and tool, its help, unknown commands."""

from __future__ import annotations

import ast
import importlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import REPO

from occludenet_build import cli
from occludenet_build.stages import STAGES
from occludenet_build.tools import project


def occludenet(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "occludenet_build", *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_is_the_contract(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    shown = capsys.readouterr().out
    assert not ended.value.code
    assert shown.startswith(f"usage: occludenet {name} ")
    assert f"\n{name}: " in shown
    assert "--log" in shown
    if name in STAGES:
        assert "--settings" in shown


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_has_a_summary_and_the_two_functions(name):
    chosen = cli.COMMANDS[name]
    assert 10 < len(chosen.summary) < 100 and not chosen.summary.endswith(".")
    entry = cli.entry_of(importlib.import_module(chosen.module))
    assert callable(entry.add_arguments) and callable(entry.run)


def test_no_stage_and_tool_share_a_name():
    assert len(cli.COMMANDS) == len(STAGES) + len(cli.TOOLS)


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys; from occludenet_build import cli; cli.main(['--help']); "
        "print(sorted(m for m in sys.modules if m.startswith('occludenet_build')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    *shown, imported = done.stdout.splitlines()
    for name, command in cli.COMMANDS.items():
        assert any(line.split() == [name, *command.summary.split()] for line in shown), name
    assert set(ast.literal_eval(imported)) == {
        "occludenet_build",
        "occludenet_build.cli",
        "occludenet_build.core",
        "occludenet_build.core.openmp",
        "occludenet_build.core.ultralytics_import",
        "occludenet_build.stages",
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["detct"], "wanted a command, got 'detct'; did you mean detect? "),
        (["--nothing"], "wanted a command, got '--nothing'; "),
        ([], "wanted a command, got nothing; "),
    ],
)
def test_no_such_command_is_one_line(words, line):
    done = occludenet(*words)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == f"occludenet: {line}`occludenet --help` lists all\n"


def test_init_writes_a_copy_and_overwrites_nothing(tmp_path):
    folder = tmp_path / "mine"
    done = occludenet("init", str(folder))
    assert done.returncode == 0, done.stderr
    for name in project.FILES:
        assert f"wrote {folder / name}" in done.stderr
    for path in tracked():
        assert (folder / path).read_bytes() == (REPO / path).read_bytes(), path
    again = occludenet("init", str(folder))
    assert again.returncode == 2
    assert "wanted a folder without Snakefile" in again.stderr and "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "/no/such/folder"], "wanted a folder with videos, got /no/such/folder"),
        (["run", "tests", "--cores", "0"], "--cores: wanted at least 1, got 0"),
        (["demo", "build/demo", "--cores", "-1"], "--cores: wanted at least 1, got -1"),
    ],
)
def test_what_cannot_run_is_one_line(words, line):
    done = occludenet(*words)
    assert done.returncode == 2
    assert line in done.stderr and "Traceback" not in done.stderr


def tracked() -> list[str]:
    """The project's files that a wheel holds beside the package, as git lists them."""
    listed = subprocess.run(
        ["git", "ls-files", *project.FILES], cwd=REPO, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


@pytest.mark.slow
def test_a_wheel_holds_the_project(tmp_path):
    """Every file of the package, and those beside it that the workflow needs; no more."""
    source = tmp_path / "source"
    names = subprocess.run(
        ["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in names:
        if (REPO / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPO / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        + ["--wheel-dir", str(tmp_path), str(source)],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    package = {name for name in names if name.startswith("occludenet_build/")}
    assert held == package | {f"occludenet_build/_project/{name}" for name in tracked()}
