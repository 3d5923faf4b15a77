"""`occludenet <command>`: every stage and tool is there, explained, and found by its name."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from conftest import REPO

from occludenet_build import cli
from occludenet_build.stages import STAGES


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
    assert imported == "['occludenet_build', 'occludenet_build.cli', 'occludenet_build.stages']"


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
