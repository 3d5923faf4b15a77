"""Benchmark of actor_masks.every: keyframes and optical flow, against masks of every frame.

    python benchmarks/masks.py [--quick]

Real clips (OCCLUDENET_TEST_DATA or ../shared/data); a segmentation model gives the masks of the
largest person, and its own boxes follow that person. CPU seconds of one thread, decoding included;
IoU against the model's masks of the same frames. Prints a table, and as its last line one JSON
object (all null without the clips; --quick: fewer and shorter clips, smaller pictures):

    cost_ratio_every_K   CPU seconds with actor_masks.every K / with 1, sums over the clips
    mask_iou_every_K     mean IoU of the frames between keyframes, mean over the clips
    mask_iou_all_every_K mean IoU of all frames; that of keyframes is 1
    flow_ms_per_frame    CPU of a frame between keyframes, decoding included, milliseconds
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from occludenet_build.config.people import ActorMasks
from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.interface import BoxedClip
from occludenet_build.people.maskers.mask_propagation import KeyframeMasker, keyframes
from occludenet_build.people.maskers.yolo_seg import YoloSeg

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OCCLUDENET_TEST_DATA", REPO.parent / "shared" / "data"))
CLIPS = {
    "asl_walk_rot90.mp4": "fixed camera, upright from a lying file",
    "mmaction2_demo.mp4": "moving camera, cut by the picture's edge",
    "paddlevideo_archery.avi": "slow",
    "askanything_baseball.mp4": "fast, moving camera",
}
EVERY = (1, 2, 4, 8)
QUICK_CLIPS, QUICK_FRAMES, FRAMES = 3, 49, 121


@dataclass(frozen=True)
class Run:
    """Results on one clip with one value of `every`."""

    seconds: float
    """CPU."""
    between: list[float]
    """IoU of the frames between keyframes."""
    every_frame: list[float]
    """IoU of all frames."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    args = parser.parse_args()
    weights = DATA / "weights" / "yolov8n-seg_dequant.pt"
    names = list(CLIPS)[: QUICK_CLIPS if args.quick else None]
    if not weights.is_file() or not all((DATA / "videos" / name).is_file() for name in names):
        print(f"the real clips and weights are not in {DATA} (set OCCLUDENET_TEST_DATA)")
        print(json.dumps(dict.fromkeys(_keys())))
        return
    size = 320 if args.quick else 640
    model = YoloSeg(ActorMasks(weights=str(weights), device="cpu", image_size=size), threads=1)
    frames = QUICK_FRAMES if args.quick else FRAMES
    found = {name: _measured(model, DATA / "videos" / name, frames) for name in names}
    print(json.dumps(_summary(found)))


def _keys() -> list[str]:
    kinds = ("cost_ratio", "mask_iou", "mask_iou_all")
    return [f"{kind}_every_{k}" for kind in kinds for k in EVERY[1:]] + ["flow_ms_per_frame"]


def _measured(model: YoloSeg, path: Path, frames: int) -> dict[int, Run]:
    clip = _followed(model, path, frames)
    print(f"\n{path.name}: {CLIPS[path.name]}; {len(clip.boxes)} frames")
    print(f"{'every':>6} {'CPU s':>8} {'ratio':>7} {'IoU between':>12} {'its 10 %':>9} {'all':>6}")
    found: dict[int, Run] = {}
    truth: dict[int, np.ndarray] = {}
    for every in EVERY:
        masker = KeyframeMasker(model, every) if every > 1 else model
        started = time.process_time()
        masks = dict(masker.masks(clip))
        seconds = time.process_time() - started
        truth = truth or masks
        found[every] = run = Run(seconds, *_ious(clip, every, masks, truth))
        tenth = np.quantile(run.between, 0.1) if run.between else 1.0
        cells = f"{seconds / found[1].seconds:7.3f} {mean(run.between or [1.0]):12.3f}"
        print(f"{every:>6} {seconds:8.2f} {cells} {tenth:9.3f} {mean(run.every_frame):6.3f}")
    return found


def _followed(model: YoloSeg, path: Path, frames: int) -> BoxedClip:
    """The clip with the boxes of the largest person of the first frame with a person."""
    found: dict[int, np.ndarray] = {}
    last: np.ndarray | None = None
    everything = BoxedClip(path, dict.fromkeys(range(frames), np.zeros(4, np.float32)), frames)
    for number, rgb, _ in everything.frames():
        people = model._predict([rgb])[0].boxes.xyxy.cpu().numpy().astype(np.float32)
        overlap = boxes.area(people) if last is None else boxes.iou(last[None], people)[0]
        if len(people) and (last is None or overlap.max() > 0.3):
            last = found[number] = people[int(overlap.argmax())]
    return BoxedClip(path, found, frames)


def _ious(
    clip: BoxedClip, every: int, masks: dict[int, np.ndarray], truth: dict[int, np.ndarray]
) -> tuple[list[float], list[float]]:
    """IoU of the frames between keyframes, and of all frames; 0 where a mask is missing."""
    keys = {key for run in clip.runs() for key in keyframes(run, every)}
    nothing = np.zeros((1, 1), bool)
    values = {n: _iou(masks.get(n, nothing & mask), mask) for n, mask in truth.items()}
    return [v for n, v in values.items() if n not in keys], list(values.values())


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def _summary(found: dict[str, dict[int, Run]]) -> dict[str, float]:
    whole = sum(runs[1].seconds for runs in found.values())
    result = {}
    for every in EVERY[1:]:
        runs = [by_every[every] for by_every in found.values()]
        result[f"cost_ratio_every_{every}"] = sum(run.seconds for run in runs) / whole
        result[f"mask_iou_every_{every}"] = mean(mean(run.between) for run in runs)
        result[f"mask_iou_all_every_{every}"] = mean(mean(run.every_frame) for run in runs)
    result["flow_ms_per_frame"] = _flow_ms(found)
    return {name: round(result[name], 4) for name in _keys()}


def _flow_ms(found: dict[str, dict[int, Run]]) -> float:
    """CPU of a frame between keyframes, decoding included, milliseconds.

    Least squares over all runs of cost = keys x (model + decoding) + between x (flow + decoding).
    """
    runs = [run for by_every in found.values() for run in by_every.values()]
    counts = [[len(r.every_frame) - len(r.between), len(r.between)] for r in runs]
    fitted = np.linalg.lstsq(np.array(counts, float), [run.seconds for run in runs], rcond=None)[0]
    return 1000 * float(fitted[1])


if __name__ == "__main__":
    main()
