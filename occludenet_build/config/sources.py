"""Settings of the stages that fetch, list, index and cut source videos."""

from __future__ import annotations

import re
from dataclasses import dataclass

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url, setting


@dataclass(frozen=True)
class Fractions:
    """Shares of the splits, assigned by hash; they must sum to 1."""

    train: float = setting(0.7, low=0, high=1)
    """Share of the split train."""
    val: float = setting(0.1, low=0, high=1)
    """Share of the split val."""
    test: float = setting(0.2, low=0, high=1)
    """Share of the split test."""


@dataclass(frozen=True)
class Acquire:
    """Stage acquire: the source videos, the COCO files and the model weights."""

    videos: str | None = setting(None, path=True)
    """Folder of the source videos."""
    layout: str = setting("auto", choices=("auto", "kinetics", "classes", "flat"))
    """Folder layout of `videos`. kinetics: <split>/<class>/<video>; classes: <class>/<video>; flat:
    <video>, all of one class; auto: detected. Folders beside those of splits are left out if most
    files are in splits; else the build stops and asks for this setting."""
    flat_class: str = setting("unlabelled")
    """Class name of all videos if the layout is flat."""
    classes: tuple[str, ...] = setting((), empty=True, added=True)
    """Names of the classes of `videos` to take; mini_kinetics_200 stands for the 200 classes of
    mini-Kinetics (action-recognition-pytorch). []: all. For kinetics.route see kinetics.classes."""
    split: Fractions = setting(Fractions())
    """Shares of the splits for layouts that name no split, assigned by hash; they must sum to 1."""
    coco_instances: str | None = setting(None, path=True, url=True)
    """COCO instance annotations: a JSON file, or a zip that contains one, as a path or an http(s)
    address. null: the official file (253 MB, CC BY 4.0),
    http://images.cocodataset.org/annotations/annotations_trainval2017.zip"""
    coco_member: str = setting("instances_train2017.json")
    """File name of the instance annotations inside the zip."""
    coco_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the file or zip, 64 hex digits; a different file stops the build. null:
    not checked."""
    coco_images: str | None = setting(None, path=True, url=True)
    """Folder of the COCO images, or an http(s) address to which the image file names are appended.
    null: the images that the occluder bank needs are fetched from the addresses in the
    annotations."""


JS_RUNTIMES = ("deno", "node", "quickjs", "bun")
"""JavaScript runtimes that yt-dlp can use, by its preference."""


@dataclass(frozen=True)
class YouTubeAccess:
    """How yt-dlp reaches YouTube (kinetics.route youtube). In `proxy` and `extractor_args`, ${NAME}
    stands for an environment variable, so that passwords and tokens are in no file."""

    js_runtimes: tuple[str, ...] = setting(("deno",), empty=True)
    """JavaScript runtimes that yt-dlp may use: deno (the extra `youtube` installs it), node
    (22 or newer), quickjs, bun; with a path as in node:/opt/node/bin/node. Only deno, and node with
    its permission model, run YouTube's code without access to files and network. Without any,
    YouTube gives few formats."""
    plugins: tuple[str, ...] = setting((), path=True, words=("default",), empty=True)
    """Plug-ins of yt-dlp, such as providers of PO tokens: their folders or zip files; default:
    those that are installed with pip or lie in yt-dlp's own folders. They run with your rights."""
    proxy: str | None = setting(None, secret=True)
    """Proxy for YouTube alone, such as socks5://${PROXY_LOGIN}@proxy.example:1080; null: that of
    the environment (HTTPS_PROXY), if any."""
    extractor_args: tuple[str, ...] = setting((), empty=True, secret=True)
    """Arguments of yt-dlp's extractors, as for its option --extractor-args:
    youtube:player_client=mweb, or youtube:po_token=mweb.gvs+${PO_TOKEN}"""

    def __post_init__(self) -> None:
        for runtime in self.js_runtimes:
            if runtime.partition(":")[0] not in JS_RUNTIMES:
                raise UserError(
                    "config: download.youtube.js_runtimes: wanted one of "
                    f"{', '.join(JS_RUNTIMES)}, with a path after a colon or without, "
                    f"got {runtime!r}"
                )
        for text in self.extractor_args:
            if ":" not in text or not text.isprintable():
                raise UserError(
                    "config: download.youtube.extractor_args: wanted a text such as "
                    f"youtube:player_client=mweb, got {'***' if '=' in text else repr(text)}"
                )
        if self.proxy is not None and not re.fullmatch(r"\w+://\S+", self.proxy):
            raise UserError(
                "config: download.youtube.proxy: wanted an address such as "
                "socks5://proxy.example:1080, got another text"
            )


@dataclass(frozen=True)
class Downloads:
    """Downloads of all stages. A change here reruns no stage."""

    folder: str | None = setting(None)
    """Folder for downloaded files, which several builds may share; null: inside build_dir."""
    offline: bool = setting(False)
    """Never open a network connection: missing files are listed and the build stops."""
    mirror: str | None = setting(None)
    """Address of a mirror for all downloads but YouTube: https://host/path is requested as
    <mirror>/host/path. null: the environment variable OCCLUDENET_MIRROR, if it is set."""
    parallel: int = setting(8, low=1, high=128)
    """Number of files downloaded at the same time."""
    per_host: int = setting(4, low=1, high=128)
    """Number of files downloaded at the same time from one server."""
    retries: int = setting(6, low=0, high=1000)
    """Number of retries per file after a temporary failure: a timeout, a lost connection, or the
    HTTP status 408, 429 or 5xx. The count restarts whenever the file has grown by 1 MiB."""
    backoff_seconds: float = setting(1.0, low=0, high=3600)
    """Wait before the first retry, in seconds. The wait doubles with each retry and varies at
    random by up to 50 %."""
    longest_wait_seconds: float = setting(300.0, low=0, high=86_400)
    """Maximum wait before a retry, in seconds. If a server asks for a longer wait, the file fails
    in this run."""
    timeout_seconds: float = setting(60.0, low=0.01, high=3600)
    """Timeout of a connection, in seconds: a connection that delivers nothing, or less than 1 kB/s,
    for this time is closed."""
    max_bytes: int = setting(200_000_000_000, low=1)
    """Maximum size of a downloaded file, in bytes."""
    failure_budget: float = setting(0.05, low=0, high=1)
    """Maximum share of the files that may fail; with more failures the build stops."""
    give_up_after: int = setting(40, low=1)
    """Number of temporary failures in a row after which the network counts as down and the build
    stops."""
    youtube: YouTubeAccess = setting(YouTubeAccess())

    def __post_init__(self) -> None:
        if self.mirror is not None and not is_url(self.mirror):
            raise UserError(
                f"config: download.mirror: wanted an http or https address, got {self.mirror!r}"
            )


@dataclass(frozen=True)
class JobKind:
    """What the jobs of one kind ask of a cluster, beside cores, memory, run time and GPUs."""

    account: str | None = setting(None)
    """Account that is charged; null: the user's default account."""
    qos: str | None = setting(None)
    """Quality of service; null: the cluster's default."""
    constraint: str | None = setting(None)
    """Node features; null: any node."""
    gpu_model: str | None = setting(None)
    """Model in --gpus=<model>:<number>; null: --gpus=<number>. Only for `gpu`."""
    gres: str | None = setting(None)
    """For clusters that do not accept --gpus: the text of --gres, in which {gpu} stands for the
    number of GPUs, as in gpu:a100:{gpu}. Only for `gpu`."""
    extra: str | None = setting(None)
    """Further options of sbatch, as in --mail-type=FAIL."""
    max_minutes: int | None = setting(None, low=1)
    """Longest run time to request, in minutes; null: what the stage requests. A job that needs
    longer is submitted again and continues where it stopped."""
    max_mem_mb: int | None = setting(None, low=1000)
    """Largest memory to request, in MB; null: what the stage requests."""


@dataclass(frozen=True)
class Cluster:
    """Jobs on a SLURM cluster (profiles/slurm). A change here reruns no stage."""

    cpu: JobKind = setting(JobKind())
    """Jobs that request no GPU."""
    gpu: JobKind = setting(JobKind())
    """Jobs that request GPUs."""


@dataclass(frozen=True)
class Index:
    """Stage index: every video is decoded once and measured."""

    shards: int = setting(4, low=1, high=10_000)
    """Number of shards for person detection. Use few large shards: each one loads the model
    once."""
    oversample: float = setting(2.0, low=1)
    """Number of candidate videos searched for people, per clip of select.quota."""
    max_decode_errors: int = setting(0, low=0)
    """Maximum number of packets per video that may fail to decode; a video with more is corrupt."""
    max_corrupt_frames: float = setting(0.05, low=0, high=1)
    """Maximum share of the frames of a video in which the decoder may conceal damage; a video with
    more is corrupt."""
    max_pixels: int = setting(3840 * 2160, low=1)
    """Maximum size of a frame, in pixels (width x height); larger videos fail with a reason."""
    min_fps: float = setting(1.0, low=0)
    """Minimum average frame rate, in frames per second; slower videos fail with a reason."""
    max_fps: float = setting(240.0, low=0)
    """Maximum average frame rate, in frames per second; faster videos fail with a reason."""
    max_gap: float = setting(100.0, low=1)
    """Maximum time from frame to frame, as a multiple of the video's median; videos with a longer
    one fail with a reason."""


_CVDF = "https://s3.amazonaws.com/kinetics/400"
"""Address of Kinetics-400 at the Common Visual Data Foundation (CVDF)."""


@dataclass(frozen=True)
class YouTube:
    """Downloads from YouTube with yt-dlp (route youtube)."""

    address: str = setting("https://www.youtube.com/watch?v={id}")
    """Address of a video; {id} is replaced by the video id."""
    height: int = setting(360, low=144, high=4320)
    """Maximum size of the downloaded video: its shorter side, in pixels."""
    max_seconds: float = setting(3600.0, low=1)
    """Maximum duration of a video that is downloaded for its clip of 10 s, in seconds."""
    sleep_seconds: float = setting(8.0, low=0, high=3600)
    """Minimum pause between two videos, in seconds; up to 50 % is added at random. YouTube serves
    about 300 videos per hour without a login."""
    timeout_seconds: float = setting(900.0, low=1)
    """Maximum time for one video, in seconds."""
    cookies: str | None = setting(None, path=True)
    """Cookie file in Netscape format, for videos that require a login."""
    crf: float = setting(17.0, low=0, high=51)
    """Quality of the cut clip: constant rate factor of x264, lower is better. Cutting at the exact
    start time requires encoding."""
    give_up_after: int = setting(10, low=1)
    """Number of consecutive refusals by YouTube (HTTP 429, bot check) after which the build
    stops."""

    def __post_init__(self) -> None:
        if "{id}" not in self.address:
            raise UserError(
                "config: kinetics.youtube.address: wanted a text that contains {id}, "
                f"got {self.address!r}"
            )


@dataclass(frozen=True)
class Kinetics:
    """Stage kinetics: the clips of Kinetics-400."""

    route: str = setting("none", choices=("none", "archives", "youtube", "mirror"))
    """Source of the Kinetics clips. none: no Kinetics, use acquire.videos; archives: the tar files
    of CVDF; youtube: downloads with yt-dlp; mirror: an existing copy on disk, in any layout."""
    annotations: tuple[str, ...] = setting(
        tuple(f"{_CVDF}/annotations/{split}.csv" for split in ("train", "val", "test")),
        path=True,
        url=True,
    )
    """Official CSV files (label,youtube_id,time_start,time_end,split): paths or http(s)
    addresses."""
    archives: tuple[str, ...] = setting(
        tuple(f"{_CVDF}/{split}/k400_{split}_path.txt" for split in ("train", "val", "test")),
        path=True,
        url=True,
    )
    """Route archives: tar or zip files, or text files (.txt) that list them, one per line; paths or
    http(s) addresses. An archive whose name contains a split that is not in `splits` is skipped."""
    replacements: tuple[str, ...] = setting(
        (f"{_CVDF}/replacement_for_corrupted_k400.tgz",), path=True, url=True, empty=True
    )
    """Route archives: archives with replacements for corrupt clips, in the same form as
    `archives`."""
    keep_archives: bool = setting(False)
    """Keep archives after unpacking; doubles the disk usage."""
    mirror: str | None = setting(None, path=True)
    """Route mirror: folder of the existing copy. The clips are read in place."""
    splits: tuple[str, ...] = setting(("train", "val", "test"), choices=("train", "val", "test"))
    """Splits to fetch."""
    classes: tuple[str, ...] = setting((), empty=True)
    """Names of the classes to fetch; mini_kinetics_200 stands for the 200 classes of mini-Kinetics
    (action-recognition-pytorch). []: all."""
    per_class: int | None = setting(None, low=1)
    """Maximum number of clips per class and split; null: all. Clips are taken in the random order
    of the stage index: a complete build searches 2 x select.quota clips."""
    youtube: YouTube = setting(YouTube())

    def __post_init__(self) -> None:
        if self.route == "mirror" and self.mirror is None:
            raise UserError(
                "config: kinetics.mirror: wanted a folder for kinetics.route mirror, got nothing; "
                "set it"
            )


@dataclass(frozen=True)
class Segments:
    """Stage segments: clips cut out of long surveillance videos (OccludeNet-S)."""

    videos: str | None = setting(None, path=True)
    """Folder of long surveillance videos, such as UCF-Crime, for the stages proposals and
    segments."""
    archives: tuple[str, ...] = setting((), path=True, url=True, empty=True)
    """Alternative to `videos`: archives of such videos, or text files (.txt) that list archives;
    paths or http(s) addresses. Archives are fetched and unpacked."""
    table: str | None = setting(None, path=True)
    """CSV file of the segments: video,start_seconds,end_seconds,class,split[,decision]. null: the
    accepted rows of proposals/review.csv."""
    dataset: str = setting("OccludeNet-S")
    """Name of the dataset's folder in build_dir."""
    classes: tuple[str, ...] = setting(("abuse", "burglary", "fighting", "robbery", "stealing"))
    """Classes of the dataset; each one is a folder."""
    min_seconds: float = setting(8.0, low=0.1, high=600)
    """Minimum duration of a segment, in seconds (release: 8)."""
    max_seconds: float = setting(10.0, low=0.1, high=600)
    """Maximum duration of a segment, in seconds (release: 10)."""

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
