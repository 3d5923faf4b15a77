"""A real build of a sample of the user's own videos, in a folder that is removed: rates by measure.

Two builds, a small and a large one, tell what a job's start costs from what its work does.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.plan import build, coco, rates
from occludenet_build.plan.rules import RULES, kind_of
from occludenet_build.plan.schedule import Task, makespan
from occludenet_build.plan.videos import Row, World
from occludenet_build.project import project_root

_EPOCHS = {"small": 2, "large": 4}
"""Most epochs of a measured training: but for the decoding in the first, all are alike."""
_PHOTOS = {"small": 40, "large": 160}
"""Photos of COCO, where the file is a large one."""
_LARGE = 5_000_000
"""Bytes."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a whole run took, Snakemake included."""

    built: build.Build
    cpu: float
    wall: float


def obstacle(config: Config, world: World) -> str | None:
    """Why nothing can be measured; None where it can."""
    weights = {
        "detect": config.detect.backend == "yolo",
        "actor_masks": config.actor_masks.backend != "grabcut",
        "train": True,
    }
    if not world.here or not world.videos:
        return "the videos are not here yet"
    if coco.instances(config) is None or config.acquire.coco_images is None:
        return "COCO is not here yet"
    if is_url(config.acquire.coco_images):
        return "the photos of COCO are not here yet"
    for room, used in weights.items():
        source = getattr(config, room).weights
        if used and source and is_url(source) and fetched(config, source) is None:
            return f"the weights of {room} are not here yet"
    return None


def fetched(config: Config, url: str) -> Path | None:
    """The file that an earlier run has fetched from an address of weights."""
    for record in (Path(config.build_dir) / "acquire" / "weights").glob("*.*.json"):
        file = record.with_suffix("")
        if file.is_file() and json.loads(record.read_text()).get("url") == url:
            return file
    return None


def measure(config: Config, world: World, sample: int, cores: int, target: str) -> rates.Rates:
    """Rates from two small builds of `sample` videos and of a third of them."""
    if reason := obstacle(config, world):
        raise UserError(f"--measure: {reason}: run snakemake acquire first, or give --rates")
    rows = chosen(world.rows, max(sample, 6), config.seed)
    with tempfile.TemporaryDirectory(prefix="occludenet-plan-") as folder:
        sizes = {"small": rows[: -(-len(rows) // 3)], "large": rows}
        runs = [
            _run(Path(folder) / name, config, some, name, cores, target)
            for name, some in sizes.items()
        ]
        start_cpu, start_wall = _timed(_command(Path(folder) / "large", cores, target, "-n"))
        kinds = {rule: kind_of(rule, config) for rule in RULES}
        source = f"measured with {len(rows)} videos"
        learned = rates.learn([run.built for run in runs], source, kinds)
    return _with_snakemake(learned, runs, start_cpu, start_wall, cores)


def chosen(rows: Sequence[Row], sample: int, seed: int) -> list[Row]:
    """So many rows by hash: first one of each split, and the classes in turn."""
    ordered = sorted(rows, key=lambda row: seeds.integer(seed, row["clip"], "plan"))
    seen: Counter[Any] = Counter()
    places = {}
    for row in ordered:
        cell = row["split"], row["label"]
        places[row["clip"]] = seen[cell]
        seen[cell] += 1
    by_split: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(ordered, key=lambda row: places[row["clip"]]):
        by_split[row["split"]].append(row)
    order = {"train": 0, "test": 1, "val": 2}
    turns = [(n, order[split], row) for split, own in by_split.items() for n, row in enumerate(own)]
    return [row for *_, row in sorted(turns, key=lambda turn: turn[:2])][:sample]


def _run(folder: Path, config: Config, rows: list[Row], size: str, cores: int, target: str) -> Run:
    """Build `rows` in `folder`, all settings alike but for fewer epochs, one seed, no downloads."""
    for row in rows:
        link = folder / "videos" / row["split"] / row["label"] / Path(row["path"]).name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(row["path"]).absolute())
    settings = _settings(folder, config, size)
    (folder / "sample.yaml").write_text(json.dumps(settings))
    logging.info("measuring: a build of %d videos", len(rows))
    cpu, wall = _timed(_command(folder, cores, target))
    return Run(build.read(folder / "build"), cpu, wall)


def _settings(folder: Path, config: Config, size: str) -> dict[str, Any]:
    values = dataclasses.asdict(config)
    values["build_dir"] = str(folder / "build")
    values["acquire"] |= {"videos": str(folder / "videos"), "layout": "kinetics"}
    values["kinetics"] = {"route": "none"}
    values["download"]["offline"] = True
    values["segments"] = {}
    every = dict.fromkeys(("train", "val", "test"))
    values["select"] |= {"assignment": "quota", "published": None, "quota": every}
    values["train"] |= {"seeds": config.train.seeds[:1]}
    values["train"]["epochs"] = min(config.train.epochs, _EPOCHS[size])
    source = coco.instances(config)
    assert source is not None
    if source.stat().st_size > _LARGE:
        coco.smaller(source, folder / "instances.json", config, _PHOTOS[size])
        source = folder / "instances.json"
    values["acquire"] |= {"coco_instances": str(source.absolute()), "coco_sha256": None}
    for room in ("detect", "actor_masks", "train"):
        weights = values[room]["weights"]
        if weights and is_url(weights):
            values[room]["weights"] = str(fetched(config, weights) or "")
    return values


def _command(folder: Path, cores: int, *target: str) -> list[str]:
    snakefile = project_root() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "-s", str(snakefile), "--cores", str(cores)]
    command += ["--directory", str(folder), *target]
    return [*command, "--configfile", str(folder / "sample.yaml")]


def _timed(command: list[str]) -> tuple[float, float]:
    """(CPU seconds, seconds) of a run. Rooms that it could not finish stay without a rate."""
    before, start = _children(), time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"}
    )
    wall = time.monotonic() - start
    if done.returncode:
        said = re.findall(r"^\d\d:\d\d:\d\d \w+: .*$", done.stdout + done.stderr, re.M)
        logging.warning("measuring: not all rooms came to their end: %s", (said or ["?"])[-1])
    return _children() - before, wall


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _with_snakemake(
    learned: rates.Rates, runs: list[Run], start_cpu: float, start_wall: float, cores: int
) -> rates.Rates:
    """Add what Snakemake itself took: to its first job, and around each job."""
    jobs = sum(len(run.built.jobs) for run in runs)
    cpu = sum(run.cpu - sum(job.cpu for job in run.built.jobs) for run in runs)
    wall = 0.0
    for run in runs:
        tasks = [Task(job.rule, job.name, job.wall) for job in run.built.jobs]
        wall += run.wall - makespan(tasks, cores)
    return dataclasses.replace(
        learned,
        start_cpu=start_cpu,
        start_wall=start_wall,
        job_cpu=max(0.0, cpu - len(runs) * start_cpu) / jobs,
        job_wall=max(0.0, wall - len(runs) * start_wall) / jobs,
    )
