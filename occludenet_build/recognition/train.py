"""train: a network on the occluded training clips, as CAR or as its baseline.

Reads  annotate/clips.parquet and annotate/labels.json, and of the clips those of the split train
       at train.scales; for CAR their counterfactuals too, or, where these are no files
       (counterfactual.files false, clean twins), the masks in annotate/frames: the actor is erased
       when a clip is read.
Writes --out, the network: a checkpoint of plain values
           model      tensors by name; of the moving average, where there is one
           backbone   its name in recognition.backbones
           labels     label names in the order of the logits, which is that of the ids
           input      the clips it takes: frames, size, short_side, stride, mean, std
           settings, arm, seed
       the same name with .csv, the loss curve, a row every train.log_steps steps
           epoch          from 1
           step           steps done
           clips          in these steps
           loss, ce, kl   means over them: the whole, the cross entropy, the causal term
           dropped        clips without a causal term: nothing is erased in their view
           skipped        clips that could not be read; the log names them
           top1           percent right, in training
           learning_rate  of the last step
       store/<name>/checkpoint.pt beside it: a killed training goes on from there to the same
           curve, if settings, data, starting weights and the version of its results are the
           same
       store/<name>/board, the curve as TensorBoard's event files

The arms, by name (docs/training.md):
    baseline          the occluded clips; neither needs nor opens a counterfactual
    car, car_a<alpha> the same with the causal term, of the weight train.alpha or <alpha>
    clean             the clean twins
    stillmix, fame    the baseline with that augmentation
All arms of one seed start from the same weights and go by the same draws of order, frames and
crops. Under torchrun, train.processes of them share every batch out; the first writes.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import logging
from contextlib import nullcontext
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.config.arms import for_arm
from occludenet_build.core import files
from occludenet_build.core.seeds import integer
from occludenet_build.core.versions import results_version
from occludenet_build.recognition.clip_table import read_labels, training_clips
from occludenet_build.sources.weights import local_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, required=True, help="annotate/clips.parquet")
    parser.add_argument("--labels", type=Path, required=True, help="annotate/labels.json")
    parser.add_argument("--root", type=Path, default=Path(), help="folder the clip files lie in")
    parser.add_argument(
        "--weights", metavar="FILE", help="or acquire's note of one; wins over train.weights"
    )
    parser.add_argument("--arm", required=True, help="baseline, car, car_a0.5, ...")
    parser.add_argument("--seed", type=int, help="default: the first of train.seeds")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.pt")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train one arm with one seed. Raises UserError where clips, labels or weights do not fit."""
    named = args.weights or config.train.weights
    found = local_file(named, config.train.weights_sha256, "train.weights")
    settings = for_arm(dataclasses.replace(config.train, weights=found), args.arm)
    seed = settings.seeds[0] if args.seed is None else args.seed
    labels = read_labels(args.labels)
    clips = training_clips(args.clips, labels, settings)

    import torch

    from occludenet_build.recognition.distributed import process_group
    from occludenet_build.recognition.erase import Erasing
    from occludenet_build.recognition.training import Training
    from occludenet_build.recognition.training import run_training as run_training

    derived = integer(config.seed, "train", str(seed)) >> 1  # torch takes 63 bits
    erasing, at_load = None, [clip for clip in clips if clip.erased_at_load]
    if settings.alpha > 0 and at_load:
        folder = args.clips.parent / "frames"
        erasing = Erasing.over(folder, config.counterfactual, config.seed, at_load)
    training = Training(args.arm, seed, derived, settings, labels, clips, erasing)
    store = args.out.parent / "store" / args.out.stem
    with (
        process_group(settings) as (process, device),
        files.exclusive(store) if process.first else nullcontext(),
    ):
        process.wait()
        torch.set_num_threads(max(1, args.threads // process.size))
        version = results_version("train")
        rows = run_training(training, process, device, args.root, store, args.out, version)
        if process.first:
            write_curve(args.out.with_suffix(".csv"), rows)
            logging.info("wrote %s", args.out)


def write_curve(path: Path, rows: list[dict[str, float | int]]) -> None:
    """The loss curve as CSV; its columns are described above."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())
