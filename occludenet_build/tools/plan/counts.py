"""Items and units of work of a configuration, and the rules of the workflow that process them.

A test compares the threads and benchmark files in KINDS with the rule files in workflow/.
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
from occludenet_build.tools.plan.videos import VideoSet


@dataclass(frozen=True)
class RuleJobs:
    """The jobs of one rule of the workflow."""

    stage: str
    benchmarks: str
    """Glob pattern of their benchmark files below benchmarks/."""
    split: str = "one"
    """Number of jobs: one, one per shard (index, select), or one per training (arms)."""
    threads: int = 1
    """Threads of the rule; Snakemake limits them to the number of cores."""
    counts: str = ""
    """The count that their cost is proportional to; empty: that of the stage."""

    @property
    def unit(self) -> str:
        """The count that their cost is proportional to, by its name in `counts`."""
        return self.counts or STAGES[self.stage].unit


KINDS = {
    "kinetics": RuleJobs("kinetics", "kinetics/clips.tsv", threads=4),
    "acquire_videos": RuleJobs("acquire", "acquire/videos.tsv"),
    "acquire_coco": RuleJobs("acquire", "acquire/coco.tsv", counts="one"),
    "index": RuleJobs("index", "index/videos.tsv", threads=32),
    "detect_shard": RuleJobs("detect", "detect/*.tsv", "index", 4),
    "occluders": RuleJobs("occluders", "occluders/occluders.tsv", threads=4),
    "select": RuleJobs("select", "select/clips.tsv"),
    "leaks": RuleJobs("leaks", "leaks/findings.tsv", threads=32),
    "actor_masks_shard": RuleJobs("actor_masks", "actor_masks/*.tsv", "select", 4),
    "composite_shard": RuleJobs("composite", "composite/*.tsv", "select", 4),
    "annotate": RuleJobs("annotate", "annotate/clips.tsv", threads=4),
    "validate": RuleJobs("validate", "validate/findings.tsv"),
    "train_arm": RuleJobs("train", "train/*.tsv", "arms", 8),
    "evaluate_arm": RuleJobs("evaluate", "evaluate/*.tsv", "arms", 8),
    "attention_arm": RuleJobs("attention", "attention/*.tsv", "arms", 8),
    "attention": RuleJobs("attention", "attention_summary.tsv", counts="one"),
    "paper": RuleJobs("paper", "paper/items.tsv"),
    "report": RuleJobs("report", "report/index.tsv", threads=4),
}
"""Rule -> its jobs, in the order of the data."""

LEDGERS = {
    "index": ("index",),
    "detect_shard": ("detect",),
    "leaks": ("leaks",),
    "actor_masks_shard": ("actor_masks",),
    "composite_shard": ("composite", "counterfactual"),
}
"""Rule -> stages whose ledgers contain the seconds per clip."""

_AFTER_DATASET = ("recognition", "results")
TARGETS = {
    "all": tuple(KINDS),
    "dataset": tuple(
        rule for rule, k in KINDS.items() if STAGES[k.stage].wing not in _AFTER_DATASET
    ),
}
"""Snakemake target -> rules that it needs."""


def trainings(config: Config) -> list[str]:
    """Names of the training jobs, such as `car-0`."""
    return [f"{arm}-{seed}" for seed in config.train.seeds for arm in arms.names(config.train)]


def jobs_of(rule: str, config: Config) -> int:
    """Number of jobs of a rule."""
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
    """Backend or backbone of a stage; rates are valid for one model only."""
    return (
        config.train.backbone
        if stage in TRAINED
        else getattr(getattr(config, stage, None), "backend", None)
    )


def unit_of(rule: str, model: str | None) -> str:
    """The count that the cost of a rule is proportional to.

    A network has a fixed input size: its cost depends on the number of frames, not on pixels.
    """
    row = DETECTORS.get(model or "") if rule == "detect_shard" else None
    return "search_frames" if row and row.unit == "frames" else KINDS[rule].unit


def uses_gpu(stage: str, config: Config) -> bool:
    """Whether the jobs of a stage use a GPU if available."""
    device = getattr(getattr(config, stage, None), "device", "cpu")
    return is_network(stage, model_of(stage, config)) and device != "cpu"


Counts = dict[str, float | None]
"""Name of a count -> its value; None if it is not known.

    videos, index_px             listed videos; their pixels (frames x width x height)
    candidates, search_frames,   videos that detect searches for people; their frames; their pixels
    search_px
    chosen, chosen_px            selected clips; their pixels
    actor_frames                 frames of selected clips with the actor's box
    clips_made, output_px        outputs of composite, with counterfactuals; their pixels
    truth_rows, released         rows of annotate: per frame and scale; per clip and scale
    train_clips                  training clips of one arm, at all scales
    train_views, steps           clips passed through the network, and optimizer steps, of all arms
    test_clips, test_views       evaluated clips of one arm; clips passed through it, of all arms
    predictions, attended        predictions and Grad-CAM maps, of all arms
    trainings, jobs, one         for stored files
    objects                      COCO objects that are cut out
    fetched_clips                clips of Kinetics
"""


@dataclass(frozen=True)
class Yields:
    """Shares of the videos that each stage accepts; None: not known, treated as 1."""

    usable: float | None = None
    """Share of the listed videos that index accepts."""
    actors: float | None = None
    """Share of the searched videos in which detect finds an actor."""
    actor_share: float | None = None
    """Share of the frames of a selected clip with the actor's box."""


def counts(
    config: Config, videos: VideoSet, yields: Yields, objects: int | None, target: str = "all"
) -> Counts:
    """All counts of a configuration. `objects`: number of COCO objects, from `fetch.coco`."""
    usable = 1.0 if videos.usable_known else yields.usable or 1.0
    candidates, chosen = expected_clips(config, videos, usable, yields.actors or 1.0)
    clips = sum(chosen.values())
    erased = sum(chosen[split] for split in config.counterfactual.splits)
    scales, clean = len(config.composite.scales), int(config.composite.clean_twin)
    frames, pixels = videos.frames, videos.pixels
    made = clips * (scales + clean)
    result: Counts = {
        "videos": videos.total,
        "index_px": _times(videos.total, pixels),
        "candidates": candidates,
        "search_frames": _times(candidates, frames),
        "search_px": _times(candidates, pixels),
        "chosen": clips,
        "chosen_px": _times(clips, pixels),
        "actor_frames": _times(clips * (yields.actor_share or 1.0), frames),
        "clips_made": made + erased * scales,
        "output_px": _times(made + erased * scales, pixels),
        "truth_rows": _times(clips * scales, frames),
        "released": clips * scales,
        "objects": objects,
        "fetched_clips": videos.total if config.kinetics.route != "none" else 0,
        "one": 1,
        "jobs": sum(jobs_of(rule, config) for rule in TARGETS[target]),
    }
    return result | learning_counts(config, chosen)


def _times(number: float, each: float | None) -> float | None:
    return None if each is None else number * each


def learning_counts(config: Config, chosen: dict[str, float]) -> Counts:
    """Counts of training, evaluation and attention. `chosen`: split -> selected clips."""
    train, evaluate, seeds = config.train, config.evaluate, len(config.train.seeds)
    clips = chosen["train"] * len(train.scales)
    by_arm = [chosen["train"] * len(arms.for_arm(train, arm).scales) for arm in arms.names(train)]
    views = chosen["train"] * sum(views_of_arm(arm, config) for arm in arms.names(train))
    tested = len(config.composite.scales) + config.composite.clean_twin
    evaluated = chosen[evaluate.split] * tested
    runs = len(trainings(config))
    limit = math.inf if config.attention.clips is None else config.attention.clips
    return {
        "train_clips": clips,
        "steps": seeds
        * train.epochs
        * sum(math.ceil(per_epoch / train.batch) for per_epoch in by_arm),
        "train_views": seeds * train.epochs * views,
        "test_clips": evaluated,
        "test_views": runs * evaluated * evaluate.views * evaluate.crops,
        "predictions": runs * evaluated,
        "attended": runs * min(chosen[evaluate.split], limit) * tested,
        "trainings": runs,
    }


def views_of_arm(arm: str, config: Config) -> int:
    """Clips passed through the network per source clip and epoch.

    CAR passes two clips where the baseline passes one.
    """
    train = arms.for_arm(config.train, arm)
    pairs = train.alpha > 0 and "train" in config.counterfactual.splits
    return len(train.scales) * (2 if pairs else 1)


def expected_clips(
    config: Config, videos: VideoSet, usable: float, actors: float
) -> tuple[float, dict[str, float]]:
    """Expected (number of searched videos, selected clips by split)."""
    if config.select.assignment == "published":
        return _published_clips(config, videos, usable, actors)
    candidates, chosen = 0.0, dict.fromkeys(SPLITS, 0.0)
    for (split, _), listed in videos.cells.items():
        quota = getattr(config.select.quota, split)
        limit = math.inf if quota is None else math.ceil(config.index.oversample * quota)
        searched = min(listed * usable, limit)
        candidates += searched
        chosen[split] += min(searched * actors, math.inf if quota is None else quota)
    return candidates, chosen


def _published_clips(
    config: Config, videos: VideoSet, usable: float, actors: float
) -> tuple[float, dict[str, float]]:
    """Clips of a release among the videos; all of them if the videos are not downloaded yet.

    Raises UserError if none of its clips is among the videos.
    """
    named = published.read_published(config.select.published)
    pairs = published.match_videos(named, videos.rows)
    matched = Counter(clip.split for clip, row in pairs if row is not None or not videos.on_disk)
    if not matched:
        raise UserError(
            f"select.published: wanted videos of the release {config.select.published}, none of "
            f"its {len(named)} clips is among the {videos.total} videos; see acquire.videos"
        )
    chosen = {split: matched[split] * usable * actors for split in SPLITS}
    return matched.total() * usable, chosen
