"""The command line of run; the package's docstring explains it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.tools import demo, project
from occludenet_build.tools.run import choice, steps

BUILD = Path("build/own")
"""The build folder, relative to the working directory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("videos", type=Path, metavar="VIDEOS", help="folder of your videos")
    parser.add_argument(
        "--detector",
        choices=("yolo", "torchvision", "motion"),
        help="person detector; default: yolo, or motion if its weights cannot be had",
    )
    parser.add_argument(
        "--permissive",
        action="store_true",
        help="no code or weights under the AGPL: torchvision and GrabCut",
    )
    parser.add_argument("--weights", metavar="FILE|URL", help="weights of the detector")
    parser.add_argument(
        "--masks",
        choices=("yolo-seg", "sam", "mobile-sam", "grabcut"),
        help="masks of the actor; default: yolo-seg, or grabcut if its weights cannot be had",
    )
    parser.add_argument("--mask-weights", metavar="FILE|URL", help="weights of the masks")
    parser.add_argument(
        "--coco", action="store_true", help="fetch COCO for real occluders, 253 MB and photos"
    )
    parser.add_argument("--offline", action="store_true", help="open no connection")
    demo.add_snakemake_arguments(parser)


def run(args: argparse.Namespace, config: Config) -> None:
    """Run the workflow and print a summary.

    Raises UserError if the folder does not exist, options contradict each other, or something that
    an option names cannot be had.
    """
    if not args.videos.is_dir():
        raise UserError(f"wanted a folder with videos, got {args.videos}, which does not exist")
    choice.check_flags(args)
    cores = demo.cores_of(args)
    chosen = BUILD / "videos.yaml"
    sections = _sections(args, chosen)
    if "coco_instances" not in sections.get("acquire", {}):
        demo.draw_world(demo.WORLD)
    acquire = sections.get("acquire", {}) | {"videos": str(args.videos.resolve())}
    download = sections.get("download", {}) | {"offline": args.offline}
    write_json(chosen, sections | {"acquire": acquire, "download": download})
    settings = project.project_root() / "demo" / "own_videos.yaml"
    if args.dry_run or args.target != "all":
        project.snakemake(Path(), [settings, chosen], cores, args.dry_run, args.target)
    else:
        steps.build(BUILD, [settings, chosen], cores, config)


def _sections(args: argparse.Namespace, chosen: Path) -> choice.Sections:
    """The settings that this run chooses, or those of the run that it continues."""
    wishes = [name for name in choice.FLAGS if getattr(args, name)]
    earlier = choice.earlier_sections(chosen, BUILD, args.videos.resolve())
    if earlier is not None and not wishes:
        detector = earlier.get("detect", {}).get("backend", "motion")
        masks = earlier.get("actor_masks", {}).get("backend", "grabcut")
        logging.info(
            "%s was begun with %s and %s, and goes on with them; --detector and --masks change "
            "that, and make its clips again", BUILD, detector, masks,
        )  # fmt: skip
        return earlier
    made = choice.choose(args, BUILD)
    for line in made.lines:
        logging.info("%s", line)
    return made.sections
