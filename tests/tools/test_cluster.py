"""What jobs request of a cluster, and what it would refuse."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from occludenet_build.core.errors import UserError
from occludenet_build.tools import cluster
from occludenet_build.tools.cluster import Job, Limits, Partitions, parse_sinfo

LAB = """\
short|1:00:00|64000|32|(null)|short*
long|7-00:00:00|250000+|64+|(null)|long
gpu|2-00:00:00|500000|64|gpu:a100:4(S:0-1),nvme:1|gpu
gpu|2-00:00:00|900000|128|gpu:h100:8|gpu
"""


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30:00", 30), ("1:00:00", 60), ("2-12:00:00", 3600), ("infinite", inf), ("0:30", 0.5)],
)
def test_time_limits(text, minutes):
    assert parse_sinfo(f"p|{text}|1000|1|(null)|p")["p"].minutes == minutes


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", 0),
        ("gpu:2", 2),
        ("gpu:a100:4(S:0-1)", 4),
        ("nvme:1,gpu:h100:8(IDX:0-7)", 8),
        ("gpu:a100:2,gpu:v100:2", 4),
        ("mygpu:3", 0),
    ],
)
def test_gpus_of_a_node(gres, gpus):
    assert parse_sinfo(f"p|1:00:00|1000|1|{gres}|p")["p"].gpus == gpus


def test_nodes_of_a_partition_count_by_their_best():
    limits = parse_sinfo(LAB)
    assert limits["gpu"] == Limits(2880, 900_000, 128, 8)
    assert [name for name, p in limits.items() if p.default] == ["short"]


@pytest.fixture
def partitions(tmp_path) -> Partitions:
    file = tmp_path / "partitions.yaml"
    file.write_text(
        "partitions:\n  short: {max_runtime: 60}\n  long: {}\n  gpu: {max_gpu: 8}\n",
        encoding="utf-8",
    )
    return Partitions(file, parse_sinfo(LAB))


@pytest.mark.parametrize(
    ("threads", "resources", "partition"),
    [
        (1, {"mem_mb": 2000, "runtime": 30}, "short"),
        (1, {"mem_mb": 2000, "runtime": 600}, "long"),
        (8, {"mem_mb": 2000, "runtime": 30, "gpu": 1}, "gpu"),
        (8, {"mem_mb": 2000, "runtime": 30, "gres": "gpu:a100:2"}, "gpu"),
        (8, {"mem_mb": 2000, "runtime": 30, "slurm_partition": "gpu"}, "gpu"),
    ],
)
def test_what_fits_is_not_refused(partitions, threads, resources, partition):
    job = Job("detect_shard", threads, resources)
    assert partitions.chosen(job) == partition
    assert partitions.refusal(job) is None


@pytest.mark.parametrize(
    ("threads", "resources", "said"),
    [
        (1, {"runtime": 20_000}, "requests 20000 minutes of run time, at most 10080 in"),
        (1, {"mem_mb": 800_000}, "at most 64000 in partition 'short'; partition 'gpu' can"),
        (65, {"runtime": 600}, "requests 65 CPU cores, at most 64 in partition 'long'"),
        (1, {"runtime": 4000, "gpu": 1}, "cluster.gpu.max_minutes"),
        (1, {"gpu": 16}, "requests 16 GPUs, at most 0 in partition 'short'; no partition"),
        # a limit that the file does not know: the partition that could run it is named
        (40, {"runtime": 30}, "at most 32 in partition 'short'; partition 'long' or 'gpu' can"),
        (1, {"runtime": 90, "slurm_partition": "short"}, "at most 60 in partition 'short'"),
    ],
)
def test_what_no_node_can_run_is_refused(partitions, threads, resources, said):
    why = partitions.refusal(Job("a_rule", threads, {"mem_mb": 1000} | resources))
    assert why is not None and why.startswith("a_rule: ") and said in why, why
    assert "\n" not in why


def test_one_line_for_a_rule_with_many_jobs(partitions):
    job = Job("detect_shard", 1, {"runtime": 20_000})
    assert len(cluster.refusals([job] * 5, partitions)) == 1


def test_a_partition_that_the_cluster_does_not_have(tmp_path):
    file = tmp_path / "partitions.yaml"
    file.write_text("partitions:\n  cpu: {}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"wanted .* \(gpu, long, short\), got 'cpu'"):
        Partitions(file, parse_sinfo(LAB))


def test_the_largest_request_depends_on_the_gpus(partitions):
    assert partitions.most("minutes", 0) == 10_080
    assert partitions.most("minutes", 1) == 2880
    assert partitions.most("mem_mb", 8) == 900_000


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "wanted the program sinfo, found none"),
        ("echo 'slurm_load_partitions: Unable to contact controller' >&2; exit 1", "Unable to"),
    ],
)
def test_a_cluster_that_does_not_answer(tmp_path: Path, monkeypatch, script, said):
    if script is not None:
        (tmp_path / "sinfo").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script else str(tmp_path))
    with pytest.raises(UserError, match=said):
        cluster.cluster_limits()
