"""Packages that only one backend needs and that need not be there."""

from __future__ import annotations

import importlib
from typing import Any

from occludenet_build.config.backends import MASKERS
from occludenet_build.core.errors import UserError


def module(name: str, backend: str) -> Any:
    """A module of the package that a backend needs.

    Raises UserError, one line that says what to install, where the package does not import.
    """
    row = MASKERS[backend]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{backend}: wanted the Python package {row.package}, it does not import ({error}); "
            f"install {row.project}, or choose another actor_masks.backend"
        ) from error
