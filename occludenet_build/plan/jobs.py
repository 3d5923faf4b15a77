"""The kinds of jobs of the workflow, and what drives the cost of each.

A test holds threads and benchmark files to the rule files of workflow/.
"""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config import Config
from occludenet_build.config.arms import names
from occludenet_build.config.backends import DETECTORS, TRAINED, is_network
from occludenet_build.stages import STAGES


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
    return [f"{arm}-{seed}" for seed in config.train.seeds for arm in names(config.train)]


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
