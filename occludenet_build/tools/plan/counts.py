"""Items and units of work of a configuration, and the rules of the workflow that process them.

A test compares the threads and benchmark files in KINDS with the rule files in workflow/.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from occludenet_build.config import Config, arms
from occludenet_build.config.backends import DETECTORS, TRAINED
from occludenet_build.config.models import Models, of_member
from occludenet_build.config.protocols import with_protocol_or_own
from occludenet_build.config.training import Train
from occludenet_build.core.settings import is_url
from occludenet_build.release.published import RELEASED_CLIPS, read_published
from occludenet_build.release.terms import SPLITS
from occludenet_build.stages import STAGES
from occludenet_build.tools.plan.videos import VideoSet


@dataclass(frozen=True)
class RuleJobs:
    """The jobs of one rule of the workflow."""

    stage: str
    benchmarks: str
    """Glob pattern of their benchmark files below benchmarks/."""
    items: str
    """The count that the table shows, and its noun."""
    split: str = "one"
    """Number of jobs: one, one per shard (index, select), one per training (arms), one per training
    of the networks of models.members (members), or one if there are such (compared)."""
    threads: int = 1
    """Threads of the rule; Snakemake limits them to the number of cores."""
    constant: bool = False
    """Whether their cost does not depend on the unit of the stage."""
    views: str = ""
    """The count that their cost is proportional to, if that is not the unit of the stage."""
    runs: str = ""
    """Stage whose network and device they have, if another."""

    @property
    def unit(self) -> str:
        """The count that their cost is proportional to, by its name in `counts`."""
        return "one" if self.constant else self.views or STAGES[self.stage].unit

    @property
    def network_stage(self) -> str:
        """Stage whose network and device they have."""
        return self.runs or self.stage


KINDS = {
    "kinetics": RuleJobs("kinetics", "kinetics/clips.tsv", "fetched_clips clips", threads=4),
    "acquire_videos": RuleJobs("acquire", "acquire/videos.tsv", "videos videos"),
    "acquire_coco": RuleJobs("acquire", "acquire/coco.tsv", "one set", constant=True),
    "index": RuleJobs("index", "index/videos.tsv", "videos videos", threads=32),
    "detect_shard": RuleJobs("detect", "detect/*.tsv", "candidates videos", "index", 4),
    "occluders": RuleJobs("occluders", "occluders/occluders.tsv", "objects objects", threads=4),
    "select": RuleJobs("select", "select/clips.tsv", "candidates videos"),
    "leaks": RuleJobs("leaks", "leaks/findings.tsv", "chosen clips", threads=32),
    "actor_masks_shard": RuleJobs(
        "actor_masks", "actor_masks/*.tsv", "actor_frames frames", "select", 4
    ),
    "composite_shard": RuleJobs("composite", "composite/*.tsv", "clips_made clips", "select", 4),
    "annotate": RuleJobs("annotate", "annotate/clips.tsv", "truth_rows rows", threads=32),
    "validate": RuleJobs("validate", "validate/findings.tsv", "released clips"),
    "train_arm": RuleJobs("train", "train/*.tsv", "train_views views", "arms", 8),
    "evaluate_arm": RuleJobs("evaluate", "evaluate/*.tsv", "predictions predictions", "arms", 8),
    "attention_arm": RuleJobs("attention", "attention/*.tsv", "attended maps", "arms", 8),
    "attention": RuleJobs("attention", "attention_summary.tsv", "one set", constant=True),
    "train_model": RuleJobs(
        "models",
        "models/*/train-*.tsv",
        "members trainings",
        "members",
        8,
        views="member_train_views",
        runs="train",
    ),
    "evaluate_model": RuleJobs(
        "models",
        "models/*/evaluate-*.tsv",
        "members trainings",
        "members",
        8,
        views="member_test_views",
        runs="evaluate",
    ),
    "models": RuleJobs("models", "models/tables.tsv", "one set", "compared", constant=True),
    "paper": RuleJobs("paper", "paper/items.tsv", "one set"),
    "report": RuleJobs("report", "report/index.tsv", "one page", threads=4),
}
"""Rule -> its jobs, in the order of the data."""

TARGETS = {"all": [*KINDS], "dataset": [*KINDS][: [*KINDS].index("train_arm")]}
"""Snakemake target -> rules that it needs."""


def jobs_of(rule: str, config: Config) -> int:
    """Number of jobs of a rule."""
    if rule == "kinetics":
        return int(config.kinetics.route != "none")
    members = sum(_trainings(one.train) for one in members_of(config))
    jobs = {
        "one": 1,
        "members": members,
        "compared": int(members > 0),
        "index": config.index.shards,
        "select": config.select.shards,
        "arms": _trainings(config.train),
    }
    return jobs[KINDS[rule].split]


def _trainings(train: Train) -> int:
    return len(train.seeds) * len(arms.names(train))


def members_of(config: Config) -> list[Config]:
    """The configuration of each network of models.members."""
    return [of_member(config, member) for member in config.section(Models).members]


def model_of(stage: str, config: Config) -> str | None:
    """Backend or backbone of a stage, of models all its backbones; rates are valid for one model
    only."""
    if stage == "models":
        return names_of(one.train.backbone for one in members_of(config))
    section = getattr(config, stage, None)
    return config.train.backbone if stage in TRAINED else getattr(section, "backend", None)


def names_of(backbones: Iterable[str]) -> str | None:
    """Several backbones as one model: their names, sorted; None without one."""
    return ", ".join(sorted(backbones)) or None


def unit_of(rule: str, model: str | None) -> str:
    """The count that the cost of a rule is proportional to.

    A network has a fixed input size: its cost depends on the number of frames, not on pixels.
    """
    row = DETECTORS.get(model or "") if rule == "detect_shard" else None
    return "search_frames" if row and row.unit == "frames" else KINDS[rule].unit


Counts = dict[str, float | None]
"""Name of a count -> its value; None if it is not known.

    videos, index_px             listed videos; their pixels (frames x width x height)
    candidates, search_frames,   videos that detect searches for people; their frames; their pixels
    search_px
    chosen, chosen_px            selected clips; their pixels
    actor_frames                 frames of selected clips with the actor's box
    clips_made, output_px        outputs of composite, with counterfactuals; their pixels
    truth_rows, released         rows of annotate: per frame and scale; per clip and scale
    train_views, test_views      clips passed through the network, of all arms
    predictions, attended        predictions and Grad-CAM maps, of all arms
    member_train_views,          the same of the networks of models.members
    member_test_views
    trainings, members, jobs,    for stored files; members: trainings of models.members
    one
    objects                      COCO objects that are cut out
    fetched_clips                clips of Kinetics
"""


@dataclass(frozen=True)
class Yields:
    """Shares of what each stage accepts; None: not known, treated as 1.

    Of the listed videos those that index accepts, of the searched videos those in which detect
    finds an actor, and of the frames of a selected clip those with the actor's box.
    """

    usable: float | None = None
    actors: float | None = None
    actor_share: float | None = None


def counts(
    config: Config, videos: VideoSet, yields: Yields, objects: int | None, target: str = "all"
) -> Counts:
    """All counts of a configuration. `objects`: number of COCO objects, from `fetch.coco`.

    Raises UserError if select.published does not name a release.
    """
    candidates, chosen = expected_clips(config, videos, yields)
    clips = sum(chosen.values())
    erased = sum(chosen[split] for split in config.counterfactual.splits)
    scales = len(config.composite.scales)
    made = clips * (scales + config.composite.clean_twin) + erased * scales
    result: Counts = {
        "videos": videos.cells.total(),
        "candidates": candidates,
        "chosen": clips,
        "clips_made": made,
        "released": clips * scales,
        "objects": objects,
        "fetched_clips": videos.cells.total() if config.kinetics.route != "none" else 0,
        "one": 1,
        "jobs": sum(jobs_of(rule, config) for rule in TARGETS[target]),
    }
    of_frames = {
        "search_frames": candidates,
        "actor_frames": clips * (yields.actor_share or 1.0),
        "truth_rows": clips * scales,
    }
    of_pixels = {"index_px": videos.cells.total(), "search_px": candidates}
    of_pixels |= {"chosen_px": clips, "output_px": made}
    for each, numbers in ((videos.frames, of_frames), (videos.pixels, of_pixels)):
        result |= {name: None if each is None else n * each for name, n in numbers.items()}
    return result | learning_counts(config, chosen)


def learning_counts(config: Config, chosen: dict[str, float]) -> Counts:
    """Counts of training, evaluation and attention, and of the networks of models.members.

    `chosen`: split -> selected clips.
    """
    views = [_views(one, chosen) for one in members_of(config)]
    of_members: Counts = {
        "members": jobs_of("train_model", config),
        "member_train_views": sum(train for train, _ in views),
        "member_test_views": sum(test for _, test in views),
    }
    train_views, test_views = _views(config, chosen)
    tested, sets = chosen[config.evaluate.split], _sets(config)
    runs = jobs_of("train_arm", config)
    limit = math.inf if config.attention.clips is None else config.attention.clips
    return of_members | {
        "train_views": train_views,
        "test_views": test_views,
        "predictions": runs * tested * sets,
        "attended": runs * min(tested, limit) * sets,
        "trainings": runs,
    }


def _sets(config: Config) -> int:
    return len(config.composite.scales) + config.composite.clean_twin


def _views(config: Config, chosen: dict[str, float]) -> tuple[float, float]:
    """Clips passed through the network in training and in evaluation, of all arms and seeds."""
    train, tested = config.train, chosen[config.evaluate.split]
    evaluate = with_protocol_or_own(config.evaluate, train.backbone, train.stride)
    views = chosen["train"] * sum(_views_of_arm(arm, config) for arm in arms.names(train))
    shown = _trainings(train) * tested * _sets(config) * evaluate.views * evaluate.crops
    return len(train.seeds) * train.epochs * views, shown


def _published_clips(path: str | None) -> Mapping[str, int]:
    """Split -> source clips of a release; those of OccludeNet-D before its files are fetched."""
    if path is not None and is_url(path):
        return RELEASED_CLIPS
    return Counter(clip.split for clip in read_published(path))


def _views_of_arm(arm: str, config: Config) -> int:
    """Clips passed through the network per source clip and epoch: CAR passes pairs."""
    train = arms.for_arm(config.train, arm)
    pairs = train.alpha > 0 and "train" in config.counterfactual.splits
    return len(train.scales) * (2 if pairs else 1)


def expected_clips(
    config: Config, videos: VideoSet, yields: Yields
) -> tuple[float, dict[str, float]]:
    """Expected (number of searched videos, selected clips by split).

    For a published release, as many of its clips as the split has videos. Raises UserError if
    select.published does not name a release.
    """
    usable, actors = 1.0 if videos.usable_known else yields.usable or 1.0, yields.actors or 1.0
    candidates, chosen = 0.0, dict.fromkeys(SPLITS, 0.0)
    if config.select.assignment == "published":
        limits = _published_clips(config.select.published)
        for (split, _), listed in videos.cells.items():
            chosen[split] += listed * usable
        searched = {split: min(clips, limits[split]) for split, clips in chosen.items()}
        return sum(searched.values()), {split: n * actors for split, n in searched.items()}
    for (split, _), listed in videos.cells.items():
        quota = getattr(config.select.quota, split)
        quota = math.inf if quota is None else quota
        searches = min(listed * usable, quota * config.index.oversample)
        candidates += searches
        chosen[split] += min(searches * actors, quota)
    return candidates, chosen
