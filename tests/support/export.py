"""A small build whose frames say which clip and frame they are, for the tests of export.

The left upper part of a picture has two rows of eight squares, black or white: the number of the
frame and the number of the clip file, most significant bit first (tests/readers/codes.py reads
them). A pale actor walks below. Names and classes are those that lists trip over.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support.build import write_groups

from occludenet_build.config import load_part
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file, write_json
from occludenet_build.dataset.annotate import CLIPS, FRAMES
from occludenet_build.dataset.export.command import add_arguments, run
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.occluders import SCHEMA as BANK
from occludenet_build.occlusion.select import CLIPS as SELECT
from occludenet_build.people.actor_masks import DETAIL as MASKS
from occludenet_build.people.detect import BOXES
from occludenet_build.release.terms import CLEAN, clean_path, clip_path, set_name

SIDE = 8
"""Of a square of the code, pixels."""
WIDTH, HEIGHT = 96, 64
OCCLUDER, SECOND = "000000000042_0000144_56.25.png", "000000000043_0000144_50.00.png"
"""The occluders of every clip; the second is of no known photo."""


@dataclass(frozen=True)
class Source:
    name: str
    label: str
    split: str
    frames: int = 12
    fps: int = 12


SOURCES = (
    Source("-Gx_jHapF_0_000061_000063", "catching (or) throwing", "train", 60, 25),
    Source("0xreS8KFbrw_000417_000427", "jumping jacks", "train", 30, 12),
    Source("0xreS8KFbrw_000500_000510", "jumping jacks", "train", 57, 24),
    Source("vGlsp8wOH-8_000085_000095", "tai chi's", "train", 29, 12),
    Source("vHjmK4Z0ohC_000197_000199", "abseiling", "val", 60, 30),
    Source("a.b c_000001_000002", "jumping jacks", "val", 56, 24),
    Source("ZBtAxj-F-4Y_000079_000081", "jumping jacks", "test", 58, 12),
    Source("odd (1)", "catching (or) throwing", "test", 31, 12),
)
SCALES = (0.25, 0.5)
LABELS = {
    name: number
    for number, name in enumerate(sorted({one.label for one in SOURCES} | {"yoga"}, reverse=True))
}
"""Ids in an order that no sorting gives; yoga has no clip."""


def box(frame: int) -> tuple[int, int, int, int]:
    """The actor's box, pixels."""
    left = 4 + frame % 60
    return left, 24, left + 24, 60


def code(frame: int, clip: int) -> np.ndarray:
    """The picture of a frame, RGB uint8 (H, W, 3)."""
    picture = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    x1, y1, x2, y2 = box(frame)
    picture[y1:y2, x1:x2] = (230, 200, 170)
    for row, number in enumerate((frame, clip)):
        for bit in range(8):
            level = 235 if number >> (7 - bit) & 1 else 20
            picture[row * SIDE : (row + 1) * SIDE, bit * SIDE : (bit + 1) * SIDE] = level
    return picture


@dataclass
class ExportBuild:
    """Writes the tables that export reads, and the clips."""

    root: Path
    sources: tuple[Source, ...] = SOURCES
    scales: tuple[float, ...] = SCALES
    labels: dict[str, int] = field(default_factory=lambda: dict(LABELS))
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Those of annotate/clips.parquet; the number of a row is the code of its clip."""

    def write(self) -> ExportBuild:
        for source in self.sources:
            for scale in (0.0, *self.scales):
                self.rows.append(self._clip(source, scale))
        tables.write_table(tables.from_rows(self.rows, CLIPS), self.root / "annotate/clips.parquet")
        write_json(self.root / "annotate/labels.json", self.labels)
        select = [self._selected(source) for source in self.sources]
        tables.write_table(tables.from_rows(select, SELECT), self.root / "select/clips.parquet")
        parts = [(_truth(s), FRAMES, "annotate/frames/000.parquet") for s in self.sources]
        parts += [(_boxes(s), BOXES, "detect/store/000/detail.parquet") for s in self.sources]
        parts += [(_masks(s), MASKS, "actor_masks/store/000/detail.parquet") for s in self.sources]
        for schema, path in {(id(s), p): (s, p) for _, s, p in parts}.values():
            write_groups(self.root / path, [t for t, _, p in parts if p == path], schema)
        bank = {"occluder": OCCLUDER, "category": "dog", "status": "ok", "licence": "CC BY-NC 2.0"}
        url = "http://creativecommons.org/licenses/by-nc/2.0/"
        bank |= {"source": "42.jpg", "licence_url": url}
        tables.write_table(
            tables.from_rows([bank], BANK), self.root / "occluders/occluders.parquet"
        )
        return self

    def _clip(self, source: Source, scale: float) -> dict[str, Any]:
        where = (source.split, source.label, source.name)
        file = clip_path("OccludeNet-D", source.split, scale, *where[1:])
        file = file if scale else clean_path("OccludeNet-D", *where)
        path, number = self.root / file, len(self.rows)
        write_video(path, [code(k, number) for k in range(source.frames)], source.fps)
        row = {"clip": source.name, "set": set_name(scale) if scale else CLEAN}
        row |= {"scale": scale, "split": source.split, "label": source.label, "file": file}
        row |= {"label_id": self.labels[source.label], "file_hash": sha256_file(path)}
        row |= {"frames": source.frames, "fps": float(source.fps)}
        row |= {"occluder": OCCLUDER if scale else None, "category": "dog" if scale else None}
        return row | {"duration_seconds": source.frames / source.fps}

    def _selected(self, source: Source) -> dict[str, Any]:
        row = {"clip": source.name, "status": "ok", "shard": "000"}
        row |= {"detect_shard": "000", "width": WIDTH, "height": HEIGHT}
        row |= {"occluder": OCCLUDER, "other_occluders": [SECOND]}
        return row | {"label": source.label, "split": source.split}

    def export(
        self, format: str, out: Path | None = None, threads: int = 1, config: Any = None, **settings
    ) -> Path:
        """Run the command in this process; return the folder of the export.

        `settings`: of the section export; `config`: other sections.
        """
        folder = out or self.root / "export" / format
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        words = ["--format", format, "--root", self.root, "--out", folder / "export.json"]
        args = parser.parse_args([str(word) for word in (*words, "--threads", threads)])
        run(args, load_part({"export": settings} | (config or {})))
        return folder

    def number(self, row: dict[str, Any]) -> int:
        """The code of the clip of a row."""
        return self.rows.index(row)


def named(folder: Path) -> dict[str, dict[str, str]]:
    """Exported name -> its row in names.csv."""
    return {row["name"]: row for row in read_csv(folder / "names.csv")}


def problems(folder: Path) -> dict[tuple[str, str], str]:
    """(set, clip) -> reason, of problems.csv."""
    return {(r["set"], r["clip"]): r["reason"] for r in read_csv(folder / "problems.csv")}


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> content of every file of an export."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "export.json").read_text())


def _mask(frame: int) -> bytes:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    x1, y1, x2, y2 = box(frame)
    mask[y1:y2, x1:x2] = True
    return masks.encode(mask)


def _truth(source: Source) -> pa.Table:
    rows = []
    for scale in SCALES:
        for frame in range(source.frames):
            row = {"clip": source.name, "set": set_name(scale), "scale": scale}
            row |= {"frame": frame, "height": HEIGHT, "width": WIDTH, "actor_rle": _mask(frame)}
            rows.append(row | {"visible_rle": _mask(frame), "actor_hidden": 0.25})
    return tables.from_rows(rows, FRAMES)


def _boxes(source: Source) -> pa.Table:
    rows = []
    for frame in range(source.frames):
        sides = dict(zip(("x1", "y1", "x2", "y2"), map(float, box(frame)), strict=True))
        row = {"clip": source.name, "frame": frame, "track": 3, "shot": 0, "actor": True}
        rows.append(row | sides | {"filled": False, "score": 0.9})
    return tables.from_rows(rows, BOXES)


def _masks(source: Source) -> pa.Table:
    numbers = range(source.frames)
    rows = [{"clip": source.name, "frame": k, "area": 864, "rle": _mask(k)} for k in numbers]
    return tables.from_rows(rows, MASKS)
