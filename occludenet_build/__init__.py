"""Builds OccludeNet, occluded action videos with ground truth, and trains CAR on it.

    from occludenet_build import Bank, BuildBoxes, Occlude, occlude

loads the occlusion as a transform (occlusion.transform, docs/transform.md) when it is asked for;
`import occludenet_build` alone loads nothing.
"""

from importlib import import_module
from typing import Any

from occludenet_build.core import ultralytics_import

__version__ = "0.3.0"

_OFFERED = {"Bank": "bank", "BuildBoxes": "actor", "Occlude": "sample", "occlude": "function"}
"""Name -> its module in occlusion.transform."""

ultralytics_import.install()  # before anything of this package, or of its user's, imports it


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.occlusion.transform.{_OFFERED[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
