"""Items that hang, take all memory or kill their worker: a row each, and their neighbours are made.

`sitecustomize` does in the worker what a decoder would do to it when it opens a file of that name.
"""

from __future__ import annotations

import json
import time

import pytest
from conftest import REPO
from support.drills import Drill

from occludenet_build.core import tables
from occludenet_build.core.errors import TRANSIENT

pytestmark = pytest.mark.slow

DECODER = """
import os, signal, sys, time
if "occludenet_build" in " ".join(sys.orig_argv) or "spawn" in " ".join(sys.orig_argv):
    import av.container.core as core, av
    opened = av.open

    def open_as_told(file, *args, **kwargs):
        name = os.path.basename(str(file))
        if name.startswith("hangs"):
            time.sleep(3600)
        if name.startswith("spins"):
            while True:
                pass
        if name.startswith("eats"):
            eaten = []
            while True:
                eaten.append(b"x" * (50 << 20))
        if name.startswith("segfaults"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if name.startswith("is_killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        return opened(file, *args, **kwargs)

    av.open = core.open = av.container.open = open_as_told
"""
REASONS = {
    "hangs": "too_slow",
    "spins": "too_slow",
    "eats": "out_of_memory",
    "segfaults": "crashed",
    "is_killed": "worker_killed",
}


@pytest.fixture
def bad_decoder(drill: Drill) -> Drill:
    """A drill in which files of some names are bad for the process that opens them."""
    patch = drill.folder / "patch"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(DECODER)
    path = f"{patch}:{drill.environ['PYTHONPATH']}"
    drill.environ = drill.environ | {"PYTHONPATH": path}
    return drill


def settings(**failures) -> str:
    limits = {"item_minutes": 0.1, "worker_memory_mb": 1500, "outage_share": {"index": 1.0}}
    return json.dumps({"index": {"shards": 1}, "failures": limits | failures})


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_bad_item_is_a_row_and_the_others_are_made(bad_decoder: Drill, threads: str):
    drill = bad_decoder
    donor = sorted(drill.videos.rglob("*.mp4"))[0]
    for number, name in enumerate(REASONS, 1):  # of equal files all but one are duplicates
        content = donor.read_bytes() + number * b"\0\0\0\x08free"
        (donor.parent / f"{name}.mp4").write_bytes(content)
    words = ("--settings", '{"acquire": {"videos": "world/videos"}}', "--out", "videos.parquet")
    drill.stage("acquire", "videos", *words)
    words = ("--threads", threads, "--settings", settings(), "--out", "build/index/videos.parquet")
    start = time.monotonic()
    drill.stage("index", "--videos", "videos.parquet", *words)
    assert time.monotonic() - start < 90
    rows = tables.read_rows(drill.build / "index/videos.parquet")
    bad = {row["clip"]: row["reason"] for row in rows if row["status"] == "failed"}
    assert bad == REASONS
    assert sum(row["status"] == "ok" for row in rows) == 5
    # what a worker died of may have been the machine: the next start tries, and here it succeeds
    drill.environ = drill.environ | {"PYTHONPATH": str(REPO)}
    again = drill.stage("index", "--videos", "videos.parquet", *words)
    retried = [name for name, reason in REASONS.items() if reason in TRANSIENT]
    assert f"{10 - len(retried)} finished before, {len(retried)} to do" in again
    rows = tables.read_rows(drill.build / "index/videos.parquet")
    assert {row["clip"] for row in rows if row["status"] == "ok"} >= set(retried)


def test_many_items_that_hang_end_the_job_with_one_line(bad_decoder: Drill):
    """A share of items that hang is an outage: a mount that answers nothing."""
    drill = bad_decoder
    for number, path in enumerate(sorted(drill.videos.rglob("*.mp4"))[:3]):
        path.rename(path.with_name(f"hangs{number}.mp4"))
    words = ("--settings", '{"acquire": {"videos": "world/videos"}}', "--out", "videos.parquet")
    drill.stage("acquire", "videos", *words)
    words = ("--threads", "2", "--out", "build/index/videos.parquet")
    short = settings(item_minutes=0.05, outage_share={"index": 0.25})
    text = drill.stage("index", "--videos", "videos.parquet", *words, "--settings", short, ok=False)
    lines = [line for line in text.splitlines() if "3 of 5 failed" in line]
    assert len(lines) == 1 and "too_slow" in lines[0]
    assert not (drill.build / "index/videos.parquet").exists()
