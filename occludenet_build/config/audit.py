"""Settings of the stages that check a finished build: audit and residual_actor."""

from __future__ import annotations

from dataclasses import dataclass

from occludenet_build.config.backends import SECOND_DETECTORS
from occludenet_build.config.clips import FILLS, TORCHVISION_MODELS
from occludenet_build.core.settings import setting


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
class ResidualActor:
    """residual_actor checks all clips as built; its target residual_actor_fills compares fills."""

    clips: int = setting(40, low=1)
    """Clips that residual_actor_fills takes, of the splits with counterfactuals, drawn by hash."""
    fills: tuple[str, ...] = setting(("none", *FILLS), choices=("none", *FILLS))
    """Fills that are compared; none: the occluded clip itself, in which the actor is not erased."""
