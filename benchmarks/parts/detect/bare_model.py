"""The comparisons for detect: the bare model on the same batches, and decoding alone."""

from __future__ import annotations

from collections import Counter

import torch

from occludenet_build.people.detect.decode_ahead import ClipStream, round_robin
from occludenet_build.people.detectors.interface import IndexedClip
from parts.measure import Cost, of_call

from .inputs import Row
from .stage_run import DetectStage, Shape


class BareModel:
    """The network's forward pass on tensors on its device: no decoding, no NMS."""

    def __init__(self, stage: DetectStage) -> None:
        yolo = stage.model.model.model
        self._network, self._device = yolo.network, torch.device(yolo.network.device)
        self._half = yolo.network.half
        self._ready: dict[Shape, torch.Tensor] = {}

    def run(self, shapes: Counter[Shape]) -> Cost:
        """Cost of one forward pass per batch."""
        new = [self._tensor(shape) for shape in shapes if shape not in self._ready]
        self._forward(new)  # warm-up: the first batch of a shape is slower
        tensors = [self._tensor(shape) for shape in shapes.elements()]
        return of_call(lambda: self._forward(tensors))

    def _tensor(self, shape: Shape) -> torch.Tensor:
        if shape not in self._ready:
            count, (height, width, _) = shape
            # channels last, like the pictures of the stage
            bytes_ = torch.rand(count, height, width, 3, device=self._device)
            pictures = bytes_.permute(0, 3, 1, 2)
            self._ready[shape] = pictures.half() if self._half else pictures
        return self._ready[shape]

    def _forward(self, tensors: list[torch.Tensor]) -> None:
        with torch.inference_mode():
            for tensor in tensors:
                self._network(tensor)()
        if self._device.type == "cuda":
            torch.cuda.synchronize()


def decoding(stage: DetectStage, clips: list[Row], threads: int) -> Cost:
    """Cost of decoding the frames of the clips and preparing them for the model."""
    known = ("path", "width", "height", "frames", "fps")
    made = [IndexedClip(str(row["clip"]), **{name: row[name] for name in known}) for row in clips]

    def run() -> None:
        for _ in round_robin((ClipStream(clip, stage.model.prepare) for clip in made), threads):
            pass

    return of_call(run)
