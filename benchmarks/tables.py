"""Memory and time of the commands that read the tables of all clips, on a fabricated build.

    python benchmarks/tables.py [--classes 400] [--frames 8] [--only annotate ...]

A class has 196 source clips, as in OccludeNet-D: 400 classes are its 78,400 clips, of 306,000
videos. The tables of the stages before are fabricated with rows as the stages write them (nothing
is decoded, drawn or trained), in a temporary folder; then each command runs as the workflow calls
it, in a process of its own. The ledgers of index and leaks hold all clips already: what is measured
is all of their work but decoding. The network of evaluate is replaced by drawn logits.

--frames: frames of a clip. Ground truth and masks of a frame are in tables of one shard each, which
only annotate reads; --frames 250 is the length of a clip of Kinetics, at 0.4 MB of disk per clip.

--repeat N: validate, evaluate, paper and report run on N copies of the tables, with other clips and
classes in each: --classes 40 --repeat 10 measures them at full size in a tenth of the time.

Prints a table, and as its last line one JSON object:

    clips, frames         source clips, and frames of each
    repeat                copies that validate, evaluate, paper and report read
    cpu_seconds           command -> CPU seconds, of all its processes
    peak_mib              command -> peak memory of its largest process, MiB
    annotate_cpu_ms       CPU milliseconds of annotate per source clip

Aim at 78,400 clips: at most 2 GB each; at 250 frames annotate takes at most 92 ms per clip, which
is 30 minutes on 4 cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.measure import Cost, with_peak
from parts.scale import build_tables as fabricate
from parts.scale.occluded_clips import drawn_clips
from parts.scale.repeated import repeat_tables

from occludenet_build.config import load_part

BUILD = Path("build")
DRAWN = 32
"""Different clips; the others are copies of them with another id."""


def main() -> None:
    """Fabricate, run and measure in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=400, help="classes, of 196 clips each")
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip")
    parser.add_argument("--repeat", type=int, default=1, help="copies of the tables of annotate")
    parser.add_argument("--threads", type=int, default=2, help="worker processes of annotate")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, help="print these commands only")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="occludenet-tables-") as folder:
        os.chdir(folder)
        print(
            json.dumps(
                measured(Scale(args.classes, args.frames, args.threads), args.only, args.repeat)
            )
        )


class Scale:
    """The size of the fabricated build, and its settings."""

    def __init__(self, classes: int, frames: int, threads: int) -> None:
        self.classes, self.frames, self.threads = classes, frames, threads
        self.clips = fabricate.CHOSEN * classes
        self.searched, self.chosen = -(-1000 * classes // 400), -(-self.clips // 64)
        self.settings = {
            "index": {"shards": self.searched},
            "select": {"shards": self.chosen},
            "counterfactual": {"splits": list(fabricate.ERASED_SPLITS), "files": False},
            "evaluate": {"counterfactuals": True},
        }
        self.config = load_part(self.settings)


def _index(scale: Scale) -> list[str]:
    listed = fabricate.write_videos(BUILD, scale.classes)
    fabricate.write_index_ledger(BUILD, listed, scale.config, scale.frames)
    return [*_paths(videos="acquire/videos.parquet", out="index/videos.parquet")]


def _select(scale: Scale) -> list[str]:
    fabricate.write_detections(BUILD, scale.searched)
    fabricate.write_bank(BUILD)
    files = {"index": "index/videos.parquet", "occluders": "occluders/occluders.parquet"}
    folders = _paths(**files, detect="detect", out="select/clips.parquet")
    return [*folders, "--shards", str(scale.searched)]


def _leaks(scale: Scale) -> list[str]:
    fabricate.write_leaks_ledger(BUILD, scale.config)
    return _paths(clips="select/clips.parquet", out="leaks/clips.parquet")


def _annotate(scale: Scale) -> list[str]:
    fabricate.write_clips(BUILD, scale.chosen, list(drawn_clips(DRAWN, scale.frames)))
    files = {"select": "select/clips.parquet", "occluders": "occluders/occluders.parquet"}
    folders = {"masks": "actor_masks", "composite": "composite", "counterfactual": "counterfactual"}
    paths = _paths(**files, **folders, out="annotate/clips.parquet", root="")
    return [*paths, "--shards", str(scale.chosen), "--threads", str(scale.threads)]


def _validate(scale: Scale) -> list[str]:
    return [str(BUILD / "OccludeNet-D/annotations"), *_paths(out="validate")]


def _evaluate(scale: Scale, arm: str = "baseline") -> list[str]:
    paths = _paths(clips="annotate/clips.parquet", root="", out=f"evaluate/{arm}-0.parquet")
    return [*paths, "--model", "drawn", "--arm", arm]


def _paper(scale: Scale) -> list[str]:
    _run("evaluate", _evaluate(scale, "car"), scale)
    return _paths(root="")


def _report(scale: Scale) -> list[str]:
    return _paths(root="")


COMMANDS: dict[str, Callable[[Scale], list[str]]] = {
    "index": _index,
    "select": _select,
    "leaks": _leaks,
    "annotate": _annotate,
    "validate": _validate,
    "evaluate": _evaluate,
    "paper": _paper,
    "report": _report,
}
"""Command -> what fabricates its inputs and returns its arguments, in the order of the data."""


def _paths(**options: str) -> list[str]:
    """Options with paths below the build."""
    return [word for name, path in options.items() for word in (f"--{name}", str(BUILD / path))]


def measured(scale: Scale, only: list[str] | None, repeat: int = 1) -> dict[str, object]:
    """Run all commands, and print a line for each."""
    print(f"{scale.clips} clips\n{'command':10}{'CPU s':>9}{'wall s':>9}{'MiB':>8}", flush=True)
    seconds, peaks = {}, {}
    for command, prepare in COMMANDS.items():
        cost, peak = _run(command, prepare(scale), scale)
        if only is None or command in only:
            seconds[command], peaks[command] = round(cost.cpu, 2), round(peak)
            print(f"{command:10}{cost.cpu:9.1f}{cost.wall:9.1f}{peak:8.0f}", flush=True)
        if command == "annotate" and repeat > 1:
            repeat_tables(BUILD, repeat)
            print(f"{repeat * scale.clips} clips", flush=True)
    found: dict[str, object] = {"clips": scale.clips, "frames": scale.frames, "repeat": repeat}
    found |= {"cpu_seconds": seconds, "peak_mib": peaks}
    if "annotate" in seconds:
        found["annotate_cpu_ms"] = round(1000 * seconds["annotate"] / scale.clips, 1)
    return found


def _run(command: str, arguments: list[str], scale: Scale) -> tuple[Cost, float]:
    """Cost and peak of a command with the settings of the build."""
    module = ["occludenet_build", command]
    if command == "evaluate":
        module = ["parts.scale.evaluate_tables"]
    settings = ["--settings", json.dumps(scale.settings)]
    return with_peak([sys.executable, "-m", *module, *arguments, *settings])


if __name__ == "__main__":
    main()
