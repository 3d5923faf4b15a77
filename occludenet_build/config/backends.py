"""The detectors and the maskers: a row each, with what it needs and what its results depend on.

Everything else reads these tables: the choices and checks of the config, the manual, the workflow
(who gets weights and a GPU), the keys of the ledgers, the loading of a backend, and `plan`. To add
one: its own file beside the others of its stage, and a row here. The families of action networks
have their table in recognition.backbones. Standard library only: the workflow imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Backend:
    """One row."""

    name: str
    loads: str
    """`module:Class` in the package of the stage. A network is made of (settings, threads) and, in
    detect, of the device too; what is none of (settings)."""
    about: str
    """What the manual says of it."""
    network: bool
    """Whether it runs a network: all clips in one process, on a GPU where there is one, and with
    weights, a file or an address."""
    matters: tuple[str, ...]
    """Settings of the stage that change its results; device, batch and threads do not."""
    needs: str | None = None
    """The setting that names the file it cannot do without."""
    unit: str = "pixels"
    """What drives its cost: the pixels of the video; or frames, as a network sees pictures of one
    size."""
    licence: str = "Apache-2.0"
    """Of what it runs beside this project's code."""
    package: str | None = None
    """A Python package that this project does not install by itself."""
    project: str = ""
    """Where that package comes from, as an error says it."""
    second: bool = True
    """detect: whether it may be audit's second detector."""
    every_frame: bool = False
    """actor_masks: it goes from frame to frame itself and cannot leave any out."""


def _network(name: str, loads: str, about: str, matters: tuple[str, ...], **more: Any) -> Backend:
    return Backend(
        name, loads, about, network=True, matters=matters, needs="weights", unit="frames", **more
    )


_EVERY_MODEL = ("image_size", "iou", "score", "low_score", "actor_score", "half", "stride")

_DETECTORS = (
    _network(
        "yolo",
        "yolo:Yolo",
        "any weights ultralytics loads",
        _EVERY_MODEL,
        licence="AGPL-3.0",
    ),
    _network(
        "torchvision",
        "torchvision_models:Torchvision",
        "its detectors, under a permissive licence",
        (*_EVERY_MODEL, "torchvision_model"),
        licence="BSD-3-Clause",
    ),
    Backend(
        "motion",
        "motion:Motion",
        "fixed cameras, no weights",
        network=False,
        matters=("min_area_share", "score", "low_score", "actor_score"),
    ),
    Backend(
        "file",
        "boxfile:BoxFile",
        "your boxes",
        network=False,
        matters=(),
        needs="boxes",
        second=False,
    ),
)

_MASKERS = (
    _network("sam", "sam:Sam", "segment-anything", ("every", "sam_model", "sam_multimask")),
    _network(
        "mobile-sam",
        "sam:MobileSam",
        "a small SAM, in a package of its own",
        ("every", "sam_multimask"),
        package="mobile_sam",
        project="the GitHub project ChaoningZhang/MobileSAM, and timm",
    ),
    _network(
        "sam2",
        "sam2:Sam2",
        "follows the actor through each shot, in a package of its own",
        ("sam2_model",),
        package="sam2",
        project="the GitHub project facebookresearch/sam2",
        every_frame=True,
    ),
    Backend(
        "grabcut",
        "grabcut:GrabCut",
        "no weights",
        network=False,
        matters=("every", "grabcut_iterations", "grabcut_side"),
    ),
    _network(
        "yolo-seg",
        "yolo_seg:YoloSeg",
        "a model through ultralytics",
        ("every", "image_size"),
        licence="AGPL-3.0",
    ),
)

DETECTORS: dict[str, Backend] = {row.name: row for row in _DETECTORS}
"""The backends of detect, by name in the settings."""
SECOND_DETECTORS: dict[str, Backend] = {row.name: row for row in _DETECTORS if row.second}
"""Those of audit, which looks again."""
MASKERS: dict[str, Backend] = {row.name: row for row in _MASKERS}
"""The backends of actor_masks."""
BACKENDS = {"detect": DETECTORS, "audit": SECOND_DETECTORS, "actor_masks": MASKERS}
"""Stage -> its backends."""

TRAINED = ("train", "evaluate", "attention")
"""Stages that run the network of train.backbone, whatever the settings."""


def in_words(rows: dict[str, Backend]) -> str:
    """What the manual says of the choices: `yolo: any weights ...; motion: ...`."""
    return "; ".join(f"{name}: {row.about}" for name, row in rows.items()) + "."


def is_network(stage: str, model: str | None) -> bool:
    """Whether a stage runs a network with `model`, its backend; those that are TRAINED always do.

    >>> is_network("actor_masks", "sam2"), is_network("detect", "motion")
    (True, False)
    """
    row = BACKENDS.get(stage, {}).get(model or "")
    return stage in TRAINED or (row is not None and row.network)


def runs_network(config: Any, stage: str) -> bool:
    """The same for a configuration."""
    return is_network(stage, getattr(getattr(config, stage, None), "backend", None))


def weights_of(config: Any) -> Iterator[tuple[str, str]]:
    """(stage, file or address) of the weights that `snakemake all` runs or starts from."""
    for stage in ("detect", "actor_masks", "train"):
        weights = getattr(config, stage).weights
        if weights and runs_network(config, stage):
            yield stage, weights
