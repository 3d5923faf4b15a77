"""run: run the whole workflow on your own videos, without network, weights or GPU.

    occludenet run /path/to/videos

VIDEOS contains <class>/<video>, or <split>/<class>/<video>, or videos only (one class). People are
detected by background subtraction (for fixed cameras) and segmented by GrabCut; the occluders are
synthetic. The settings are demo/own_videos.yaml of the project. All output is below build/ in the
current folder, the results in build/own. A second call continues an interrupted run.

For moving cameras, real occluders and your own settings, use occludenet init and snakemake.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.tools import demo, project

BUILD = Path("build/own")
"""The build folder, relative to the working directory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("videos", type=Path, metavar="VIDEOS", help="folder of your videos")
    demo.add_snakemake_arguments(parser)


def run(args: argparse.Namespace, config: Config) -> None:
    """Run the workflow and print a summary. Raises UserError if the folder does not exist."""
    if not args.videos.is_dir():
        raise UserError(f"wanted a folder with videos, got {args.videos}, which does not exist")
    cores = demo.cores_of(args)
    demo.draw_world(demo.WORLD)
    chosen = BUILD / "videos.yaml"
    write_json(chosen, {"acquire": {"videos": str(args.videos.resolve())}})
    settings = project.project_root() / "demo" / "own_videos.yaml"
    project.snakemake(Path(), [settings, chosen], cores, args.dry_run, args.target)
    if not args.dry_run:
        demo.print_summary(BUILD, config)
