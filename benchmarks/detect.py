"""Benchmark of detect: the stage against its bare model, in one run.

    python benchmarks/detect.py [--quick] [--stride] [--threads N] [--device D]

The stage's command (`detect`, backend yolo, 640 pixels) runs on a shard of clips, in this process
and with the model in memory: decoding, letterboxing, the model, NMS, tracks, rows and the ledger.
The bare model is the network's forward pass alone, on prepared tensors, with the batches of the
stage (same number, same shape), in turn with the stage. Both use the same number of threads. Prints
tables, and as its last line one JSON object:

    rate_ratio_to_bare_model  frames per second of the stage / of the bare model, median over turns
    rate_ratio_range          lowest and highest of the turns
    cpu_ratio_to_bare_model   CPU per frame of the stage / of the bare model, median over turns
    frames_per_second         of the stage, its best turn
    decode_frames_per_second  of decoding and letterboxing alone, on the same threads
    gpu_utilisation           per cent, while the stage runs; null without CUDA or pynvml
    ap50_person               on the COCO pictures of the test data; null without them
    engine                    backend and engine of the next four; null where torch is chosen
    rate_ratio_engine_to_torch  frames per second of the stage by --engine / by torch, in turn
    cpu_ratio_torch_to_engine   CPU of the stage by torch / by --engine
    engine_actor              clips with another actor than by torch, and how far the boxes agree
    ap50_person_engine        as ap50_person, by the engine
    strides                   by k: CPU share, frames/s, IoU to every frame's boxes, presence

--quick: fewer clips, and no strides without --stride. Real clips and weights come from
OCCLUDENET_TEST_DATA or ../shared/data; without them clips are drawn and the weights are random, and
the accuracy has no meaning.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from occludenet_build.core.openmp import spin_briefly

spin_briefly()  # as the stage does; torch reads it when it is loaded

from parts.detect import accuracy, engine, gpu, inputs, strides  # noqa: E402
from parts.detect.bare_model import BareModel, decoding  # noqa: E402
from parts.detect.stage_run import DetectStage  # noqa: E402
from parts.measure import Cost  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--stride", action="store_true", help="also print the table of strides")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", default="auto", help="auto, openvino or onnx; torch: none")
    parser.add_argument(
        "--only-engine", action="store_true", help="only compare the engine with torch"
    )
    parser.add_argument("--every-clip", action="store_true", help="all real clips of the test data")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="bench-detect-") as folder:
        print(json.dumps(Bench(args, Path(folder)).run()))


class Bench:
    """Measures one set of inputs."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder, self.repeats = args, folder, 2 if args.quick else 4
        self.options = {"device": args.device, "batch": args.batch}
        self.inputs = inputs.load_inputs(folder, args.quick, args.every_clip)
        self.stage = DetectStage(folder, self.inputs.weights, args.threads, **self.options)
        self.frames = sum(int(str(row["frames"])) for row in self.inputs.clips)
        kind = "real" if self.inputs.real else "DRAWN (random weights: no accuracy)"
        load = " ".join(f"{value:.1f}" for value in os.getloadavg())
        print(
            f"{os.cpu_count()} cores, load {load}; {args.threads} threads, "
            f"{self.stage.model.model.device}; {len(self.inputs.clips)} {kind} clips, "
            f"{self.frames} frames"
        )

    def run(self) -> dict[str, object]:
        if self.args.only_engine:
            return self._engine()
        results = self._rates() | self._accuracy() | self._engine()
        if self.args.stride or not self.args.quick:
            results["strides"] = self._strides()
        return results

    def _rates(self) -> dict[str, object]:
        stage, clips, bare = self.stage, self.inputs.clips, BareModel(self.stage)
        stage.run(clips[:1])  # warm-up: the first batches initialise the model
        turns: list[tuple[Cost, Cost]] = []
        with gpu.utilisation() as samples:
            for number in range(self.repeats):
                # stage, bare, bare, stage, ...: both slow down with the machine
                floor = bare.run(stage.shapes()) if number % 2 else None
                ours, rows, boxes = stage.run(clips)
                turns.append((ours, floor or bare.run(stage.shapes())))
        self._show_parts(stage.parts)
        accuracy.show_people(rows, boxes)
        ratios = [floor.wall / ours.wall for ours, floor in turns]
        decode = decoding(stage, clips, self.args.threads)
        self._show_rates(turns, decode, gpu.text(samples))
        return {
            "rate_ratio_to_bare_model": round(statistics.median(ratios), 3),
            "rate_ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
            "cpu_ratio_to_bare_model": round(
                statistics.median(ours.cpu / floor.cpu for ours, floor in turns), 3
            ),
            "frames_per_second": round(self.frames / min(ours.wall for ours, _ in turns), 1),
            "decode_frames_per_second": round(self.frames / decode.wall, 1),
            "gpu_utilisation": round(statistics.mean(samples), 1) if samples else None,
        }

    def _show_parts(self, parts: dict[str, float]) -> None:
        print("\ntime by part, ms per frame")
        for name, value in parts.items():
            print(f"  {name:40} {value:8.2f}", flush=True)

    def _show_rates(self, turns: list[tuple[Cost, Cost]], decode: Cost, utilisation: str) -> None:
        print(f"\n{'frames per second':24} {'stage':>8} {'bare':>8} {'ratio':>7} {'CPU ratio':>10}")
        for number, (ours, floor) in enumerate(turns, 1):
            rates = self.frames / ours.wall, self.frames / floor.wall
            ratios = floor.wall / ours.wall, ours.cpu / floor.cpu
            print(
                f"{f'turn {number}':24} {rates[0]:8.1f} {rates[1]:8.1f} "
                f"{ratios[0]:7.3f} {ratios[1]:10.3f}"
            )
        limit = self.frames / decode.wall
        print(
            f"{'decoding alone':24} {limit:8.1f}   CPU {1000 * decode.cpu / self.frames:.2f} ms "
            "a frame"
        )
        best = min(floor.wall for _, floor in turns)
        if decode.wall > best:
            print("decoding is the limit: raise detect.decode_threads, or add cores")
        print(f"GPU utilisation: {utilisation}", flush=True)

    def _accuracy(self) -> dict[str, object]:
        if self.inputs.pictures is None:
            print("AP50: n/a, no COCO pictures")
            return {"ap50_person": None}
        low = replace(self.stage.settings.detect, low_score=0.01)
        value = accuracy.ap50(self.inputs.pictures, low, self.args.threads)
        print(f"AP50 of person on COCO's pictures: {value:.3f}", flush=True)
        return {"ap50_person": round(value, 3)}

    def _engine(self) -> dict[str, object]:
        args, none = self.args, {"engine": None, "rate_ratio_engine_to_torch": None}
        if args.engine == "torch":
            return none
        note = engine.exported(self.folder, self.inputs.weights, args.engine, args.device)
        facts = json.loads(note.read_text())["engine"]
        if facts["name"] == "torch":
            print(f"engine {args.engine}: torch, {facts['why']}")
            return none
        other = DetectStage(
            self.folder / "engine", note, args.threads, **self.options, engine=args.engine
        )
        return engine.measure_engine(self.stage, other, self.inputs, self.repeats)

    def _strides(self) -> strides.Results:
        clips, threads = self.inputs.people, self.args.threads
        repeats = 1 if self.args.quick else self.repeats
        weights = self.inputs.weights
        results = strides.measure_strides(
            self.folder, weights, threads, clips, repeats, **self.options
        )
        strides.show(results)
        return results


if __name__ == "__main__":
    main()
