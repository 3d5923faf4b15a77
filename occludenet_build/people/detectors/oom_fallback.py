"""A model that reacts to a lack of memory: smaller batches first, then the CPU.

Each step is logged and holds for the rest of the job. Splitting a batch changes boxes by rounding
only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import free_memory, is_out_of_memory
from occludenet_build.people.detectors.interface import Model, People, Size

LoadModel = Callable[[str], Model]
"""Device name -> a model on that device."""


class ShrinkingBatch:
    """An `interface.Model` around another one, with smaller batches where memory runs out."""

    def __init__(self, load: LoadModel, device: str, batch: int) -> None:
        """`load` is called for `device`, and again for the CPU if one frame does not fit."""
        self.load, self.device, self.batch = load, device, batch
        self.most = batch
        """Largest number of pictures per call of the model."""
        self.model = self._loaded()
        self.prepare = self.model.prepare

    def _loaded(self) -> Model:
        try:
            return self.load(self.device)
        except Exception as error:  # each library raises its own error for this
            if not is_out_of_memory(error) or self.device == "cpu":
                raise
        self._to_cpu("the model")
        return self.model

    def start(self, prepared: list[np.ndarray]) -> Any:
        """Start inference on pictures uint8 (H, W, 3) of one shape; returns what `finish` takes."""
        if len(prepared) > self.most:
            return prepared, None
        try:
            return prepared, (self.model, self.model.start(prepared))
        except Exception as error:  # as above
            if not is_out_of_memory(error):
                raise
        self._reduce_memory(len(prepared))
        return prepared, None

    def finish(self, started: Any, sizes: list[Size]) -> list[People]:
        """The people of each picture; a batch that ran out of memory is run again in parts.

        Boxes are float32 (N, 4), x1 y1 x2 y2 in pixels of the displayed picture, scores float32
        (N,). Raises UserError where the memory of the CPU is too small for one frame.
        """
        prepared, begun = started
        if begun is not None:
            model, begun = begun
            try:
                return model.finish(begun, sizes)
            except Exception as error:  # as above
                if not is_out_of_memory(error):
                    raise
            # Whether the batch before this one has already reduced the memory.
            reduced = model is not self.model or len(prepared) > self.most
            model = begun = started = None
            if not reduced:
                self._reduce_memory(len(prepared))
        return self._in_parts(prepared, sizes)

    def _in_parts(self, prepared: list[np.ndarray], sizes: list[Size]) -> list[People]:
        people: list[People] = []
        while len(people) < len(prepared):
            part = slice(len(people), len(people) + self.most)
            try:
                people += self.model.finish(self.model.start(prepared[part]), sizes[part])
                continue
            except Exception as error:  # as above
                if not is_out_of_memory(error):
                    raise
            self._reduce_memory(len(prepared[part]))
        return people

    def _reduce_memory(self, tried: int) -> None:
        """Halve the batch, or change to the CPU.

        Called outside of `except`, as an error being handled keeps tensors alive.
        """
        free_memory()
        if tried > 1:
            self.most = min(self.most, max(1, tried // 2))
            logging.warning(
                "%s: the memory is too small for %d frames at once; continuing with %d "
                "(detect.batch is %d)",
                *(self.device, tried, self.most, self.batch),
            )
        elif self.device != "cpu":
            self._to_cpu("one frame")
        else:
            raise UserError(
                "detect: the memory of this machine is too small for one frame; wanted more; use a "
                "smaller detect.image_size or a smaller model"
            )

    def _to_cpu(self, what: str) -> None:
        logging.warning(
            "%s: the memory is too small for %s; continuing on the CPU, which is slower",
            *(self.device, what),
        )
        self.device, self.most = "cpu", self.batch
        # The old model is freed first: its memory may be this machine's as well.
        vars(self).pop("model", None)
        free_memory()
        self.model = self.load("cpu")
