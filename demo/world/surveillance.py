"""Surveillance videos for OccludeNet-S, drawn: one camera, people behind furniture.

FOLDER/surveillance/{class}/{class}_{number}.mp4    a take of `rig`, seen from one side
FOLDER/furniture/{class}_{number}/{name}.png        the furniture before the camera
FOLDER/segments.csv                                 video, start_seconds, end_seconds, class,
                                                    split: what the stage segments cuts
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from demo.world.rig import write_masks
from demo.world.take import Take
from occludenet_build.core.files import csv_text, write_text
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.video.synth import write_video

MOTION_OF = {
    "abuse": "Throw_Things",
    "burglary": "Indoor_Run",
    "fighting": "Fall",
    "robbery": "Armed",
    "stealing": "Steal",
}
"""Class of OccludeNet-S -> the motion that stands for it, so that classes can be told apart."""
SPLITS = ("train", "train", "test")
"""Split of the videos of a class, in turn."""
SEGMENT = (1.0, 9.5)
"""Start and end of the segment of a video, seconds."""


@dataclass(frozen=True)
class Surveillance:
    """What is drawn."""

    seed: int = 0
    classes: tuple[str, ...] = tuple(MOTION_OF)
    per_class: int = 3
    seconds: float = 10.0
    width: int = 320
    height: int = 180
    fps: Fraction = Fraction(25, 2)
    others: int = 0
    """People besides the actor."""


@dataclass(frozen=True)
class _Video:
    label: str
    number: int

    @property
    def file(self) -> str:
        return f"{self.label}/{self.label}_{self.number:02d}.mp4"


def draw_surveillance(folder: Path, given: Surveillance, workers: int = 2) -> int:
    """Draw the videos and the table into `folder`; return the number of videos."""
    videos = [_Video(label, n) for label in given.classes for n in range(given.per_class)]
    draw = partial(_draw, folder, given)
    for _ in progress(in_processes(draw, videos, workers), len(videos), "video"):
        pass
    rows = [(v.file, *SEGMENT, v.label, SPLITS[v.number % len(SPLITS)]) for v in videos]
    header = ("video", "start_seconds", "end_seconds", "class", "split")
    write_text(folder / "segments.csv", csv_text(header, rows))
    return len(videos)


def _draw(folder: Path, given: Surveillance, video: _Video) -> None:
    take = Take(
        given.seed,
        MOTION_OF[video.label],
        f"{video.label}-{video.number}",
        "S",
        given.width,
        given.height,
        given.seconds,
        views=1,
        rates=(given.fps,),
        others=given.others,
    )
    view = take.recordings[0]
    pictures = (seen.picture for seen in take.frames(view))
    sound = take.recorded(view, take.sound())
    write_masks(folder / "furniture" / Path(video.file).stem, take.furniture(view))
    path = folder / "surveillance" / video.file
    write_video(path, pictures, view.fps, audio=sound, sample_rate=view.sound_rate)
