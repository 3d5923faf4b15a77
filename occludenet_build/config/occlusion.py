"""Settings of the stages that choose occluders and clips and write the occluded clips."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.sources import Fractions
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting


@dataclass(frozen=True)
class Gates:
    """Quality limits for occluder cut-outs. The occluder table has a column per measure. All limits
    are checked in addition to min_pixels."""

    apply: bool = setting(True)
    """Whether cut-outs beyond a limit are rejected; false: measures are recorded only, as in the
    release."""
    border: float = setting(0.25, low=0, high=1)
    """Maximum share of the outline that lies on the border of the photo; 1: no limit."""
    holes: float = setting(0.25, low=0, high=1)
    """Maximum share of the hole-filled mask that consists of holes; 1: no limit."""
    largest_part: float = setting(0.9, low=0, high=1)
    """Minimum share of the mask in its largest connected component; 0: no limit."""
    thickness: float = setting(0.35, low=0, high=1)
    """Minimum thickness: diameter of the largest circle inside the mask, divided by the square root
    of the mask's area (a square has 1); 0: no limit."""
    blur: float = setting(0.008, low=0, high=1)
    """Maximum blur: spread of the edges inside the mask, divided by the square root of the mask's
    area (0.008 is 1.4 px at 30,000 px); 1: no limit."""
    near_duplicate: float = setting(0.2, low=0, high=1)
    """Two cut-outs are duplicates if a smaller share of the bits of their perceptual hashes
    differs; the larger one is kept; 0: no check."""


@dataclass(frozen=True)
class Occluders:
    """Stage occluders: the bank of RGBA cut-outs from COCO."""

    categories: tuple[str, ...] = setting(("backpack", "handbag", "suitcase", "dog"))
    """Names of the COCO categories used as occluders."""
    min_pixels: int = setting(30_000, low=1)
    """Minimum area of a mask, in pixels (paper: 30,000)."""
    gates: Gates = setting(Gates())
    refine: str = setting("none", choices=("none", "grabcut"))
    """Edge refinement. grabcut: moves the outline to the nearest image edge, by at most 2 % of the
    object's size."""
    feather: float = setting(0.0, low=0, high=20)
    """Width of the soft edge, in pixels of the photo, centred on the outline; 0: hard edge, as in
    the release."""
    own: str | None = setting(None, path=True)
    """Folder of your own RGBA PNG files, <category>/<name>.png; added to the bank without checking
    `gates`."""
    split: Fractions = setting(Fractions())
    """Shares of the bank reserved for each split: an occluder appears in one split only."""


@dataclass(frozen=True)
class Quota:
    """Maximum number of clips per class in each split, divided evenly among the occluder types;
    null: all."""

    train: int | None = setting(160, low=1)
    """Clips per class in train (release: about 159, one third of the Kinetics-400 training
    videos)."""
    val: int | None = setting(12, low=1)
    """Clips per class in val (release: 12, 3 per occluder type)."""
    test: int | None = setting(24, low=1)
    """Clips per class in test (release: 24, 6 per occluder type)."""


@dataclass(frozen=True)
class Window:
    """Part of the clip in which the occluder is visible, in shares of the clip's frames."""

    start: float = setting(0.0, low=0, high=1)
    """First frame with the occluder."""
    end: float = setting(1.0, low=0, high=1)
    """First frame after the occluder."""
    ramp: float = setting(0.0, low=0, high=1)
    """Duration over which the occluder grows from zero size after start and shrinks to zero before
    end; 0: it appears and disappears at full size."""

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise UserError(
                f"config: composite.window: wanted a start before its end, got {self.start:g} and "
                f"{self.end:g}"
            )


@dataclass(frozen=True)
class Select:
    """Stage select: the clips to occlude and their occluders."""

    shards: int = setting(8, low=1, high=10_000)
    """Number of shards for the stages that write clips and masks; about 64 clips per shard."""
    assignment: str = setting("quota", choices=("quota", "published"))
    """quota: random selection, with no occluder in two splits; published: the selection in the CSV
    files of a release."""
    published: str | None = setting(None, path=True, url=True)
    """Assignment published: a CSV file `{split}_d.csv` of a release, the folder that contains such
    files, or an http(s) address to which their names are appended. null: OccludeNet-D's own
    annotations, from the authors' repository."""
    occluders_per_clip: int = setting(1, low=1, high=16)
    """Number of occluders in a clip at the same time, all of one type."""
    quota: Quota = setting(Quota())
    """Maximum number of clips per class in each split, divided evenly among the occluder types;
    null: all."""
    min_actor_frames: int = setting(1, low=1)
    """Minimum number of frames with the actor's box that a clip needs."""
    min_actor_share: float = setting(0.0, low=0, high=1)
    """Minimum share of frames with the actor's box that a clip needs."""


@dataclass(frozen=True)
class Composite:
    """Stage composite: the occluded clips and their clean twins."""

    dataset: str = setting("OccludeNet-D")
    """Name of the dataset's folder in build_dir."""
    scales: tuple[float, ...] = setting((0.25, 0.5, 0.75), low=0.01, high=4)
    """Sizes of the occluder relative to the actor's box (paper: 0.25, 0.50, 0.75); one clip is
    written per value."""
    scale_mode: str = setting("fit", choices=("fit", "stretch", "area", "target"))
    """Meaning of a scale. fit: the occluder fits into scale x width and height of the actor's box,
    its aspect ratio kept; stretch: it is stretched to that size; area: its area is scale^2 of the
    box's area; target: the scale is the share of the actor to hide, and the size is computed per
    clip."""
    target_tolerance: float = setting(0.05, low=0.001, high=0.5)
    """Scale mode target: maximum difference between the mean hidden share and the scale; a clip
    beyond it fails with a reason."""
    motion: str = setting(
        "track", choices=("track", "static", "linear", "circular", "sine", "random")
    )
    """Motion of the occluder. track: follows the actor; the others: a path through the frame, with
    sizes relative to the frame (as in K-400-O)."""
    window: Window = setting(Window())
    smooth_seconds: float = setting(0.3, low=0, high=10)
    """Averaging window for the actor's boxes before the occluder is placed, in seconds, within a
    shot; 0: no averaging, as in the paper."""
    clean_twin: bool = setting(True)
    """Also write each clip without an occluder, through the same encoder."""
    codec: str = setting(
        "libx264", choices=("libx264", "libx265", "h264_nvenc", "h264_qsv", "h264_amf")
    )
    """Video encoder. If this machine lacks the hardware encoder, libx264 is used and a warning is
    logged."""
    crf: float = setting(21.0, low=0, high=51)
    """Constant rate factor, or the equivalent quality scale of a hardware encoder; lower means
    better quality and larger files."""
    preset: str = setting(
        "veryfast",
        choices=("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"),
    )
    """x264 preset. veryfast at crf 21 reaches the SSIM of medium at crf 23 with 0.4 of its CPU
    time."""
    keyframe_seconds: float = setting(2.0, low=0.04)
    """Maximum distance between key frames, in seconds."""
    pix_fmt: str = setting("source", choices=("source", "yuv420p"))
    """Pixel format. source: that of the source video if the encoder supports it; yuv420p: plays
    everywhere."""
    instruction_set: str = setting("avx2", choices=("avx2", "sse2", "portable"))
    """Newest processor instruction set that the encoder may use. avx2, sse2: equal bytes on
    processors of one vendor that have it; portable: equal bytes on processors of all vendors."""
    share_frames: int = setting(24, low=0)
    """Minimum number of consecutive frames without an occluder that are encoded once and shared by
    all outputs of a clip; 0: every output is encoded separately."""


FILLS = ("zero", "mean", "blur", "median", "noise", "inpaint")
"""Names of the fills of counterfactual clips."""
DRAWN_FILLS = tuple(fill for fill in FILLS if fill != "median")
"""The fills that need nothing but the frame; the median needs the whole clip."""


@dataclass(frozen=True)
class Counterfactual:
    """Counterfactual clips, from which the actor is erased; written by the stage composite."""

    fill: str = setting("zero", choices=FILLS)
    """Replacement for the pixels of the actor. zero: black; mean: mean of the rest of the frame;
    blur: the blurred surroundings; median: median over the frames of the clip, without the actor;
    noise: noise with the mean and standard deviation of the surroundings; inpaint: inpainting from
    the surroundings."""
    dilate: int = setting(3, low=0, high=200)
    """Dilation of the actor's mask before erasing, in pixels."""
    splits: tuple[str, ...] = setting(("train",), choices=("train", "val", "test"), empty=True)
    """Splits with counterfactual clips; CAR needs train. []: none."""
    max_unerased: float = setting(0.1, low=0, high=1)
    """Maximum share of the frames that may show the actor which may be left unerased, because the
    actor has no mask there or was lost by the tracker. A clip beyond it gets no counterfactual: a
    pair of clips that both show the action teaches the opposite of what CAR wants. 1: all clips get
    one."""
    files: bool = setting(True)
    """true: counterfactual clips are written to files; false: the stage train erases the actor when
    it reads the occluded clips, which halves the disk usage. The fill median requires true."""

    def __post_init__(self) -> None:
        if self.fill == "median" and not self.files:
            raise UserError(
                "config: counterfactual.files: wanted true for the fill median, which needs the "
                "whole clip, got false; change one of them"
            )


@dataclass(frozen=True)
class ResidualActor:
    """Stage residual_actor: detection of people that remain in the counterfactual clips. The target
    residual_actor_fills compares fills on a sample."""

    clips: int = setting(40, low=1)
    """Number of clips in the sample of residual_actor_fills, drawn by hash from the splits with
    counterfactual clips."""
    fills: tuple[str, ...] = setting(("none", *FILLS), choices=("none", *FILLS))
    """Fills to compare; none: the occluded clip, in which the actor is not erased."""


@dataclass(frozen=True)
class Leaks:
    """Stage leaks: clips that appear in two splits or in other datasets."""

    lists: tuple[str, ...] = setting((), path=True, empty=True)
    """Lists of other datasets to compare with: Kinetics CSV files, or text files with one clip name
    per line."""
    frames_per_second: float = setting(4.0, low=0.1, high=30)
    """Number of frames per second of each clip that are compared."""
    distance: int = setting(12, low=0, high=20)
    """Maximum number of differing bits, of 64, between the perceptual hashes of two equal
    frames."""
    min_frames: int = setting(4, low=1)
    """Minimum number of equal frames in two duplicate clips, all at one time offset."""
    min_share: float = setting(0.5, low=0, high=1)
    """Minimum share of equal frames among the frames in which the two clips overlap at that
    offset."""
