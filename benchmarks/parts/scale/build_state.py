"""The state of a finished build of OccludeNet-D as Snakemake sees it: outputs without clips."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.ledger import STATUS
from occludenet_build.core.seeds import shard_names

SPLITS = ("train", "val", "test")
CLASSES = 400
BUILD = "build"


@dataclass(frozen=True)
class Size:
    """The size of a build."""

    videos: int
    clips: int
    searched: int
    """Shards of videos."""
    chosen: int
    """Shards of clips."""


def settings(size: Size) -> dict[str, Any]:
    """Settings of a build of this size; backends without weights, which plan the same jobs."""
    return {
        "build_dir": BUILD,
        "acquire": {
            "videos": "videos",
            "coco_images": "coco/images",
            "coco_instances": "coco/instances.json",
        },
        "index": {"shards": size.searched},
        "detect": {"backend": "motion"},
        "select": {"shards": size.chosen},
        "actor_masks": {"backend": "grabcut"},
        "train": {"backbone": "tiny3d"},
    }


def write_sources(folder: Path, videos: int) -> None:
    """Empty files for the videos, as <split>/<class>/<video>, and empty files of COCO."""
    for number in range(videos):
        path = folder / "videos" / video(number)
        if number < CLASSES * len(SPLITS):
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    images = folder / "coco" / "images"
    images.mkdir(parents=True)
    (folder / "coco" / "instances.json").write_text("{}")


def video(number: int) -> str:
    """Path of a video below the folder of the videos."""
    split = SPLITS[number % len(SPLITS)]
    return f"{split}/class {number // len(SPLITS) % CLASSES}/{name(number)}.mp4"


def name(number: int) -> str:
    """Id of a clip, as long as one of Kinetics."""
    return f"{number:011d}_000010_000020"


def write_results(folder: Path, outputs: list[str], size: Size) -> None:
    """Write the outputs of all jobs: tables with a row per clip where the stage has them."""
    build = folder / BUILD
    of_shard = dict(_shards(size))
    for output in outputs:
        path = folder / output
        path.parent.mkdir(parents=True, exist_ok=True)
        where = path.relative_to(build).with_suffix("").as_posix()
        if path.suffix == ".parquet":
            tables.write_table(_rows(of_shard.get(where, range(1))), path)
        elif not path.suffix:
            path.mkdir()
        else:
            path.write_text(json.dumps({}))
    for stage, count in (("index", size.searched), ("select", size.chosen)):
        for shard in shard_names(count):
            table = _rows(of_shard[f"{stage}/shards/{shard}"])
            tables.write_table(table, build / f"{stage}/shards/{shard}.parquet")


def _shards(size: Size) -> Iterator[tuple[str, range]]:
    """(table without suffix, the numbers of its clips)."""
    yield from ((name, range(size.videos)) for name in ("acquire/videos", "index/videos"))
    yield from ((name, range(size.clips)) for name in ("select/clips", "leaks/clips"))
    yield "annotate/clips", range(4 * size.clips)
    for count, number, stages in (
        (size.searched, size.videos, ("index/shards", "detect")),
        (size.chosen, size.clips, ("select/shards", *_OF_CLIPS)),
    ):
        for at, shard in enumerate(shard_names(count)):
            yield from ((f"{stage}/{shard}", range(at, number, count)) for stage in stages)


_OF_CLIPS = ("actor_masks", "composite", "counterfactual")
_SCHEMA = pa.schema([*STATUS, ("path", "string"), ("sha256", "string")])


def _rows(numbers: range) -> pa.Table:
    """A table of items: the columns that all stages have, a path and a hash."""
    rows = (
        {"clip": name(number), "status": "ok", "key": f"{number:032x}"}
        | {"path": f"videos/{video(number)}", "sha256": f"{number * 2654435761:064x}"}
        for number in numbers
    )
    return tables.from_rows(rows, _SCHEMA)
