"""The command line `occludenet <command>`: every stage of the workflow and every tool.

A command is a module with the functions `add_arguments(parser)` and `run(args, config)`, or a
package whose module `command` has them. The docstring of the module or package is the text of
`occludenet <command> --help`. This module uses the standard library only and imports a command
only to run it, so that `occludenet --help` is fast.
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
from occludenet_build.core.openmp import spin_briefly
from occludenet_build.stages import STAGES, Stage, module_of


@dataclass(frozen=True)
class Tool:
    """A command that is not a stage: no rule of the workflow runs it."""

    name: str
    summary: str
    takes_settings: bool = True
    """Whether it has the option --settings; every stage has it."""

    @property
    def module(self) -> str:
        """Dotted name of its module or package."""
        return module_of(self.name, "tools")


_TOOLS = (
    Tool("demo", "Run the whole workflow on a small synthetic data set, offline", False),
    Tool("run", "Run the whole workflow on your own videos", False),
    Tool("init", "Copy the workflow, its settings and profiles into a folder for editing", False),
    Tool("plan", "Estimate the downloads, computing time and disk space of a configuration"),
    Tool("status", "Show where a build stands: done, failed, running, time left, disk", False),
    Tool("diff", "Compare two builds: clips, settings, metrics, and the causes", False),
    Tool("clean", "Remove what stages of a build have made; says first what would go", False),
    Tool("split", "Hand out the shards of a build to machines that share no disk", False),
    Tool("merge", "Take back the shards that other machines have made, checked by hash", False),
    Tool("verify", "Check a build against its tables, and compare two builds"),
    Tool("sheets", "Draw contact sheets of the clips of a build"),
    Tool("amodal", "Score predicted whole masks of the actors against an export"),
    Tool("manual", "Print config.yaml: every setting with its default, unit and range", False),
)

TOOLS: dict[str, Tool] = {tool.name: tool for tool in _TOOLS}
"""Tool by name."""
COMMANDS: dict[str, Stage | Tool] = STAGES | TOOLS
"""Stage or tool by name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command: `arguments` (default: sys.argv[1:]) are its name and its own arguments.

    Exits with 0 after --help or --version, with 2 for a missing or unknown command, and otherwise
    as command.main does.
    """
    spin_briefly()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] == "--version":
        print(f"occludenet {__version__}")
    elif arguments and arguments[0] in ("-h", "--help"):
        _print(overview())
    elif not arguments or arguments[0] not in COMMANDS:
        sys.exit(_report_unknown(arguments))
    else:
        _run(COMMANDS[arguments[0]], arguments[1:])


def _print(text: str) -> None:
    """Print a text; a reader that closes the pipe early, as `| head` does, is not an error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def overview() -> str:
    """The text of `occludenet --help`: all commands, one line each, grouped by wing."""
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


def _report_unknown(arguments: Sequence[str]) -> int:
    got = repr(arguments[0]) if arguments else "nothing"
    close = difflib.get_close_matches(arguments[0], COMMANDS, n=1) if arguments else []
    hint = f"did you mean {close[0]}? " if close else ""
    print(
        f"occludenet: wanted a command, got {got}; {hint}`occludenet --help` lists all",
        file=sys.stderr,
    )
    return 2


def _run(chosen: Stage | Tool, arguments: Sequence[str]) -> None:
    from occludenet_build.core.errors import UserError
    from occludenet_build.core.extras import import_errors_as_user_errors

    try:
        with import_errors_as_user_errors():
            command = importlib.import_module("occludenet_build.command")
            package = importlib.import_module(chosen.module)
            entry = entry_of(package)
    except UserError as error:
        print(f"{chosen.name}: {error}", file=sys.stderr)
        sys.exit(2)
    takes_settings = isinstance(chosen, Stage) or chosen.takes_settings
    parser = command.parser(chosen.name, package.__doc__, entry.add_arguments, takes_settings)
    command.main(chosen.name, parser, entry.run, arguments)


def entry_of(module: ModuleType) -> ModuleType:
    """The module with `add_arguments` and `run`: the module `command` of a package, else itself."""
    is_package = hasattr(module, "__path__")
    return importlib.import_module(f"{module.__name__}.command") if is_package else module
