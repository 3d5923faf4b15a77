"""Settings of the wing sources: videos, photos, downloads, Kinetics-400, surveillance clips."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Fractions:
    """Shares of a split by hash; they sum to 1."""

    train: float = setting(0.7, low=0, high=1)
    val: float = setting(0.1, low=0, high=1)
    test: float = setting(0.2, low=0, high=1)


@dataclass(frozen=True)
class Acquire:
    videos: str | None = setting(None, path=True)
    """Folder of source videos."""
    layout: str = setting("auto", choices=("auto", "kinetics", "classes", "flat"))
    """kinetics: <split>/<class>/<video>; classes: <class>/<video>; flat: <video>, one class."""
    flat_class: str = setting("unlabelled")
    """Class name of the videos of a flat folder."""
    split: Fractions = setting(Fractions())
    """Shares of train, val and test where the layout names no split."""
    coco_instances: str | None = setting(None, path=True, url=True)
    """COCO instances: a JSON file, or a zip that holds one; file or address. COCO's own:
    http://images.cocodataset.org/annotations/annotations_trainval2017.zip"""
    coco_member: str = setting("instances_train2017.json")
    """Name of the instances file in that zip."""
    coco_sha256: str | None = setting(None, sha256=True)
    """What the file or zip must have."""
    coco_images: str | None = setting(None, path=True, url=True)
    """Folder of the COCO images, or an address that their file names are added to. null: those
    images that the bank needs are fetched, from where the instances file says."""


@dataclass(frozen=True)
class Downloads:
    folder: str | None = setting(None)
    """Folder for what is fetched, which several builds may share; null: in build_dir."""
    offline: bool = setting(False)
    """Never open a connection: what is not here yet is listed, and the build stops."""
    parallel: int = setting(8, low=1, high=128)
    """Files fetched at once."""
    per_host: int = setting(4, low=1, high=128)
    """Files fetched at once from one server."""
    retries: int = setting(6, low=0, high=1000)
    """Further attempts at a file after what may pass: time-outs, lost connections, 408, 429, 5xx.
    They count anew whenever the file is a MiB further."""
    backoff_seconds: float = setting(1.0, low=0, high=3600)
    """Wait before the second attempt, seconds; it doubles with each, give or take a half."""
    longest_wait_seconds: float = setting(300.0, low=0, high=86_400)
    """Longest wait, seconds. A server that asks for more fails the file for this run."""
    timeout_seconds: float = setting(60.0, low=0.01, high=3600)
    """A connection that brings nothing, or less than 1 kB a second, for so long is given up."""
    max_bytes: int = setting(200_000_000_000, low=1)
    """Largest file, bytes."""
    failure_budget: float = setting(0.05, low=0, high=1)
    """Share of the files that may fail; beyond it the build stops."""
    give_up_after: int = setting(40, low=1)
    """So many failures in a row that may pass mean that the network is down: the build stops."""


@dataclass(frozen=True)
class Index:
    shards: int = setting(4, low=1, high=10_000)
    """Number of shards for detection: few and large, a model is loaded once in each."""
    oversample: float = setting(2.0, low=1)
    """Candidates that are searched for people, per clip of the quota."""
    max_decode_errors: int = setting(0, low=0)
    """Packets that may fail to decode before a video counts as corrupt."""
    max_pixels: int = setting(3840 * 2160, low=1)
    """Largest picture, pixels: wider files are rows with a reason, not a full memory."""


_CVDF = "https://s3.amazonaws.com/kinetics/400"
"""Where the Common Visual Data Foundation keeps Kinetics-400."""


@dataclass(frozen=True)
class YouTube:
    """How videos are fetched from YouTube."""

    address: str = setting("https://www.youtube.com/watch?v={id}")
    """Address of a video; {id} is its id."""
    height: int = setting(360, low=144, high=4320)
    """Largest height that is fetched, pixels of the shorter side."""
    max_seconds: float = setting(3600.0, low=1)
    """Longest video that is fetched for its ten seconds."""
    sleep_seconds: float = setting(8.0, low=0, high=3600)
    """Least pause from the end of one video to the next; up to half of it is added by chance.
    YouTube serves about 300 videos an hour to who has not logged in."""
    timeout_seconds: float = setting(900.0, low=1)
    """Longest time that one video may take."""
    cookies: str | None = setting(None, path=True)
    """Cookie file in Netscape's format, for videos that ask for a login."""
    crf: float = setting(17.0, low=0, high=51)
    """Quality of the cut clip, x264's constant rate factor: it must be encoded to begin exactly."""
    give_up_after: int = setting(10, low=1)
    """So many refusals of all service in a row (429, "not a bot") stop the build."""

    def __post_init__(self) -> None:
        if "{id}" not in self.address:
            raise UserError(
                "config: kinetics.youtube.address: wanted a text that holds {id}, "
                f"got {self.address!r}"
            )


@dataclass(frozen=True)
class Kinetics:
    route: str = setting("none", choices=("none", "archives", "youtube", "mirror"))
    """none: your own videos, acquire.videos; archives: the frozen tar files; youtube: through
    yt-dlp; mirror: a copy on disk, in any layout."""
    annotations: tuple[str, ...] = setting(
        tuple(f"{_CVDF}/annotations/{split}.csv" for split in ("train", "val", "test")),
        path=True,
        url=True,
    )
    """The official CSV files (label,youtube_id,time_start,time_end,split): files or addresses."""
    archives: tuple[str, ...] = setting(
        tuple(f"{_CVDF}/{split}/k400_{split}_path.txt" for split in ("train", "val", "test")),
        path=True,
        url=True,
    )
    """route archives: tar or zip files, or lists (.txt) of them with a line each; files or
    addresses. An archive named for a split that is not wanted is not fetched."""
    replacements: tuple[str, ...] = setting(
        (f"{_CVDF}/replacement_for_corrupted_k400.tgz",), path=True, url=True, empty=True
    )
    """The same, for what replaces corrupt clips of `archives`."""
    keep_archives: bool = setting(False)
    """Keep an archive after it was unpacked: twice the disk space."""
    mirror: str | None = setting(None, path=True)
    """route mirror: its folder. The clips stay where they are."""
    splits: tuple[str, ...] = setting(("train", "val", "test"), choices=("train", "val", "test"))
    """Splits that are wanted."""
    classes: tuple[str, ...] = setting((), empty=True)
    """Classes that are wanted, by name; empty: all."""
    per_class: int | None = setting(None, low=1)
    """Clips of a class and split that are wanted at most, the first in the order of the draw, which
    is that of index: 2 x select.quota is what a whole build searches. null: all."""
    youtube: YouTube = setting(YouTube())

    def __post_init__(self) -> None:
        if self.route == "mirror" and self.mirror is None:
            raise UserError(
                "config: kinetics.mirror: wanted a folder for kinetics.route mirror, got nothing; "
                "set it"
            )


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
