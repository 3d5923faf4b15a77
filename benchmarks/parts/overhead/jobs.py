"""Shards of drawn clips as a build has them, and composite's command for each.

A few clips are drawn, and the others are links to their files: drawing takes longer than composite.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from occludenet_build import config as cfg
from occludenet_build.config.occlusion import Composite
from occludenet_build.core import tables
from occludenet_build.occlusion import select
from occludenet_build.people.detect import BOXES
from parts.composite.shard_tables import Shard, box_rows
from parts.composite.synthetic_clips import Clip, write_cutout

CLASSES = 200
"""As many folders has a tree of clips at most."""
DRAWN = 8
"""Number of different clips."""


@dataclass(frozen=True)
class NamedClip(Clip):
    """A drawn clip under a further name."""

    at: int = 0
    """Number of the name."""

    @property
    def name(self) -> str:
        return f"{self.at:06d}"

    @property
    def label(self) -> str:
        return f"class {self.at % CLASSES}"

    @property
    def drawn(self) -> Clip:
        """The clip whose file this one shares."""
        return Clip(self.folder, self.number, self.size, self.frames)


@dataclass(frozen=True)
class Job:
    """A job of composite: its shard and its build; with limits of items, as the workflow has."""

    shard: Shard
    root: Path
    threads: int

    @property
    def command(self) -> list[str | Path]:
        """The stage's own command, with default settings but for counterfactuals: none."""
        shard, table = self.shard, self.shard.table
        words = [sys.executable, "-m", "occludenet_build", "composite", "--clips", table]
        words += ["--boxes", shard.boxes, "--bank", shard.cutout.parent, "--root", self.root]
        words += ["--out", self.root / "composite" / table.name]
        words += ["--erased", self.root / "counterfactual" / table.name]
        settings = {"failures": dataclasses.asdict(cfg.Failures())}
        settings |= {"counterfactual": {"splits": []}}
        return [*words, "--threads", str(self.threads), "--settings", cfg.canonical(settings)]


@dataclass(frozen=True)
class ManyClips:
    """Clips of `frames` frames in shards of `per_shard`, below `folder`."""

    folder: Path
    clips: int
    frames: int
    per_shard: int
    picture: tuple[int, int]
    """Width and height of the clips, pixels."""
    settings: Composite = Composite()

    def write(self) -> ManyClips:
        """Write the clips, the cut-out and all input tables."""
        write_cutout(self.folder / "bank" / "bag.png")
        (self.folder / "sources").mkdir()
        for shard in self.shards:
            for clip in shard.clips:
                if not clip.drawn.path.exists():
                    clip.drawn.write()
                os.link(clip.drawn.path, clip.path)
            rows = shard.rows.values()
            tables.write_table(tables.from_rows(rows, select.CLIPS), shard.table)
        self._write_boxes()
        return self

    def _write_boxes(self) -> None:
        """One shard of detect, a row group per clip."""
        path = self.folder / "detect" / "000" / "detail.parquet"
        path.parent.mkdir(parents=True)
        with pq.ParquetWriter(path, BOXES, compression="zstd", write_page_checksum=True) as writer:
            for shard in self.shards:
                for clip in shard.clips:
                    writer.write_table(tables.from_rows(box_rows(clip), BOXES))

    @cached_property
    def shards(self) -> list[Shard]:
        """The shards, of which only `write` makes files."""
        return list(self._shards())

    def _shards(self) -> Iterator[Shard]:
        for number, first in enumerate(range(0, self.clips, self.per_shard)):
            names = range(first, min(first + self.per_shard, self.clips))
            clips = tuple(self._clip(n) for n in names)
            yield Shard(self.folder, clips, f"{number:03d}", "000")

    def _clip(self, number: int) -> NamedClip:
        sources = self.folder / "sources"
        return NamedClip(sources, number % DRAWN, self.picture, self.frames, at=number)
