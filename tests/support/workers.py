"""Tests in several processes (pytest-xdist): what they make once, and which files begin.

Each process takes whole files, so a fixture of a module is made once. Fixtures of the session
would be made by each process: `once` makes their folder in one, and the others wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from occludenet_build.core.files import folder_lock

MANY = "PYTEST_XDIST_WORKER" in os.environ
"""Whether other processes test beside this one."""
BUILDS = {"world", "built", "tiny_world", "reference", "drill", "readers"}
"""Fixtures of tests that start whole builds: a file of them may take minutes."""


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make(folder)` filled in one process of this run of pytest.

    Nobody may write into it afterwards. Where `make` raises, the next process tries again.
    """
    of_the_run = factory.getbasetemp().parent if MANY else factory.getbasetemp()
    place = of_the_run / f"once-{name}"
    with folder_lock(place):
        if not (place / "made").exists():
            folder = factory.mktemp(name)
            make(folder)
            (place / "made").symlink_to(folder)
    return (place / "made").resolve()


def longest_first(items: list[pytest.Item]) -> None:
    """Put files that start builds before all others, or one process would end long after the rest.

    Besides, the order stays.
    """
    builds = {item.path for item in items if BUILDS & set(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in builds)
