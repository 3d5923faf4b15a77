"""Benchmark of proposals: are the people whom it proposes hidden, and does it find the hidden ones?

    python benchmarks/proposals.py [--quick] [--scenes N] [--first SEED] [--boxes KIND ...]

Draws surveillance scenes of 40 s: a ground plane seen from 2.2 to 6 m, people of varied height who
walk, stand, sit or crouch at several depths, and static things of known place. In four kinds of
scene nothing static hides anybody (open; rest: sitting and crouching; group: people hide each
other; before: people in front of walls and cars), in five something does (wall, desk, car, shrub,
pillar). Three sets of boxes: `visible`, noisy boxes of the visible parts; `whole`, noisy boxes of
whole people; `motion`, what the stage detect makes of the video with its backend motion.

A proposal is right if the person in it is hidden, 7 % in the mean over its window or more. A
window of the truth with 15 % or more is found if a right proposal overlaps half of it. For `motion`
it counts who of all people in the window is hidden most: its tracks are not those of the truth.
The limits of the stage were chosen on seeds below 110; the default are others.

Prints a table and as its last line JSON: for each kind of boxes

    proposals, right, precision
    wanted, found, recall
    recall_by_hidden    hidden share from -> [found, wanted]
    wrong               kind of scene -> wrong proposals
    share_error         median of |score - true hidden share| of the right proposals
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

import cv2
import numpy as np
from parts.proposals import detections, judging
from parts.proposals.camera import SIZE
from parts.proposals.drawing import FPS, Seen, write_scene
from parts.proposals.scenes import KINDS, SECONDS, draw_scene

from occludenet_build.config.people import Proposals
from occludenet_build.people.proposals.command import ProposalJob, find_windows

SETTINGS = Proposals(per_video=4)


@dataclass
class Tally:
    """Counts of one kind of boxes."""

    searched: int = 0
    refused: int = 0
    proposals: int = 0
    right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    wanted: Counter[float] = field(default_factory=Counter)
    found: Counter[float] = field(default_factory=Counter)
    errors: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The figures of the last line."""
        total, found = sum(self.wanted.values()), sum(self.found.values())
        motion = {"searched": self.searched, "refused": self.refused} if self.searched else {}
        return motion | {
            "proposals": self.proposals,
            "right": self.right,
            "precision": round(self.right / self.proposals, 3) if self.proposals else None,
            "wanted": total,
            "found": found,
            "recall": round(found / total, 3) if total else None,
            "recall_by_hidden": {
                f"{low:.2f}": [self.found[low], self.wanted[low]] for low in judging.BINS
            },
            "wrong": dict(sorted(self.wrong.items())),
            "share_error": round(float(np.median(self.errors)), 3) if self.errors else None,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few scenes, under a minute")
    parser.add_argument("--scenes", type=int, default=5, help="scenes of each kind")
    parser.add_argument("--first", type=int, default=110, help="first seed")
    parser.add_argument("--boxes", nargs="+", choices=detections.BOXES, default=detections.BOXES)
    parser.add_argument("--cache", type=Path, help="keeps the drawn videos")
    parser.add_argument("--verbose", action="store_true", help="a line per proposal")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    tallies = {kind: Tally() for kind in args.boxes}
    with tempfile.TemporaryDirectory(prefix="bench-proposals-") as folder:
        place = args.cache or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            for seed in range(args.first, args.first + (2 if args.quick else args.scenes)):
                seen, path = drawn(kind, seed, place)
                for boxes, tally in tallies.items():
                    if boxes == "motion" and not is_detected(kind, seed - args.first, args.quick):
                        continue
                    judge(kind, seed, boxes, seen, path, tally, args.verbose)
                if args.cache is None:
                    path.unlink()
    show(tallies)
    print(json.dumps({kind: tally.summary() for kind, tally in tallies.items()}))


def is_detected(kind: str, number: int, quick: bool) -> bool:
    """Whether detect is run on a scene: it costs more than all the rest."""
    return number < 4 and (not quick or (number == 0 and kind not in ("open", "rest", "group")))


def drawn(kind: str, seed: int, place: Path) -> tuple[list[Seen], Path]:
    """The video of a scene and everybody in it."""
    path, note = place / f"{kind}-{seed}.mp4", place / f"{kind}-{seed}.json"
    if path.exists() and note.exists():
        return [Seen(*row) for row in json.loads(note.read_text())], path
    seen = write_scene(draw_scene(kind, seed), path)
    note.write_text(json.dumps([list(vars(one).values()) for one in seen]))
    return seen, path


def judge(
    kind: str, seed: int, boxes: str, seen: list[Seen], path: Path, tally: Tally, verbose: bool
) -> None:
    """Run the stage on a scene, and count."""
    if boxes == "motion":
        with tempfile.TemporaryDirectory(prefix="bench-detect-") as folder:
            found = detections.detected_by_motion(path, Path(folder))
        tally.searched += 1
        tally.refused += len(found) == 0
    else:
        found = detections.boxes_of(boxes, seen, seed)
    video = {"clip": path.stem, "path": str(path), "width": SIZE[0], "height": SIZE[1]}
    video |= {"fps": float(FPS), "duration_seconds": float(SECONDS)}
    result = find_windows(ProposalJob(video, found, "key", SETTINGS))
    if result.row["status"] != "ok":
        raise RuntimeError(f"{path.name}: {result.row}")
    true = judging.true_windows(seen, SETTINGS)
    right_starts = []
    for row in result.detail.to_pylist() if result.detail is not None else ():
        person = None if boxes == "motion" else row["track"]
        hidden = judging.hidden_in(seen, row["start_seconds"], SETTINGS.seconds, person)
        is_right = hidden >= judging.RIGHT
        tally.proposals += 1
        tally.right += is_right
        if is_right:
            right_starts.append(row["start_seconds"])
            tally.errors.append(abs(row["score"] - hidden))
        else:
            tally.wrong[kind] += 1
        if verbose:
            print(
                f"{path.stem:12} {boxes:8} track {row['track']:3} from {row['start_seconds']:5.1f} "
                f"score {row['score']:.2f} true {hidden:.2f} {row['side']:6} {row['evidence']}",
                "" if is_right else "WRONG",
                flush=True,
            )
    for window in judging.wanted(true):
        low = max(border for border in judging.BINS if border <= window.hidden)
        tally.wanted[low] += 1
        hit = any(abs(start - window.start) <= 4.5 for start in right_starts)
        tally.found[low] += hit
        if verbose and not hit:
            print(f"{path.stem:12} {boxes:8} MISSED {window}")


def show(tallies: dict[str, Tally]) -> None:
    """Print the table."""
    bins = "  ".join(f"from {low:.2f}" for low in judging.BINS)
    print(f"{'boxes':8} {'proposals':>9} {'precision':>9} {'recall':>7}   found/wanted by hidden")
    print(f"{'':37} {bins}")
    for kind, tally in tallies.items():
        row = tally.summary()
        shares = "  ".join(f"{f:4}/{w:<4}" for f, w in row["recall_by_hidden"].values())
        precision = "-" if row["precision"] is None else f"{row['precision']:.2f}"
        recall = "-" if row["recall"] is None else f"{row['recall']:.2f}"
        print(f"{kind:8} {row['proposals']:9} {precision:>9} {recall:>7}   {shares}")


if __name__ == "__main__":
    main()
