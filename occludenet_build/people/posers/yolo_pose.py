"""The backend ultralytics: pose models with COCO's 17 keypoints, from a .pt file.

The file is a pickle: `core.torch_models` reads it with ultralytics' restricted loader, as for
detect. The keypoints become OpenPose's 18 joints (media.imaging.skeletons). A model with other
keypoints, such as those of hands, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from occludenet_build.config.poses import Poses
from occludenet_build.core import torch_models
from occludenet_build.core.errors import UserError
from occludenet_build.media.imaging import skeletons
from occludenet_build.people.maskers.interface import batches
from occludenet_build.people.posers.interface import FramePoses, PosedClip

if TYPE_CHECKING:
    from ultralytics.engine.results import Results

_MAX_PERSONS = 50
"""Largest number of people per frame."""


class YoloPose:
    """The `interface.Poser` of ultralytics' pose models."""

    def __init__(self, settings: Poses, threads: int = 1) -> None:
        """Load the model. Raises UserError where it is no pose model of COCO's 17 keypoints."""
        self._settings = settings
        self._device = torch_models.resolve_device(settings.device)
        self._fitting = torch_models.FittingBatches("poses.batch")
        path = torch_models.checkpoint_file(settings.weights, "ultralytics")
        self._model, self._person = torch_models.load_yolo(path, "pose")
        network: Any = self._model.model
        shape = tuple(getattr(network.model[-1], "kpt_shape", ()))
        if shape != (len(skeletons.COCO), 3):
            raise UserError(
                f"poses.weights: wanted a model of 17 keypoints with x, y and score, {path} has "
                f"{' x '.join(map(str, shape)) or 'none'}; give another one"
            )
        # The first call prepares the model and sets torch's number of threads, which is reset here.
        self._predict([np.zeros((64, 64, 3), np.uint8)])
        torch_models.use_threads(threads)
        cv2.setNumThreads(1)  # ultralytics scales pictures in this thread

    def poses(self, clip: PosedClip) -> Iterator[FramePoses]:
        """Yields the poses of each frame in which the model finds a person."""
        for batch in batches(clip.pictures(), self._settings.batch):
            results = self._predict([rgb for _, rgb in batch])
            for (number, _), result in zip(batch, results, strict=True):
                boxes, keypoints = _people(result)
                if len(boxes):
                    yield FramePoses(number, skeletons.from_coco(keypoints), boxes)

    def _predict(self, pictures: list[np.ndarray]) -> list[Results]:
        return self._fitting.run(self._results, pictures)

    def _results(self, pictures: Sequence[np.ndarray]) -> list[Results]:
        return self._model.predict(  # type: ignore[return-value]
            # ultralytics takes arrays as BGR
            [np.ascontiguousarray(rgb[..., ::-1]) for rgb in pictures],
            imgsz=self._settings.image_size,
            conf=self._settings.score,
            classes=[self._person],
            max_det=_MAX_PERSONS,
            batch=len(pictures),
            device=self._device,
            verbose=False,
            save=False,
        )


def _people(result: Results) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float32 (N, 4) and COCO's keypoints float32 (N, 17, 3) of one picture."""
    if result.boxes is None or result.keypoints is None or not len(result.boxes):
        return np.zeros((0, 4), np.float32), np.zeros((0, len(skeletons.COCO), 3), np.float32)
    boxes = result.boxes.cpu().numpy().xyxy.astype(np.float32)
    # A keypoint that the network does not see has a place all the same: only its score tells.
    return boxes, result.keypoints.cpu().numpy().data.astype(np.float32)
