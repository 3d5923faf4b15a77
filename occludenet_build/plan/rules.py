"""The rules of the workflow as a plan sees them; a test holds threads and order to workflow/."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config import Config
from occludenet_build.config.arms import names


@dataclass(frozen=True)
class Rule:
    room: str
    threads: int
    """As its rule asks for; Snakemake gives no more than there are cores."""
    unit: str
    """The count that drives its cost, by name in `counts`."""
    benchmarks: str
    """Its files below benchmarks/, a pattern."""
    after: tuple[str, ...] = ()
    """Rules whose jobs it waits for: all of them, or in `same` the one of its own shard."""
    same: tuple[str, ...] = ()
    split: str = "one"
    """How many jobs: one, index (its shards), select (its shards), arms (of train)."""
    stores: tuple[str, ...] = ()
    """Rooms whose ledgers tell the seconds of each clip."""


RULES = {
    "kinetics": Rule("kinetics", 4, "fetched_clips", "kinetics/clips.tsv"),
    "acquire_videos": Rule("acquire", 1, "videos", "acquire/videos.tsv", ("kinetics",)),
    "acquire_coco": Rule("acquire", 1, "one", "acquire/coco.tsv"),
    "index": Rule(
        "index", 32, "index_px", "index/videos.tsv", ("acquire_videos",), stores=("index",)
    ),
    "detect_shard": Rule(
        "detect", 4, "search_px", "detect/*.tsv", ("index",), split="index", stores=("detect",)
    ),
    "occluders": Rule("occluders", 4, "objects", "occluders/occluders.tsv", ("acquire_coco",)),
    "select": Rule(
        "select", 1, "candidates", "select/clips.tsv", ("index", "detect_shard", "occluders")
    ),
    "leaks": Rule(
        "leaks", 32, "chosen_px", "leaks/findings.tsv", ("select",), stores=("leaks",)
    ),
    "actor_masks_shard": Rule(
        "actor_masks", 4, "actor_frames", "actor_masks/*.tsv", ("select",), (), "select",
        ("actor_masks",),
    ),
    "composite_shard": Rule(
        "composite", 4, "output_px", "composite/*.tsv", ("select",), ("actor_masks_shard",),
        "select", ("composite", "counterfactual"),
    ),
    "annotate": Rule(
        "annotate", 4, "truth_rows", "annotate/clips.tsv",
        ("select", "occluders", "composite_shard", "actor_masks_shard"),
    ),
    "validate": Rule("validate", 1, "released", "validate/findings.tsv", ("annotate",)),
    "train_arm": Rule("train", 8, "train_views", "train/*.tsv", ("annotate",), (), "arms"),
    "evaluate_arm": Rule(
        "evaluate", 8, "test_views", "evaluate/*.tsv", ("annotate",), ("train_arm",), "arms"
    ),
    "attention_arm": Rule(
        "attention", 8, "attended", "attention/*.tsv", ("annotate",), ("train_arm",), "arms"
    ),
    "attention": Rule("attention", 1, "one", "attention_summary.tsv", ("attention_arm",)),
    "paper": Rule(
        "paper", 1, "one", "paper/items.tsv",
        ("annotate", "occluders", "evaluate_arm", "attention"),
    ),
    "report": Rule("report", 4, "one", "report/index.tsv", ("annotate", "evaluate_arm", "paper")),
}  # fmt: skip
"""In the order in which the data walks through them."""


NETWORKS = ("train_arm", "evaluate_arm", "attention_arm")
_LEARNING = (*NETWORKS, "attention", "paper", "report")
TARGETS = {"all": tuple(RULES), "dataset": tuple(name for name in RULES if name not in _LEARNING)}
"""Target of Snakemake -> the rules that it needs."""


def arms(config: Config) -> list[str]:
    """The trainings, by the name of their jobs."""
    return [f"{arm}-{seed}" for seed in config.train.seeds for arm in names(config.train)]


def jobs_of(rule: str, config: Config) -> int:
    """How many jobs a rule has."""
    if rule == "kinetics":
        return int(config.kinetics.route != "none")
    jobs = {
        "one": 1,
        "index": config.index.shards,
        "select": config.select.shards,
        "arms": len(arms(config)),
    }
    return jobs[RULES[rule].split]


def unit_of(rule: str, backend: str | None) -> str:
    """A network sees pictures of one size: frames drive its cost, not the video's pixels."""
    by_frame = rule == "detect_shard" and backend == "yolo"
    return "search_frames" if by_frame else RULES[rule].unit


_KINDS = {
    "detect_shard": ("detect", ("backend", "image_size", "weights")),
    "actor_masks_shard": (
        "actor_masks",
        ("backend", "sam_model", "image_size", "grabcut_side", "grabcut_iterations"),
    ),
    "composite_shard": ("composite", ("codec", "preset", "scale_mode", "share_frames")),
    "train_arm": ("train", ("backbone", "frames", "size", "short_side")),
    "evaluate_arm": ("train", ("backbone", "frames", "size")),
    "attention_arm": ("train", ("backbone", "frames", "size")),
}


def kind_of(rule: str, config: Config) -> dict[str, str]:
    """The settings that decide what a unit costs: a rate holds where they are the same."""
    room, names = _KINDS.get(rule, ("train", ()))
    section = getattr(config, room)
    return {name: str(getattr(section, name)).rpartition("/")[2] for name in names}


def backend_of(rule: str, config: Config) -> str | None:
    return getattr(getattr(config, RULES[rule].room, None), "backend", None)


def may_use_gpu(rule: str, backend: str | None) -> bool:
    """Whether a network runs in its jobs."""
    return rule in NETWORKS or backend in ("yolo", "sam", "yolo-seg")


def wants_gpu(rule: str, config: Config) -> bool:
    """Whether its jobs would use a GPU where there is one, as its rule says."""
    device = getattr(getattr(config, RULES[rule].room, None), "device", "cpu")
    return may_use_gpu(rule, backend_of(rule, config)) and device != "cpu"
