"""The backend yolo: YOLOv5u, YOLOv8 and later models of ultralytics, from a .pt file or an export.

A .pt file is a pickle, which can run code when it is loaded: `core.torch_models` reads it with
ultralytics' restricted loader, which refuses classes that are not on its list, and keeps
ultralytics offline. `exports` reads exported networks. The boxes equal those of ultralytics' own
predict for the same pictures.

`Letterbox` scales a picture to the network's input and maps boxes back, with the numbers of
ultralytics' LetterBox and scale_boxes: one scale for both sides, each side rounded to whole pixels,
grey padding around the picture, an odd pixel of padding at the right and at the bottom.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.core.engines import engine_of
from occludenet_build.core.torch_models import load_yolo, use_threads
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors import exports
from occludenet_build.people.detectors.interface import People, Size

if TYPE_CHECKING:
    import torch

GREY = 114
"""Value of the padding in each channel."""
MAX_PEOPLE = 300
"""Largest number of boxes per frame."""


@dataclass(frozen=True)
class Letterbox:
    """Where a scaled picture lies in a network's input; all in pixels."""

    width: int
    """Of the displayed picture."""
    height: int
    """Of the displayed picture."""
    shape: tuple[int, int]
    """Height and width of the input."""
    inner: tuple[int, int]
    """Width and height of the scaled picture in the input."""
    left: int
    """Width of the padding at the left."""
    top: int
    """Height of the padding at the top."""

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """A picture uint8 (H, W, 3), scaled and padded: uint8 (*shape, 3), C-contiguous."""
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
        """Boxes of the input, float32 (N, 4), in pixels of the displayed picture, float32 (N, 4).

        The part of a box that lies in the padding is cut off.
        """
        gain = np.array([self.inner[0] / self.width, self.inner[1] / self.height] * 2, np.float32)
        inside = (boxes - np.array([self.left, self.top] * 2, np.float32)) / gain
        return geometry.clipped(inside, self.width, self.height)


@lru_cache(maxsize=256)
def letterbox(size: tuple[int, int], shape: tuple[int, int], stride: int, tight: bool) -> Letterbox:
    """The letterbox for pictures of `size` (width, height) in an input of `shape` (height, width).

    `tight` removes padding in multiples of the stride: a 640x360 picture makes an input of 640x384
    pixels instead of 640x640.

    >>> letterbox((426, 240), (640, 640), 32, True).shape
    (384, 640)
    """
    scale = min(shape[0] / size[1], shape[1] / size[0])
    inner = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    across, down = shape[1] - inner[0], shape[0] - inner[1]
    if tight:
        across, down = across % stride, down % stride
    whole = inner[1] + down, inner[0] + across
    # 0.1 decides halves: the odd pixel of padding goes to the right and to the bottom.
    return Letterbox(*size, whole, inner, round(across / 2 - 0.1), round(down / 2 - 0.1))


RawPredictions = Callable[[], "torch.Tensor"]
"""Waits for a network and returns its predictions, float32 or float16: (B, 4 + C, A) with C classes
and A anchors, or (B, N, 6) where the network removes duplicates itself."""


class Network(Protocol):
    """The forward pass of a YOLO network, whichever library runs it."""

    shape: tuple[int, int]
    """Largest height and width of the input, pixels."""
    stride: int
    """Sides of the input are multiples of it, pixels."""
    tight: bool
    """Whether any multiples of the stride up to `shape` are an input, so padding can be removed."""
    person: int
    """Number of the class person."""
    device: str
    """Device on which it takes the pictures."""
    half: bool
    """Whether it takes float16 pictures."""
    end2end: bool
    """Whether it returns final boxes (B, N, 6); else scores of every anchor (B, 4 + C, A)."""

    takes_bytes: bool
    """Whether it takes uint8 pictures (B, H, W, 3), 0 to 255."""

    def __call__(self, pictures: torch.Tensor) -> RawPredictions:
        """Start on pictures float32 or float16 (B, 3, H, W), RGB, 0 to 1; see `takes_bytes`."""
        ...


class Yolo:
    """The `interface.Model` of ultralytics' networks."""

    def __init__(self, settings: Detect, threads: int, device: str) -> None:
        import torch

        self.settings = settings
        engine = engine_of(settings.engine)
        weights = Path(settings.engine if engine else settings.weights or "")
        if weights.suffix in exports.SUFFIXES:
            self.network: Network = exports.load_export(weights, settings, threads, device, engine)
        else:
            self.network = _Native(settings, device)
        use_threads(threads)
        self.device = torch.device(self.network.device)
        box = self.network.shape, self.network.stride, self.network.tight
        self.prepare = partial(_prepared, *box)
        self._box = box

    def start(self, prepared: list[np.ndarray]) -> tuple[RawPredictions, int]:
        """Run the network on pictures uint8 (H, W, 3), RGB, of one shape.

        Returns the raw predictions and the number of pictures.
        """
        import torch

        count = len(prepared)
        # A CPU computes other last digits for a batch of one than for larger ones. With two copies
        # the last frame of a shape has the same boxes, whichever frames came before it.
        if count == 1 < self.settings.batch and self.device.type == "cpu":
            prepared = prepared * 2
        with torch.inference_mode():
            return self.network(self._batch(prepared)), count

    def _batch(self, prepared: list[np.ndarray]) -> torch.Tensor:
        import torch

        if self.network.takes_bytes:
            return torch.from_numpy(np.stack(prepared))
        return _from_0_to_1(prepared, self.device, self.network.half).permute(0, 3, 1, 2)

    def finish(self, started: tuple[RawPredictions, int], sizes: list[Size]) -> list[People]:
        """People of each picture: boxes float32 (N, 4), x1 y1 x2 y2 in pixels of the displayed
        picture, and scores float32 (N,), highest first."""
        predictions, count = started
        raw = predictions()
        least = min(self.settings.low_score, self.settings.score)
        pick = _picked_end2end if self.network.end2end or raw.shape[-1] == 6 else _picked
        picture, boxes, scores = pick(raw[:count], self.network.person, least)
        return [
            self._people(boxes[picture == number], scores[picture == number], size)
            for number, size in enumerate(sizes)
        ]

    def _people(self, boxes: np.ndarray, scores: np.ndarray, size: Size) -> People:
        """People of one picture from its boxes (N, 4) in the input: after NMS, in the picture."""
        if not self.network.end2end and len(boxes):
            kept = _non_maximum_suppression(boxes, scores, self.settings.iou)
            boxes, scores = boxes[kept], scores[kept]
        inside = letterbox(size, *self._box).boxes_to_picture(boxes[:MAX_PEOPLE])
        visible = geometry.area(inside) > 0
        return inside[visible], scores[:MAX_PEOPLE][visible]


class _Native:
    """A network in ultralytics' own format (.pt), run by torch."""

    takes_bytes = False

    def __init__(self, settings: Detect, device: str) -> None:
        import torch

        model, self.person = load_yolo(settings.weights or "", "detect")
        from ultralytics.nn.autobackend import AutoBackend

        target = torch.device(device)
        self.device, self.half = device, target.type == "cuda" and settings.half is not False
        self._run = AutoBackend(model.model, device=target, fp16=self.half, verbose=False).eval()
        self.stride, self.tight, self.end2end = self._run.stride, True, bool(self._run.end2end)
        side = -(-settings.image_size // self.stride) * self.stride  # rounded up
        self.shape = side, side
        kind = "half" if self.half else "single"
        logging.info("yolo: %s on %s, %s precision", settings.weights, device, kind)

    def __call__(self, pictures: torch.Tensor) -> RawPredictions:
        raw = self._run(pictures)
        return lambda: raw[0] if isinstance(raw, (list, tuple)) else raw


def _from_0_to_1(prepared: list[np.ndarray], device: torch.device, half: bool) -> torch.Tensor:
    """Pictures uint8 (H, W, 3) as one batch (B, H, W, 3) of float32 or float16 on the device."""
    import torch

    if device.type == "cpu":
        whole = torch.empty((len(prepared), *prepared[0].shape))
        for picture, target in zip(prepared, whole, strict=True):
            target.copy_(torch.from_numpy(picture)).div_(255)  # while it is in the cache
        return whole
    bytes_ = torch.from_numpy(np.stack(prepared))
    if device.type == "cuda":
        bytes_ = bytes_.pin_memory()
    batch = bytes_.to(device, non_blocking=True)
    return (batch.half() if half else batch.float()).div_(255)


def _prepared(shape: tuple[int, int], stride: int, tight: bool, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return letterbox((width, height), shape, stride, tight).apply(picture)


Picked = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Index of the picture int64 (N,), boxes float32 (N, 4) in the input, scores float32 (N,)."""


def _picked(raw: torch.Tensor, person: int, least: float) -> Picked:
    """The anchors whose best class is person, of raw predictions (B, 4 + classes, anchors).

    Only anchors with a score above `least` are copied from the device; the comparison with the
    other classes is made on the CPU.
    """
    import torch

    with torch.inference_mode():
        picture, anchor = (raw[:, 4 + person] > least).nonzero(as_tuple=True)
        rows = raw.transpose(1, 2)[picture, anchor].float().cpu().numpy()
    is_person = rows[:, 4:].argmax(axis=1) == person if len(rows) else np.zeros(0, bool)
    numbers, rows = picture.cpu().numpy()[is_person], rows[is_person]
    middle, half_side = rows[:, :2], rows[:, 2:4] / 2
    boxes = np.concatenate([middle - half_side, middle + half_side], axis=1)
    return numbers, boxes, rows[:, 4 + person]


def _picked_end2end(raw: torch.Tensor, person: int, least: float) -> Picked:
    """The boxes of people in final predictions (B, boxes, 6): x1 y1 x2 y2, score, class."""
    values = raw.float().cpu().numpy()
    picture, row = np.nonzero((values[..., 4] > least) & (values[..., 5] == person))
    picked = values[picture, row]
    return picture, picked[:, :4], picked[:, 4]


def _non_maximum_suppression(boxes: np.ndarray, scores: np.ndarray, iou: float) -> Any:
    """Indices (K,) of the boxes (N, 4) that remain, highest score first."""
    import torch
    from torchvision.ops import nms

    return nms(torch.from_numpy(boxes), torch.from_numpy(scores), iou).numpy()
