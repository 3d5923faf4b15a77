"""Settings of the stages that detect, track and segment people."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.backends import DETECTORS, MASKERS, SECOND_DETECTORS, choices_text
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
"""Names of the supported models in torchvision.models.detection."""


@dataclass(frozen=True)
class Detect:
    """Stage detect: bounding boxes of people, their tracks and the actor."""

    backend: str = setting("yolo", choices=tuple(DETECTORS), about=choices_text(DETECTORS))
    """Person detector."""
    weights: str | None = setting(None, path=True, url=True, late=True)
    """Weights of yolo (.pt, or an export: .onnx, OpenVINO .xml) or torchvision (.pth): a path, or
    an http(s) address that the stage acquire fetches once. null: for yolo the published
    yolov5su.pt (AGPL-3.0, 19 MB), for torchvision the published weights of the model
    (BSD-3-Clause); see docs/fetching.md."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    torchvision_model: str = setting("fasterrcnn_resnet50_fpn_v2", choices=TORCHVISION_MODELS)
    """Backend torchvision: the model that the weights belong to."""
    boxes: str | None = setting(None, path=True)
    """Backend file: CSV or Parquet file with the columns
    clip,frame,x1,y1,x2,y2[,score][,track][,actor]; boxes in pixels, frames from 0. `clip` is the id
    in index/videos.parquet, or the name of the file."""
    device: str = setting("auto")
    """Device of the model: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    half: bool | None = setting(None)
    """Use half precision (float16) on CUDA; null: true on CUDA devices. An export (.onnx, .xml)
    keeps the precision it was exported with."""
    engine: str = setting("torch", choices=("torch", "auto", "openvino", "onnx"), added=True)
    """Backend yolo with .pt weights: the library that runs the network, from an export that is made
    once. auto: openvino on a CPU that computes in bfloat16, where the package is installed, else
    torch; decided once per build. Another engine gives slightly different boxes, so all clips are
    processed again; see docs/engines.md."""
    batch: int = setting(16, low=1, high=4096)
    """Frames per batch, from several clips; reduced automatically if memory runs out."""
    decode_threads: int = setting(0, low=0, high=256)
    """Number of threads that decode video in parallel with the model; 0: the threads of the job
    (--threads). On a CPU, decoding then alternates with inference. On a GPU, decoding is the
    bottleneck."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the model input, in pixels; the torchvision default is 1333. SSD models and
    exports with a fixed input size use their own size."""
    stride: int = setting(1, low=1, high=64)
    """Run the model on every stride-th frame; boxes in between are interpolated and flagged."""
    score: float = setting(0.25, low=0, high=1)
    """Minimum score of a box that starts a track."""
    low_score: float = setting(0.1, low=0, high=1)
    """Minimum score of a box that continues a track; scores often drop for a few frames."""
    iou: float = setting(0.7, low=0, high=1)
    """Non-maximum suppression: boxes with a larger IoU are the same person."""
    min_area_share: float = setting(0.005, low=0, high=1)
    """Backend motion: minimum area of a moving person, as a share of the frame."""
    tracker: str = setting("cbiou", choices=("cbiou", "bytetrack", "ocsort", "botsort"))
    """Tracker that links boxes between frames, from the package `trackers`: C-BIoU, ByteTrack,
    OC-SORT, BoT-SORT."""
    track_iou: float = setting(0.1, low=0, high=1)
    """Minimum IoU of a box and the predicted box of its track; cbiou expands both boxes by a
    margin."""
    join_seconds: float = setting(3.0, low=0)
    """Maximum time for which a person may be lost and is still taken for the same person, in
    seconds. Two tracks become one where the second goes on at the end of the first, at the same
    place and in the same size, as for a person who bends down and gets a new track. 0: only where
    no frame is between the two."""
    join_overlap: float = setting(0.6, low=0, high=1)
    """Same place: minimum share of the smaller box that lies inside the larger one, where one track
    goes on after another, and where both have boxes in the same frames (median)."""
    join_size: float = setting(0.4, low=0, high=1)
    """Same size: minimum area of the smaller box, as a share of the larger one's, where one track
    goes on after another. A child before an adult is below it."""
    min_track_seconds: float = setting(0.3, low=0)
    """Minimum time with a box in the actor's track, in seconds; half of the shot if that is
    shorter."""
    actor_score: float = setting(0.4, low=0, high=1)
    """Minimum of the highest score in the actor's track; false detections have low scores in all
    frames."""
    max_gap_seconds: float = setting(0.5, low=0)
    """Maximum length of a gap in the actor's track that is filled by interpolation and flagged, in
    seconds."""
    actor: str = setting(
        "prominent", choices=("prominent", "area_x_duration", "central", "all", "file")
    )
    """Choice of the actor. prominent: largest product of box area, closeness to the frame centre
    and duration; area_x_duration: largest product of box area and duration; central: closest to the
    frame centre; all: all people that qualify, as one group; file: the column actor of `boxes`."""

    def __post_init__(self) -> None:
        if self.actor == "file" and self.backend != "file":
            raise UserError(
                "config: detect.actor: wanted detect.backend file for the actor file, got "
                f"{self.backend}; change one of them"
            )


@dataclass(frozen=True)
class ActorMasks:
    """Stage actor_masks: segmentation masks of the actor."""

    backend: str = setting("sam", choices=tuple(MASKERS), about=choices_text(MASKERS))
    """Segmentation model or method."""
    weights: str | None = setting(None, path=True, url=True, late=True)
    """Checkpoint of the model: a path, or an http(s) address that the stage acquire fetches
    once. null: the published checkpoint of sam_model (Apache-2.0, vit_b 375 MB), of mobile-sam,
    of sam2_model, or for yolo-seg yolo11n-seg.pt (AGPL-3.0, 6 MB); see docs/fetching.md."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    every: int = setting(1, low=1, high=64)
    """Run the backend on every n-th frame; masks in between are propagated by optical flow. Not
    used by sam2, which propagates masks itself."""
    sam_model: str = setting("vit_b", choices=("vit_b", "vit_l", "vit_h"))
    """Backend sam: model size of the checkpoint."""
    sam_multimask: str = setting("one", choices=("one", "best"))
    """Backends sam and mobile-sam. one: a single mask per box; best: the mask with the highest
    predicted IoU of three (whole, part, subpart). A box is rarely ambiguous, so one is the
    default."""
    sam2_model: str = setting("auto", choices=("auto", "tiny", "small", "base_plus", "large"))
    """Backend sam2: model size of the SAM 2.1 checkpoint; auto: from its file name."""
    device: str = setting("auto")
    """Device of the model: auto, cpu, cuda, cuda:1, mps; auto: cuda if available, else mps, else
    cpu."""
    engine: str = setting("torch", choices=("torch", "auto", "openvino"), added=True)
    """Backends sam (its image encoder) and yolo-seg: the library that runs the network, as
    detect.engine. Another engine gives slightly different masks, so all clips are processed
    again."""
    batch: int = setting(8, low=1, high=4096)
    """Frames per batch of a model; SAM uses 1 on a CPU."""
    image_size: int = setting(640, low=32, high=4096)
    """Backend yolo-seg: longer side of the model input, in pixels."""
    grabcut_iterations: int = setting(3, low=1, high=50)
    """Backend grabcut: number of iterations."""
    grabcut_side: int = setting(160, low=16)
    """Backend grabcut: longer side of the working image, in pixels; larger is slower and more
    precise."""


@dataclass(frozen=True)
class Audit:
    """Stage audit: comparison of the actor's boxes with a second detector."""

    backend: str = setting("yolo", choices=tuple(SECOND_DETECTORS))
    """The second detector; settings that are not listed here are taken from detect."""
    weights: str | None = setting(None, path=True, url=True, late=True)
    """Weights of the second detector, different from those of detect: a path, or an http(s) address
    that the stage acquire fetches once."""
    weights_sha256: str | None = setting(None, sha256=True)
    """Expected sha256 of the weights, 64 hex digits; a different file stops the build. null: not
    checked."""
    torchvision_model: str = setting("fasterrcnn_resnet50_fpn_v2", choices=TORCHVISION_MODELS)
    """Backend torchvision: the model that the weights belong to."""
    image_size: int = setting(640, low=32, high=4096)
    """Longer side of the model input, in pixels."""
    clips: int = setting(200, low=1)
    """Number of selected clips in the sample, drawn by hash."""
    iou: float = setting(0.5, low=0, high=1)
    """Minimum IoU of two boxes of the same person."""


@dataclass(frozen=True)
class Proposals:
    """Stage proposals: candidate segments in which static objects occlude people, in long
    surveillance videos."""

    seconds: float = setting(9.0, low=1, high=600)
    """Duration of a candidate, in seconds; the stage segments accepts 8 to 10 by default."""
    candidates: int = setting(200, low=1, high=100_000)
    """Maximum number of candidates over all videos, best first."""
    per_video: int = setting(5, low=1, high=1000)
    """Maximum number of candidates per video; candidates do not overlap."""
    min_height: float = setting(0.12, low=0, high=1)
    """Minimum visible height of the person, as a share of the frame height."""
    min_present: float = setting(0.6, low=0, high=1)
    """Minimum share of the candidate's duration in which the person is detected."""
    min_hidden: float = setting(0.1, low=0, high=1)
    """Minimum hidden share of the person, averaged over the candidate's duration."""
    max_hidden: float = setting(0.8, low=0, high=1)
    """Maximum hidden share of the person in a frame; frames with more do not count."""
    max_blur: float = setting(0.65, low=0, high=1)
    """Maximum blur of the person, from 0 (sharp) to 1."""
    keypoints: str | None = setting(None, path=True)
    """Joints of the people in the videos: a Parquet file with the columns clip, frame, x, y, score,
    the last three lists of OpenPose's 18 joints. Knees and ankles that are missing below an edge
    are evidence that it hides them; those that are found there refute it. null: none."""
