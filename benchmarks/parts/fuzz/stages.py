"""The stages from acquire to composite as commands, with what became of each file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

REPO = Path(__file__).resolve().parents[3]
UNEXPECTED = {"internal", "defect", "crashed", "worker_killed", "out_of_memory"}
"""Reasons of the ledger for what no stage foresaw."""
MOST_CRASHERS = 20
SECONDS_PER_FILE = 3.0
"""Time after which a stage hangs, per file, beyond the limit of one item."""
MEASURED = """
import resource, subprocess, sys
from pathlib import Path
rc = subprocess.call(sys.argv[2:])
Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(rc)
"""
"""Runs a command and writes the peak memory of its largest process, KiB. Needed since the figure of
a process includes that of the process that started it, before the exec; this one is small."""


class Stages:
    """The stages run on the videos in `folder`/videos, with tables in `folder`/build."""

    def __init__(self, folder: Path, minutes: float, threads: int) -> None:
        self.folder, self.minutes, self.threads = folder, minutes, threads
        self.done: dict[str, dict[str, Any]] = {}
        self.crashes: dict[str, list[dict[str, str]]] = {}

    def run_all(self) -> None:
        """acquire to composite, in the order of the build; ends where a table is missing."""
        self._write_cutouts()
        index, select = "build/index/videos.parquet", "build/select/clips.parquet"
        shard, chosen = "build/index/shards/000.parquet", "build/select/shards/000.parquet"
        bank = "build/occluders/occluders.parquet"
        self._stage("acquire", ["acquire", "videos"], "build/acquire/videos.parquet")
        self._stage("index", ["index"], index, "--videos", "build/acquire/videos.parquet")
        self._stage("detect", ["detect"], "build/detect/000.parquet", "--videos", shard)
        coco = ["occluders", "--images", "photos", "--instances", "instances.json"]
        self._stage("occluders", coco, bank)
        choice = ["select", "--index", index, "--occluders", bank]
        self._stage("select", choice, select, "--detect", "build/detect/000.parquet")
        masks = "build/actor_masks/000.parquet"
        words = ["actor_masks", "--boxes", "build/detect/store"]
        self._stage("actor_masks", words, masks, "--clips", chosen)
        words = [
            "composite",
            "--masks",
            masks,
            "--boxes",
            "build/detect/store",
            "--bank",
            "build/occluders",
        ]
        words += ["--root", "build", "--erased", "build/counterfactual/000.parquet"]
        self._stage("composite", words, "build/composite/000.parquet", "--clips", chosen)

    def unexpected(self) -> list[dict[str, Any]]:
        """The rows that no stage foresaw."""
        return [
            {"stage": stage, "file": row["clip"], "reason": row["reason"], "detail": row["detail"]}
            for stage, facts in self.done.items()
            for row in self._rows(facts["table"])
            if row["reason"] in UNEXPECTED and row.get("clip")
        ]

    def hangs(self) -> list[str]:
        """Files that took longer than the limit, and stages that hung."""
        slow = [
            f"{stage} {row['clip']}"
            for stage, facts in self.done.items()
            for row in self._rows(facts["table"])
            if row["reason"] == "too_slow"
        ]
        return slow + [stage for stage, facts in self.done.items() if facts["hung"]]

    def _settings(self) -> str:
        values: dict[str, Any] = {
            "acquire": {"videos": "videos"},
            "index": {"shards": 1},
            "detect": {"backend": "motion"},
            "actor_masks": {"backend": "grabcut"},
            "occluders": {"own": "own", "min_pixels": 100},
            "select": {"shards": 1, "quota": {"train": None}},
            "composite": {"scales": [0.5], "preset": "ultrafast"},
            "failures": {"item_minutes": self.minutes, "defects": "go on"},
        }
        stages = ("index", "detect", "actor_masks", "composite")
        values["failures"]["outage_share"] = dict.fromkeys(stages, 1.0)
        return json.dumps(values)

    def _stage(self, name: str, words: list[str], out: str, *given: str) -> None:
        """Run a stage on the rows of the table in `given`; one that crashes names its crashers."""
        table = self.folder / given[1] if given else None
        if table is not None and not table.exists():
            return
        listed = [r["clip"] for r in self._rows(str(table)) if r["status"] == "ok"] if table else []
        rc, hung, seconds, peak, _ = self._command([*words, *given, "--out", out])
        rows = self._rows(out)
        counts = Counter(row["reason"] or row.get("status") or "ok" for row in rows)
        lacking = sorted(set(listed) - {row["clip"] for row in rows if row.get("clip")})
        facts: dict[str, Any] = {"files": len(listed) or len(rows), "rows": dict(counts)}
        facts |= {"lacking": lacking if rows else listed, "rc": rc, "hung": hung, "table": out}
        self.done[name] = facts | {"seconds": round(seconds, 1), "peak_mb": round(peak)}
        if rc and table is not None and given[0] in ("--videos", "--clips"):
            self.crashes[name] = self._crashers(words, given[0], table)

    def _command(self, words: list[str]) -> tuple[int, bool, float, float, str]:
        """(exit status, whether it hung, wall-clock s, peak MB of the largest process, output)."""
        log, memory = self.folder / "output.txt", self.folder / "peak.txt"
        memory.write_text("0")
        start = time.monotonic()
        count = len(list((self.folder / "videos").rglob("*.*")))
        limit = 60 * self.minutes + 60 + SECONDS_PER_FILE * count
        settings = ["--settings", self._settings()]
        threads = [] if words[0] in ("acquire", "select") else ["--threads", str(self.threads)]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", MEASURED, memory, sys.executable, "-m", "occludenet_build"]
                + [*words, *threads, *settings],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(REPO)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            process.wait(limit)
            hung = False
        except subprocess.TimeoutExpired:
            hung = True
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.monotonic() - start
        text, peak = log.read_text(errors="replace"), int(memory.read_text()) / 1024
        return process.returncode, hung, seconds, peak, text

    def _crashers(self, words: list[str], option: str, table: Path) -> list[dict[str, str]]:
        """The rows of a table that alone make a command end with an error, by halves."""
        whole = pq.read_table(table, partitioning=None)
        waiting, found = [list(range(len(whole)))] if len(whole) else [], []
        part = self.folder / "part.parquet"
        while waiting and len(found) < MOST_CRASHERS:
            rows = waiting.pop()
            pq.write_table(whole.take(rows), part)
            out = f"crashers/{len(found)}-{rows[0]}-{rows[-1]}/000.parquet"
            rc, hung, _, _, text = self._command([*words, option, str(part), "--out", out])
            if rc and len(rows) == 1:
                last = (text.strip().splitlines() or ["no output"])[-1]
                file = str(whole.column("clip")[rows[0]])
                found.append({"file": file, "error": "hung" if hung else last})
            elif rc:
                middle = len(rows) // 2
                waiting += [rows[middle:], rows[:middle]]
        return found

    def _rows(self, table: str) -> list[dict[str, Any]]:
        path = self.folder / table
        if not path.exists():
            return []
        rows = pq.read_table(path, partitioning=None).to_pylist()
        return [{"status": None, "reason": None, "detail": None} | row for row in rows]

    def _write_cutouts(self) -> None:
        """Ellipses as the user's own cut-outs, and COCO without a photo."""
        rows, columns = np.mgrid[0:48, 0:48]
        for number in range(3):
            inside = (rows - 24) ** 2 / 400 + (columns - 24) ** 2 / (200 + 60 * number) < 1
            picture = np.zeros((48, 48, 4), np.uint8)
            picture[inside] = (40 * number, 90, 200 - 40 * number, 255)
            path = self.folder / f"own/box/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        (self.folder / "photos").mkdir(exist_ok=True)
        empty: dict[str, list] = {"images": [], "annotations": [], "categories": []}
        names = ("backpack", "handbag", "suitcase", "dog")
        empty["categories"] = [{"id": n, "name": name} for n, name in enumerate(names, 1)]
        (self.folder / "instances.json").write_text(json.dumps(empty))
