"""Benchmark of attention: does it lie on the visible actor if true visible masks are its target?

    python benchmarks/attention_mass.py [--root BUILD] [--seeds N] [--out FOLDER] [--backbone B]

Trains STADO twice per seed on the occluded clips of the drawn world, with the stage's own commands:
once with what is seen of the actor as the target of its attention (stado), once with whole boxes,
as published (stado_boxes). Weights at the start, clips, order and all settings are the same.
Measured on the test clips of OccludeNet-D: the share of the attention on what is seen of the actor,
on the occluder, and on the background; the mean over clips of their means over frames. Without
--root, the build is that of the demo, whose clips and masks are made first if it is not there.

Prints tables, and as its last line one JSON object: per seed the share on the actor with both
targets, the mean over the sets, and `higher`, whether masks have more in every seed. Exit status 1
if not. About 15 minutes on 2 free cores, several times that with `--backbone dla_34`, the published
one; a training or evaluation that is in FOLDER (results/attention_mass) is not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

REPO = Path(__file__).resolve().parents[1]
Settings = dict[str, Any]
NETWORKS = ("stado", "stado_boxes")
SETTINGS: Settings = {
    "size": 64, "frames": 2, "head_width": 64, "attention_width": 64, "starts": 1, "epochs": 8,
    "batch": 4, "augment": False, "learning_rate": 3e-4, "warmup_epochs": 2.0,
    "optimizer": {"name": "adamw", "schedule": "cosine"}, "mask_weight": 10.0, "workers": 0,
    "tensorboard": False, "test_step": 2, "objects": 10, "flip_test": False,
    "tests": ["clean", "D-25", "D-50", "D-75"],
}  # fmt: skip
"""Small and short: pictures of 64 px, no augmentation, a warm-up as it starts from nothing, more
weight on the attention than the published 0.5, with which it needs more than 240 steps."""


def main() -> None:
    """Train, evaluate, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, help="a build with clips and masks")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=REPO / "results/attention_mass")
    parser.add_argument("--backbone", default="resnet_18")
    args = parser.parse_args()
    chosen = {"backbone": args.backbone, "seeds": list(range(args.seeds))}
    root = args.root or demo()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seeds):
        for network in NETWORKS:
            trained(network, seed, root, args.out, chosen)
    table = args.out / "ap.csv"
    command("summary", "--tables", args.out, "--out", table, settings=chosen)
    print((args.out / "ap.md").read_text())
    shares = on_the_actor(table.with_name("attention.csv"))
    found = [
        {name: round(fmean(shares[name, seed]), 4) for name in NETWORKS}
        for seed in range(args.seeds)
    ]
    higher = all(one["stado"] > one["stado_boxes"] for one in found)
    print(json.dumps({"on_the_actor": found, "higher": higher}))
    sys.exit(not higher)


def demo() -> Path:
    """The demo's build, with its clips and masks."""
    root = REPO / "build/demo"
    if not (root / "annotate/clips.parquet").exists():
        run(sys.executable, "-m", "demo.world", "--out", root / "world")
        run(
            *(sys.executable, "-m", "snakemake", "--cores", "2", "--configfile"),
            *("demo/config.yaml", "--", "dataset"),
        )
    return root


def trained(network: str, seed: int, root: Path, out: Path, chosen: Settings) -> None:
    """Train and evaluate a network, where that has not been done."""
    model = out / f"{network}-occluded-{seed}.pt"
    common = ("--root", root, "--threads", "2")
    if not model.exists():
        options = ("--network", network, "--trained-on", "occluded", "--seed", str(seed))
        command("train", *options, *common, "--out", model, settings=chosen)
    if not model.with_suffix(".json").exists():
        tubes = ("--out", model.with_suffix(".tubes.parquet"))
        command("evaluate", "--model", model, *common, *tubes, settings=chosen)


def command(*words: str | Path, settings: Settings) -> None:
    """Run `occludenet moc`, with settings beside those of all networks."""
    values = json.dumps({"moc": SETTINGS | settings})
    run(sys.executable, "-m", "occludenet_build", "moc", *words, "--settings", values)


def run(*words: str | Path) -> None:
    """Run a program in this checkout; it ends this one where it fails."""
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    if subprocess.run([str(word) for word in words], cwd=REPO, env=environment).returncode:
        sys.exit(f"{words[2]} {words[3]} failed; see above")


def on_the_actor(path: Path) -> dict[tuple[str, int], list[float]]:
    """(network, seed) -> the shares on the actor, of each test set."""
    found: dict[tuple[str, int], list[float]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["part"] == "actor":
                key = row["network"], int(row["seed"])
                found.setdefault(key, []).append(float(row["value"]))
    return found


if __name__ == "__main__":
    main()
