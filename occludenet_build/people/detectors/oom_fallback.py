"""A model that goes on where the memory ends: in smaller batches, and at last on the CPU.

Each step is said in the log and holds for the rest of the job. What a batch is split into changes
no box by more than rounding does.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError
from occludenet_build.core.torch_models import out_of_memory
from occludenet_build.people.detectors.interface import Model, People, Size

Load = Callable[[str], Model]
"""A model on a device of that name."""


class Spare:
    """See `backend.Model`; `load` is called again for the CPU, if it comes to that."""

    def __init__(self, load: Load, device: str, batch: int) -> None:
        self.load, self.device, self.batch = load, device, batch
        self.most = batch
        """Pictures that are tried at once."""
        self.model = self._loaded()
        self.prepare = self.model.prepare

    def _loaded(self) -> Model:
        try:
            return self.load(self.device)
        except Exception as error:  # each library has an error of its own for this
            if not out_of_memory(error) or self.device == "cpu":
                raise
        self._to_cpu("the model")
        return self.model

    def start(self, prepared: list[np.ndarray]) -> Any:
        """What `finish` takes: the pictures, and what the model has begun with them."""
        if len(prepared) > self.most:
            return prepared, None
        try:
            return prepared, (self.model, self.model.start(prepared))
        except Exception as error:  # as above
            if not out_of_memory(error):
                raise
        self._spare(len(prepared))
        return prepared, None

    def finish(self, started: Any, sizes: list[Size]) -> list[People]:
        prepared, begun = started
        if begun is not None:
            model, begun = begun
            try:
                return model.finish(begun, sizes)
            except Exception as error:  # as above
                if not out_of_memory(error):
                    raise
            # else the batch before this one has said it already
            known = model is not self.model or len(prepared) > self.most
            model = begun = started = None
            if not known:
                self._spare(len(prepared))
        return self._in_parts(prepared, sizes)

    def _in_parts(self, prepared: list[np.ndarray], sizes: list[Size]) -> list[People]:
        found: list[People] = []
        while len(found) < len(prepared):
            part = slice(len(found), len(found) + self.most)
            try:
                found += self.model.finish(self.model.start(prepared[part]), sizes[part])
                continue
            except Exception as error:  # as above
                if not out_of_memory(error):
                    raise
            self._spare(len(prepared[part]))
        return found

    def _spare(self, tried: int) -> None:
        """Less at once, or another device. Outside of `except`: an error holds on to tensors."""
        _give_back()
        if tried > 1:
            self.most = min(self.most, max(1, tried // 2))
            logging.warning(
                "%s: the memory is too small for %d frames at once; going on with %d "
                "(detect.batch is %d)",
                *(self.device, tried, self.most, self.batch),
            )
        elif self.device != "cpu":
            self._to_cpu("one frame")
        else:
            raise UserError(
                "detect: the memory of this machine is too small for one frame; wanted more, or a "
                "smaller detect.image_size or model"
            )

    def _to_cpu(self, what: str) -> None:
        logging.warning(
            "%s: the memory is too small for %s; going on on the CPU, which is slower",
            *(self.device, what),
        )
        self.device, self.most = "cpu", self.batch
        # the old model goes first: its memory may be this machine's as well
        vars(self).pop("model", None)
        _give_back()
        self.model = self.load("cpu")


def _give_back() -> None:
    """Free what an abandoned batch held."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
