"""Trainings of a second: settings, a run in this process, the command line."""

import csv
import dataclasses
import json
import os
import sys
from argparse import Namespace

from conftest import REPO

from occludenet_build.config import Config
from occludenet_build.config.loop import Optimizer
from occludenet_build.config.training import Train
from occludenet_build.recognition import checkpoint, train

SMALL = Train(
    backbone="tiny3d", size=16, short_side=18, frames=4, epochs=3, batch=4, scales=(0.25, 0.75),
    learning_rate=0.01, log_steps=2, workers=0, device="cpu", tensorboard=False,
)  # fmt: skip


def changed(settings=SMALL, **changes):
    """The settings with other values; names of Optimizer change the optimizer."""
    names = {field.name for field in dataclasses.fields(Optimizer)}
    inner = {key: changes.pop(key) for key in names & changes.keys()}
    optimizer = dataclasses.replace(settings.optimizer, **inner)
    return dataclasses.replace(settings, optimizer=optimizer, **changes)


def run(root, out, arm="car", seed=0, settings=SMALL):
    args = Namespace(
        clips=root / "annotate/clips.parquet", labels=root / "annotate/labels.json", root=root,
        arm=arm, seed=seed, threads=1, out=out, weights=None,
    )  # fmt: skip
    train.run(args, Config(train=settings))
    return checkpoint.load(out), out.with_suffix(".csv").read_text()


def command(root, out, arm="car", settings=SMALL, program=("-m", "occludenet_build", "train")):
    start = [sys.executable, *program]
    if settings.processes > 1:
        number = str(settings.processes)
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", number]
        start = [sys.executable, *launcher, "-m", "--", "occludenet_build", "train"]
    return [
        *start, "--clips", str(root / "annotate/clips.parquet"),
        "--labels", str(root / "annotate/labels.json"), "--root", str(root), "--arm", arm,
        "--out", str(out), "--settings", json.dumps({"train": dataclasses.asdict(settings)}),
        "--log", str(out.with_suffix(".log")),
    ]  # fmt: skip


def environment():
    return os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}


def curve(text):
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(text.splitlines())]


def same(one, other):
    return all((one["model"][key] == other["model"][key]).all() for key in one["model"])


def distance(one, other):
    """The largest difference between the weights of two networks."""
    pairs = [(one["model"][key], other["model"][key]) for key in one["model"]]
    return max(float((a - b).abs().max()) for a, b in pairs)
