"""Benchmark of the measured occlusion: who is in front, and which share of a person is hidden.

    python benchmarks/measure.py [--quick] [--scenes N] [--seed N]

Drawn scenes whose truth is known: people who cross at different depths, with a desk in every third
scene (tests/support/crossing.py), and recordings of three people who walk round each other
(demo/world/rig.py). Masks: `contours` are the truth with contours that are off by a pixel,
`grabcut` is that masker with the boxes of the visible people. Nothing was adjusted on scenes of
seeds from 5000 on. Prints a table by scene and masker, and as its last line JSON:

    order_right, order_wrong, order_undecided   overlaps: a pair in a frame, with at least 3 % of
                              the rear one hidden by the front one
    said_right, said_wrong    who is written to hide somebody, at least 3 %: whether they do
    share_median_error, share_p90_error         of the shares that were given, where somebody is
                              hidden (at least 3 %)
    within_two_errors         share of those and of the other shares above 0 whose truth is at most
                              two hidden_error away
    false_hiding              share of the frames of people of whom nothing is hidden (at most
                              0.5 %) in which at least 3 % are called hidden
    given                     share of the frames with somebody hidden in which a share is given
    by_scene                  the same by "scene, masker"
    seconds                   of measuring, without masks
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO), str(REPO / "tests")]  # the package of this checkout; its drawn scenes

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from support.crossing import BLUE, GREEN, RED, Crossing, Desk, Passer, wobbled  # noqa: E402

from occludenet_build.config import ActorMasks  # noqa: E402
from occludenet_build.media.imaging import masks  # noqa: E402
from occludenet_build.occlusion.measure.hiding import Hiding  # noqa: E402
from occludenet_build.occlusion.measure.scene import Scene  # noqa: E402
from occludenet_build.occlusion.measure.share import Hider  # noqa: E402
from occludenet_build.people.maskers.everyone import masks_of_everyone  # noqa: E402
from occludenet_build.people.maskers.registry import load_masker  # noqa: E402
from occludenet_build.tools.project import find_demo  # noqa: E402

find_demo()  # demo.world is not part of the package

from demo.world.rig import Rig, draw_recordings  # noqa: E402

LEAST, NOTHING = 0.03, 0.005
"""Hidden shares: of an overlap that counts, and of somebody whom nobody hides."""
SEEN = 0.2
"""Least visible share of a person whom a detector finds."""

Pair = dict[tuple[int, str], float]
"""(rear, front) -> share of the rear one that the front one hides."""


@dataclass
class Drawn:
    """A scene and its truth. People are numbered; fronts are `str` of a number, or an object."""

    kind: str
    path: Path
    size: tuple[int, int]
    fps: float
    frames: int
    visible: dict[int, list[np.ndarray]]
    """Person -> mask bool (H, W) of every frame."""
    hidden: dict[int, list[float]]
    """Person -> hidden share of every frame; nan where it is not known, or nobody is there."""
    pairs: list[Pair]
    """Of every frame."""
    static: dict[str, np.ndarray] = field(default_factory=dict)

    def boxes(self) -> dict[tuple[int, int], dict[int, np.ndarray]]:
        """(0, person) -> frame -> box float32 (4,) of what is seen of people who are found."""
        found: dict[tuple[int, int], dict[int, np.ndarray]] = {}
        for person, seen in self.visible.items():
            boxes = found.setdefault((0, person), {})
            for frame, mask in enumerate(seen):
                if np.count_nonzero(mask) > 60 and not self.hidden[person][frame] > 1 - SEEN:
                    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
                    boxes[frame] = np.float32([x, y, x + w, y + h])
        return {key: boxes for key, boxes in found.items() if boxes}

    def scene(self, masker: str, seed: int) -> Scene:
        """The scene as a masker sees it."""
        boxes = self.boxes()
        if masker == "grabcut":
            tool = load_masker(ActorMasks(backend="grabcut"))
            found = masks_of_everyone(tool, self.path, self.frames, boxes).people
        else:
            noise = np.random.default_rng(seed)
            found = {
                key: {f: masks.encode(wobbled(self.visible[key[1]][f], 1, noise)) for f in some}
                for key, some in boxes.items()
            }
        return Scene(self.size, self.frames, self.fps, boxes, found, static=self.static)


@dataclass
class Found:
    """What was measured in scenes of one kind with one masker."""

    right: int = 0
    wrong: int = 0
    undecided: int = 0
    said_right: int = 0
    said_wrong: int = 0
    hidden: int = 0
    """Frames of people of whom a part is hidden."""
    open: int = 0
    """Frames of people of whom nothing is."""
    false: int = 0
    shares: list[tuple[float, float, float]] = field(default_factory=list)
    """(true, measured, error) of shares where either is above `NOTHING`."""
    seconds: float = 0.0

    def add(self, drawn: Drawn, hiding: Hiding) -> None:
        """Compare the measurement of one scene with its truth."""
        for frame, pairs in enumerate(drawn.pairs):
            for (rear, front), share in pairs.items():
                if share >= LEAST:
                    self._order(hiding, frame, rear, front)
            for (_, person), sight in hiding.sights(frame).items():
                if sight.share is not None:
                    self._said(pairs, person, sight.hiders)
                truth = drawn.hidden[person][frame]
                if not np.isnan(truth):
                    self._share(truth, sight.share, sight.error)

    def _order(self, hiding: Hiding, frame: int, rear: int, front: str) -> None:
        other = (0, int(front)) if front.isdigit() else front
        verdict = hiding.verdict(frame, (0, rear), other)
        said = verdict.front if verdict else 0
        self.right, self.wrong = self.right + (said > 0), self.wrong + (said < 0)
        self.undecided += said == 0

    def _said(self, pairs: Pair, rear: int, hiders: Iterable[Hider]) -> None:
        for hider in hiders:
            front = hider.ident if isinstance(hider.ident, str) else str(hider.ident[1])
            if hider.share >= LEAST:
                right = bool(pairs.get((rear, front), 0.0) > 0)
                self.said_right += right
                self.said_wrong += not right

    def _share(self, truth: float, share: float | None, error: float | None) -> None:
        self.hidden += truth >= LEAST
        self.open += truth <= NOTHING
        self.false += truth <= NOTHING and share is not None and share >= LEAST
        if share is not None and error is not None and max(share, truth) > NOTHING:
            self.shares.append((truth, share, error))

    def __iadd__(self, other: Found) -> Found:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self

    def summary(self) -> dict[str, float | int | None]:
        """What the last line says."""
        truth, share, error = np.array(self.shares or [(np.nan,) * 3]).T
        off = np.abs(truth - share)
        of_hidden = off[truth >= LEAST]
        large = of_hidden if len(of_hidden) else np.array([np.nan])
        return {
            "order_right": self.right,
            "order_wrong": self.wrong,
            "order_undecided": self.undecided,
            "said_right": self.said_right,
            "said_wrong": self.said_wrong,
            "share_median_error": _rounded(np.median(large)),
            "share_p90_error": _rounded(np.quantile(large, 0.9)),
            "within_two_errors": _rounded(np.mean(off <= 2 * error)),
            "false_hiding": _rounded(self.false / max(1, self.open)),
            "given": _rounded(len(of_hidden) / max(1, self.hidden)),
        }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--scenes", type=int, default=9, help="of each kind")
    parser.add_argument("--seed", type=int, default=5000)
    args = parser.parse_args()
    count = 2 if args.quick else args.scenes
    results: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        for drawn in (*crossings(args.seed, count, folder), *circles(args.seed, count, folder)):
            for masker in ("contours", "grabcut"):
                found = results.setdefault(f"{drawn.kind}, {masker}", Found())
                found += measured(drawn, masker, args.seed)
    report(results)


def measured(drawn: Drawn, masker: str, seed: int) -> Found:
    """Measure one scene and compare."""
    scene, found = drawn.scene(masker, seed), Found()
    start = time.perf_counter()
    hiding = Hiding(scene, longest=3.0, max_error=0.15)
    hiding.measure(drawn.path)
    found.add(drawn, hiding)
    found.seconds = time.perf_counter() - start
    return found


def report(results: dict[str, Found]) -> None:
    """Print the table and the last line."""
    total = Found()
    rows = {}
    for name, found in results.items():
        rows[name] = found.summary()
        total += found
    columns = list(next(iter(rows.values())))
    print(f"{'':20}" + "".join(f"{name.removeprefix('share_'):>18}" for name in columns))
    for name, row in rows.items():
        print(f"{name:20}" + "".join(f"{value!s:>18}" for value in row.values()))
    last = total.summary() | {"by_scene": rows, "seconds": round(total.seconds, 1)}
    print(json.dumps(last))


# --- people who cross -------------------------------------------------------------------------


def crossings(seed: int, count: int, folder: str) -> Iterator[Drawn]:
    """Scenes of two or three people who cross, every third one with a desk."""
    for number in range(count):
        draw = random.Random(f"crossing {seed + number}")
        things: list[Passer | Desk] = [_passer(draw) for _ in range(draw.choice((2, 2, 3)))]
        if number % 3 == 1:
            left, low = draw.randint(80, 180), draw.randint(190, 205)
            things.append(Desk(left, low - draw.randint(45, 70), left + draw.randint(50, 90), low))
        scene = Crossing(things)
        path = scene.write(Path(folder) / f"crossing{number}.mp4")
        people = scene.people
        yield Drawn(
            "crossing",
            path,
            scene.pictures[0].shape[:2],
            20.0,
            scene.frames,
            {n: scene.visible[n] for n in people},
            {n: [scene.hidden(n, f) for f in range(scene.frames)] for n in people},
            [_crossed(scene, frame) for frame in range(scene.frames)],
            scene.static,
        )


def _passer(draw: random.Random) -> Passer:
    ends = [draw.uniform(15, 110), draw.uniform(210, 305)]
    draw.shuffle(ends)
    shirt, trousers = draw.choice((RED, BLUE, GREEN))
    return Passer(*ends, draw.randint(180, 232), shirt, trousers, draw.uniform(1.3, 2.2))


def _crossed(scene: Crossing, frame: int) -> Pair:
    """Who hides whom; of two in the same row the later one is painted over the other."""
    names = {n: str(n) for n in scene.people} | dict(
        zip(
            (n for n, thing in enumerate(scene.things) if isinstance(thing, Desk)),
            scene.static,
            strict=True,
        )
    )
    return {
        (rear, names[front]): scene.hides(front, rear, frame)
        for rear in scene.people
        for front in names
        if (scene.things[front].feet, front) > (scene.things[rear].feet, rear)
    }


# --- people who walk round each other -----------------------------------------------------------


def circles(seed: int, count: int, folder: str) -> Iterator[Drawn]:
    """Recordings of a rig, one class each; where furniture hides somebody, there is no truth."""
    classes = Rig().classes_i
    for number in range(count):
        label = classes[number % len(classes)]
        rig = Rig(seed + number, (label,), (), subjects=1, seconds=4.0)
        root = Path(folder) / f"rig{number}"
        draw_recordings(root, rig, workers=1)
        (path,) = (root / "recordings/I").glob("*.mp4")
        (table,) = (root / "truth/I").glob("*.parquet")
        yield _circle(path, pq.read_table(table).to_pylist())


def _circle(path: Path, rows: list[dict]) -> Drawn:
    names = sorted({row["person"] for row in rows})
    frames = max(row["frame"] for row in rows) + 1
    size = rows[0]["height"], rows[0]["width"]
    visible = {n: [np.zeros(size, bool)] * frames for n in range(len(names))}
    hidden = {n: [float("nan")] * frames for n in range(len(names))}
    pairs: list[Pair] = [{} for _ in range(frames)]
    for row in rows:
        person, frame = names.index(row["person"]), row["frame"]
        visible[person][frame] = masks.decode(row["visible"], *size)
        by = dict(zip(row["hidden_by"] or (), row["hidden_by_share"] or (), strict=True))
        if row["hidden"] is not None and sum(v for n, v in by.items() if n not in names) < NOTHING:
            hidden[person][frame] = row["hidden"]
        pairs[frame] |= {(person, str(names.index(n))): v for n, v in by.items() if n in names}
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    return Drawn("circle", path, size, fps, frames, visible, hidden, pairs)


if __name__ == "__main__":
    main()
