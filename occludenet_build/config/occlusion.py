"""Settings of the wing occlusion: occluder bank, choice of clips, composited clips, checks."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.sources import Fractions
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting


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
    instruction_set: str = setting("avx2", choices=("avx2", "sse2", "portable"))
    """Newest processor instructions the encoder may use: machines of one maker agree that have
    them. portable: all makers agree."""
    share_frames: int = setting(24, low=0)
    """Stretches of at least so many frames without an occluder are encoded once and their packets
    shared; 0: every output is encoded by itself."""


FILLS = ("zero", "mean", "blur", "median", "noise", "inpaint")


@dataclass(frozen=True)
class Counterfactual:
    fill: str = setting("zero", choices=FILLS)
    """What stands where the actor was: black, the frame's mean, its blur, the clip's median, grain
    like the surroundings, or what inpainting makes of them."""
    dilate: int = setting(3, low=0, high=200)
    """The actor's mask grows by this, pixels, before it is erased."""
    splits: tuple[str, ...] = setting(("train",), choices=("train", "val", "test"), empty=True)
    """Splits that get counterfactual clips; CAR trains on train. []: none."""
    files: bool = setting(True)
    """true: clips of their own; false: train erases the actor from the occluded clips when it reads
    them, for half the disk. Not with the fill median, which needs the whole clip."""

    def __post_init__(self) -> None:
        if self.fill == "median" and not self.files:
            raise UserError(
                "config: counterfactual.files: wanted true for the fill median, which needs the "
                "whole clip, got false; change one of them"
            )


@dataclass(frozen=True)
class ResidualActor:
    """residual_actor checks all clips as built; its target residual_actor_fills compares fills."""

    clips: int = setting(40, low=1)
    """Clips that residual_actor_fills takes, of the splits with counterfactuals, drawn by hash."""
    fills: tuple[str, ...] = setting(("none", *FILLS), choices=("none", *FILLS))
    """Fills that are compared; none: the occluded clip itself, in which the actor is not erased."""


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
