"""The occluders that a transform pastes: those of a build, of one split, or the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from occludenet_build.core import tables
from occludenet_build.core.build import BuildTables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.occlusion.patches import check_occluder, read_occluder
from occludenet_build.occlusion.select.quota import draw_occluders
from occludenet_build.release.terms import SPLITS


class Cutout(NamedTuple):
    """An occluder of a bank: a PNG of a build, or pixels of the user."""

    name: str
    category: str
    path: Path | None
    sha256: str | None
    """Of the PNG, in the table of occluders."""
    pixels: np.ndarray | None = None
    """uint8 (H, W, 4) RGBA, straight alpha."""

    def read(self) -> np.ndarray:
        """The pixels, uint8 (H, W, 4) RGBA, straight alpha.

        Raises UserError where the PNG is missing, damaged or not the one in the table.
        """
        if self.pixels is not None:
            return self.pixels
        assert self.path is not None and self.sha256 is not None
        try:
            check_occluder(self.path, self.sha256)
        except (ItemError, OSError) as error:
            raise UserError(
                f"occluder {self.path}: wanted the file of occluders.parquet, got {error}; run "
                "occluders again"
            ) from error
        return read_occluder(self.path)


class Bank:
    """Occluders by name. It holds no pixels of a build's bank, and no open file: it is cheap to
    pickle into the workers of a data loader."""

    def __init__(self, cutouts: Iterable[Cutout], where: str) -> None:
        """`where`: for messages. Raises UserError where there is no occluder."""
        self._cutouts = {cutout.name: cutout for cutout in cutouts}
        self._where = where
        if not self._cutouts:
            raise UserError(f"Bank: wanted an occluder in {where}, got none")
        types: dict[str, dict[str, dict[str, Any]]] = {}
        for cutout in self._cutouts.values():
            types.setdefault(cutout.category, {})[cutout.name] = {"occluder": cutout.name}
        self._types = types

    @classmethod
    def open(
        cls, build: Path | str, split: str = "train", categories: Iterable[str] | None = None
    ) -> Bank:
        """The occluders of a build that one split uses, and only that split.

        `split`: train, val or test. `categories`: some of the bank's types; None: all. Raises
        UserError where the build has no bank, or the bank nothing of the split.
        """
        if split not in SPLITS:
            raise UserError(f"Bank.open: wanted a split, {', '.join(SPLITS)}, got {split!r}")
        files = BuildTables(Path(build), "Bank.open").files("occluders")
        if not files:
            raise UserError(
                f"Bank.open: wanted occluders/occluders.parquet in {build}, got a folder without "
                "it; run occluders, or make a bank of your own arrays with Bank.of"
            )
        columns = ["occluder", "category", "status", "split", "file", "sha256"]
        rows = tables.read_table(files[0], columns).to_pylist()
        wanted = None if categories is None else set(categories)
        folder = files[0].parent
        found = (
            Cutout(row["occluder"], row["category"], folder / row["file"], row["sha256"])
            for row in rows
            if row["status"] == "ok" and row["split"] == split
            if wanted is None or row["category"] in wanted
        )
        of_types = "" if wanted is None else f", {', '.join(sorted(wanted))}"
        return cls(found, f"{files[0]}, split {split}{of_types}")

    @classmethod
    def of(cls, occluders: Mapping[str, np.ndarray], category: str = "own") -> Bank:
        """The user's own: name -> uint8 (H, W, 4) RGBA, straight alpha. Raises UserError."""
        cutouts = [
            Cutout(name, category, None, None, checked_rgba(pixels, f"occluder {name}"))
            for name, pixels in occluders.items()
        ]
        return cls(cutouts, "the occluders given")

    def __len__(self) -> int:
        return len(self._cutouts)

    def __repr__(self) -> str:
        return f"Bank({len(self)} occluders of {self._where})"

    @property
    def names(self) -> list[str]:
        """Names of the occluders, sorted."""
        return sorted(self._cutouts)

    def __getitem__(self, name: str) -> np.ndarray:
        """The pixels of an occluder, uint8 (H, W, 4) RGBA, straight alpha.

        Raises UserError for a name that is not in the bank, and those of Cutout.read.
        """
        if name not in self._cutouts:
            raise UserError(f"Bank: wanted an occluder of {self._where}, got {name!r}")
        return self._cutouts[name].read()

    def draw(self, seed: int, clip: str, count: int = 1) -> list[str]:
        """Names of the occluders of a clip: `count` of one type, or all if the type has fewer.

        The draw is that of the stage select with assignment `quota`: with the seed of a build, the
        occluders are the build's.
        """
        _, chosen = draw_occluders(self._types, seed, clip, count)
        return [row["occluder"] for row in chosen]


def checked_rgba(pixels: Any, what: str) -> np.ndarray:
    """An occluder as uint8 (H, W, 4) RGBA. Raises UserError for anything else."""
    array = np.asarray(pixels)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 4 or 0 in array.shape:
        raise UserError(
            f"{what}: wanted RGBA pixels, uint8 (H, W, 4), got {array.dtype} {array.shape}"
        )
    return array
