"""Draw the mini-world of the offline demo: clips with sound, and COCO images.

Writes OUT/videos/<split>/<class>/*.mp4, OUT/crossed/<background>/<class>/*.mp4 and its list
OUT/crossed.csv (test figures before backgrounds that are not tied to their action),
OUT/coco/images/*.jpg, OUT/coco/instances.json, OUT/clips.csv (the background of each clip),
OUT/joints.parquet (the joints of each figure, for poses.backend miniworld) and, last,
OUT/miniworld.json. A second call with the same settings does nothing.

With --recordings SUBJECTS it draws takes for OccludeNet-I and -M instead, of so many people:
OUT/recordings/{I,M}/*.mp4 with recordings.csv, OUT/truth/offsets.csv, and with --truth what hides
whom (demo/world/rig.py); of the other options, --seed and --workers count.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from dataclasses import fields
from pathlib import Path

from demo.world.build import build
from demo.world.plan import Settings
from demo.world.rig import Rig, draw_recordings
from occludenet_build.core.errors import UserError

log = logging.getLogger("miniworld")


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"wanted WIDTHxHEIGHT, got {text!r}") from None
    if width % 2 or height % 2 or min(width, height) < 48:
        raise argparse.ArgumentTypeError(f"wanted even numbers of at least 48, got {text!r}")
    return width, height


def _number(kind: type, low: float, high: float):
    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"wanted {low} to {high}, got {text!r}")
        return value

    return parse


def parser() -> argparse.ArgumentParser:
    """The argument parser, with the defaults of Settings."""
    default = {field.name: field.default for field in fields(Settings)}
    size = f"{default['width']}x{default['height']}"
    result = argparse.ArgumentParser(
        prog="python -m demo.world",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--out", type=Path, required=True, help="output folder")
    result.add_argument("--size", type=_size, default=size, help=f"size of clips, px ({size})")
    result.add_argument(
        "--truth", action="store_true", help="also write masks and boxes of figures"
    )
    result.add_argument(
        "--recordings",
        type=_number(int, 1, 99),
        metavar="SUBJECTS",
        help="draw recordings of so many people, from one and from three sides, and no clips",
    )
    result.add_argument("--workers", type=_number(int, 1, 256), default=os.cpu_count() or 1)
    for name, kind, low, high, what in [
        ("seed", int, 0, 2**63 - 1, "seed of all random draws"),
        ("train", int, 0, 10_000, "training clips per class"),
        ("val", int, 0, 10_000, "validation clips per class"),
        ("test", int, 0, 10_000, "test clips per class"),
        ("seconds", float, 0.25, 60, "duration of a clip"),
        ("fps", int, 1, 60, "frames per second"),
        (
            "shortcut",
            float,
            0,
            1,
            "share of clips with the background tied to their action; 0.2: no shortcut",
        ),
        ("crossed", int, 0, 4, "other backgrounds for each test figure, in the set crossed"),
        ("images", int, 0, 1_000, "COCO images per occluder type"),
    ]:
        result.add_argument(
            f"--{name}",
            type=_number(kind, low, high),
            default=default[name],
            help=f"{what} ({default[name]})",
        )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Draw the mini-world; return the exit code, 2 for an error of the user."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    given = vars(parser().parse_args(arguments))
    folder, workers = given.pop("out"), given.pop("workers")
    if subjects := given.pop("recordings"):
        rig = Rig(seed=given["seed"], subjects=subjects, truth=given["truth"])
        files = draw_recordings(folder, rig, workers)
        log.info("%d recordings drawn into %s", len(files), folder)
        return 0
    width, height = given.pop("size")
    settings = Settings(width=width, height=height, **given)
    try:
        drawn = build(folder, settings, workers)
    except UserError as error:
        log.error("%s", error)
        return 2
    log.info("%s %s", "drawn into" if drawn else "already in", folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
