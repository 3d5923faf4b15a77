"""The masker yolo-seg: a segmentation model of ultralytics; the person whose box overlaps most.

`scene` gives everybody in a picture, and other objects of COCO, from one run of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from occludenet_build import config
from occludenet_build.core import engines, torch_models
from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.everyone import BoxByFrame, SceneFrame, pairs_by_overlap
from occludenet_build.people.maskers.interface import BoxedClip, MaskedFrame, TrackKey, batches

if TYPE_CHECKING:
    from ultralytics.engine.results import Results

_LEAST_IOU = 0.3
"""Least IoU with the actor's box; with less, it is another person."""
_SCORE = 0.1
"""Least score; lower than for detection, as the box shows that there is a person."""
_MAX_PERSONS = 50
"""Largest number of people per frame."""


class YoloSeg:
    """The `interface.Masker` of ultralytics' segmentation models."""

    def __init__(self, settings: config.ActorMasks, threads: int = 1) -> None:
        self._settings = settings
        self._device = engines.device_of(settings.device, settings.engine)
        self._fitting = torch_models.FittingBatches("actor_masks.batch")
        path = torch_models.checkpoint_file(settings.weights, "yolo-seg")
        self._model, self._person = torch_models.load_yolo(path, "segment")
        # The first call prepares the model and sets torch's number of threads, which is reset here.
        self._predict([np.zeros((64, 64, 3), np.uint8)], [self._person])
        network = engines.load(settings.engine, threads)
        if network is not None:
            predictor: Any = self._model.predictor
            predictor.model.forward = network.on_tensors
        torch_models.use_threads(threads)
        cv2.setNumThreads(1)  # ultralytics scales pictures in this thread

    def masks(self, clip: BoxedClip) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)) of the frames with a mask."""
        for batch in batches(clip.frames(), self._settings.batch):
            results = self._predict([rgb for _, rgb, _ in batch], [self._person])
            for (number, rgb, box), result in zip(batch, results, strict=True):
                mask = _best(result, box, rgb.shape[:2])
                if mask is not None and mask.any():
                    yield number, mask

    def scene(
        self, clip: BoxedClip, people: Mapping[TrackKey, BoxByFrame], object_score: float | None
    ) -> Iterator[tuple[int, SceneFrame]]:
        """Yields (frame, masks bool (H, W) of everybody and of other objects).

        people: person -> frame -> box float32 (4,); each segment belongs to one box at most.
        """
        classes = [self._person] if object_score is None else None
        for batch in batches(clip.frames(), self._settings.batch):
            results = self._predict([rgb for _, rgb, _ in batch], classes)
            for (number, rgb, _), result in zip(batch, results, strict=True):
                here = {key: boxes[number] for key, boxes in people.items() if number in boxes}
                yield number, self._seen(result, here, rgb.shape[:2], object_score)

    def _seen(
        self,
        result: Results,
        people: dict[TrackKey, np.ndarray],
        shape: tuple[int, int],
        object_score: float | None,
    ) -> SceneFrame:
        if result.masks is None or result.boxes is None:
            return SceneFrame({}, [])
        found = result.boxes.cpu().numpy()
        is_person = found.cls.astype(int) == self._person
        rows = np.flatnonzero(is_person)
        keys = list(people)
        pairs = pairs_by_overlap(
            np.stack([people[key] for key in keys]),
            found.xyxy[rows].astype(np.float32),
            _LEAST_IOU,
        )
        masks = {
            keys[one]: _scaled(result, int(rows[other]), shape) for one, other in pairs.items()
        }
        things = np.flatnonzero(~is_person & (found.conf >= (object_score or 0.0)))
        objects = [
            (str(result.names[int(found.cls[row])]), _scaled(result, int(row), shape))
            for row in things.tolist()
        ]
        return SceneFrame(
            {key: mask for key, mask in masks.items() if mask.any()},
            [(name, mask) for name, mask in objects if mask.any()],
        )

    def _predict(
        self, pictures: list[np.ndarray], classes: list[int] | None = None
    ) -> list[Results]:
        return self._fitting.run(partial(self._results, classes=classes), pictures)

    def _results(self, pictures: Sequence[np.ndarray], classes: list[int] | None) -> list[Results]:
        return self._model.predict(  # type: ignore[return-value]
            # ultralytics takes arrays as BGR
            [np.ascontiguousarray(rgb[..., ::-1]) for rgb in pictures],
            imgsz=self._settings.image_size,
            conf=_SCORE,
            classes=classes,
            max_det=_MAX_PERSONS,
            batch=len(pictures),
            device=self._device,
            verbose=False,
            save=False,
        )


def _best(result: Results, box: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
    """The mask bool (H, W), of size `shape`, of the person whose box overlaps most, or None."""
    if result.masks is None or result.boxes is None:
        return None
    overlap = boxes.iou(box[None], result.boxes.cpu().numpy().xyxy.astype(np.float32))[0]
    best = int(overlap.argmax())
    if overlap[best] < _LEAST_IOU:
        return None
    # Only one mask is scaled to full size: those of a crowd in a 4K picture would fill the memory.
    return _scaled(result, best, shape)


def _scaled(result: Results, row: int, shape: tuple[int, int]) -> np.ndarray:
    """The mask of one row in the picture's size: bool (H, W)."""
    from ultralytics.utils import ops

    assert result.masks is not None  # the callers looked
    small = result.masks.data[row][None, None].float()
    return (ops.scale_masks(small, shape)[0, 0] > 0.5).cpu().numpy()
