"""Recordings for OccludeNet-I and -M, drawn: takes seen from one side, or from three at once.

    FOLDER/recordings/I/{subject}_{take}_view1.mp4       single view, 7 classes
    FOLDER/recordings/M/{subject}_{take}_{view}.mp4      three views 120 degrees apart; the last is
                                                         near infrared
    FOLDER/recordings/{I,M}/recordings.csv               file, class, subject, take, view, camera,
                                                         session
    FOLDER/furniture/{camera}/{name}.png                 the furniture that stands before a camera
    FOLDER/truth/offsets.csv                             when each view starts
    FOLDER/truth/{I,M}/{subject}_{take}_{view}.parquet   what hides whom, per frame and person

`offsets.csv`: set, file, subject, take, view, reference (the first view of the take), `seconds`
(the time in the reference's clock at which the view's first frame lies), fps, frames, sound_rate.

Truth per frame and person:

    frame            int32    number of the frame
    person           string   actor (the subject, who performs the class), other1 or other2
    visible, whole   binary   masks as RLE, counts as `imaging.masks`: what is seen; and all that is
                              in the picture, hidden or not
    height, width    int32    size of the masks, px
    hidden           float32  share of `whole` that is not in `visible`; null if out of the picture
    hidden_by        strings  what is seen instead: people, furniture, the actor's ball, gun, sheet
                              or bike
    hidden_by_share  floats   share of `whole` that each of these hides
    depth            float32  distance of the hips over the floor, in the camera's direction, m
    foot_x, foot_y   float32  the floor below the hips, px
    joints           floats   x and y of `body.JOINTS`, in turn, hidden or not, px
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demo.world.body import JOINTS
from demo.world.motions import CLASSES_I, CLASSES_M
from demo.world.take import RATES, Seen, Take, View
from occludenet_build.core.files import csv_text, replacing, write_bytes, write_text
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.imaging import masks
from occludenet_build.media.imaging.sheets import png
from occludenet_build.media.video.synth import write_video

COLUMNS = ("file", "class", "subject", "take", "view", "camera", "session")
TRUTH = pa.schema(
    [
        ("frame", pa.int32()),
        ("person", pa.string()),
        ("visible", pa.binary()),
        ("whole", pa.binary()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("hidden", pa.float32()),
        ("hidden_by", pa.list_(pa.string())),
        ("hidden_by_share", pa.list_(pa.float32())),
        ("depth", pa.float32()),
        ("foot_x", pa.float32()),
        ("foot_y", pa.float32()),
        ("joints", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Rig:
    """What is recorded. Every subject performs every class `takes` times."""

    seed: int = 0
    classes_i: tuple[str, ...] = CLASSES_I
    classes_m: tuple[str, ...] = CLASSES_M[:3]
    subjects: int = 3
    takes: int = 1
    seconds: float = 6.5
    """Duration of the shortest recording; a view may be 0.6 s longer, and starts within 1.4 s."""
    width: int = 320
    height: int = 180
    rates: tuple[Fraction, ...] = RATES
    """Frames per second of the views."""
    others: int = 2
    """People besides the actor: 0, 1 or 2."""
    truth: bool = True
    """Whether to write the masks and what hides whom."""


@dataclass(frozen=True)
class Recording:
    """One file: a view of a take."""

    kind: str
    """I or M."""
    label: str
    subject: str
    number: str
    view: int

    @property
    def name(self) -> str:
        """Subject, take and view."""
        return f"{self.subject}_{self.number}_view{self.view + 1}"


def recordings(rig: Rig) -> list[Recording]:
    """The files of a rig, in the order of set, subject, take and view."""
    return [
        Recording(kind, label, f"p{subject + 1:02d}", f"t{take + 1:02d}", view)
        for kind, labels, views in (("I", rig.classes_i, 1), ("M", rig.classes_m, 3))
        for subject in range(rig.subjects)
        for take, label in enumerate(label for label in labels for _ in range(rig.takes))
        for view in range(views)
    ]


def draw_recordings(folder: Path, rig: Rig, workers: int = 2) -> list[Recording]:
    """Draw all recordings, their tables and their truth into `folder`.

    The same rig gives the same files for any number of workers.
    """
    files = recordings(rig)
    draw = partial(_draw, folder, rig)
    for _ in progress(in_processes(draw, files, workers), len(files), "recording"):
        pass
    for kind in ("I", "M"):
        rows = [_row(file) for file in files if file.kind == kind]
        if rows:
            write_text(folder / "recordings" / kind / "recordings.csv", csv_text(COLUMNS, rows))
    starts = [_offset(rig, file) for file in files]
    text = csv_text(starts[0], (start.values() for start in starts)) if starts else ""
    write_text(folder / "truth" / "offsets.csv", text)
    return files


@cache
def _take(rig: Rig, kind: str, label: str, subject: str, number: str) -> Take:
    views = 1 if kind == "I" else 3
    place = rig.width, rig.height, rig.seconds, views, rig.rates, rig.others
    return Take(rig.seed, label, subject, f"{kind}-{number}", *place)


def take_of(rig: Rig, file: Recording) -> tuple[Take, View]:
    """The take of a recording and its view."""
    take = _take(rig, file.kind, file.label, file.subject, file.number)
    return take, take.recordings[file.view]


def _row(file: Recording) -> tuple[str, ...]:
    """The cells of COLUMNS."""
    session = f"{file.kind.lower()}-{file.subject}"
    return (
        *(f"{file.name}.mp4", file.label, file.subject, file.number),
        *(f"view{file.view + 1}", _camera(file), session),
    )


def _camera(file: Recording) -> str:
    """A camera stands in one place for one take."""
    light = "nir" if file.kind == "M" and file.view == 2 else f"rgb{file.view + 1}"
    return f"{file.kind}-{file.subject}-{file.number}-{light}"


def _offset(rig: Rig, file: Recording) -> dict[str, object]:
    take, view = take_of(rig, file)
    first = take.recordings[0]
    return {
        "set": file.kind,
        "file": f"{file.name}.mp4",
        "subject": file.subject,
        "take": file.number,
        "view": view.name,
        "reference": first.name,
        "seconds": round(view.start - first.start, 6),
        "fps": str(view.fps),
        "frames": view.frames,
        "sound_rate": view.sound_rate,
    }


def _draw(folder: Path, rig: Rig, file: Recording) -> None:
    take, view = take_of(rig, file)
    rows: list[dict] = []
    path = folder / "recordings" / file.kind / f"{file.name}.mp4"
    sound = take.recorded(view, take.sound())
    pictures = _filmed(take, view, rows, rig.truth)
    write_video(path, pictures, view.fps, audio=sound, sample_rate=view.sound_rate)
    write_masks(folder / "furniture" / _camera(file), take.furniture(view))
    if rig.truth:
        target = folder / "truth" / file.kind / f"{file.name}.parquet"
        with replacing(target) as temporary:
            pq.write_table(pa.Table.from_pylist(rows, TRUTH), temporary, compression="zstd")


def write_masks(folder: Path, masks_of: dict[str, np.ndarray]) -> None:
    """Write each mask, bool (H, W), as a black and white PNG <name>.png."""
    for name, mask in masks_of.items():
        grey = np.uint8(255) * mask.astype(np.uint8)
        write_bytes(folder / f"{name}.png", png(np.repeat(grey[..., None], 3, axis=2)))


def _filmed(take: Take, view: View, rows: list[dict], truth: bool) -> Iterator[np.ndarray]:
    """The pictures of a view; what is true of them is added to `rows`."""
    for number, seen in enumerate(take.frames(view)):
        if truth:
            rows += [{"frame": number} | _truth(view, seen, person) for person in seen.joints]
        yield seen.picture


def _truth(view: View, seen: Seen, person: str) -> dict[str, object]:
    """What hides a person in a frame, and where they are."""
    height, width = seen.top.shape
    whole = seen.whole.get(person, np.zeros((height, width), bool))
    own = seen.names.index(person) if person in seen.names else -2
    size = int(whole.sum())
    covered = seen.top[whole & (seen.top != own)]
    counts = np.bincount(covered, minlength=len(seen.names)) if size else np.zeros(0, int)
    hiding = {seen.names[k]: float(counts[k] / size) for k in np.flatnonzero(counts)}
    joints = seen.joints[person]
    pixels, _ = view.camera.project(np.stack([joints[name] for name in JOINTS]))
    floor = joints["hips"] * (1, 1, 0)
    foot, _ = view.camera.project(floor[None])
    depth = (joints["hips"] - view.camera.place)[:2] @ view.camera.axes[2][:2]
    return {
        "person": person,
        "visible": masks.encode(whole & (seen.top == own)),
        "whole": masks.encode(whole),
        "height": height,
        "width": width,
        "hidden": len(covered) / size if size else None,
        "hidden_by": list(hiding),
        "hidden_by_share": list(hiding.values()),
        "depth": float(depth),
        "foot_x": float(foot[0, 0]),
        "foot_y": float(foot[0, 1]),
        "joints": pixels.ravel().tolist(),
    }
