"""Settings of the wing people: bounding boxes, masks, the second detector, proposals."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.backends import DETECTORS, MASKERS, SECOND_DETECTORS, in_words
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


@dataclass(frozen=True)
class Audit:
    backend: str = setting("yolo", choices=tuple(SECOND_DETECTORS))
    """The second detector; what is not said here is as in detect."""
    weights: str | None = setting(None, path=True, url=True)
    """Its weights, others than detect's: a file, or an http(s) address, fetched once by acquire."""
    weights_sha256: str | None = setting(None, sha256=True)
    """What the weights must have; another file stops the build."""
    torchvision_model: str = setting("fasterrcnn_resnet50_fpn_v2", choices=TORCHVISION_MODELS)
    """Which of torchvision's detectors the weights are of."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the picture that it sees, pixels."""
    clips: int = setting(200, low=1)
    """Chosen clips that it searches, drawn by hash."""
    iou: float = setting(0.5, low=0, high=1)
    """Least overlap of two boxes that are the same person's."""


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
