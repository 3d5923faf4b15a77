"""People by a YOLO model of ultralytics: YOLOv5u, YOLOv8 and later, from a .pt file.

Weights are pickles, which can run code when they are loaded: `core.torch_models` has them read by
ultralytics' restricted loader, which refuses whatever is not on its list of classes, and keeps
ultralytics offline.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from occludenet_build.config import Detect
from occludenet_build.core import boxes as geometry
from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import load_yolo, resolve_device
from occludenet_build.detect.backend import Clip, Found, Frames

MAX_PEOPLE = 300
"""Most boxes of one frame."""


class Yolo:
    """A model that was loaded once; see `backend.Detector`."""

    def __init__(self, settings: Detect, threads: int) -> None:
        import torch

        self.settings = settings
        self.device = resolve_device(settings.device)
        self.model, self.person = load_yolo(settings.weights or "", "detect")
        # The first call sets the model up, and the number of threads to one of its own.
        self._predict([np.zeros((64, 64, 3), np.uint8)])
        torch.set_num_threads(max(1, threads))
        logging.info("yolo: %s on %s", settings.weights, self.device)

    def find(self, clip: Clip, frames: Frames) -> Iterator[Found]:
        while batch := list(islice(frames, self.settings.batch)):
            # Lists of arrays are taken for BGR, as OpenCV reads pictures.
            pictures = [np.ascontiguousarray(rgb[..., ::-1]) for _, rgb in batch]
            for (number, _), result in zip(batch, self._predict(pictures), strict=True):
                yield _found(number, result, clip)

    def _predict(self, pictures_bgr: list[np.ndarray]) -> list[Any]:
        try:
            results = self.model.predict(
                pictures_bgr,
                imgsz=self.settings.image_size,
                conf=min(self.settings.low_score, self.settings.score),
                iou=self.settings.iou,
                classes=[self.person],
                max_det=MAX_PEOPLE,
                batch=len(pictures_bgr),
                device=self.device,
                verbose=False,
                save=False,
            )
            return list(results)
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            raise UserError(
                f"detect.batch: {self.settings.batch} frames do not fit into the memory of "
                f"{self.device}; lower detect.batch or detect.image_size"
            ) from error


def _found(number: int, result: Any, clip: Clip) -> Found:
    people = result.boxes
    xyxy = people.xyxy.cpu().numpy().astype(np.float32).reshape(-1, 4)
    inside = geometry.clipped(xyxy, clip.width, clip.height)
    keep = geometry.area(inside) > 0
    scores = people.conf.cpu().numpy().astype(np.float32)
    return Found(number, inside[keep], scores[keep])
