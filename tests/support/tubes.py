"""Made-up videos for action detection: a bright shape moves over a dark ground, in a folder of
pictures with the pickle that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.action_detection.pickle_truth import GivenMasks
from occludenet_build.action_detection.truth import TubeVideo
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.tubes import TubeTruth

SIDE = 64
COLOURS = ((40, 220, 240), (240, 90, 40))
"""RGB of the shapes of both classes."""
LABELS = ["fall", "rise"]


def box(number: int, frame: int, label: int) -> tuple[int, int, int, int]:
    """Half-open box of a video's shape, pixels: 20 wide, 24 high, moving down or up."""
    left, top = 3 + 7 * number % 38, frame if label == 0 else 36 - frame
    return left, top, left + 20, top + 24


def picture(number: int, frame: int, label: int) -> np.ndarray:
    """uint8 (H, W, 3), RGB."""
    shown = np.full((SIDE, SIDE, 3), 30 + 4 * (number % 5), np.uint8)
    x1, y1, x2, y2 = box(number, frame, label)
    shown[y1:y2, x1:x2] = COLOURS[label]
    return shown


def seen(number: int, frame: int, label: int) -> np.ndarray:
    """What is seen of it, bool (H, W): its left half, as if something stood in front."""
    mask = np.zeros((SIDE, SIDE), bool)
    x1, y1, x2, y2 = box(number, frame, label)
    mask[y1:y2, x1 : (x1 + x2) // 2] = True
    return mask


def tube(number: int, frames: int, label: int) -> np.ndarray:
    rows = [(f + 1, *np.subtract(box(number, f, label), (0, 0, 1, 1))) for f in range(frames)]
    return np.array(rows, np.float32)


def visible(number: int, frames: int, label: int) -> dict[int, str]:
    return {f + 1: rle.encode(seen(number, f, label)).decode() for f in range(frames)}


@dataclass(frozen=True)
class Drawn:
    """Pictures of a video, as truth.Pictures; `gone`: they cannot be read."""

    number: int
    label: int
    gone: bool = False
    identity: str = ""

    def read(self, numbers: Sequence[int]) -> np.ndarray:
        if self.gone:
            raise ItemError("missing", f"video {self.number}")
        return np.stack([picture(self.number, frame, self.label) for frame in numbers])


def video(number: int, frames: int = 20, label: int = 0, gone: bool = False) -> TubeVideo:
    return TubeVideo(
        name=f"v{number}", split="train", group=f"v{number}", frames=frames, height=SIDE,
        width=SIDE, tubes={label: [tube(number, frames, label)]},
        pictures=Drawn(number, label, gone), masks=GivenMasks(visible(number, frames, label)),
    )  # fmt: skip


def folder(root: Path, train: int = 12, test: int = 6, frames: int = 20) -> Path:
    """Frames/<class>/<video>/00001.png and the pickle, whose path is returned."""
    names = [f"{LABELS[n % 2]}/film{n}_x_{n}" for n in range(train + test)]
    facts = {name: (n, frames, n % 2) for n, name in enumerate(names)}
    truth = TubeTruth(
        labels=LABELS,
        train_videos=[names[:train]],
        test_videos=[names[train:]],
        nframes=dict.fromkeys(names, frames),
        resolution=dict.fromkeys(names, (SIDE, SIDE)),
        gttubes={name: {n[2]: [tube(*n)]} for name, n in facts.items()},
        gt_visible={name: visible(*n) for name, n in facts.items()},
    )
    for name, (number, _, label) in facts.items():
        (root / "Frames" / name).mkdir(parents=True)
        for frame in range(frames):
            path = root / "Frames" / name / f"{frame + 1:05d}.png"
            cv2.imwrite(str(path), picture(number, frame, label)[..., ::-1])
    path = root / "Drawn-GT.pkl"
    path.write_bytes(truth.write())
    return path
