"""Every setting: one frozen dataclass per room, unit and range under each field.

A configuration is a YAML mapping of room -> settings. `load` checks it as a whole before any
job starts; `canonical` writes the settings that one room depends on as one JSON string, in which
neither the order of keys nor a written-out default makes a difference. Standard library only:
the workflow imports it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import build, setting


@dataclass(frozen=True)
class Fractions:
    """Shares of a split by hash; they sum to 1."""

    train: float = setting(0.7, low=0, high=1)
    val: float = setting(0.1, low=0, high=1)
    test: float = setting(0.2, low=0, high=1)


@dataclass(frozen=True)
class Quota:
    """Clips a class may have in each split, shared equally by the occluder types; null: all."""

    train: int | None = setting(160, low=1)
    """The release: about 159 a class (one third of Kinetics-400's training videos)."""
    val: int | None = setting(12, low=1)
    """The release: 12 a class, 3 an occluder type."""
    test: int | None = setting(24, low=1)
    """The release: 24 a class, 6 an occluder type."""


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
    coco_images: str | None = setting(None, path=True)
    """Folder of the COCO images."""
    coco_instances: str | None = setting(None, path=True)
    """COCO instances JSON."""


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
class Detect:
    backend: str = setting("yolo", choices=("yolo", "motion", "file"))
    """yolo: any weights ultralytics loads; motion: fixed cameras, no weights; file: your boxes."""
    weights: str | None = setting(None, path=True)
    """Weights file of the yolo backend."""
    boxes: str | None = setting(None, path=True)
    """CSV or Parquet of the file backend: clip,frame,x1,y1,x2,y2[,score][,track]."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    batch: int = setting(16, low=1, high=4096)
    """Frames per batch of the yolo backend."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the picture that the yolo model sees, pixels."""
    score: float = setting(0.25, low=0, high=1)
    """Least score of a person box that begins a track."""
    low_score: float = setting(0.1, low=0, high=1)
    """Least score of a box that continues a track: people are often weak for some frames."""
    iou: float = setting(0.7, low=0, high=1)
    """Boxes that overlap more are one person."""
    min_area_share: float = setting(0.005, low=0, high=1)
    """motion: least area of a moving person, share of the picture."""
    track_iou: float = setting(0.4, low=0, high=1)
    """Least overlap of a box with the last box of its track."""
    min_track_seconds: float = setting(0.3, low=0)
    """Time with a box that the actor's track needs, seconds; half of its shot if that is less."""
    actor_score: float = setting(0.4, low=0, high=1)
    """Score that the actor's track needs once: what is no person stays weak in all frames."""
    max_gap_seconds: float = setting(0.5, low=0)
    """Longest gap in the actor's track that is filled (and flagged), seconds."""
    actor: str = setting("area_x_duration", choices=("area_x_duration", "central"))
    """Which track is the actor."""


@dataclass(frozen=True)
class Occluders:
    categories: tuple[str, ...] = setting(("backpack", "handbag", "suitcase", "dog"))
    """COCO categories that occlude, by name."""
    min_pixels: int = setting(30_000, low=1)
    """Least mask size, pixels (the paper: 30,000)."""
    split: Fractions = setting(Fractions())
    """Shares of the bank that only train, only val and only test may use."""


@dataclass(frozen=True)
class Window:
    """When in a clip the occluder is there; shares of the clip's frames."""

    start: float = setting(0.0, low=0, high=1)
    end: float = setting(1.0, low=0, high=1)
    ramp: float = setting(0.0, low=0, high=1)
    """It grows from nothing, and shrinks to it, in so long a time; 0: abrupt."""

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise UserError(
                f"config: composite.window: wanted a start before its end, got {self.start:g} and "
                f"{self.end:g}"
            )


@dataclass(frozen=True)
class Select:
    shards: int = setting(8, low=1, high=10_000)
    """Number of shards for the rooms that make clips and masks: about 64 clips in each."""
    assignment: str = setting("quota", choices=("quota", "published"))
    """quota: our own draw, no occluder in two splits; published: the choice of a release's CSV."""
    published: str | None = setting(None, path=True)
    """A release's `{split}_d.csv`, or the folder that holds them, for `published`."""
    occluders_per_clip: int = setting(1, low=1, high=16)
    """Occluders pasted at once, all of one type."""
    quota: Quota = setting(Quota())
    """Clips per class and split."""
    min_actor_frames: int = setting(1, low=1)
    """Frames with an actor box that a clip needs."""
    min_actor_share: float = setting(0.0, low=0, high=1)
    """Share of the frames with an actor box that a clip needs."""


@dataclass(frozen=True)
class Composite:
    dataset: str = setting("OccludeNet-D")
    """Name of the dataset's folder in build_dir."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0.01, high=4)
    """Size of the occluder relative to the actor's box (the paper: 0.25, 0.50, 0.75)."""
    scale_mode: str = setting("fit", choices=("fit", "stretch", "area", "target"))
    """fit: inside scale x width and height; stretch: to that size; area: scale^2 of the area;
    target: a scale is the share of the actor that is to be hidden, solved for each clip."""
    target_tolerance: float = setting(0.05, low=0.001, high=0.5)
    """target: how far the mean share hidden may be off; clips that miss it are rows, not clips."""
    motion: str = setting(
        "track", choices=("track", "static", "linear", "circular", "sine", "random")
    )
    """track: on the actor; the others: a path through the picture, sizes relative to the picture
    (as in K-400-O)."""
    window: Window = setting(Window())
    smooth_seconds: float = setting(0.3, low=0, high=10)
    """Boxes are averaged over this time before the occluder is placed, within a shot; 0: as they
    were detected, frame by frame, as in the paper."""
    clean_twin: bool = setting(True)
    """Also write the clip through the same encoder without an occluder."""
    codec: str = setting(
        "libx264", choices=("libx264", "libx265", "h264_nvenc", "h264_qsv", "h264_amf")
    )
    """Encoder; a hardware encoder that this machine lacks gives way to libx264, and it is said."""
    crf: float = setting(21.0, low=0, high=51)
    """Constant rate factor, or the encoder's own scale of that kind; lower is better and larger."""
    preset: str = setting(
        "veryfast",
        choices=("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"),
    )
    """x264's preset. veryfast at crf 21 has the SSIM of medium at crf 23 for 0.4 of its CPU."""
    keyframe_seconds: float = setting(2.0, low=0.04)
    """Longest distance of key frames, seconds."""
    pix_fmt: str = setting("source", choices=("source", "yuv420p"))
    """source: the source's own format where the encoder has it; yuv420p: plays everywhere."""
    instruction_set: str = setting("avx2", choices=("avx2", "sse2"))
    """Newest processor instructions the encoder may use: machines agree that have them."""
    share_frames: int = setting(24, low=0)
    """Stretches of at least so many frames that no output changes are encoded once and their
    packets shared; 0: every output is encoded by itself."""


@dataclass(frozen=True)
class ActorMasks:
    backend: str = setting("sam", choices=("sam", "grabcut", "yolo-seg"))
    """sam: segment-anything; grabcut: no weights; yolo-seg: a model through ultralytics."""
    weights: str | None = setting(None, path=True)
    """Checkpoint of sam or yolo-seg."""
    sam_model: str = setting("vit_b", choices=("vit_b", "vit_l", "vit_h"))
    """Size of the SAM checkpoint."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    batch: int = setting(8, low=1, high=4096)
    """Frames per batch of the model backends."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the picture that yolo-seg sees, pixels."""
    grabcut_iterations: int = setting(3, low=1, high=50)
    grabcut_side: int = setting(160, low=16)
    """Longer side of the window that GrabCut works in, pixels: larger is slower and finer."""


@dataclass(frozen=True)
class Counterfactual:
    fill: str = setting("zero", choices=("zero", "mean", "blur", "median"))
    """What stands where the actor was: black, the frame's mean, its blur, the clip's median."""
    dilate: int = setting(3, low=0, high=200)
    """The actor's mask grows by this, pixels, before it is erased."""
    splits: tuple[str, ...] = setting(("train",), choices=("train", "val", "test"), empty=True)
    """Splits that get counterfactual clips; CAR trains on train. []: none."""


@dataclass(frozen=True)
class Train:
    backbone: str = setting("r3d_18")
    """Name in recognition.backbones: torchvision's video models, tiny3d."""
    weights: str | None = setting(None, path=True)
    """Checkpoint the backbone starts from; a head of another size is left out and said."""
    alpha: float = setting(1.0, low=0)
    """Weight of CAR's causal term; the baseline is always trained too, with 0."""
    causal_term: str = setting("kl_p_y", choices=("kl_p_y", "ce_y"))
    """kl_p_y: KL(P || Y), Eq. 4 as printed; ce_y: -log Y[label]."""
    detach_counterfactual: bool = setting(False)
    """Stop the gradient through the counterfactual's logits."""
    seeds: tuple[int, ...] = setting((0,), low=0)
    """One training per seed and arm."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0.01, high=4)
    """Occlusion scales of the training clips."""
    frames: int = setting(8, low=1, high=512)
    """Frames per clip, one drawn from each of as many equal segments."""
    size: int = setting(112, low=16, high=1024)
    """Side of the square crop, pixels."""
    short_side: int = setting(128, low=16, high=2048)
    """The short side is scaled to this before the crop, pixels."""
    flip: bool = setting(True)
    """Mirror half of the training clips."""
    epochs: int = setting(5, low=1, high=100_000)
    batch: int = setting(8, low=1, high=65_536)
    """Clips per step."""
    learning_rate: float = setting(1e-4, low=0)
    weight_decay: float = setting(0.05, low=0)
    warmup_epochs: float = setting(1.0, low=0)
    clip_gradient: float = setting(20.0, low=0)
    """Largest norm of the gradient; 0: no limit."""
    log_steps: int = setting(10, low=1)
    """Steps per row of the loss curve; an epoch always ends one."""
    checkpoint_minutes: float = setting(10.0, low=0)
    """A checkpoint after each epoch, and after so many minutes."""
    memory_mib: int = setting(512, low=0)
    """Where all training clips fit into this decoded, they are decoded once and kept."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""

    def __post_init__(self) -> None:
        if self.size > self.short_side:
            raise UserError(
                f"config: train.size: wanted at most train.short_side, {self.short_side}, "
                f"got {self.size}; change one of them"
            )


@dataclass(frozen=True)
class Evaluate:
    views: int = setting(4, low=1, high=100)
    """Clips in time that are averaged."""
    crops: int = setting(1, choices=(1, 3))
    """Crops in space that are averaged: the centre, or three along the longer side."""
    average: str = setting("softmax", choices=("softmax", "logits"))
    """What is averaged over views and crops."""
    split: str = setting("test", choices=("train", "val", "test"))
    """The split that is evaluated."""
    batch: int = setting(8, low=1, high=65_536)
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = setting(2, low=0, high=256)
    """Processes that decode."""


@dataclass(frozen=True)
class Report:
    examples: int = setting(6, low=0, high=200)
    """Clips shown as strips."""
    frames: int = setting(6, low=1, high=30)
    """Frames in a strip."""


@dataclass(frozen=True)
class Config:
    build_dir: str = setting("build")
    """Where everything is written, relative to Snakemake's working directory."""
    seed: int = setting(0, low=0)
    """All draws follow from it: splits, selection, occluders, training."""
    acquire: Acquire = setting(Acquire())
    index: Index = setting(Index())
    detect: Detect = setting(Detect())
    occluders: Occluders = setting(Occluders())
    select: Select = setting(Select())
    composite: Composite = setting(Composite())
    actor_masks: ActorMasks = setting(ActorMasks())
    counterfactual: Counterfactual = setting(Counterfactual())
    train: Train = setting(Train())
    evaluate: Evaluate = setting(Evaluate())
    report: Report = setting(Report())


BORROWED = {
    "index": ("select",),
    "select": ("occluders",),
    "composite": ("counterfactual",),
    "annotate": ("composite", "occluders"),
    "validate": ("composite", "select"),
    "report": ("select", "composite", "train", "evaluate"),
}
"""Rooms that read settings of other rooms: room -> those rooms."""

SEEDED = ("acquire", "index", "occluders", "select", "composite", "train", "report")
"""Rooms that draw: only these depend on the seed."""


def load(values: dict[str, Any], base: Path | str = ".") -> Config:
    """Check a whole configuration and return it with every default filled in.

    Paths are relative to `base` and must exist. Raises UserError with one line that names the
    key, what was wanted and what came.
    """
    config = build(Config, values, base)
    _check_whole(config)
    return config


def load_part(values: dict[str, Any]) -> Config:
    """Check the settings of some rooms, as a room gets them; the others keep their defaults."""
    return build(Config, values)


def room_settings(config: Config, room: str) -> dict[str, Any]:
    """What one room depends on, as plain values: its section, those it borrows, its seed."""
    own = (room,) if hasattr(config, room) else ()
    sections = (*own, *BORROWED.get(room, ()))
    seed = {"seed": config.seed} if room in SEEDED else {}
    return seed | {s: dataclasses.asdict(getattr(config, s)) for s in sections}


def canonical(settings: dict[str, Any]) -> str:
    """One string for equal settings, whatever the order of the keys."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _check_whole(config: Config) -> None:
    """What one field alone cannot tell."""
    for key, shares in (("acquire", config.acquire.split), ("occluders", config.occluders.split)):
        total = shares.train + shares.val + shares.test
        if abs(total - 1) > 1e-9:
            raise UserError(f"config: {key}.split: wanted shares that sum to 1, got {total:g}")
    for key in ("videos", "coco_images", "coco_instances"):
        if getattr(config.acquire, key) is None:
            raise UserError(f"config: acquire.{key}: wanted a path, got nothing; set it")
    _wants(config.detect, "detect", {"yolo": "weights", "file": "boxes"})
    if config.select.assignment == "published" and config.select.published is None:
        raise UserError(
            "config: select.published: wanted a release's CSV file or folder for "
            "select.assignment published, got nothing; set it"
        )
    if config.composite.scale_mode == "target" and max(config.composite.scales) > 1:
        raise UserError(
            "config: composite.scales: wanted shares of at most 1 for scale_mode target, got "
            f"{max(config.composite.scales):g}"
        )
    _wants(config.actor_masks, "actor_masks", {"sam": "weights", "yolo-seg": "weights"})
    _different("composite.scales", [f"{scale:.2f}" for scale in config.composite.scales])
    _different("train.seeds", [str(seed) for seed in config.train.seeds])
    missing = set(config.train.scales) - set(config.composite.scales)
    if missing:
        raise UserError(
            f"config: train.scales: wanted some of composite.scales {config.composite.scales}, "
            f"got {config.train.scales}"
        )


def _different(key: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise UserError(f"config: {key}: wanted different values, got {', '.join(values)}")


def _wants(section: Any, name: str, needs: dict[str, str]) -> None:
    needed = needs.get(section.backend)
    if needed and getattr(section, needed) is None:
        raise UserError(
            f"config: {name}.{needed}: wanted a file for {name}.backend {section.backend}, "
            f"got nothing; set it or choose another backend"
        )
