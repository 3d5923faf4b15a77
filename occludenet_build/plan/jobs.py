"""The kinds of jobs of the workflow, and what drives the cost of each.

A test holds threads and benchmark files to the rule files of workflow/.
"""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config import Config
from occludenet_build.config.arms import names
from occludenet_build.stages import STAGES


@dataclass(frozen=True)
class Kind:
    """The jobs of one rule."""

    stage: str
    benchmarks: str
    """Their benchmark files below benchmarks/, a pattern."""
    unit: str
    """The count that drives their cost, by its name in `counts`."""
    split: str = "one"
    """How many there are: one, one per shard of index or of select, or one per training (arms)."""
    threads: int = 1
    """As the rule asks for; Snakemake gives no more than there are cores."""


KINDS = {
    "kinetics": Kind("kinetics", "kinetics/clips.tsv", "fetched_clips", threads=4),
    "acquire_videos": Kind("acquire", "acquire/videos.tsv", "videos"),
    "acquire_coco": Kind("acquire", "acquire/coco.tsv", "one"),
    "index": Kind("index", "index/videos.tsv", "index_px", threads=32),
    "detect_shard": Kind("detect", "detect/*.tsv", "search_px", "index", 4),
    "occluders": Kind("occluders", "occluders/occluders.tsv", "objects", threads=4),
    "select": Kind("select", "select/clips.tsv", "candidates"),
    "leaks": Kind("leaks", "leaks/findings.tsv", "chosen_px", threads=32),
    "actor_masks_shard": Kind("actor_masks", "actor_masks/*.tsv", "actor_frames", "select", 4),
    "composite_shard": Kind("composite", "composite/*.tsv", "output_px", "select", 4),
    "annotate": Kind("annotate", "annotate/clips.tsv", "truth_rows", threads=4),
    "validate": Kind("validate", "validate/findings.tsv", "released"),
    "train_arm": Kind("train", "train/*.tsv", "train_views", "arms", 8),
    "evaluate_arm": Kind("evaluate", "evaluate/*.tsv", "test_views", "arms", 8),
    "attention_arm": Kind("attention", "attention/*.tsv", "attended", "arms", 8),
    "attention": Kind("attention", "attention_summary.tsv", "one"),
    "paper": Kind("paper", "paper/items.tsv", "one"),
    "report": Kind("report", "report/index.tsv", "one", threads=4),
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

TRAINED = ("train", "evaluate", "attention")
"""Stages that run the network of train.backbone."""
_NETWORKS = {
    "detect": ("yolo", "torchvision"),
    "actor_masks": ("sam", "mobile-sam", "sam2", "yolo-seg"),
}
"""Stage -> its backends that run a network."""


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


def is_network(stage: str, model: str | None) -> bool:
    """Whether a stage runs a network, which uses a GPU, needs weights and sees scaled pictures."""
    return stage in TRAINED or model in _NETWORKS.get(stage, ())


def unit_of(rule: str, model: str | None) -> str:
    """A network sees pictures of one size: frames drive its cost, not the video's pixels."""
    by_frame = rule == "detect_shard" and is_network("detect", model)
    return "search_frames" if by_frame else KINDS[rule].unit


def uses_gpu(stage: str, config: Config) -> bool:
    """Whether the jobs of a stage use a GPU where there is one."""
    device = getattr(getattr(config, stage, None), "device", "cpu")
    return is_network(stage, model_of(stage, config)) and device != "cpu"
