"""The workflow on a real SLURM, which the test starts on this machine: to the end, and with faults.

Skipped, with the reason, where SLURM is not installed and may not be.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import REPO
from support.slurm_cluster import SlurmCluster, why_not
from support.workflow import SETTINGS, Build, environment

pytestmark = pytest.mark.slow

CPU_ONLY = {"train": SETTINGS["train"] | {"device": "cpu"}}
ON_GPU = {
    "train": SETTINGS["train"]
    | {"backbone": "r3d_18", "arms": ["car"], "frames": 4, "size": 32, "short_side": 36},
    "evaluate": {"views": 1, "workers": 0},
    "attention": {"workers": 0},
}
"""A network that asks for a GPU: SLURM gives one to its jobs, which run on the CPU without CUDA."""


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[SlurmCluster]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.stop()


@pytest.fixture
def slurm(started: SlurmCluster) -> SlurmCluster:
    """The cluster, without jobs of the tests before."""
    started.clear()
    return started


class OnCluster(Build):
    """A build whose jobs run on a SLURM cluster."""

    slurm: SlurmCluster
    options: tuple[str, ...] = ()

    def command(self, *targets: str, cores: int = 2) -> list[str]:
        whole = super().command(*targets, cores=cores)
        start = whole.index("-s")
        end = whole.index("--cores")
        return [
            *(sys.executable, "-m", "support.fast_slurm"),
            *whole[start:end],
            *whole[end + 2 :],
            # Without slurmdbd, squeue answers. Files of one machine appear at once.
            *("--workflow-profile", str(REPO / "profiles/slurm")),
            *("--slurm-status-command", "squeue", "--latency-wait", "5", "--jobs", "4"),
            *("--max-jobs-per-timespan", "20/1s"),
            *self.options,
        ]

    def environment(self) -> dict[str, str]:
        own = environment()
        return own | self.slurm.env | {"PYTHONPATH": f"{REPO}:{REPO}/tests"}

    def begin(self, *targets: str) -> subprocess.Popen[str]:
        """Start a run in a process group of its own; its output goes to run.log."""
        with (self.folder / "run.log").open("a") as log:
            return subprocess.Popen(
                self.command(*targets),
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def log(self) -> str:
        return (self.folder / "run.log").read_text()

    def finished_clips(self) -> dict[str, int]:
        """Files of the clips that a ledger records -> time stamp, ns.

        A clip is made anew if its job ends between its first file and its record.
        """
        journals = (self.folder / "build/composite/store").glob("*/journal/[!.]*.parquet")
        shards = (self.folder / "build/composite").glob("[0-9]*.parquet")
        names = {row["clip"] for path in (*journals, *shards) for row in rows_of(path)}
        stems = {Path(name).stem for name in names}
        files = self.clips()
        return {f: t for f, t in files.items() if any(Path(f).stem.endswith(s) for s in stems)}

    def finish(self, *targets: str) -> None:
        process = self.begin(*targets)
        assert process.wait(timeout=540) == 0, self.log()[-5000:]


def on_cluster(slurm: SlurmCluster, build: Build, settings: dict, *options: str) -> OnCluster:
    found = OnCluster(build.folder, None, settings)
    found.slurm, found.options = slurm, options
    return found


def test_everything_runs_to_the_end(slurm, world, tmp_path):
    build = on_cluster(slurm, Build(tmp_path, world, SETTINGS), SETTINGS | ON_GPU)
    process = build.begin("all")
    asked = requests_of(slurm, process)
    assert process.returncode == 0, build.log()[-5000:]
    assert (tmp_path / "build/report/index.html").is_file()
    assert {job["JobState"] for job in slurm.finished()} == {"COMPLETED"}
    on_gpu = {rule for rule, (partition, gpus, *_) in asked.items() if partition == "gpu"}
    assert on_gpu == {"train_arm", "evaluate_arm", "attention_arm"}, asked
    assert all(("gpu:1" in gpus) == (rule in on_gpu) for rule, (_, gpus, *_) in asked.items())
    assert len(set(asked.values())) > 5, asked  # each rule's own request, not one for all
    print(*sorted(asked.items()), slurm.calls(), len(slurm.finished()), sep="\n")
    assert Build(tmp_path, None, build.settings).planned("all") == {}


def requests_of(slurm: SlurmCluster, process: subprocess.Popen[str]) -> dict[str, tuple]:
    """Rule -> partition, GPUs, memory, time limit, cores of its jobs, as squeue shows them."""
    columns = "Comment:80,Partition:20,tres-per-job:30,MinMemory:20,TimeLimit:20,NumCPUs:10"
    found = {}
    while process.poll() is None:
        for line in slurm.run("squeue", "-h", "-O", columns).splitlines():
            comment, *request = line.split()
            found[comment.removeprefix("rule_").partition("_wildcards")[0]] = tuple(request)
        time.sleep(0.5)
    return found


def test_a_network_on_the_cpu_requests_no_gpu(slurm, built, tmp_path):
    build = copied(built, tmp_path, slurm, SETTINGS | CPU_ONLY)
    before = len(slurm.finished())
    build.finish("train")
    jobs = slurm.finished()[before:]
    assert jobs and {job["Partition"] for job in jobs} == {"cpu"}


def test_a_job_that_no_partition_can_run_is_told_before_the_first_job(slurm, built, tmp_path):
    build = copied(built, tmp_path, slurm, SETTINGS)
    build.options = ("--set-resources", "composite_shard:mem_mb=640000")
    before = len(slurm.finished())
    process = build.begin("composite")
    assert process.wait(timeout=60) == 2, build.log()
    last = build.log().strip().splitlines()[-1]
    assert "composite_shard: requests 640000 MB of memory, at most 64000 in" in last, last
    assert "cluster.cpu.max_minutes and max_mem_mb" in last
    assert len(slurm.finished()) == before and not slurm.run("squeue", "-h").strip()


# --- faults ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(started, world, tmp_path_factory) -> Build:
    """A build up to the masks, made without SLURM; tests run the rest in a copy."""
    build = Build(tmp_path_factory.mktemp("built"), world, SETTINGS)
    build.run("actor_masks")
    return build


def test_status_sees_the_queue(slurm, built, tmp_path):
    build = copied(built, tmp_path, slurm, SETTINGS)
    nodes = ("scontrol", "update", "nodename=c1,c2,g1")
    slurm.run(*nodes, "state=drain", "reason=test")
    try:
        process = build.begin("composite")
        wait_for(lambda: composite_jobs(build)["queued"] == 3, 120)
    finally:
        slurm.run(*nodes, "state=resume")
    wait_for(lambda: composite_jobs(build)["running"], 120)
    assert process.wait(timeout=240) == 0, build.log()[-5000:]
    assert composite_jobs(build)["done"] == 3


def composite_jobs(build: OnCluster) -> dict[str, int]:
    """State -> jobs of composite, as `occludenet status` says."""
    done = subprocess.run(
        [sys.executable, "-m", "occludenet_build", "status", "build", "--json"],
        cwd=build.folder,
        env=build.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    shown = json.loads(done.stdout)
    assert shown["queue_problem"] is None, shown
    return shown["stages"].get("composite", {"jobs": {"queued": 0}})["jobs"]


def copied(built: Build, folder: Path, slurm: SlurmCluster, settings: dict) -> OnCluster:
    shutil.copytree(built.folder, folder, dirs_exist_ok=True)
    own = Build(folder, None, copy.deepcopy(settings))
    return on_cluster(slurm, own, settings)


def running(slurm: SlurmCluster, rule: str) -> list[str]:
    """The ids of the running jobs of a rule; the plugin writes the rule into the comment."""
    lines = slurm.run("squeue", "-h", "-t", "R", "-o", "%A %k %N").splitlines()
    return [line.split()[0] for line in lines if f"rule_{rule}" in line]


def wait_for(found: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_cancelled_job_and_a_dead_node_cost_no_clip(slurm, built, tmp_path):
    """One shard's job is cancelled and one node taken down, while clips are written."""
    build = copied(built, tmp_path, slurm, SETTINGS)
    before = len(slurm.finished())
    process = build.begin("composite")
    wait_for(build.finished_clips)
    first = running(slurm, "composite_shard")
    seen = build.finished_clips()
    slurm.run("scancel", first[0])
    node = slurm.run("squeue", "-h", "-t", "R", "-o", "%N").split()[-1]
    slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    assert process.wait(timeout=300) == 0, build.log()[-5000:]
    slurm.run("scontrol", "update", f"nodename={node}", "state=resume")
    states = {job["JobState"] for job in slurm.finished()[before:]}
    assert {"CANCELLED", "COMPLETED"} <= states, states
    assert_whole(build, seen)


def test_too_little_memory_is_given_more(slurm, built, tmp_path):
    build = copied(built, tmp_path, slurm, SETTINGS)
    build.options = ("--set-resources", "composite_shard:mem_mb=150 if attempt == 1 else 4000")
    before = len(slurm.finished())
    build.finish("composite")
    states = [job["JobState"] for job in slurm.finished()[before:]]
    assert states.count("COMPLETED") == 3 and len(states) > 3, states
    assert_whole(build, {})


def test_a_killed_main_process_is_started_again_while_its_jobs_run(slurm, built, tmp_path):
    build = copied(built, tmp_path, slurm, SETTINGS)
    process = build.begin("composite")
    wait_for(build.finished_clips)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    orphans = running(slurm, "composite_shard")
    assert orphans
    seen = build.finished_clips()
    build.finish("composite")
    assert_whole(build, seen)


def test_a_job_over_its_time_continues_where_it_stopped(slurm, built, tmp_path):
    """One job stands still, is ended by SLURM after its minute, and its successor goes on."""
    build = copied(built, tmp_path, slurm, SETTINGS)
    build.options = ("--set-resources", "composite_shard:runtime=1")
    before = len(slurm.finished())
    process = build.begin("composite")
    wait_for(build.finished_clips)
    seen = build.finished_clips()
    halt("composite", build.folder)
    assert process.wait(timeout=400) == 0, build.log()[-5000:]
    states = {job["JobState"] for job in slurm.finished()[before:]}
    assert "TIMEOUT" in states, states
    assert_whole(build, seen)


def halt(stage: str, folder: Path) -> None:
    """Stop (SIGSTOP) the processes of a stage whose working directory is a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode().split("\0")
            inside = (path / "cwd").resolve() == folder.resolve()
        except (OSError, UnicodeDecodeError):
            continue
        if inside and "occludenet_build" in words and stage in words:
            os.kill(int(path.name), signal.SIGSTOP)


def assert_whole(build: OnCluster, seen: dict[str, int]) -> None:
    """All clips are there, none half-written, and what was finished before was not made again."""
    rows = [row for shard in range(3) for row in manifest(build, shard)]
    assert rows and {row["status"] for row in rows} == {"ok"}
    now = build.clips()
    assert seen.items() <= now.items(), "a finished clip was written again"
    trained = sum(row["split"] == "train" for row in rows)
    assert len(now) == 3 * len(rows) + 2 * trained
    assert build.unfinished() == []


def manifest(build: OnCluster, shard: int) -> list[dict]:
    return rows_of(build.folder / f"build/composite/{shard:03d}.parquet")


def rows_of(path: Path) -> list[dict]:
    """The rows of a table; none if its writer has just merged and removed it."""
    try:
        return pq.read_table(path).to_pylist()
    except FileNotFoundError:
        return []
