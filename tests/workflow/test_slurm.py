"""The profile for SLURM: every job that requests a GPU goes to a partition that has GPUs."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from conftest import REPO
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file
from support.workflow import Build

from occludenet_build.stages import STAGES

PROFILE = REPO / "profiles/slurm"
SETTINGS = {
    "acquire": {
        "videos": "videos",
        "coco_images": "coco",
        "coco_instances": "coco/instances.json",
    },
    "index": {"shards": 1},
    "detect": {"weights": "weights.pt", "device": "cuda"},
    "actor_masks": {"backend": "yolo-seg", "weights": "weights.pt", "device": "cuda"},
    "select": {"shards": 1},
    "audit": {"weights": "weights.pt"},
    "train": {"weights": "weights.pt", "device": "cuda"},
    "segments": {"videos": "videos"},
}
TARGETS = ("all", "audit", "residual_actor", "proposals", "attention")
WITH_GPU = {
    *("detect_shard", "audit_detect", "residual_actor_detect", "surveillance_detect"),
    *("actor_masks_shard", "train_arm", "evaluate_arm", "attention_arm"),
}
"""The rules that run a network."""


@pytest.fixture(scope="module")
def gpus(tmp_path_factory) -> dict[str, int]:
    """Rule -> the GPUs that its jobs request, of a dry run with networks on CUDA."""
    jobs = requested(tmp_path_factory.mktemp("slurm"), SETTINGS)
    found = {rule: re.search(r"gpu=(\d+)", resources) for rule, resources in jobs.items()}
    return {rule: int(number[1]) if number else 0 for rule, number in found.items()}


def requested(folder: Path, settings: dict) -> dict[str, str]:
    """Rule -> the resources of its jobs as a dry run prints them."""
    build = Build(folder, None, settings)
    for name in ("videos/train/waving/clip.mp4", "coco/instances.json", "weights.pt"):
        path = build.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    text = build.run(*TARGETS, "-n", "--workflow-profile", str(PROFILE))
    jobs = re.split(r"^(?:local)?(?:rule|checkpoint) (\w+):$", text, flags=re.M)[1:]
    found = dict(zip(jobs[::2], jobs[1::2], strict=True))
    lines = {rule: re.search(r"^    resources: (.*)$", body, re.M) for rule, body in found.items()}
    return {rule: line[1] if line else "gpu=0" for rule, line in lines.items()}


def partition(gpu: int) -> str | None:
    """The partition that the executor plugin selects for a job with so many GPUs."""
    profile = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    partitions = read_partition_file(PROFILE / profile["slurm-partition-config"])
    job = SimpleNamespace(name="job", threads=8, resources={"gpu": gpu, "mem_mb": 8000})
    return get_best_partition(partitions, job, logging.getLogger())


def test_each_rule_with_a_network_requests_a_gpu(gpus):
    assert {rule for rule, count in gpus.items() if count} == WITH_GPU


def test_the_partition_follows_from_the_gpus_that_a_rule_requests(gpus):
    assert {partition(count) for rule, count in gpus.items() if rule in WITH_GPU} == {"gpu"}
    assert {partition(count) for rule, count in gpus.items() if rule not in WITH_GPU} == {"cpu"}
    assert partition(8) == "gpu"


def test_the_profile_names_no_rule():
    """A list of rules would be out of date with the next rule that requests a GPU."""
    names = "|".join(sorted({*WITH_GPU, *STAGES}))
    for path in PROFILE.iterdir():
        keys = re.sub(r"#.*", "", path.read_text())
        assert not re.search(rf"\b({names})(_\w+)?:", keys), path


def test_account_and_qos_follow_from_the_kind_of_job(tmp_path):
    kinds = {"cpu": {"account": "lab", "max_minutes": 100}, "gpu": {"qos": "fast"}}
    jobs = requested(tmp_path, SETTINGS | {"cluster": kinds})
    for rule, resources in jobs.items():
        assert ("qos=fast" in resources) == (rule in WITH_GPU), (rule, resources)
        assert ("slurm_account=lab" in resources) == ("gpu=0" in resources)
    assert "runtime=100" in jobs["annotate"] and "runtime=240" in jobs["detect_shard"]


@pytest.mark.parametrize(
    ("backbone", "device", "gpus"),
    [("tiny3d", "auto", 0), ("tiny3d", "cuda", 1), ("r3d_18", "auto", 1), ("r3d_18", "cpu", 0)],
)
def test_a_small_network_or_one_on_the_cpu_requests_no_gpu(tmp_path, backbone, device, gpus):
    train = {"backbone": backbone, "device": device, "weights": None}
    jobs = requested(tmp_path, SETTINGS | {"train": train})
    assert f"gpu={gpus}" in jobs["train_arm"]
