"""Decoded frames of clips, from the file each time or, for small sets, from memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.sample import sample, sample_twice

_WIDEST = 16 / 9
"""Assumed aspect where memory is estimated."""


class Frames:
    """Frames by file and number, at one short side.

    With `keep`, a file is decoded whole at its first use and stays in memory.
    """

    def __init__(self, root: Path, short_side: int, keep: bool) -> None:
        self.root, self.short_side, self.keep = root, short_side, keep
        self._kept: dict[str, np.ndarray] = {}

    def of(self, file: str, numbers: Sequence[int]) -> np.ndarray:
        """uint8 (T, H, W, 3). Raises ItemError where the file cannot be used."""
        if not self.keep:
            return sample(self.root / file, numbers, self.short_side)
        if file not in self._kept:
            self._kept[file] = sample(self.root / file, None, self.short_side)
        return self._of_kept(file, numbers)

    def both(
        self, file: str, numbers: Sequence[int], look: Callable[[int, Any], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `of` gives, and the same frames as `look` shows them (core.video.sample); `look`
        must be the same for a file each time."""
        if not self.keep:
            return sample_twice(self.root / file, numbers, self.short_side, look)
        other = f"{file}\0"  # no file is called so
        if other not in self._kept:
            pair = sample_twice(self.root / file, None, self.short_side, look)
            self._kept[file], self._kept[other] = pair
        return self._of_kept(file, numbers), self._of_kept(other, numbers)

    def _of_kept(self, name: str, numbers: Sequence[int]) -> np.ndarray:
        if max(numbers) >= len(self._kept[name]):
            raise ItemError("truncated", f"frame {max(numbers)} is wanted")
        return self._kept[name][list(numbers)]


def fit_in_memory(frame_counts: Iterable[int], short_side: int, limit_mib: int) -> bool:
    """Whether clips of these lengths can all be kept decoded."""
    mib = sum(frame_counts) * short_side * short_side * _WIDEST * 3 / 2**20
    if mib <= limit_mib:
        logging.info("clips are decoded once and kept in memory, about %.0f MiB", mib)
    return mib <= limit_mib
