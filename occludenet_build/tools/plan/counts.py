"""Items and units of work: what a configuration means, for so many videos of such a kind.

The kinds of jobs of the workflow, and what drives the cost of each.

A test holds threads and benchmark files to the rule files of workflow/.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from occludenet_build.config import Config, arms
from occludenet_build.config.backends import DETECTORS, TRAINED, is_network
from occludenet_build.core.errors import UserError
from occludenet_build.release import published
from occludenet_build.release.terms import SPLITS
from occludenet_build.stages import STAGES
from occludenet_build.tools.plan.videos import World


@dataclass(frozen=True)
class Kind:
    """The jobs of one rule."""

    stage: str
    benchmarks: str
    """Their benchmark files below benchmarks/, a pattern."""
    split: str = "one"
    """How many there are: one, one per shard of index or of select, or one per training (arms)."""
    threads: int = 1
    """As the rule asks for; Snakemake gives no more than there are cores."""
    counts: str = ""
    """The count that drives their cost, where it is not the stage's."""

    @property
    def unit(self) -> str:
        """The count that drives their cost, by its name in `counts`."""
        return self.counts or STAGES[self.stage].unit


KINDS = {
    "kinetics": Kind("kinetics", "kinetics/clips.tsv", threads=4),
    "acquire_videos": Kind("acquire", "acquire/videos.tsv"),
    "acquire_coco": Kind("acquire", "acquire/coco.tsv", counts="one"),
    "index": Kind("index", "index/videos.tsv", threads=32),
    "detect_shard": Kind("detect", "detect/*.tsv", "index", 4),
    "occluders": Kind("occluders", "occluders/occluders.tsv", threads=4),
    "select": Kind("select", "select/clips.tsv"),
    "leaks": Kind("leaks", "leaks/findings.tsv", threads=32),
    "actor_masks_shard": Kind("actor_masks", "actor_masks/*.tsv", "select", 4),
    "composite_shard": Kind("composite", "composite/*.tsv", "select", 4),
    "annotate": Kind("annotate", "annotate/clips.tsv", threads=4),
    "validate": Kind("validate", "validate/findings.tsv"),
    "train_arm": Kind("train", "train/*.tsv", "arms", 8),
    "evaluate_arm": Kind("evaluate", "evaluate/*.tsv", "arms", 8),
    "attention_arm": Kind("attention", "attention/*.tsv", "arms", 8),
    "attention": Kind("attention", "attention_summary.tsv", counts="one"),
    "paper": Kind("paper", "paper/items.tsv"),
    "report": Kind("report", "report/index.tsv", threads=4),
}
"""Rule -> its jobs, in the order of the data."""

LEDGERS = {
    "index": ("index",),
    "detect_shard": ("detect",),
    "leaks": ("leaks",),
    "actor_masks_shard": ("actor_masks",),
    "composite_shard": ("composite", "counterfactual"),
}
"""Rule -> the stages whose ledgers have the seconds of each clip."""

_BEYOND_THE_DATASET = ("recognition", "results")
TARGETS = {
    "all": tuple(KINDS),
    "dataset": tuple(
        rule for rule, k in KINDS.items() if STAGES[k.stage].wing not in _BEYOND_THE_DATASET
    ),
}
"""Target of Snakemake -> the rules that it needs."""


def trainings(config: Config) -> list[str]:
    """The trainings, by the name of their jobs: `car-0`."""
    return [f"{arm}-{seed}" for seed in config.train.seeds for arm in arms.names(config.train)]


def jobs_of(rule: str, config: Config) -> int:
    """How many jobs a rule has."""
    if rule == "kinetics":
        return int(config.kinetics.route != "none")
    jobs = {
        "one": 1,
        "index": config.index.shards,
        "select": config.select.shards,
        "arms": len(trainings(config)),
    }
    return jobs[KINDS[rule].split]


def model_of(stage: str, config: Config) -> str | None:
    """The backend or the backbone of a stage: rates of another one do not hold."""
    return (
        config.train.backbone
        if stage in TRAINED
        else getattr(getattr(config, stage, None), "backend", None)
    )


def unit_of(rule: str, model: str | None) -> str:
    """A network sees pictures of one size: frames drive its cost, not the video's pixels."""
    row = DETECTORS.get(model or "") if rule == "detect_shard" else None
    return "search_frames" if row and row.unit == "frames" else KINDS[rule].unit


def uses_gpu(stage: str, config: Config) -> bool:
    """Whether the jobs of a stage use a GPU where there is one."""
    device = getattr(getattr(config, stage, None), "device", "cpu")
    return is_network(stage, model_of(stage, config)) and device != "cpu"


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
    by_arm = [chosen["train"] * len(arms.for_arm(train, arm).scales) for arm in arms.names(train)]
    views = chosen["train"] * sum(views_of_arm(arm, config) for arm in arms.names(train))
    tested = len(config.composite.scales) + config.composite.clean_twin
    shown = chosen[evaluate.split] * tested
    runs = len(trainings(config))
    limit = math.inf if config.attention.clips is None else config.attention.clips
    return {
        "train_clips": clips,
        "steps": seeds * train.epochs * sum(math.ceil(shown / train.batch) for shown in by_arm),
        "train_views": seeds * train.epochs * views,
        "test_clips": shown,
        "test_views": runs * shown * evaluate.views * evaluate.crops,
        "predictions": runs * shown,
        "attended": runs * min(chosen[evaluate.split], limit) * tested,
        "trainings": runs,
    }


def views_of_arm(arm: str, config: Config) -> int:
    """Clips that an epoch passes through the network for each source clip: CAR sees two where
    the baseline sees one."""
    train = arms.for_arm(config.train, arm)
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
