"""Items and units of work: what a configuration means, for so many videos of such a kind."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from occludenet_build.config import Config
from occludenet_build.config.arms import for_arm, names
from occludenet_build.core.errors import UserError
from occludenet_build.plan.jobs import TARGETS, jobs_of, trainings
from occludenet_build.plan.videos import World
from occludenet_build.release import published
from occludenet_build.release.terms import SPLITS

Counts = dict[str, float | None]
"""Count -> how many; None where it is not known.

    videos, index_px            listed; their decoded pixels
    candidates, search_frames,  searched for people
    search_px
    chosen, chosen_px           clips that are occluded
    actor_frames                their frames with an actor's box
    clips_made, output_px       outputs of composite; their pixels, counterfactuals included
    truth_rows, released        rows of annotate: a frame at a scale; a clip at a scale
    train_clips, train_views    of all arms together: a view is a clip passed through the network
    steps
    test_clips, test_views      of all arms together
    predictions, attended       of all arms together: clips predicted, and mapped by attention
    trainings, jobs, one        for what is stored
    objects                     of COCO, that are cut out
    fetched_clips               clips of Kinetics
"""


@dataclass(frozen=True)
class Yields:
    """What becomes of videos; None: not known, counted as all."""

    usable: float | None = None
    """Share of the listed videos that index takes."""
    actors: float | None = None
    """Share of the videos searched for people that have an actor."""
    actor_share: float | None = None
    """Share of a chosen clip's frames with the actor's box."""


def counts(
    config: Config, world: World, yields: Yields, objects: int | None, target: str = "all"
) -> Counts:
    """The counts of a configuration. `objects`: as `fetch.coco`."""
    usable = 1.0 if world.usable_known else yields.usable or 1.0
    candidates, chosen = choice(config, world, usable, yields.actors or 1.0)
    clips = sum(chosen.values())
    erased = sum(chosen[split] for split in config.counterfactual.splits)
    scales, clean = len(config.composite.scales), int(config.composite.clean_twin)
    frames, pixels = world.frames, world.pixels
    made = clips * (scales + clean)
    found: Counts = {
        "videos": world.videos,
        "index_px": times(world.videos, pixels),
        "candidates": candidates,
        "search_frames": times(candidates, frames),
        "search_px": times(candidates, pixels),
        "chosen": clips,
        "chosen_px": times(clips, pixels),
        "actor_frames": times(clips * (yields.actor_share or 1.0), frames),
        "clips_made": made + erased * scales,
        "output_px": times(made + erased * scales, pixels),
        "truth_rows": times(clips * scales, frames),
        "released": clips * scales,
        "objects": objects,
        "fetched_clips": world.videos if config.kinetics.route != "none" else 0,
        "one": 1,
        "jobs": sum(jobs_of(rule, config) for rule in TARGETS[target]),
    }
    return found | learning(config, chosen)


def times(number: float, each: float | None) -> float | None:
    return None if each is None else number * each


def learning(config: Config, chosen: dict[str, float]) -> Counts:
    """Training and evaluation."""
    train, evaluate, seeds = config.train, config.evaluate, len(config.train.seeds)
    clips = chosen["train"] * len(train.scales)
    by_arm = [chosen["train"] * len(for_arm(train, arm).scales) for arm in names(train)]
    views = chosen["train"] * sum(views_of_arm(arm, config) for arm in names(train))
    tested = len(config.composite.scales) + config.composite.clean_twin
    shown = chosen[evaluate.split] * tested
    arms = len(trainings(config))
    limit = math.inf if config.attention.clips is None else config.attention.clips
    return {
        "train_clips": clips,
        "steps": seeds * train.epochs * sum(math.ceil(shown / train.batch) for shown in by_arm),
        "train_views": seeds * train.epochs * views,
        "test_clips": shown,
        "test_views": arms * shown * evaluate.views * evaluate.crops,
        "predictions": arms * shown,
        "attended": arms * min(chosen[evaluate.split], limit) * tested,
        "trainings": arms,
    }


def views_of_arm(arm: str, config: Config) -> int:
    """Clips that an epoch passes through the network for each source clip: CAR sees two where
    the baseline sees one."""
    train = for_arm(config.train, arm)
    pairs = train.alpha > 0 and "train" in config.counterfactual.splits
    return len(train.scales) * (2 if pairs else 1)


def choice(
    config: Config, world: World, usable: float, actors: float
) -> tuple[float, dict[str, float]]:
    """(videos searched for people, chosen clips by split), expected."""
    if config.select.assignment == "published":
        return _published(config, world, usable, actors)
    candidates, chosen = 0.0, dict.fromkeys(SPLITS, 0.0)
    for (split, _), videos in world.cells.items():
        quota = getattr(config.select.quota, split)
        limit = math.inf if quota is None else math.ceil(config.index.oversample * quota)
        searched = min(videos * usable, limit)
        candidates += searched
        chosen[split] += min(searched * actors, math.inf if quota is None else quota)
    return candidates, chosen


def _published(
    config: Config, world: World, usable: float, actors: float
) -> tuple[float, dict[str, float]]:
    """What a release names; of videos that are not here yet all of it."""
    named = published.read(config.select.published)
    pairs = published.match(named, world.rows)
    there = Counter(one.split for one, video in pairs if video is not None or not world.here)
    if not there:
        raise UserError(
            f"select.published: wanted videos of the release {config.select.published}, none of "
            f"its {len(named)} clips is among the {world.videos} videos; see acquire.videos"
        )
    chosen = {split: there[split] * usable * actors for split in SPLITS}
    return there.total() * usable, chosen
