"""Benchmark of detect's backend motion: is whom it calls the actor a person?

    python benchmarks/motion.py [--clips FOLDER] [--weights FILE] [--pieces N] [--cache FOLDER]

Runs motion on real clips, and a detector with weights (backend yolo) on about 24 frames of each.
A clip that motion calls ok is right if the actor's box has an IoU of 0.3 with a person in 80 % of
the searched frames that have an actor's box. The rival is motion without its judgement: the actor
is the best of all that moves, much as in version 1 of the backend's results. With --pieces, N parts
of 2 to 4 seconds of each clip are changed (mirrored, faster, cropped, shaken, panned, darker) and
tried too.
Only the first 300 frames of a clip are used. Prints a line per clip and as its last line JSON:

    clips                  number of clips, or of clips and pieces
    ok, right, precision   clips called ok, of these right, and the share
    recall                 right / clips in which the detector sees a person in half of the frames
    reasons                reason -> clips refused for it
    rival_ok, rival_right, rival_precision
    cpu_ratio              CPU of motion / of decoding the clips once

Clips and weights are those of OCCLUDENET_TEST_DATA or ../shared/data unless given; without them
nothing is measured. The weights are a pickle: use them only from a source that you trust.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

import cv2
import numpy as np
from parts.detect.inputs import REAL, WEIGHTS
from parts.motion.people import Hits, People, hits, people_in
from parts.motion.pieces import pieces_of

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.source import open_video, rgb_frames
from occludenet_build.media.video.synth import write_video
from occludenet_build.people.detect.to_table import rows_of
from occludenet_build.people.detectors import motion
from occludenet_build.people.detectors.interface import IndexedClip

FRAMES = 300
RIGHT = 0.8
SETTINGS = Detect(backend="motion")


@dataclass(frozen=True)
class Verdict:
    """What motion says of a clip, and whether that is right."""

    name: str
    said: str
    """ok, or the reason."""
    ours: Hits
    rival: Hits | None
    """None: without judgement there is no actor either."""
    has_person: bool
    cpu: float
    decoding: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=REAL / "videos")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--pieces", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keeps the people that the detector found")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if not args.clips.is_dir() or not args.weights.is_file():
        print("motion: skipped, there are no real clips or weights; give --clips and --weights")
        print(json.dumps({"clips": 0}))
        return
    cv2.setNumThreads(args.threads)
    verdicts = []
    for number, path in enumerate(sorted(args.clips.iterdir())):
        for verdict in verdicts_on(path, args, np.random.default_rng(number)):
            show(verdict)
            verdicts.append(verdict)
    print(json.dumps(summary(verdicts)))


def verdicts_on(path: Path, args: argparse.Namespace, random: np.random.Generator) -> list[Verdict]:
    """The verdicts on a clip and its pieces; none where it does not decode."""
    try:
        pictures, fps = first_frames(path)
    except ItemError as error:
        print(f"{path.name}: {error.reason}")
        return []
    people = people_in(path, len(pictures), args.weights, args.threads, args.cache)
    with tempfile.TemporaryDirectory(prefix="bench-motion-") as folder:
        file = Path(folder) / "clip.mkv"
        found = [_tried(path.name, file, pictures, people, fps)]
        for piece in pieces_of(pictures, people, fps, args.pieces, random):
            name = f"{path.name} {piece.kind}"
            found.append(_tried(name, file, piece.pictures, piece.people, piece.fps))
    return found


def first_frames(path: Path) -> tuple[list[np.ndarray], float]:
    """Up to FRAMES pictures of even size, and the frame rate."""
    pictures = []
    for number, picture in rgb_frames(path):
        if number == FRAMES:
            break
        pictures.append(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
    with open_video(path) as source:
        return pictures, float(source.stream.average_rate or 25)


def _tried(
    name: str, file: Path, pictures: list[np.ndarray], people: People, fps: float
) -> Verdict:
    write_video(file, pictures, Fraction(fps).limit_denominator(1001), options={"crf": "16"})
    height, width = pictures[0].shape[:2]
    clip = IndexedClip(name, str(file), width, height, len(pictures), fps)
    begun = time.process_time()
    for _ in rgb_frames(file):
        pass
    decoded = time.process_time()
    said, actor = actor_of(clip, judged=True)
    done = time.process_time()
    _, anything = actor_of(clip, judged=False)
    return Verdict(
        name,
        said,
        hits(actor, people),
        hits(anything, people) if anything else None,
        float(np.mean([len(boxes) > 0 for boxes in people.values()] or [0])) >= 0.5,
        done - decoded,
        decoded - begun,
    )


def actor_of(clip: IndexedClip, judged: bool) -> tuple[str, dict[int, np.ndarray]]:
    """What motion says, and the actor's boxes by frame; `judged` False: of whatever moves."""
    detector = motion.Motion(SETTINGS)
    try:
        if judged:
            found, cuts = list(detector.find(clip, rgb_frames(clip.path))), motion.survey(clip)[0]
        else:
            cuts, parts = motion.survey(clip)
            found = [s.found for s in detector.search(parts, rgb_frames(clip.path))]
    except ItemError as error:
        return error.reason, {}
    row, boxes = rows_of(clip, SETTINGS, found, cuts)
    acting = [r for r in boxes.to_pylist() if r["actor"]]
    corners = ("x1", "y1", "x2", "y2")
    actor = {r["frame"]: np.float32([r[name] for name in corners]) for r in acting}
    return row["reason"] or "ok", actor


def show(verdict: Verdict) -> None:
    """Print a line."""
    rival = f"{verdict.rival.share:5.2f}" if verdict.rival else "  no"
    print(
        f"{verdict.name[:48]:48} {verdict.said:22} on a person {verdict.ours.share:5.2f}  "
        f"without judgement {rival}  person {'yes' if verdict.has_person else 'no'}",
        flush=True,
    )


def summary(verdicts: list[Verdict]) -> dict[str, object]:
    """The figures of the last line."""
    ok = [v for v in verdicts if v.said == "ok" and v.ours.frames]
    right = sum(v.ours.share >= RIGHT for v in ok)
    rival = [v.rival for v in verdicts if v.rival is not None and v.rival.frames]
    rival_right = sum(r.share >= RIGHT for r in rival)
    return {
        "clips": len(verdicts),
        "ok": len(ok),
        "right": right,
        "precision": round(right / len(ok), 3) if ok else None,
        "recall": round(right / max(1, sum(v.has_person for v in verdicts)), 3),
        "reasons": dict(Counter(v.said for v in verdicts if v.said != "ok")),
        "rival_ok": len(rival),
        "rival_right": rival_right,
        "rival_precision": round(rival_right / len(rival), 3) if rival else None,
        "cpu_ratio": round(sum(v.cpu for v in verdicts) / sum(v.decoding for v in verdicts), 2),
    }


if __name__ == "__main__":
    main()
