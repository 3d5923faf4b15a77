"""Benchmark of probes: their time against full fine-tuning of the same backbone, in one run.

    python benchmarks/probe.py [--quick]

Trains the baseline on drawn clips by the command of the stage `train`: all weights of r3d_18 (8
frames of 64 px), then a linear and an attentive probe on it with two views per clip, for the same
epochs, in turn and on one thread. Clips are decoded from their files in every epoch
(train.memory_mib 0), as in a training whose clips do not fit in memory. Prints a table, and as its
last line one JSON object:

    cpu_ratio_KIND       CPU seconds of the probe, its features included, / of full fine-tuning
    features_share_KIND  share of these seconds that computing the features takes
    mib_per_view_KIND    disk for the features of one view of a clip, MiB

--quick: fewer clips and epochs. The ratio falls with every epoch: the features are computed once
per view, and an epoch of a probe costs next to nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from occludenet_build.config import Config
from occludenet_build.config.training import Train
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.synth import write_video
from occludenet_build.recognition import probed, train, training  # noqa: F401  (loaded before the clock runs)

LABELS = ("left", "right")
SETTINGS = Train(
    backbone="r3d_18", frames=8, size=64, short_side=72, stride=0, batch=4, scales=(0.25,),
    memory_mib=0, workers=0, device="cpu", tensorboard=False, probe_views=2,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 60 s on 2 cores")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # random weights, on purpose
    torch.set_num_threads(1)
    clips, epochs = (8, 4) if args.quick else (24, 10)
    with tempfile.TemporaryDirectory(prefix="bench-probe-") as folder:
        root = Path(folder)
        draw_clips(root, clips)
        print(json.dumps(run(root, dataclasses.replace(SETTINGS, epochs=epochs), clips)))


def draw_clips(root: Path, count: int) -> None:
    """Write `count` clips of a moving square with the tables that train reads."""
    rows = []
    for number in range(count):
        label, file = LABELS[number % 2], f"{number}.mp4"
        write_video(root / file, pictures(label, number), Fraction(24))
        rows.append(
            {
                "clip": str(number), "set": "D-25", "scale": 0.25, "split": "train",
                "label": label, "file": file, "file_hash": sha256_file(root / file),
                "counterfactual": None, "counterfactual_hash": None, "frames": 48,
                "degree": 0.25, "area_ratio": 0.25, "actor_hidden": 0.25, "duration_ratio": 1.0,
            }
        )  # fmt: skip
    tables.write_table(pa.Table.from_pylist(rows), root / "clips.parquet")
    (root / "labels.json").write_text(json.dumps({b: a for a, b in enumerate(LABELS)}))


def pictures(label: str, seed: int):
    """48 frames, uint8 (144, 192, 3)."""
    back = np.random.default_rng(seed).integers(60, 120, (144, 192, 3)).astype(np.uint8)
    for number in range(48):
        left = 3 * (number if label == "right" else 47 - number)
        picture = back.copy()
        picture[56:88, left : left + 32] = 230
        yield picture


def run(root: Path, settings: Train, clips: int) -> dict[str, float]:
    """Time the three trainings, print their table and return the ratios."""
    full, _ = trained(root, settings, "full")
    found: dict[str, float] = {}
    print(f"{'training':12}{'CPU s':>9}{'of features':>13}{'MiB per view':>14}")
    print(f"{'full':12}{full:9.1f}")
    for kind in ("linear", "attentive"):
        seconds, features = trained(root, dataclasses.replace(settings, probe=kind), kind)
        files = list(root.glob(f"{kind}/store/*/features/*/*.npy"))
        assert len(files) == clips, "every clip has its features"
        mib = sum(file.stat().st_size for file in files) / len(files) / settings.probe_views / 2**20
        print(f"{kind:12}{seconds:9.1f}{features:13.1f}{mib:14.3f}")
        found[f"cpu_ratio_{kind}"] = round(seconds / full, 3)
        found[f"features_share_{kind}"] = round(features / seconds, 3)
        found[f"mib_per_view_{kind}"] = round(mib, 4)
    return found


def trained(root: Path, settings: Train, name: str) -> tuple[float, float]:
    """CPU seconds of a training, and of the computation of its features."""
    spent = [0.0]
    compute = probed.computed_features

    def timed(*given, **named):
        start = time.process_time()
        made = compute(*given, **named)
        spent[0] += time.process_time() - start
        return made

    args = argparse.Namespace(
        clips=root / "clips.parquet", labels=root / "labels.json", root=root, weights=None,
        arm="baseline", seed=0, threads=1, out=root / name / "baseline-0.pt",
    )  # fmt: skip
    probed.computed_features = timed
    try:
        start = time.process_time()
        train.run(args, Config(train=settings))
        return time.process_time() - start, spent[0]
    finally:
        probed.computed_features = compute


if __name__ == "__main__":
    main()
