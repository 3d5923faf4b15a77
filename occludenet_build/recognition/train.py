"""train: train a network on the occluded training clips, with CAR or without.

Reads  annotate/clips.parquet, annotate/labels.json, and the clips of the split train at
       train.scales; for the arms car and swap also their counterfactuals, and the masks in
       annotate/frames: they tell from which pixels of a view the actor is erased, and by them
       the actor is erased when a clip is read, where counterfactuals have no files
       (counterfactual.files false, clean twins, train.fills).
Writes --out, the network: a checkpoint of plain values
           model      tensors by name; those of the moving average, where there is one
           backbone   its name in recognition.backbones
           labels     label names in the order of the logits, which is that of the ids
           input      the clips that it takes: frames, size, short_side, stride, mean, std
           settings, arm, seed
       the same name with .csv, the loss curve, a row every train.log_steps steps
           epoch          counted from 1
           step           number of steps done
           clips          number of clips in the steps since the last row
           loss, ce, kl   means over these clips: total, cross entropy, causal term
           dropped        clips without a causal term, as nothing is erased in their view
           skipped        clips that could not be read; the log names them
           top1           percent of the clips recognised, in training
           learning_rate  that of the last step
       store/<name>/checkpoint.pt beside it, from which an interrupted training resumes on the same
           curve if settings, data, starting weights and the version of its results are the same
       store/<name>/board, the curve as TensorBoard's event files

The arms (docs/training.md):
    baseline          the occluded clips, without counterfactuals
    car, car_a<alpha> the occluded clips with the causal term of weight train.alpha or <alpha>
    clean             the clean twins
    stillmix, fame    the baseline with that augmentation
    swap              the baseline; some clips have the scenery of another one (recognition.swap)
    car_swap          the same with the causal term
    baseline_long     the baseline with twice train.epochs, which costs as much as car
    scale_<scale>     the baseline on the clips of one scale (train.one_scale)
All arms of one seed start from the same weights and use the same order, frames and crops. Under
torchrun, train.processes processes share every batch; the first process writes the files.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from occludenet_build.config import Config, arms
from occludenet_build.config.arms import for_arm
from occludenet_build.config.training import Train
from occludenet_build.core import files
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.core.versions import results_version
from occludenet_build.recognition.clip_table import ClipRow, read_labels, training_clips
from occludenet_build.sources.weights import local_file

if TYPE_CHECKING:
    from occludenet_build.recognition.training_clips import Actors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of train."""
    parser.add_argument("--clips", type=Path, required=True, help="annotate/clips.parquet")
    parser.add_argument("--labels", type=Path, required=True, help="annotate/labels.json")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the clip files")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="a checkpoint, or acquire's record of one; overrides train.weights",
    )
    parser.add_argument("--arm", required=True, help="baseline, car, car_a0.5, ...")
    parser.add_argument("--seed", type=int, help="default: the first of train.seeds")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.pt")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train one arm with one seed."""
    named = args.weights or config.train.weights
    found = local_file(named, config.train.weights_sha256, "train.weights")
    settings = for_arm(dataclasses.replace(config.train, weights=found), args.arm)
    settings = dataclasses.replace(settings, epochs=arms.epochs(settings, args.arm))
    seed = settings.seeds[0] if args.seed is None else args.seed
    labels = read_labels(args.labels)
    reads_erased = arms.reads_counterfactuals(args.arm)
    clips = training_clips(args.clips, labels, settings.scales, reads_erased)

    import torch

    from occludenet_build.recognition.distributed import process_group
    from occludenet_build.recognition.training import Training, run_training

    derived = uniform_integer(config.seed, "train", str(seed)) >> 1  # torch takes 63 bits
    actors = actors_of(args, config, settings, clips)
    training = Training(args.arm, seed, derived, settings, labels, clips, actors)
    store = args.out.parent / "store" / args.out.stem
    with (
        process_group(settings) as (process, device),
        files.folder_lock(store) if process.first else nullcontext(),
    ):
        process.wait()
        torch.set_num_threads(max(1, args.threads // process.size))
        version = results_version("train", arms.versioned_part(settings, args.arm))
        share = config.failures.share_of("train")
        rows = run_training(training, process, device, args.root, store, args.out, version, share)
        if process.first:
            write_curve(args.out.with_suffix(".csv"), rows)
            logging.info("wrote %s", args.out)


def actors_of(
    args: argparse.Namespace, config: Config, settings: Train, clips: Sequence[ClipRow]
) -> Actors:
    """What the arm reads of actors and counterfactuals, with the masks of annotate/frames.

    Raises UserError where the masks are missing.
    """
    from occludenet_build.recognition.erase import read_actors
    from occludenet_build.recognition.training_clips import Actors

    if not arms.reads_counterfactuals(args.arm):
        return Actors()
    erased = [clip for clip in clips if clip.erased_hash]
    pixels, erasing = read_actors(args.clips.parent / "frames", config, erased, settings.fills)
    swap = settings.swap if arms.swaps(args.arm) else None
    if swap and "zero" in (settings.fills or (config.counterfactual.fill,)):
        logging.warning(
            "%s: the sceneries keep a black figure where their own actor was (counterfactual.fill "
            "zero); with median or inpaint they are empty",
            args.arm,
        )
    return Actors(
        pixels=pixels,
        erasing=erasing,
        pairs=settings.alpha > 0,
        min_erased=settings.min_erased,
        fills=settings.fills,
        swap=swap,
    )


def write_curve(path: Path, rows: list[dict[str, float | int]]) -> None:
    """Write the loss curve as CSV; the module's docstring describes its columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())
