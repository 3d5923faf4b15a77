"""run: the whole workflow on your own videos, without network, weights or GPU.

    occludenet run /path/to/videos

VIDEOS holds <class>/<video>, or videos alone (one class), or <split>/<class>/<video>. People are
found by background subtraction (for fixed cameras), masks made by GrabCut, and the occluders are
those of the drawn mini-world: demo/own_videos.yaml of the project. Everything is written below
build/ of the current folder, results to build/own; a second call goes on from what is there.

For moving cameras, real occluders and settings of your own: occludenet init, then snakemake.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from occludenet_build import demo, project
from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json

BUILD = Path("build/own")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", type=Path, metavar="VIDEOS", help="folder with your videos")
    demo.add_running(parser)


def run(args: argparse.Namespace, config: Config) -> None:
    if not args.videos.is_dir():
        raise UserError(f"wanted a folder with videos, got {args.videos}; give one that is there")
    cores = demo.wanted_cores(args)
    demo.draw_world(demo.WORLD)
    chosen = BUILD / "videos.yaml"
    write_json(chosen, {"acquire": {"videos": str(args.videos.resolve())}})
    settings = project.project_root() / "demo" / "own_videos.yaml"
    project.snakemake(Path(), [settings, chosen], cores, args.dry_run)
    if not args.dry_run:
        demo.say_how_it_ended(BUILD, config)
