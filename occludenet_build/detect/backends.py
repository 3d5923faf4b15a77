"""The backends of config.backends, each imported only when it is used."""

from __future__ import annotations

import importlib
from typing import Any

from occludenet_build.config import Detect
from occludenet_build.config.backends import DETECTORS
from occludenet_build.detect.backend import Detector, Model


def detector(settings: Detect) -> Detector:
    """What looks at one clip after the other."""
    return _class(settings)(settings)


def model(settings: Detect, threads: int, device: str) -> Model:
    """What sees many clips together: a network on one device, with so many threads of torch."""
    return _class(settings)(settings, threads, device)


def runs_network(settings: Detect) -> bool:
    return DETECTORS[settings.backend].network


def _class(settings: Detect) -> Any:
    module, _, name = DETECTORS[settings.backend].loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
