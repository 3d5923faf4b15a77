"""People by a YOLO model of ultralytics: YOLOv5u, YOLOv8 and later, from a .pt file or an export.

Weights in .pt are pickles, which can run code when they are loaded: `core.torch_models` has them
read by ultralytics' restricted loader, which refuses whatever is not on its list of classes, and
keeps ultralytics offline. Exports are read by `exports`. The boxes are those that ultralytics'
own predict gives for the same pictures.

A picture scaled into the shape that a yolo model takes, and its boxes back again.

The numbers are those of ultralytics' LetterBox and scale_boxes: one scale for both sides, each
side rounded to whole pixels, grey around it, the odd pixel right and below.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.core.torch_models import load_yolo, use_threads
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors import exports
from occludenet_build.people.detectors.interface import People, Size

GREY = 114


@dataclass(frozen=True)
class Letterbox:
    """Where a picture of (width, height) lies in a shape; all in pixels."""

    width: int
    height: int
    shape: tuple[int, int]
    """Height and width of the whole."""
    inner: tuple[int, int]
    """Width and height of the scaled picture in it."""
    left: int
    top: int

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """uint8 (height, width, 3) -> uint8 (*shape, 3), contiguous."""
        if self.inner == (self.width, self.height) == self.shape[::-1]:
            return np.ascontiguousarray(picture)
        whole = np.empty((*self.shape, 3), np.uint8)
        right, bottom = self.left + self.inner[0], self.top + self.inner[1]
        inside = whole[self.top : bottom, self.left : right]
        if self.inner == (self.width, self.height):
            inside[:] = picture
        else:
            cv2.resize(picture, self.inner, dst=inside, interpolation=cv2.INTER_LINEAR)
        whole[: self.top], whole[bottom:] = GREY, GREY
        whole[self.top : bottom, : self.left], whole[self.top : bottom, right:] = GREY, GREY
        return whole

    def boxes_to_picture(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes float32 (N, 4) of the whole, in the picture; what lies in the grey is cut off."""
        gain = np.array([self.inner[0] / self.width, self.inner[1] / self.height] * 2, np.float32)
        inside = (boxes - np.array([self.left, self.top] * 2, np.float32)) / gain
        return geometry.clipped(inside, self.width, self.height)


@lru_cache(maxsize=256)
def letterbox(size: tuple[int, int], shape: tuple[int, int], stride: int, tight: bool) -> Letterbox:
    """For pictures of `size` (width, height) in `shape` (height, width).

    `tight` leaves off the grey by whole strides: a 640x360 picture makes 640x384, not 640x640.

    >>> letterbox((426, 240), (640, 640), 32, True).shape
    (384, 640)
    """
    scale = min(shape[0] / size[1], shape[1] / size[0])
    inner = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    across, down = shape[1] - inner[0], shape[0] - inner[1]
    if tight:
        across, down = across % stride, down % stride
    whole = inner[1] + down, inner[0] + across
    # the 0.1 sends halves down on one side and up on the other
    return Letterbox(*size, whole, inner, round(across / 2 - 0.1), round(down / 2 - 0.1))


if TYPE_CHECKING:
    import torch

MAX_PEOPLE = 300
"""Most boxes of one frame."""


class Network(Protocol):
    """What computes: raw predictions from float pictures (B, 3, H, W), 0 to 1."""

    shape: tuple[int, int]
    """Height and width that pictures are letterbox into."""
    stride: int
    tight: bool
    """Takes any multiples of the stride within `shape`, so that the grey may be left off."""
    person: int
    """Number of the class."""
    device: str
    """Where it wants the pictures."""
    half: bool
    end2end: bool
    """Gives boxes without duplicates (B, N, 6); else class scores of every anchor (B, 4 + C, A)."""

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor: ...


class Yolo:
    """See `backend.Model`."""

    def __init__(self, settings: Detect, threads: int, device: str) -> None:
        import torch

        self.settings = settings
        weights = Path(settings.weights or "")
        if weights.suffix in exports.SUFFIXES:
            self.network: Network = exports.load_export(weights, settings, threads, device)
        else:
            self.network = _Native(settings, device)
        use_threads(threads)
        self.device = torch.device(self.network.device)
        box = self.network.shape, self.network.stride, self.network.tight
        self.prepare = partial(_prepared, *box)
        self._box = box

    def start(self, prepared: list[np.ndarray]) -> tuple[torch.Tensor, int]:
        """Pictures uint8 (H, W, 3) of one shape -> raw predictions, float (B, 4 + C, A) or, without
        duplicates, (B, N, 6), and how many pictures they are of."""
        import torch

        count = len(prepared)
        # Of one picture a CPU computes other last digits than of several: the last frame of a
        # shape then has the same boxes whatever came before it.
        if count == 1 < self.settings.batch and self.device.type == "cpu":
            prepared = prepared * 2
        on = _from_0_to_1(prepared, self.device, self.network.half)
        with torch.inference_mode():
            return self.network(on.permute(0, 3, 1, 2)), count

    def finish(self, started: tuple[torch.Tensor, int], sizes: list[Size]) -> list[People]:
        """People of each picture: boxes float32 (N, 4), x1 y1 x2 y2 in pixels of the whole picture,
        and scores float32 (N,), the best first."""
        raw, count = started
        least = min(self.settings.low_score, self.settings.score)
        pick = _picked_end2end if self.network.end2end or raw.shape[-1] == 6 else _picked
        of, boxes, scores = pick(raw[:count], self.network.person, least)
        return [
            self._people(boxes[of == number], scores[of == number], size)
            for number, size in enumerate(sizes)
        ]

    def _people(self, boxes: np.ndarray, scores: np.ndarray, size: Size) -> People:
        if not self.network.end2end and len(boxes):
            kept = _without_doubles(boxes, scores, self.settings.iou)
            boxes, scores = boxes[kept], scores[kept]
        inside = letterbox(size, *self._box).boxes_to_picture(boxes[:MAX_PEOPLE])
        there = geometry.area(inside) > 0
        return inside[there], scores[:MAX_PEOPLE][there]


class _Native:
    """A model in ultralytics' own format, on torch."""

    def __init__(self, settings: Detect, device: str) -> None:
        import torch

        model, self.person = load_yolo(settings.weights or "", "detect")
        from ultralytics.nn.autobackend import AutoBackend

        on = torch.device(device)
        self.device, self.half = device, on.type == "cuda" and settings.half is not False
        self._run = AutoBackend(model.model, device=on, fp16=self.half, verbose=False).eval()
        self.stride, self.tight, self.end2end = self._run.stride, True, bool(self._run.end2end)
        side = _whole_strides(settings.image_size, self.stride)
        self.shape = side, side
        kind = "half" if self.half else "single"
        logging.info("yolo: %s on %s, %s precision", settings.weights, device, kind)

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        raw = self._run(pictures)
        return raw[0] if isinstance(raw, (list, tuple)) else raw


def _from_0_to_1(prepared: list[np.ndarray], device: torch.device, half: bool) -> torch.Tensor:
    """uint8 pictures (H, W, 3) as one batch (B, H, W, 3) on the device."""
    import torch

    if device.type == "cpu":
        whole = torch.empty((len(prepared), *prepared[0].shape))
        for picture, place in zip(prepared, whole, strict=True):
            place.copy_(torch.from_numpy(picture)).div_(255)  # while it is in the cache
        return whole
    bytes_ = torch.from_numpy(np.stack(prepared))
    if device.type == "cuda":
        bytes_ = bytes_.pin_memory()
    on = bytes_.to(device, non_blocking=True)
    return (on.half() if half else on.float()).div_(255)


def _whole_strides(side: int, stride: int) -> int:
    return -(-side // stride) * stride


def _prepared(shape: tuple[int, int], stride: int, tight: bool, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return letterbox((width, height), shape, stride, tight).apply(picture)


Picked = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Number of the picture (N,), boxes float32 (N, 4) in it, scores float32 (N,)."""


def _picked(raw: torch.Tensor, person: int, least: float) -> Picked:
    """What is a person rather than anything else, of (B, 4 + classes, anchors).

    One transfer of a few rows: the comparison with the other classes is done where it costs least.
    """
    import torch

    with torch.inference_mode():
        of, anchor = (raw[:, 4 + person] > least).nonzero(as_tuple=True)
        rows = raw.transpose(1, 2)[of, anchor].float().cpu().numpy()
    is_person = rows[:, 4:].argmax(axis=1) == person if len(rows) else np.zeros(0, bool)
    numbers, rows = of.cpu().numpy()[is_person], rows[is_person]
    middle, half_side = rows[:, :2], rows[:, 2:4] / 2
    boxes = np.concatenate([middle - half_side, middle + half_side], axis=1)
    return numbers, boxes, rows[:, 4 + person]


def _picked_end2end(raw: torch.Tensor, person: int, least: float) -> Picked:
    """The same, of (B, boxes, x1 y1 x2 y2 score class), in which no box is doubled."""
    values = raw.float().cpu().numpy()
    of, row = np.nonzero((values[..., 4] > least) & (values[..., 5] == person))
    picked = values[of, row]
    return of, picked[:, :4], picked[:, 4]


def _without_doubles(boxes: np.ndarray, scores: np.ndarray, iou: float) -> Any:
    """Numbers of the boxes that stay, the best first."""
    import torch
    from torchvision.ops import nms

    return nms(torch.from_numpy(boxes), torch.from_numpy(scores), iou).numpy()
