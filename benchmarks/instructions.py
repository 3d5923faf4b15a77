"""Benchmark of composite.instruction_set: the cost of reproducible bytes of x264.

    python benchmarks/instructions.py [--quick]

One thread encodes the same decoded pictures in turn: with all instructions of the processor (`any`,
whose bytes may change from run to run), and with each of the settings. Ratios are medians of CPU
time over interleaved repetitions. Prints a table, and as its last line a JSON object:

    cpu_ratio_of_avx2, cpu_ratio_of_sse2, cpu_ratio_of_portable    case -> CPU / that of `any`
    size_ratio_of_avx2, ...                                        case -> bytes / those of `any`
    streams_of_any, streams_of_avx2, ...    case -> number of different streams
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from unittest.mock import patch

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts import measure
from parts.composite.cases import CRF
from parts.composite.synthetic_clips import FPS, Clip
from parts.measure import Cost

from occludenet_build.media.video import encoder
from occludenet_build.media.video.encoder import Encoder, Encoding, FrameFormat, x264_asm
from occludenet_build.media.video.source import open_video

SETTINGS = ("avx2", "sse2", "portable")
FRAMES = {(340, 256): 150, (640, 360): 75}
QUICK_FRAMES = {(340, 256): 60, (640, 360): 30}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    quick = parser.parse_args().quick
    measure.print_head("CPU and wall in seconds, medians; floor: any instructions")
    found: dict[str, dict[str, float]] = defaultdict(dict)
    with tempfile.TemporaryDirectory(prefix="bench-instructions-") as folder:
        for size, frames in (QUICK_FRAMES if quick else FRAMES).items():
            clip = Clip(Path(folder), 0, size, frames)
            clip.write()
            with open_video(clip.path) as source:
                pictures = list(source)
            for preset in CRF:
                case = f"{size[0]}x{size[1]}/{preset}"
                for key, value in compare(case, pictures, preset, 5 if quick else 9):
                    found[key][case] = value
    print(json.dumps(found))


def compare(
    case: str, pictures: list[av.VideoFrame], preset: str, repeats: int
) -> Iterator[tuple[str, float]]:
    """Keys and values of a case."""
    streams: dict[str, list[bytes]] = {name: [] for name in ("any", *SETTINGS)}
    steps = {name: partial(_encoded, pictures, preset, name, streams[name]) for name in streams}
    costs = measure.in_turn(steps, repeats)
    for name, own in costs.items():
        ratio = measure.print_line(case, name, own, costs["any"])
        if name in SETTINGS:
            yield f"cpu_ratio_of_{name}", round(ratio, 3)
            yield f"size_ratio_of_{name}", round(len(streams[name][0]) / len(streams["any"][0]), 4)
        yield f"streams_of_{name}", len(set(streams[name]))


def _encoded(
    pictures: list[av.VideoFrame], preset: str, instruction_set: str, streams: list[bytes]
) -> Cost:
    """Cost of one encode; afterwards other data overwrites the memory that it freed."""
    picture = FrameFormat(pictures[0], Fraction(1, FPS), Fraction(FPS), Fraction(1))
    packets: list[av.Packet] = []

    def encode() -> None:
        run = Encoder(picture, Encoding("libx264", CRF[preset], preset, instruction_set, 2))
        for number, frame in enumerate(pictures):
            packets.extend(run.encode(frame, number))
        packets.extend(run.finish())

    with _without_limit(instruction_set == "any"):
        cost = measure.of_call(encode)
    streams.append(b"".join(bytes(packet) for packet in packets))
    for size in np.random.default_rng(len(streams)).integers(100, 2_000_000, 12):
        np.random.default_rng(size).bytes(size)
    return cost


@contextmanager
def _without_limit(yes: bool) -> Iterator[None]:
    with patch.object(encoder, "x264_asm", (lambda _: "") if yes else x264_asm):
        yield


if __name__ == "__main__":
    main()
