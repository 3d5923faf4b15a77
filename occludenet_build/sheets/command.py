"""The command line of sheets; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.sheets.build import clips_of
from occludenet_build.sheets.sheet import save


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tool's command line."""
    parser.add_argument("--build", type=Path, required=True, help="build_dir of a build")
    parser.add_argument(
        "--clip", nargs="+", default=[], metavar="NAME", help="default: all that detect searched"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="<clip>.jpg go here")
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip; default: 8")
    parser.add_argument("--width", type=int, default=1800, help="pixels, about; default: 1800")
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write a contact sheet per clip. Raises UserError for a sheet that is too small."""
    if args.frames < 1 or args.width < 200:
        raise UserError(
            f"wanted --frames of at least 1 and --width of at least 200, got {args.frames} and "
            f"{args.width}"
        )
    clips = clips_of(args.build, args.clip)
    make = partial(save, out=args.out, frames=args.frames, width=args.width)
    made = in_processes(make, clips, args.threads)
    for path in progress(made, len(clips), "sheet"):
        logging.info("%s", path)
