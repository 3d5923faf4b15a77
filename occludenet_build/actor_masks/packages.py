"""Packages that only one backend needs and that need not be there."""

from __future__ import annotations

import importlib
from typing import Any

from occludenet_build.core.errors import UserError

_PROJECTS = {
    "mobile_sam": "the GitHub project ChaoningZhang/MobileSAM, and timm",
    "sam2": "the GitHub project facebookresearch/sam2",
}


def module(name: str, backend: str) -> Any:
    """A module of an optional package, or one line that says what to install."""
    package = name.split(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{backend}: wanted the Python package {package}, it does not import ({error}); "
            f"install {_PROJECTS[package]}, or choose another actor_masks.backend"
        ) from error
