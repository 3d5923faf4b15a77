"""Published figures of the CNN study, action-recognition-pytorch: the aim of a repetition.

Chen et al., "Deep Analysis of CNN-based Spatio-temporal Representations for Action Recognition",
CVPR 2021; facts of github.com/IBM/action-recognition-pytorch at 67cc96f (Apache-2.0). Standard
library only.

Their mini-Kinetics has 200 of the 400 classes (release.class_lists, mini_kinetics_200). The figures
are those of clean clips; nobody published any for occluded ones. docs/cnn_study.md says what of the
study can be repeated here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = "IBM/action-recognition-pytorch at 67cc96f, benchmark_mini.md"
"""Where the figures of `mini_kinetics` stand. The file holds its tables twice, with equal numbers
(names with -tp and with -ts)."""
_FILE = Path(__file__).with_name("cnn_study.csv")


@dataclass(frozen=True)
class MiniRun:
    """A trained network of the study and its accuracy on mini-Kinetics (of the validation clips, as
    we take it).

    The batch, the schedule and synchronised batch norm are read from the names of the runs.
    """

    backbone: str
    """Its name in recognition.backbones."""
    frames: int
    """Frames of a clip, spread over the whole clip: 8, 16, 32 or 64."""
    temporal_stride: bool
    """train.temporal_stride: whether time is pooled within the network."""
    top1: float
    """Percent of the clips."""
    top5: float
    """Percent of the clips."""
    schedule: str
    """cosine: from ImageNet; multisteps: from the run with fewer frames."""
    batch: int
    epochs: int
    """Epochs that were run: two runs ended before their 45th, with 41 and 43."""
    sync_batch_norm: bool
    """Whether the processes of the run shared their batch statistics."""


@cache
def mini_kinetics() -> tuple[MiniRun, ...]:
    """The 96 runs on mini-Kinetics: 12 networks x 4 numbers of frames x temporal stride or not.

    >>> [(run.backbone, run.top1) for run in mini_kinetics() if run.frames == 64][-2:]
    [('ibm_tam_resnet50', 78.3252), ('ibm_tam_resnet50', 75.8684)]
    """
    with _FILE.open(newline="", encoding="utf-8") as file:
        return tuple(_run(row) for row in csv.DictReader(file))


def _run(row: dict[str, str]) -> MiniRun:
    return MiniRun(
        backbone=row["backbone"],
        frames=int(row["frames"]),
        temporal_stride=row["temporal_stride"] == "yes",
        top1=float(row["top1"]),
        top5=float(row["top5"]),
        schedule=row["schedule"],
        batch=int(row["batch"]),
        epochs=int(row["epochs"]),
        sync_batch_norm=row["sync_batch_norm"] == "yes",
    )


def mini_kinetics_run(backbone: str, frames: int, temporal_stride: bool) -> MiniRun | None:
    """The run of a network with so many frames; None where the study has none.

    >>> mini_kinetics_run("ibm_i3d", 8, False).top1, mini_kinetics_run("ibm_i3d", 12, False)
    (68.0899, None)
    """
    wanted = backbone, frames, temporal_stride
    same = (r for r in mini_kinetics() if (r.backbone, r.frames, r.temporal_stride) == wanted)
    return next(same, None)


KINETICS_400 = {
    "ibm_i3d_resnet50": 76.61,
    "ibm_tam_resnet50": 76.18,
    "ibm_i3d_resnet101": 77.80,
    "ibm_tam_resnet101": 77.61,
}
"""Top-1 in percent of the released checkpoints on the validation clips of Kinetics-400 (README):
32 frames, every 2nd, without temporal stride, 10 clips x 3 crops of 256 pixels."""
