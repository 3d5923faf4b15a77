"""Command line of diff; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import json_text
from occludenet_build.tools.diff.causes import Known, cause_of
from occludenet_build.tools.diff.clips import compare
from occludenet_build.tools.diff.metrics import moved
from occludenet_build.tools.diff.settings import differences, recorded, version_differences
from occludenet_build.tools.diff.view import Differences, lines, values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("here", type=Path, metavar="BUILD_A", help="build folder, the earlier one")
    parser.add_argument("there", type=Path, metavar="BUILD_B", help="build folder, the later one")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all clips")


def run(args: argparse.Namespace, _: Config) -> None:
    """Print what differs; exits with 1 if anything does.

    Raises UserError if a folder is not that of a build, or a table does not read.
    """
    logging.getLogger().setLevel(logging.WARNING)  # no line of CPU time after the text
    for build in (args.here, args.there):
        if not build.is_dir():
            raise UserError(f"wanted the folder of a build, got {build}; give its build_dir")
    found = difference(args.here, args.there)
    try:
        if args.json:
            sys.stdout.write(json_text(values(found)))
        else:
            sys.stdout.writelines(f"{line}\n" for line in lines(found))
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
    sys.exit(0 if found.none else 1)


def difference(here: Path, there: Path) -> Differences:
    """All that differs between two builds. Raises UserError as `run` does."""
    one, two = recorded(here), recorded(there)
    settings = differences(one, two)
    versions = version_differences(one, two)
    clips = compare(here, there)
    origins = one.origin, two.origin
    known = Known(settings, versions, "nothing" not in origins, clips.begun)
    caused = [(change, cause_of(change, known)) for change in clips.changes]
    metrics = moved(here, there, clips.changes, settings, versions)
    return Differences(here, there, origins, settings, versions, clips.counts, caused, metrics)
