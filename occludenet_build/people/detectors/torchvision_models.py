"""The backend torchvision: its detection models, under a permissive licence (BSD).

Weights are the files that torchvision publishes, or others for COCO's categories: a state dict of
tensors, read with weights_only. Nothing is downloaded.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import checkpoint_file, load_tensors, use_threads
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors.interface import People, Size

if TYPE_CHECKING:
    import torch

PERSON = 1
"""The category person in torchvision's numbering of COCO, in which 0 is the background."""
CLASSES = 91
"""Categories in torchvision's numbering of COCO, background included."""
MAX_BOXES = 300
"""Largest number of boxes per frame, all classes together."""
SIDES = {"ssd300_vgg16": 300, "ssdlite320_mobilenet_v3_large": 320}
"""Models with a fixed square input -> its side, pixels; the picture is stretched to it."""
_NO_EPSILON = ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
"""Models whose batch norm has epsilon 0: torchvision sets it for its published weights."""


class Torchvision:
    """An `interface.Model` of torchvision."""

    def __init__(self, settings: Detect, threads: int, device: str) -> None:
        import torch

        name = settings.torchvision_model
        path = checkpoint_file(settings.weights, "torchvision")
        self.device = torch.device(device)
        self.half = self.device.type == "cuda" and settings.half is not False
        self.network = build_network(settings)
        load_weights(self.network, load_tensors(path, "torchvision"), path, name)
        self.network.eval().to(self.device)
        use_threads(threads)
        self.prepare = partial(_prepared, SIDES.get(name), settings.image_size)
        logging.info("torchvision: %s, %s on %s", name, path, device)

    def start(self, prepared: list[np.ndarray]) -> tuple[Any, list[np.ndarray]]:
        """Run the network on pictures uint8 (H, W, 3), RGB, of one shape."""
        import torch

        pictures = torch.from_numpy(np.stack(prepared)).to(self.device).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=self.half):
            outputs = self.network(list(pictures.float().div_(255)))
        return outputs, prepared

    def finish(self, started: tuple[Any, list[np.ndarray]], sizes: list[Size]) -> list[People]:
        """People of each picture: boxes float32 (N, 4), x1 y1 x2 y2 in pixels of the displayed
        picture, and scores float32 (N,), highest first."""
        outputs, prepared = started
        return [
            _people(output, picture.shape[1::-1], size)
            for output, picture, size in zip(outputs, prepared, sizes, strict=True)
        ]


def build_network(settings: Detect) -> torch.nn.Module:
    """The model `settings.torchvision_model` with random weights, on the CPU."""
    from torchvision.models import detection

    name = settings.torchvision_model
    build = getattr(detection, name)
    limits = _limits(name, settings)
    return build(weights=None, weights_backbone=None, num_classes=CLASSES, **limits)


def _limits(name: str, settings: Detect) -> dict[str, Any]:
    """torchvision's arguments for the least score, the overlap in NMS, the count and the size."""
    box = "box_" if name.startswith("fasterrcnn") else ""
    most = "box_detections_per_img" if box else "detections_per_img"
    limits: dict[str, Any] = {
        f"{box}score_thresh": min(settings.low_score, settings.score),
        f"{box}nms_thresh": settings.iou,
        most: MAX_BOXES,
    }
    # `prepare` has scaled the pictures, so the model's own scaling changes nothing.
    side = {"min_size": settings.image_size, "max_size": settings.image_size}
    return limits if name in SIDES else limits | side


def load_weights(model: torch.nn.Module, tensors: dict[str, Any], path: Path, name: str) -> None:
    """Load a state dict into the model `name`.

    Raises UserError where it is the state dict of another model or has other classes.
    """
    expected = model.state_dict()
    # num_batches_tracked counts training steps: older files lack it, and inference ignores it.
    missing = [k for k in expected if k not in tensors and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in tensors if k not in expected]
    if missing or unexpected:
        raise UserError(
            f"torchvision: wanted weights of {name}, {path} lacks {_some(missing)} and has "
            f"{_some(unexpected)} in excess; correct detect.torchvision_model or detect.weights"
        )
    try:
        model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:  # other shapes: another number of classes
        what = str(error).strip().splitlines()[-1].strip()
        raise UserError(
            f"torchvision: wanted weights of {name} for {CLASSES} classes, {path}: {what}"
        ) from error
    if name in _NO_EPSILON:
        _without_epsilon(model)


def _some(keys: list[str]) -> str:
    """The keys for a message; the first three of many."""
    if len(keys) > 3:
        return f"{len(keys)} keys ({', '.join(keys[:3])} ...)"
    return ", ".join(keys) or "none"


def _without_epsilon(model: torch.nn.Module) -> None:
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 0.0


def _prepared(fixed: int | None, side: int, picture: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W, 3), scaled to a longer side of `side`, or to a square of `fixed`."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, (fixed, fixed) if fixed else size, interpolation=cv2.INTER_LINEAR)


def _people(output: dict[str, Any], prepared: Size, size: Size) -> People:
    """The people in one output of the network, scaled from `prepared` to `size` (width, height)."""
    is_person = output["labels"].cpu().numpy() == PERSON
    boxes = output["boxes"].float().cpu().numpy()[is_person]
    scores = output["scores"].float().cpu().numpy()[is_person]
    scale = np.array([size[0] / prepared[0], size[1] / prepared[1]] * 2, np.float32)
    inside = geometry.clipped(boxes * scale, *size)
    visible = geometry.area(inside) > 0
    return inside[visible], scores[visible]
