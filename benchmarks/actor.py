"""Benchmark of the actor's track: is the same person the actor, from the first frame to the last?

    python benchmarks/actor.py [--quick] [--cache FOLDER] [--sheets FOLDER]

The people of the real clips are detected (backend yolo, 640 pixels, yolov5nu), and the same boxes
are tracked twice: without joining, each track for itself, and with the defaults. Prints, per clip,
the share of the frames with a person in which the actor has a box, and, where somebody has written
down the actor's box by hand (parts/actor/truth.csv), the frames in which the actor's box is on the
actor, on somebody else, or missing. The last line is one JSON object, with the sums before and
after:

    share        frames with the actor's box / frames with a person's box
    looked, right, wrong, missing, switches    of the frames with a box by hand
    changed      clips whose rows differ

--quick: the short clips with boxes by hand. --cache: a folder that keeps the detections. --sheets:
a folder for a contact sheet of each clip that differs. The clips come from OCCLUDENET_TEST_DATA or
../shared/data; without them there is nothing to measure, and the values are null.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from parts.actor.detections import Detections, read_detections
from parts.actor.truth import Outcome, outcome, read_truth
from parts.detect.inputs import REAL, WEIGHTS

from occludenet_build.config.people import Detect
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detect.to_table import rows_of

QUICK_BYTES = 700_000
"""Largest clip of --quick."""
APART = {"join_seconds": 0.0, "join_overlap": 1.0, "join_size": 1.0}
"""Settings with which no two tracks are joined, unless their boxes are equal."""
VALUES = ("frames", "boxed", "looked", "right", "wrong", "switches")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the short clips with boxes by hand")
    parser.add_argument("--cache", type=Path, help="folder that keeps the detections")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of the clips that differ")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    print(json.dumps(compare(args)))


def compare(args: argparse.Namespace) -> dict[str, object]:
    """Track every clip in both ways; the sums."""
    if not WEIGHTS.is_file() or not (REAL / "videos").is_dir():
        print(f"no real clips or weights in {REAL}: set OCCLUDENET_TEST_DATA")
        return {"before": None, "after": None, "changed": None, "clips": 0}
    truth, outcomes, changed = read_truth(), [], []
    print(
        f"{'clip':36} {'person':>6} {'actor has a box':>17} {'by hand: right, wrong, missing':>34}"
    )
    for made in _clips(args, set(truth)):
        by_hand = truth.get(made.sha256, {})
        before, after = (_rows(made, settings) for settings in (APART, {}))
        pair = outcome(before, by_hand), outcome(after, by_hand)
        outcomes.append(pair)
        _show(made.clip.name, *pair)
        if not before.equals(after):
            changed.append(made.clip.name)
            if args.sheets:
                write_sheet(made, after, args.sheets / f"{made.clip.name}.png")
    sums = [_sums(column) for column in zip(*outcomes, strict=True)]
    return {"before": sums[0], "after": sums[1], "changed": changed, "clips": len(outcomes)}


def _clips(args: argparse.Namespace, known: set[str]) -> Iterator[Detections]:
    settings = Detect(weights=str(WEIGHTS))
    for path in sorted((REAL / "videos").iterdir()):
        if args.quick and path.stat().st_size > QUICK_BYTES:
            continue
        made = read_detections(path, settings, args.threads, args.cache)
        if not args.quick or made.sha256 in known:
            yield made


def _rows(made: Detections, changed: dict[str, float]) -> pa.Table:
    settings = replace(Detect(weights=str(WEIGHTS)), **changed)
    return rows_of(made.clip, settings, made.found, made.cuts)[1]


def _show(name: str, before: Outcome, after: Outcome) -> None:
    shares = (f"{one.boxed / max(1, one.frames):.3f}" for one in (before, after))
    hands = (
        f"{one.right} {one.wrong} {one.looked - one.right - one.wrong}" for one in (before, after)
    )
    seen = " -> ".join(hands) if before.looked else "-"
    print(f"{name:36} {before.frames:6d} {' -> '.join(shares):>17} {seen:>34}", flush=True)


def _sums(outcomes: tuple[Outcome, ...]) -> dict[str, float]:
    rows = [asdict(one) for one in outcomes]
    sums = {name: sum(row[name] for row in rows) for name in VALUES}
    missing = sums["looked"] - sums["right"] - sums["wrong"]
    share = round(sums["boxed"] / max(1, sums["frames"]), 4)
    return {"share": share, **sums, "missing": missing}


def write_sheet(made: Detections, detail: pa.Table, path: Path, cells: int = 24) -> None:
    """A contact sheet: frames with all boxes, the actor's thick, and their track numbers."""
    wanted = set(np.linspace(0, made.clip.frames - 1, cells).round().astype(int).tolist())
    pictures = []
    for number, picture in rgb_frames(made.clip.path):
        if number in wanted:
            pictures.append(_drawn(picture, number, detail))
    rows = [np.hstack(pictures[k : k + 6]) for k in range(0, len(pictures) - 5, 6)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def _drawn(picture: np.ndarray, number: int, detail: pa.Table, side: int = 300) -> np.ndarray:
    scale = side / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale)
    for row in detail.filter(pc.equal(detail["frame"], number)).to_pylist():
        x1, y1, x2, y2 = (round(row[name] * scale) for name in ("x1", "y1", "x2", "y2"))
        colour = (230, 30, 30) if row["actor"] else (240, 220, 60)
        cv2.rectangle(small, (x1, y1), (x2, y2), colour, 3 if row["actor"] else 1)
        cv2.putText(small, str(row["track"]), (x1 + 3, y1 + 12), 0, 0.4, colour, 1)
    cv2.putText(small, str(number), (2, side // 2), 0, 0.5, (0, 255, 0), 1)
    return small


if __name__ == "__main__":
    main()
