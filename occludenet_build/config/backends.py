"""Tables of the backends (detectors, masks, poses): requirements, and settings that affect results.

These tables drive the choices and checks of the configuration, the manual, the workflow (weights
and GPUs of jobs), the keys of the ledgers, the loading of a backend, and `occludenet plan`. To add
a backend, add its module in people/detectors, people/maskers or people/posers and a row here. The
backbones for action recognition have their own table in recognition.backbones. This module uses the
standard library only because the workflow imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from occludenet_build.config import published_files
from occludenet_build.config.anonymity import finds_by_network
from occludenet_build.config.published_files import PublishedFile
from occludenet_build.core.errors import UserError
from occludenet_build.core.extras import ENGINES


@dataclass(frozen=True)
class Backend:
    """A backend of the stage detect, audit, actor_masks or poses."""

    name: str
    loads: str
    """`module:Class` in people.detectors, maskers or posers. The class of a network is called with
    (settings, threads), in detect also with the device; other classes are called with
    (settings)."""
    about: str
    """Description in the manual, config.yaml."""
    network: bool
    """Whether it runs a neural network: all clips in one process, on a GPU if available, with
    weights from a file or an address."""
    matters: tuple[str, ...]
    """Settings of the stage that change its results. device, batch and threads do not."""
    needs: str | None = None
    """The setting that names a required file."""
    published: Callable[[Any], PublishedFile | None] | None = None
    """Function(settings of the stage) -> the published weights that are used if none are set; None
    if the settings do not say which."""
    unit: str = "pixels"
    """What its cost is proportional to: pixels of the video, or frames for a network with a fixed
    input size."""
    licence: str = "Apache-2.0"
    """Licence of the third-party code and weights that it runs."""
    imports: tuple[str, ...] = ()
    """Modules of the extras (core.extras) that it imports."""
    package: str | None = None
    """A Python package that this project does not install."""
    project: str = ""
    """Origin of that package, for error messages."""
    second: bool = True
    """Detectors: whether audit may use it as the second detector."""
    every_frame: bool = False
    """Maskers: whether it propagates masks itself and needs every frame."""
    engines: tuple[str, ...] = ()
    """Engines (core.engines) besides torch that run it, from an export of its .pt weights."""
    results_version: int = 1
    """Version of its results beside the stage's, increased when this backend alone gives other
    results: then the results of the others stay."""


def _network(name: str, loads: str, about: str, matters: tuple[str, ...], **more: Any) -> Backend:
    more = {"imports": ("torch",)} | more
    return Backend(
        name, loads, about, network=True, matters=matters, needs="weights", unit="frames", **more
    )


_EVERY_MODEL = ("image_size", "iou", "score", "low_score", "actor_score", "half", "stride")

_DETECTORS = (
    _network(
        "yolo",
        "yolo:Yolo",
        "any weights that ultralytics loads",
        _EVERY_MODEL,
        imports=("torch", "torchvision", "ultralytics"),
        licence="AGPL-3.0",
        published=lambda settings: published_files.YOLO["yolov5su"],
        engines=("openvino", "onnx"),
    ),
    _network(
        "torchvision",
        "torchvision_models:Torchvision",
        "detectors of torchvision, under a permissive licence",
        (*_EVERY_MODEL, "torchvision_model"),
        imports=("torch", "torchvision"),
        licence="BSD-3-Clause",
        published=lambda settings: published_files.TORCHVISION[settings.torchvision_model],
    ),
    Backend(
        "motion",
        "motion:Motion",
        "people who move before a scene, without weights; refuses clips that it cannot tell",
        network=False,
        matters=("min_area_share", "score", "low_score", "actor_score"),
        results_version=2,
    ),
    Backend(
        "file",
        "boxfile:BoxFile",
        "your own boxes",
        network=False,
        matters=(),
        needs="boxes",
        second=False,
    ),
)

_MASKERS = (
    _network(
        "sam",
        "sam:Sam",
        "segment-anything",
        ("every", "sam_model", "sam_multimask"),
        imports=("torch", "segment_anything"),
        published=lambda settings: published_files.SAM[settings.sam_model],
        engines=("openvino",),
    ),
    _network(
        "mobile-sam",
        "sam:MobileSam",
        "a small SAM, from the package mobile_sam",
        ("every", "sam_multimask"),
        package="mobile_sam",
        project="the GitHub project ChaoningZhang/MobileSAM, and timm",
        published=lambda settings: published_files.MOBILE_SAM,
    ),
    _network(
        "sam2",
        "sam2:Sam2",
        "SAM 2.1, which propagates masks through each shot, from the package sam2",
        ("sam2_model",),
        package="sam2",
        project="the GitHub project facebookresearch/sam2",
        every_frame=True,
        published=lambda settings: published_files.SAM2.get(settings.sam2_model),
    ),
    Backend(
        "grabcut",
        "grabcut:GrabCut",
        "GrabCut in the actor's box, without weights",
        network=False,
        matters=("every", "grabcut_iterations", "grabcut_side"),
    ),
    _network(
        "yolo-seg",
        "yolo_seg:YoloSeg",
        "segmentation models of ultralytics",
        ("every", "image_size"),
        imports=("torch", "ultralytics"),
        licence="AGPL-3.0",
        published=lambda settings: published_files.YOLO_SEG["yolo11n-seg"],
        engines=("openvino",),
    ),
)

_POSERS = (
    _network(
        "ultralytics",
        "yolo_pose:YoloPose",
        "pose models of ultralytics with COCO's 17 keypoints",
        ("image_size", "score"),
        imports=("torch", "ultralytics"),
        licence="AGPL-3.0",
        published=lambda settings: published_files.YOLO_POSE["yolo11n-pose"],
    ),
    Backend(
        "file",
        "given:GivenPoses",
        "your own poses",
        network=False,
        matters=(),
        needs="file",
    ),
    Backend(
        "miniworld",
        "given:DrawnPoses",
        "the joints of drawn figures, without those under the occluder",
        network=False,
        matters=(),
        needs="file",
    ),
)

DETECTORS: dict[str, Backend] = {row.name: row for row in _DETECTORS}
"""Backends of detect by name."""
SECOND_DETECTORS: dict[str, Backend] = {row.name: row for row in _DETECTORS if row.second}
"""Backends of audit by name."""
MASKERS: dict[str, Backend] = {row.name: row for row in _MASKERS}
"""Backends of actor_masks by name."""
POSERS: dict[str, Backend] = {row.name: row for row in _POSERS}
"""Backends of poses by name."""
BACKENDS = {
    "detect": DETECTORS,
    "audit": SECOND_DETECTORS,
    "actor_masks": MASKERS,
    "poses": POSERS,
}
"""Stage -> its backends by name."""

TRAINED = {
    "train": ("torch", "torchvision", "tensorboard"),
    "evaluate": ("torch", "torchvision"),
    "attention": ("torch", "torchvision", "captum"),
    "integralaction": ("torch", "torchvision", "tensorboard"),
    "moc": ("torch", "torchvision", "tensorboard"),
}
"""Stages that always run a network that is trained here -> modules of extras that they import."""
OF_BACKBONE = ("train", "evaluate", "attention")
"""Of them those that run the network of train.backbone."""


def choices_text(rows: dict[str, Backend]) -> str:
    """Descriptions of all choices for the manual: `yolo: any weights ...; motion: ...`."""
    return "; ".join(f"{name}: {row.about}" for name, row in rows.items()) + "."


def with_backend_version(version: str, stage: str, name: str) -> str:
    """The version of a stage's results, and that of its backend where it has one of its own.

    >>> with_backend_version("detect 1", "detect", "motion")
    'detect 1, motion 2'
    >>> with_backend_version("detect 1", "detect", "yolo")
    'detect 1'
    """
    row = BACKENDS[stage][name]
    return version if row.results_version == 1 else f"{version}, {name} {row.results_version}"


def is_network(stage: str, model: str | None) -> bool:
    """Whether a stage runs a network with the backend `model`; stages in TRAINED always do.

    >>> is_network("actor_masks", "sam2"), is_network("detect", "motion")
    (True, False)
    """
    row = BACKENDS.get(stage, {}).get(model or "")
    return stage in TRAINED or (row is not None and row.network)


def exports_weights(stage: str, section: Any) -> bool:
    """Whether the weights of a section are exported to an engine, or `auto` is to decide it."""
    if not hasattr(section, "engine") or not BACKENDS[stage][section.backend].engines:
        return False
    return section.engine != "torch" and _of_torch(section.weights)


def _of_torch(weights: str | None) -> bool:
    """Whether weights are torch's, not an export that the user made."""
    return not str(weights or "").endswith((".onnx", ".xml"))


def check_engine(stage: str, section: Any) -> None:
    """Raise UserError where a section asks for an engine that its backend does not have."""
    wanted, row = section.engine, BACKENDS[stage][section.backend]
    if wanted in ("torch", "auto"):
        return
    if wanted not in row.engines:
        known = ", ".join(("torch", "auto", *row.engines))
        raise UserError(
            f"config: {stage}.engine: wanted one of {known} for {stage}.backend {row.name}, got "
            f"{wanted}; change one of them"
        )
    if not _of_torch(section.weights):
        raise UserError(
            f"config: {stage}.engine: wanted weights of torch (.pt) for {wanted}, got "
            f"{section.weights}, which is an export already; leave the engine out"
        )


def runs_network(config: Any, stage: str) -> bool:
    """Whether a stage runs a network with the settings of `config`."""
    if stage == "recordings":
        recordings = config.recordings
        return finds_by_network(recordings.anonymise, vars(recordings.anonymity))
    return is_network(stage, getattr(getattr(config, stage, None), "backend", None))


def published_weights(stage: str, section: Any) -> PublishedFile | None:
    """The published weights for the backend of a section; None if it has or needs none."""
    row = BACKENDS[stage][section.backend]
    return row.published(section) if row.published else None


def modules_of(stage: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules of the extras that a stage imports; `values`: its section of the configuration.

    >>> modules_of("detect", {"backend": "motion"}), modules_of("evaluate", {})
    ((), ('torch', 'torchvision'))
    """
    row = BACKENDS.get(stage, {}).get(values.get("backend", ""))
    modules = TRAINED.get(stage, row.imports if row else ())
    hides = values.get("anonymise", "off"), values.get("anonymity", {})
    if stage == "recordings" and finds_by_network(*hides):
        modules = ("torch", "ultralytics")
    if stage == "kinetics" and values.get("route") == "youtube":
        modules = ("yt_dlp",)
    if stage == "detect" and not str(values.get("weights") or ".pt").endswith(".pt"):
        # An export runs without the package that wrote it.
        modules = tuple(module for module in modules if module != "ultralytics")
    return modules + ENGINES.get(values.get("engine", ""), ())


def weights_of(config: Any) -> Iterator[tuple[str, str]]:
    """Yield (stage, path or address) of all weights that `snakemake all` loads."""
    for stage in ("detect", "actor_masks", "train"):
        weights = getattr(config, stage).weights
        if weights and runs_network(config, stage):
            yield stage, weights
