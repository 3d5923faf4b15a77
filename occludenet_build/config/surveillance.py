"""Settings of the rooms beside the main way: surveillance videos, leak checks."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Segments:
    videos: str | None = setting(None, path=True)
    """Folder of long surveillance videos, such as UCF-Crime's, for proposals and segments."""
    archives: tuple[str, ...] = setting((), path=True, url=True, empty=True)
    """Instead of a folder: archives of such videos, or lists (.txt) of archives; files or
    addresses. They are fetched and unpacked."""
    table: str | None = setting(None, path=True)
    """CSV of what is cut: video,start_seconds,end_seconds,class,split[,decision]. null: what you
    accepted in proposals/review.csv."""
    dataset: str = setting("OccludeNet-S")
    """Name of the dataset's folder in build_dir."""
    classes: tuple[str, ...] = setting(("abuse", "burglary", "fighting", "robbery", "stealing"))
    """The dataset's classes; each is a folder."""
    min_seconds: float = setting(8.0, low=0.1, high=600)
    """Shortest segment, seconds (the release: 8)."""
    max_seconds: float = setting(10.0, low=0.1, high=600)
    """Longest segment, seconds (the release: 10)."""

    def __post_init__(self) -> None:
        if self.min_seconds > self.max_seconds:
            raise UserError(
                f"config: segments.min_seconds: wanted at most segments.max_seconds, "
                f"{self.max_seconds:g}, got {self.min_seconds:g}"
            )
        for name in (self.dataset, *self.classes):
            if not name.isprintable() or "/" in name or name.startswith(".") or not name:
                raise UserError(
                    f"config: segments: wanted a dataset and classes that can name a folder, "
                    f"got {name!r}"
                )


@dataclass(frozen=True)
class Proposals:
    seconds: float = setting(9.0, low=1, high=600)
    """Length of a candidate, seconds; segments wants 8 to 10."""
    candidates: int = setting(200, low=1, high=100_000)
    """Candidates that are shown at most, the best of all videos."""
    per_video: int = setting(5, low=1, high=1000)
    """Candidates of one video at most; they do not overlap."""
    min_height: float = setting(0.12, low=0, high=1)
    """Least height of the person as seen, share of the picture's height."""
    min_present: float = setting(0.6, low=0, high=1)
    """Share of the candidate's time in which the person must be seen."""
    min_hidden: float = setting(0.1, low=0, high=1)
    """Least share of the person that is hidden, mean over the candidate's time."""
    max_hidden: float = setting(0.8, low=0, high=1)
    """Largest share that counts in a frame: of whom more is hidden, too little is left."""
    max_blur: float = setting(0.65, low=0, high=1)
    """Blur of the person, 0 sharp to 1, beyond which there is nothing to see."""


@dataclass(frozen=True)
class Leaks:
    lists: tuple[str, ...] = setting((), path=True, empty=True)
    """Lists of other datasets to look your clips up in: Kinetics' CSV files, or any text with a
    clip's name in each line."""
    frames_per_second: float = setting(4.0, low=0.1, high=30)
    """Pictures of each clip that are compared, per second."""
    distance: int = setting(12, low=0, high=20)
    """Bits of 64 in which the hashes of two pictures may differ and be one picture."""
    min_frames: int = setting(4, low=1)
    """Pictures that two clips must have in common, all at one shift in time."""
    min_share: float = setting(0.5, low=0, high=1)
    """The same, as a share of the pictures in which they overlap at that shift."""
