"""A small YOLOv5u with random weights, for which there are people in noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture of soft colours, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 9, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write_model(path: Path, names: dict[int, str], pictures: Sequence[np.ndarray]) -> Path:
    """Write the weights; their norms follow `pictures`."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more give norms other last digits, which random weights amplify
    torch.manual_seed(0)
    model = DetectionModel("yolov5n.yaml", nc=len(names), verbose=False)
    model.names = names
    for module in model.modules():  # untrained layers fade out, so norms follow their inputs
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        squares = np.stack([cv2.resize(picture, (128, 128)) for picture in pictures])
        model.train()(torch.from_numpy(squares).permute(0, 3, 1, 2) / 255)
        for layer in model.model[-1].cv3:  # the class scores
            layer[-1].weight.normal_(0, 0.3)
            layer[-1].bias.fill_(-1)
    torch.set_num_threads(threads)
    torch.save({"model": model.eval(), "train_args": {}}, path)
    return path
