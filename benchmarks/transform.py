"""Benchmark of the transform `Occlude`: CPU time against decoding the clip that it occludes.

    python benchmarks/transform.py [--quick] [--profile]

A drawn clip of 340x256 and 250 frames, as Kinetics clips are kept for training, with a moving actor
in every frame. The decoder is PyAV with one thread; decoding ends in RGB frames, which is what a
transform of any library starts from. The transform draws an occluder, checks and reads its PNG
(300x380, as a large cut-out of COCO), copies the frames, and pastes on all of them. One thread
each, in turn, in one run. Prints a table, and as its last line one JSON object:

    transform_to_decode_ratio    CPU of the transform / of decoding, at the scale where it is
                                 largest; medians of the repetitions' ratios
    by_scale                     the same for each scale of the paper, motion `track`
    by_kind                      the same at scale 0.5 for other frames and settings: a Video-like
                                 array (T, 3, H, W), a list of frames, written in place, a path
                                 through the picture (with the size of the picture), 16 of the 250
                                 frames (decoding is of all 250: what comes before them is needed)
    to_decoding_without_rgb      the largest ratio, to decoding that leaves frames in YUV
    decode_seconds, yuv_seconds  CPU of decoding to RGB, and without the conversion
    cutout_share                 share of the transform's time that reading the PNG takes, scale 0.5
    spread                       lowest and highest ratio at the scale of the first key
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts import measure
from parts.composite.synthetic_clips import FPS, Clip, write_cutout

from occludenet_build import Bank, Occlude
from occludenet_build.core.files import sha256_file
from occludenet_build.occlusion.transform.bank import Cutout

SIZE, FRAMES = (340, 256), 250
SCALES = (0.25, 0.5, 0.75)
CHOSEN = np.linspace(0, FRAMES - 1, 16).astype(int)


def main() -> None:
    """Run all cases and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--profile", action="store_true", help="print where its time goes")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        clip = Clip(Path(folder), 0, SIZE, FRAMES)
        clip.write()
        bank = _bank(Path(folder) / "cut.png")
        print(json.dumps(_measured(clip, bank, 7 if args.quick else 25)))
        if args.profile:
            _profile(clip, bank)


def _bank(path: Path) -> Bank:
    write_cutout(path)
    return Bank([Cutout("cut.png", "bag", path, sha256_file(path))], str(path.parent))


def _measured(clip: Clip, bank: Bank, repeats: int) -> dict[str, Any]:
    frames, boxes = decoded(clip.path), [clip.boxes.get(number) for number in range(FRAMES)]
    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: decoded(clip.path),
        "decode, YUV": lambda: _decoded_yuv(clip.path),
        "read the cut-out": lambda: bank["cut.png"],
    }
    steps |= _transforms(bank, frames, boxes)
    calls = {name: (lambda call=call: measure.of_call(call)) for name, call in steps.items()}
    measure.in_turn(calls, 1)  # warm
    costs = measure.in_turn(calls, repeats)
    measure.print_head("CPU in seconds, ratio to decoding")
    ratios = {
        name: measure.print_line("340x256, 250 frames", name, cost, costs["decode"])
        for name, cost in costs.items()
    }
    return _figures(costs, ratios)


def _figures(costs: dict[str, list[measure.Cost]], ratios: dict[str, float]) -> dict[str, Any]:
    by_scale = {scale: round(ratios[f"scale {scale}"], 3) for scale in SCALES}
    worst = max(by_scale, key=by_scale.__getitem__)
    all_of_it = _ratios(costs[f"scale {worst}"], costs["decode"])
    without = _ratios(costs[f"scale {worst}"], costs["decode, YUV"])
    read = _ratios(costs["read the cut-out"], costs["scale 0.5"])
    return {
        "transform_to_decode_ratio": by_scale[worst],
        "by_scale": by_scale,
        "by_kind": {name: round(ratios[name], 3) for name in ratios if name.startswith("0.5, ")},
        "to_decoding_without_rgb": round(statistics.median(without), 3),
        "decode_seconds": _cpu(costs["decode"]),
        "yuv_seconds": _cpu(costs["decode, YUV"]),
        "cutout_share": round(statistics.median(read), 3),
        "spread": [round(min(all_of_it), 3), round(max(all_of_it), 3)],
    }


def _ratios(costs: list[measure.Cost], floor: list[measure.Cost]) -> list[float]:
    return [a.cpu / b.cpu for a, b in zip(costs, floor, strict=True)]


def _cpu(costs: list[measure.Cost]) -> float:
    return round(statistics.median(cost.cpu for cost in costs), 4)


def _transforms(bank: Bank, frames: np.ndarray, boxes: list) -> dict[str, Callable[[], object]]:
    """Name -> a call of the transform on decoded frames, uint8 (T, H, W, 3)."""
    first, mine = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)), frames.copy()
    separate, some = [frame.copy() for frame in frames], frames[CHOSEN]

    def call(given: Any, scale: float = 0.5, at: Any = None, **options: Any) -> Callable:
        transform = Occlude(bank, scale, **options)
        return lambda: transform(given, boxes, clip=f"clip {scale}", at=at, fps=FPS)

    return {f"scale {scale}": call(frames, scale) for scale in SCALES} | {
        "0.5, (T, 3, H, W)": call(first),
        "0.5, list of frames": call(separate),
        "0.5, in place": call(mine, inplace=True),
        "0.5, circular path": call(frames, motion="circular"),
        "0.5, 16 of the frames": call(some, at=CHOSEN),
    }


def decoded(path: Path) -> np.ndarray:
    """All frames, RGB, uint8 (T, H, W, 3)."""
    frames = np.empty((FRAMES, SIZE[1], SIZE[0], 3), np.uint8)
    for number, frame in enumerate(_frames(path)):
        frames[number] = frame.to_ndarray(format="rgb24")
    return frames


def _decoded_yuv(path: Path) -> int:
    return sum(1 for _ in _frames(path))


def _frames(path: Path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count, stream.thread_type = 1, "NONE"
        yield from container.decode(stream)


def _profile(clip: Clip, bank: Bank) -> None:
    frames, boxes = decoded(clip.path), [clip.boxes.get(number) for number in range(FRAMES)]
    transform, profile = Occlude(bank, 0.5), cProfile.Profile()
    profile.enable()
    for number in range(10):
        transform(frames, boxes, clip=f"clip {number}", fps=FPS)
    profile.disable()
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
