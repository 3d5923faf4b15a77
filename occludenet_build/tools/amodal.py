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
from collections.abc import Iterable, Iterator, Sequence
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
    runs = [scores_of(_frames(video, run)) for run in _runs(predicted)]
    return video, {name: _mean([scores[name] for scores in runs]) for name in SCORES}


Masks = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The whole, the visible and the predicted mask of a frame, bool (H, W)."""


def scores_of(frames: Iterable[Masks]) -> Scores:
    """The scores of a video, whose frames are held one at a time.

    >>> whole = np.array([[True, True, True, False]])
    >>> visible = np.array([[True, False, False, False]])
    >>> guess = np.array([[True, True, False, False]])
    >>> scores_of([(whole, visible, guess)])["J_hidden"]
    0.5
    """
    found: dict[str, list[float | None]] = {name: [] for name in SCORES}
    for whole, visible, predicted in frames:
        overlap, hidden = _overlap(whole, predicted), whole & ~visible
        found["J"].append(overlap)
        if hidden.any():
            found["J_occluded"].append(overlap)
            found["J_hidden"].append(_overlap(hidden, predicted & ~visible))
            if not visible.any():
                found["J_fully"].append(overlap)
    return {name: _mean(values) for name, values in found.items()}


def _overlap(a: np.ndarray, b: np.ndarray) -> float | None:
    """Intersection over union; None where both masks are empty."""
    either = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / either) if either else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _runs(folder: Path) -> Iterator[Path]:
    """The folders with the predicted masks of a video."""
    runs = sorted(path for path in folder.glob("final_outputs/*/masks") if path.is_dir())
    masks = folder / "masks"
    yield from runs or ([masks] if masks.is_dir() else [folder])


def _frames(video: Path, run: Path) -> Iterator[Masks]:
    """The masks of each frame, in the order of their names.

    Raises UserError where there are none, one cannot be read, or numbers or sizes differ.
    """
    folders = video / "gt_masks", video / "visible_masks", run
    files = [_files(folder) for folder in folders]
    count, (height, width) = len(files[0]), _mask(files[0][0]).shape
    for folder, found in zip(folders, files, strict=True):
        if len(found) != count:
            raise _unfit(folder, f"{count} masks", str(len(found)))
    for paths in zip(*files, strict=True):
        whole, visible, predicted = masks = tuple(map(_mask, paths))
        for path, mask in zip(paths, masks, strict=True):
            if mask.shape != (height, width):
                got = f"{mask.shape[1]}x{mask.shape[0]} in {path.name}"
                raise _unfit(path.parent, f"masks of {width}x{height} pixels", got)
        yield whole, visible, predicted


def _unfit(folder: Path, wanted: str, got: str) -> UserError:
    return UserError(
        f"amodal: wanted {wanted} in {folder}, got {got}; give a mask for every frame, at the size "
        "of the frames"
    )


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.png"))
    if not found:
        raise UserError(f"amodal: wanted masks in {folder}, got no PNG; correct the path")
    return found


def _mask(path: Path) -> np.ndarray:
    try:
        with open_image(path, ("PNG",)) as image:
            levels = np.asarray(image)
    except ItemError as error:
        raise UserError(f"amodal: wanted a mask, cannot read {path}: {error}") from error
    return np.asarray(levels.reshape(*levels.shape[:2], -1)[..., :3].any(axis=2))
