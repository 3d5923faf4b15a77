"""amodal: score predicted whole masks of the actors against an export in the format tabe.

    occludenet amodal --truth export/tabe/D-50/test --predictions MASKS --out amodal.json

Reads   TRUTH/<video>/gt_masks/*.png and visible_masks/*.png
        PREDICTIONS/<video>/*.png, or <video>/masks/*.png, or, as TABE writes them,
        <video>/final_outputs/<run>/masks/*.png, each run scored
        A PNG per frame, in the order of their names, at the size of the truth; 0 outside the mask.
Writes  a JSON object: `scores`, means over the videos, and `videos`, the scores of each.

J is the intersection over union of a predicted and a true mask, 0 to 1; the score of a video is the
mean over its frames and runs. The names are those of TABE (arXiv 2411.19210):
    J           frames with an actor, or in which one is predicted
    J_occluded  of these, frames in which a part of the actor is hidden (TABE: mIOUfo)
    J_fully     frames in which all of the actor is hidden (TABE: mIOUffo)
    J_hidden    the hidden part alone: both masks without the visible pixels, in the frames of
                J_occluded (TABE: mIOUocc). A copy of the visible mask scores 0 here.
A score is null where a video has no such frame, and the mean leaves that video out.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from occludenet_build.config import Config
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import write_json
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.imaging.image_io import open_image

SCORES = ("J", "J_occluded", "J_fully", "J_hidden")
Scores = dict[str, float | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    truth = "a split of the export, or another folder in TABE's layout"
    parser.add_argument("--truth", type=Path, required=True, metavar="DIR", help=truth)
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="DIR", help="a folder per video"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Score all videos of the truth.

    Raises UserError where there are none, or the predictions of a video do not fit its frames.
    """
    videos = sorted(path.parent for path in args.truth.glob("*/gt_masks") if path.is_dir())
    if not videos:
        raise UserError(
            f"--truth: wanted folders <video>/gt_masks, got none in {args.truth}; give a split of "
            "an export in the format tabe"
        )
    tasks = [(video, args.predictions / video.name) for video in videos]
    done = in_processes(_score, tasks, args.threads, _raised)
    found = {video.name: scores for video, scores in progress(done, len(tasks), "video")}
    means = {name: _mean([scores[name] for scores in found.values()]) for name in SCORES}
    write_json(args.out, {"scores": means, "videos": found})
    said = ", ".join(f"{name} {_text(value)}" for name, value in means.items())
    logging.info("%d videos: %s; %s", len(found), said, args.out)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _raised(task: tuple[Path, Path], error: ItemError) -> tuple[Path, Scores]:
    raise UserError(f"amodal: {task[0].name}: wanted scores, got {error}; see the masks") from error


def _score(task: tuple[Path, Path]) -> tuple[Path, Scores]:
    """The scores of one video, in a worker process."""
    video, predicted = task
    whole, visible = (_masks(video / name) for name in ("gt_masks", "visible_masks"))
    runs = [scores_of(whole, visible, _fitting(run, whole)) for run in _runs(predicted)]
    return video, {name: _mean([scores[name] for scores in runs]) for name in SCORES}


def scores_of(whole: np.ndarray, visible: np.ndarray, predicted: np.ndarray) -> Scores:
    """The scores of a video; three arrays of masks, bool (T, H, W).

    >>> whole = np.array([[[True, True, True, False]]])
    >>> visible = np.array([[[True, False, False, False]]])
    >>> guess = np.array([[[True, True, False, False]]])
    >>> scores_of(whole, visible, guess)["J_hidden"]
    0.5
    """
    overlap = _overlaps(whole, predicted)
    hidden = (whole & ~visible).any(axis=(1, 2))
    fully = hidden & ~visible.any(axis=(1, 2))
    behind = _overlaps(whole & ~visible, predicted & ~visible)
    return {
        "J": _mean(overlap[~np.isnan(overlap)].tolist()),
        "J_occluded": _mean(overlap[hidden].tolist()),
        "J_fully": _mean(overlap[fully].tolist()),
        "J_hidden": _mean(behind[hidden].tolist()),
    }


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union per frame, float64 (T,); NaN where both masks are empty."""
    together, either = ((a & b).sum(axis=(1, 2)), (a | b).sum(axis=(1, 2)))
    return np.where(either > 0, together / np.maximum(either, 1), np.nan)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _runs(folder: Path) -> Iterator[Path]:
    """The folders with the predicted masks of a video."""
    runs = sorted(path for path in folder.glob("final_outputs/*/masks") if path.is_dir())
    masks = folder / "masks"
    yield from runs or ([masks] if masks.is_dir() else [folder])


def _fitting(folder: Path, whole: np.ndarray) -> np.ndarray:
    found = _masks(folder)
    if found.shape != whole.shape:
        raise UserError(
            f"--predictions: wanted {len(whole)} masks of {whole.shape[2]}x{whole.shape[1]} pixels "
            f"in {folder}, got {len(found)} of {found.shape[2]}x{found.shape[1]}; predict a mask "
            "for every frame, at the size of the frames"
        )
    return found


def _masks(folder: Path) -> np.ndarray:
    """The masks of a folder in the order of their names, bool (T, H, W).

    Raises UserError where there are none, one cannot be read, or their sizes differ.
    """
    found = [_mask(path) for path in sorted(folder.glob("*.png"))]
    sizes = {mask.shape for mask in found}
    if len(sizes) != 1:
        got = f"sizes {sorted(sizes)}" if sizes else "no PNG"
        raise UserError(f"amodal: wanted masks of one size in {folder}, got {got}; correct them")
    return np.stack(found)


def _mask(path: Path) -> np.ndarray:
    try:
        with open_image(path, ("PNG",)) as image:
            levels = np.asarray(image)
    except ItemError as error:
        raise UserError(f"amodal: wanted a mask, cannot read {path}: {error}") from error
    return np.asarray(levels.reshape(*levels.shape[:2], -1)[..., :3].any(axis=2))
