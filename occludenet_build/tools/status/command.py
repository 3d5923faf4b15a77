"""Command line of status; the docstring of the package is its help text."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import json_text
from occludenet_build.tools.project import cores
from occludenet_build.tools.status import view
from occludenet_build.tools.status.failed import Failure, failures
from occludenet_build.tools.status.forecast import forecast
from occludenet_build.tools.status.look import Look, Watcher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("build", type=Path, metavar="BUILD", help="build folder")
    parser.add_argument(
        "--failed", action="store_true", help="list failed items and stopped jobs with log lines"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, once")
    parser.add_argument("--once", action="store_true", help="do not refresh on a terminal")
    parser.add_argument(
        "--every", type=float, default=2.0, metavar="S", help="seconds to the next look; default: 2"
    )
    parser.add_argument(
        "--no-disk", action="store_true", help="do not count files, slow on some network disks"
    )
    parser.add_argument(
        "--rates", type=Path, metavar="DIR",
        help="build_dir of a finished build on this machine, for the stages that have not begun",
    )  # fmt: skip


def run(args: argparse.Namespace, _: Config) -> None:
    """Show where the build stands, and exit with its status.

    Raises UserError if there is no such folder, or --rates is not a finished build.
    """
    logging.getLogger().setLevel(logging.WARNING)  # no line of CPU time after the table
    if not args.build.is_dir():
        raise UserError(f"wanted the folder of a build, got {args.build}; give its build_dir")
    if not args.every > 0:
        raise UserError(f"--every: wanted more than 0 seconds, got {args.every}")
    known = forecast(args.build, args.rates, cores()) if args.rates else None
    watcher = Watcher(args.build, not args.no_disk, known)
    try:
        look = _show(args, watcher)
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return
    sys.exit(look.exit_status)


def _show(args: argparse.Namespace, watcher: Watcher) -> Look:
    if args.failed:
        return _show_failed(args, watcher)
    if sys.stdout.isatty() and not (args.json or args.once):
        return view.watch(watcher.look, args.every)
    look = watcher.look()
    sys.stdout.write(json_text(view.values(look)) if args.json else view.text(look))
    sys.stdout.flush()
    return look


def _show_failed(args: argparse.Namespace, watcher: Watcher) -> Look:
    found = failures(args.build, watcher.jobs())
    if args.json:
        sys.stdout.write(json_text([vars(one) for one in found]))
    else:
        sys.stdout.writelines(_text(one) for one in found)
    sys.stdout.flush()
    watcher.measure = False
    return watcher.look()


def _text(failure: Failure) -> str:
    return f"{failure.text()}\n"
