"""Weak choices that a build was made with, for the card at the top of the page.

Some defaults need no weights, no network and little time, so that a first build runs anywhere.
Their results look like all others, so the page says where they were used, and what to use instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from occludenet_build.config import Train
from occludenet_build.config.training import SMALL_BACKBONES
from occludenet_build.results.report.facts import ReportBuild

DRAWN = "miniworld.invalid"
"""Host in the addresses of the mini-world's drawn occluders (demo/world/coco.py)."""
_FEW_CLIPS = 1000
"""With fewer source clips, a network that is trained from nothing learns little."""


@dataclass(frozen=True)
class Weakness:
    """A weak choice."""

    what: str
    """What was used, with its share of the clips or occluders."""
    why: str
    """What is wrong with it."""
    instead: str
    """What to do instead, the option of `occludenet run` and the settings; backticks mark code."""


def weaknesses(build: ReportBuild, train: Train | None = None) -> list[Weakness]:
    """The weak choices in the tables of a build; of trainings, if their settings are known."""
    found = [*_people(build), *_masks(build), *_occluders(build)]
    return [*found, *(_training(build, train) if train else ())]


def _people(build: ReportBuild) -> Iterator[Weakness]:
    used = _share(build, "detect", "motion")
    if used:
        yield Weakness(
            f"People are found by background subtraction (`detect.backend: motion`) in {used}.",
            "It refuses most clips (reasons `camera_moves` and `no_person_like_motion`), finds "
            "only people who move, and takes what they carry or lead for a part of them. Look at "
            "the boxes of every clip (`occludenet sheets`) before you use one.",
            "`occludenet run VIDEOS --detector yolo` (or `--permissive`, or `--weights FILE` "
            "without a network); in a config `detect.backend: yolo` or `torchvision`, whose "
            "weights are fetched by themselves.",
        )


def _masks(build: ReportBuild) -> Iterator[Weakness]:
    used = _share(build, "actor_masks", "grabcut")
    if used:
        yield Weakness(
            f"The actor's masks are GrabCut's (`actor_masks.backend: grabcut`) in {used}.",
            "It separates colours inside the box: parts of the actor are lost where they have the "
            "colour of the background. The hidden share of the actor and the counterfactual clips "
            "are as rough as these masks.",
            "`occludenet run VIDEOS --masks yolo-seg` (or `--masks sam`); in a config "
            "`actor_masks.backend: sam` or `yolo-seg`.",
        )


def _share(build: ReportBuild, table: str, backend: str) -> str | None:
    """`n of m clips` of a table that a backend processed; None if there are none."""
    rows = build.dataframe(table)
    if rows is None or not (count := int((rows["backend"] == backend).sum())):
        return None
    return f"{count:,} of {len(rows):,} clips"


def _occluders(build: ReportBuild) -> Iterator[Weakness]:
    rows = build.dataframe("occluders")
    if rows is None:
        return
    used = rows[rows["status"] == "ok"]
    drawn = int(used["origin_url"].fillna("").str.contains(DRAWN, regex=False).sum())
    if drawn:
        yield Weakness(
            f"{drawn:,} of {len(used):,} occluders are drawings of the demo.",
            "They have no texture and no outline of a real object: a network can tell them from "
            "the scene at a glance.",
            "`occludenet run VIDEOS --coco`; in a config leave `acquire.coco_images` and "
            "`coco_instances` out, and those of COCO are fetched.",
        )


def _training(build: ReportBuild, train: Train) -> Iterator[Weakness]:
    clips = build.dataframe("composite")
    if clips is None or not build.files("train") or train.weights is not None:
        return
    count = int((clips["status"] == "ok").sum())
    if train.backbone in SMALL_BACKBONES or count < _FEW_CLIPS:
        yield Weakness(
            f"{train.backbone} was trained from nothing, on at most {count:,} source clips.",
            "The accuracies show that the way from clips to tables works. What they say about CAR "
            "and its rivals holds for this network and these clips.",
            "`train.backbone: x3d_s` or another one, with `train.weights`, and some hundred clips "
            "per class (docs/training.md).",
        )
