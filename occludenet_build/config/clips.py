"""Settings of what is made of a clip: boxes, choice, occlusion, masks."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.backends import DETECTORS, MASKERS, in_words
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import setting

TORCHVISION_MODELS = (
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
"""Names of the detectors in torchvision.models.detection."""


@dataclass(frozen=True)
class Detect:
    backend: str = setting("yolo", choices=tuple(DETECTORS), about=in_words(DETECTORS))
    weights: str | None = setting(None, path=True, url=True)
    """Weights of yolo (.pt, or an export: .onnx, OpenVINO's .xml) or torchvision (.pth): a file, or
    an http(s) address, fetched once by acquire."""
    weights_sha256: str | None = setting(None, sha256=True)
    """What the weights must have; another file stops the build."""
    torchvision_model: str = setting("fasterrcnn_resnet50_fpn_v2", choices=TORCHVISION_MODELS)
    """Which of torchvision's detectors the weights of the torchvision backend are of."""
    boxes: str | None = setting(None, path=True)
    """CSV or Parquet of the file backend: clip,frame,x1,y1,x2,y2[,score][,track][,actor]."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    half: bool | None = setting(None)
    """Whether a model computes in half precision, on CUDA; null: yes, where the device is CUDA. An
    export (.onnx, .xml) has the precision it was made with."""
    batch: int = setting(16, low=1, high=4096)
    """Frames that a model sees at once, of several clips; fewer where the memory ends."""
    decode_threads: int = setting(0, low=0, high=256)
    """Threads that decode for a model, beside it; 0: those of the job (--threads), on a CPU between
    two batches. On a GPU they set the pace."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the picture that a model sees, pixels; torchvision's own is 1333. The ssd
    models and exports of one fixed size have their own."""
    stride: int = setting(1, low=1, high=64)
    """A model sees every so-many-th frame; boxes in between are interpolated and flagged."""
    score: float = setting(0.25, low=0, high=1)
    """Least score of a person box that begins a track."""
    low_score: float = setting(0.1, low=0, high=1)
    """Least score of a box that continues a track: people are often weak for some frames."""
    iou: float = setting(0.7, low=0, high=1)
    """Boxes that overlap more are one person."""
    min_area_share: float = setting(0.005, low=0, high=1)
    """motion: least area of a moving person, share of the picture."""
    tracker: str = setting("cbiou", choices=("cbiou", "bytetrack", "ocsort", "botsort"))
    """Who is who from frame to frame, by the package `trackers`: C-BIoU, ByteTrack, OC-SORT,
    BoT-SORT."""
    track_iou: float = setting(0.1, low=0, high=1)
    """Least overlap of a box with where its track is expected; cbiou adds a margin to both."""
    min_track_seconds: float = setting(0.3, low=0)
    """Time with a box that the actor's track needs, seconds; half of its shot if that is less."""
    actor_score: float = setting(0.4, low=0, high=1)
    """Score that the actor's track needs once: what is no person stays weak in all frames."""
    max_gap_seconds: float = setting(0.5, low=0)
    """Longest gap in the actor's track that is filled (and flagged), seconds."""
    actor: str = setting(
        "prominent", choices=("prominent", "area_x_duration", "central", "all", "file")
    )
    """Who is the actor, by size, place and time: prominent (size x closeness to the middle x time),
    area_x_duration, central; all: everybody who is fit, as one group; file: whom the column actor
    of `boxes` names."""

    def __post_init__(self) -> None:
        if self.actor == "file" and self.backend != "file":
            raise UserError(
                "config: detect.actor: wanted detect.backend file for the actor file, got "
                f"{self.backend}; change one of them"
            )


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


@dataclass(frozen=True)
class ActorMasks:
    backend: str = setting("sam", choices=tuple(MASKERS), about=in_words(MASKERS))
    weights: str | None = setting(None, path=True, url=True)
    """Checkpoint of the model: a file, or an http(s) address, fetched once by acquire."""
    weights_sha256: str | None = setting(None, sha256=True)
    """What the weights must have; another file stops the build."""
    every: int = setting(1, low=1, high=64)
    """Masks from the backend in every so-many-th frame, by optical flow in those between. Not for
    sam2, which goes from frame to frame itself."""
    sam_model: str = setting("vit_b", choices=("vit_b", "vit_l", "vit_h"))
    """Size of the SAM checkpoint."""
    sam_multimask: str = setting("one", choices=("one", "best"))
    """sam and mobile-sam: one mask for the box, or the best of three (whole, part, subpart) by the
    model's own estimate. A box is hardly ambiguous: one."""
    sam2_model: str = setting("auto", choices=("auto", "tiny", "small", "base_plus", "large"))
    """Size of the SAM 2.1 checkpoint; auto: as its file name says."""
    device: str = setting("auto")
    """auto, cpu, cuda, cuda:1, mps."""
    batch: int = setting(8, low=1, high=4096)
    """Frames per batch of the model backends; SAM takes one at a time on a CPU."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the picture that yolo-seg sees, pixels."""
    grabcut_iterations: int = setting(3, low=1, high=50)
    grabcut_side: int = setting(160, low=16)
    """Longer side of the window that GrabCut works in, pixels: larger is slower and finer."""


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
