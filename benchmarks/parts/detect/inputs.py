"""Clips, weights and pictures of the benchmark: real ones of the test data, or drawn ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.source import open_container, open_video, to_rgb
from occludenet_build.media.video.synth import write_video

REPO = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("OCCLUDENET_TEST_DATA", REPO.parent / "shared" / "data"))
WEIGHTS = REAL / "weights" / "yolov5nu_dequant.pt"

QUICK = ("intel_asl_walk.mkv", "sam2_dog_vp9_opus.webm")
FULL = (
    *QUICK,
    *("paddlevideo_archery.avi", "shoppingcabinet_vfr.mp4", "mmaction2_demo.mp4"),
    *("sam2_bedroom.mp4", "decord_pancake.mkv"),
)
PEOPLE = ("intel_asl_walk.mkv", "paddlevideo_archery.avi", "mmaction2_demo.mp4")
"""Clips with an actor, for the strides."""

Row = dict[str, object]


@dataclass(frozen=True)
class Inputs:
    """Weights, and index rows of the clips."""

    weights: Path
    clips: list[Row]
    people: list[Row]
    """Clips with an actor."""
    real: bool
    """False: drawn clips and random weights."""

    @property
    def pictures(self) -> Path | None:
        """Folder of COCO's pictures with their instances.json; None without them."""
        return REAL / "coco" if self.real and (REAL / "coco").is_dir() else None


def load_inputs(folder: Path, quick: bool, every: bool = False) -> Inputs:
    """The real inputs, or drawn ones written into `folder`; `every`: all real clips."""
    if WEIGHTS.is_file() and (REAL / "videos").is_dir():
        names = QUICK if quick else FULL
        if every:
            names = sorted(path.name for path in (REAL / "videos").iterdir())
        rows = {name: index_row(REAL / "videos" / name) for name in names}
        people = [rows.get(name) or index_row(REAL / "videos" / name) for name in PEOPLE]
        return Inputs(WEIGHTS, list(rows.values()), people, True)
    sizes = [(640, 480), (480, 640), (640, 360)]
    clips = [index_row(drawn(folder, n, size)) for n, size in enumerate(sizes)]
    return Inputs(random_weights(folder / "random.pt"), clips, clips[:1], False)


def index_row(path: Path) -> Row:
    """The index row of a clip."""
    with open_container(path), open_video(path) as source:
        frames = iter(source)
        height, width = to_rgb(next(frames)).shape[:2]
        count = 1 + sum(1 for _ in frames)
        fps = float(source.stream.average_rate or 25)
    facts = {"clip": path.name, "path": str(path), "sha256": sha256_file(path), "frames": count}
    return facts | {"width": width, "height": height, "fps": fps}


def drawn(folder: Path, number: int, size: tuple[int, int], frames: int = 60) -> Path:
    """Write a clip of a person in two colours who walks across a textured background; `size` is
    (width, height), pixels."""
    width, height = size
    random = np.random.default_rng(number)
    ground = cv2.resize(random.integers(40, 200, (12, 16, 3)).astype(np.uint8), size)
    pictures = []
    for frame in range(frames):
        picture = ground.copy()
        left = (20 + 4 * frame) % (width - 90)
        picture[height // 3 : height // 2, left : left + 80] = (220, 60, 40)
        picture[height // 2 : height - 20, left : left + 80] = (30, 40, 160)
        pictures.append(picture)
    path = folder / f"drawn{number}.mp4"
    write_video(path, pictures, 25)
    return path


def random_weights(path: Path, name: str = "yolov5n") -> Path:
    """Write an untrained network of the size of the published `name`u.pt."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(f"{name}.yaml", nc=80, verbose=False)
    model.names = {0: "person"} | {n: f"class{n}" for n in range(1, 80)}
    torch.save({"model": model.eval(), "train_args": {}}, path)
    return path
