"""Settings of what is built from: videos, photos, downloads."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Gates:
    """What a cut-out must be like besides large; the table has a column for each measure."""

    apply: bool = setting(True)
    """false: measured and noted, but nothing is refused, as in the release."""
    border: float = setting(0.25, low=0, high=1)
    """Most of the outline that may lie on the photo's border, share; 1: all."""
    holes: float = setting(0.25, low=0, high=1)
    """Most of the filled mask that may be holes, share; 1: all."""
    largest_part: float = setting(0.9, low=0, high=1)
    """Least share of the mask in its largest connected piece; 0: any."""
    thickness: float = setting(0.35, low=0, high=1)
    """Least width of the widest circle inside, over the mask's square root; a square: 1; 0: any."""
    blur: float = setting(0.008, low=0, high=1)
    """Most spread of the edges inside, over the mask's square root (1.4 px at 30,000); 1: any."""
    near_duplicate: float = setting(0.2, low=0, high=1)
    """Cut-outs of which less of the perceptual hash differs are one: the largest stays; 0: off."""


@dataclass(frozen=True)
class Occluders:
    categories: tuple[str, ...] = setting(("backpack", "handbag", "suitcase", "dog"))
    """COCO categories that occlude, by name."""
    min_pixels: int = setting(30_000, low=1)
    """Least mask size, pixels (the paper: 30,000)."""
    gates: Gates = setting(Gates())
    refine: str = setting("none", choices=("none", "grabcut"))
    """grabcut: the outline moves to the picture's edge, by 2 % of the object's size at most."""
    feather: float = setting(0.0, low=0, high=20)
    """Width of the soft edge, pixels of the photo, half of it inside; 0: hard, as the release."""
    own: str | None = setting(None, path=True)
    """Folder of your own RGBA PNGs, <category>/<name>.png: they join the bank, ungated."""
    split: Fractions = setting(Fractions())
    """Shares of the bank that only train, only val and only test may use."""
