"""`occludenet <command>`: every stage of the workflow and every tool, by its name.

A command is a module with `add_arguments(parser)` and `run(args, config)`, or a package with these
in its module `command`; the docstring of the module or package is what --help explains. Standard
library only, and a command is imported when it is the one asked for: --help stays fast.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from occludenet_build import __version__
from occludenet_build.stages import STAGES, Stage, module_of


@dataclass(frozen=True)
class Tool:
    """A command that is no stage: no rule of the workflow runs it."""

    name: str
    summary: str
    takes_settings: bool = True
    """Whether it has the option --settings, which every stage has."""

    @property
    def module(self) -> str:
        return module_of(self.name, "tools")


_TOOLS = (
    Tool("demo", "Run the whole workflow on a drawn mini-world, offline", False),
    Tool("run", "Run the whole workflow on your own videos, offline", False),
    Tool("init", "Write a copy of the workflow, its settings and profiles to edit", False),
    Tool("plan", "Say what a configuration would cost in bytes, hours and disk before it runs"),
    Tool("verify", "Check that a build is what its tables say, and whether two builds agree"),
    Tool("sheets", "Draw contact sheets of the clips of a build"),
    Tool("manual", "Print config.yaml: every setting with its default, unit and range", False),
)

TOOLS: dict[str, Tool] = {tool.name: tool for tool in _TOOLS}
COMMANDS: dict[str, Stage | Tool] = STAGES | TOOLS
"""Command by name."""


def main(words: Sequence[str] | None = None) -> None:
    """Run `words` (default: sys.argv[1:]): the name of a command, and its arguments.

    Ends the process with 0 after --help or --version, with 2 for no or an unknown command, and
    else as command.main says.
    """
    words = list(sys.argv[1:] if words is None else words)
    if words and words[0] == "--version":
        print(f"occludenet {__version__}")
    elif words and words[0] in ("-h", "--help"):
        _show(overview())
    elif not words or words[0] not in COMMANDS:
        sys.exit(_refuse(words))
    else:
        _start(COMMANDS[words[0]], words[1:])


def _show(text: str) -> None:
    """Print it, also where the reader leaves early, as `| head` does."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def overview() -> str:
    """The text of --help: all commands in sections, a line each."""
    return "\n".join(_overview())


def _overview() -> Iterator[str]:
    width = max(map(len, COMMANDS))
    yield "usage: occludenet COMMAND ...\n"
    yield "Build OccludeNet, train CAR on it and evaluate."
    yield "`occludenet COMMAND --help` explains a command and lists its arguments."
    for wing in dict.fromkeys(stage.wing for stage in STAGES.values()):
        yield f"\n{wing} (stages)"
        yield from (_line(s, width) for s in STAGES.values() if s.wing == wing)
    yield "\ntools"
    yield from (_line(tool, width) for tool in TOOLS.values())


def _line(command: Stage | Tool, width: int) -> str:
    return f"  {command.name:{width}}  {command.summary}"


def _refuse(words: Sequence[str]) -> int:
    got = repr(words[0]) if words else "nothing"
    close = difflib.get_close_matches(words[0], COMMANDS, n=1) if words else []
    hint = f"did you mean {close[0]}? " if close else ""
    print(
        f"occludenet: wanted a command, got {got}; {hint}`occludenet --help` lists all",
        file=sys.stderr,
    )
    return 2


def _start(chosen: Stage | Tool, words: Sequence[str]) -> None:
    from occludenet_build import command

    package = importlib.import_module(chosen.module)
    entry = entry_of(package)
    takes_settings = isinstance(chosen, Stage) or chosen.takes_settings
    parser = command.parser(chosen.name, package.__doc__, entry.add_arguments, takes_settings)
    command.main(chosen.name, parser, entry.run, words)


def entry_of(module: ModuleType) -> ModuleType:
    """The module with `add_arguments` and `run`: of a package its `command`, else itself."""
    is_package = hasattr(module, "__path__")
    return importlib.import_module(f"{module.__name__}.command") if is_package else module
