"""Tables of the exported clips and of their frames, for formats that hold more than a class.

A row of CLIPS is a clip, a row of FRAMES is a frame of a clip. Parquet files keep the meaning of
each column in the field's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.core.tables import column
from occludenet_build.dataset.clips import ExportClip, FrameFacts
from occludenet_build.dataset.export.job import Job

Row = dict[str, Any]

CLIPS = pa.schema(
    [
        column("id", "string", "set and source clip, unique in the dataset"),
        column("clip", "string", "id of the source clip; its sets share it"),
        column("set", "string", "clean, D-<scale in percent>, S, I or M"),
        column("split", "string", "train, val or test"),
        column("label", "string", "name of the class"),
        column("label_id", "int32", "label id of the class in labels.json"),
        column("file", "string", "path of the clip in the dataset; null if it has no pixels"),
        column("sha256", "string", "sha256 of the clip, 64 hex digits"),
        column("frames", "int32", "number of frames"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("seconds", "float64", "duration, seconds"),
        column("width", "int32", "width of the displayed picture, pixels"),
        column("height", "int32", "height of the displayed picture, pixels"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0 if clean, "
               "null if nothing was pasted"),
        column("category", "string", "type of the occluder; null if there is none"),
        column("occluder", "string", "id of the occluder; null if there is none"),
        column("occluded_frames", "int32", "number of frames in which the actor's box is covered"),
        column("degree", "float64", "mean size of the occluder relative to the actor's box"),
        column("area_ratio", "float64", "mean share of the actor's box that is covered, 0 to 1"),
        column("actor_hidden", "float64", "mean share of the actor's mask that is covered, 0 to 1"),
        column("duration_ratio", "float64", "share of the frames that are occluded, 0 to 1"),
    ]
)  # fmt: skip
"""Schema of the rows of clips."""

FRAMES = pa.schema(
    [
        column("id", "string", "id of the clip, as in the table of clips"),
        column("frame", "int32", "frame number in display order, from 0"),
        column("height", "int32", "height of the picture, pixels; first number of an RLE's size"),
        column("width", "int32", "width of the picture, pixels"),
        column("x1", "float32", "left edge of the actor's box, pixels; null without an actor"),
        column("y1", "float32", "top edge"),
        column("x2", "float32", "right edge, exclusive"),
        column("y2", "float32", "bottom edge, exclusive"),
        column("box_hidden", "float32", "share of the actor's box that is covered, 0 to 1; null "
               "where it is not known"),
        column("actor_hidden", "float32", "share of the actor's mask that is covered, 0 to 1; null "
               "without a mask, or not known"),
        column("actor_rle", "string", "mask of the whole actor, COCO RLE counts; null without a "
               "mask, or where the whole is not known"),
        column("visible_rle", "string", "mask of what is seen of the actor, COCO RLE counts; null "
               "without a mask"),
        column("occluder_rle", "string", "mask of what is seen of the occluder, COCO RLE counts"),
    ]
)  # fmt: skip
"""Schema of the rows of frames."""

_MEASURED = (
    *("scale", "category", "occluder", "occluded_frames", "degree", "area_ratio", "actor_hidden"),
    "duration_ratio",
)
_CLIPS_PER_GROUP = 32


def clip_row(clip: ExportClip, file: str | None, labels: Mapping[str, int]) -> Row:
    """The row of a clip; `file`: its path in the dataset, None without pixels; `labels`: class name
    -> label id, the content of labels.json."""
    row = {name: clip.row.get(name) for name in _MEASURED}
    if row["scale"] != row["scale"]:  # nan: nothing was pasted
        row["scale"] = None
    return row | {
        "id": clip.name,
        "clip": clip.clip,
        "set": clip.set,
        "split": clip.split,
        "label": clip.label,
        "label_id": labels[clip.label],
        "file": file,
        "sha256": clip.file_hash,
        "frames": clip.frames,
        "fps": clip.fps,
        "seconds": clip.seconds,
        "width": clip.width,
        "height": clip.height,
    }


def frame_row(clip: ExportClip, facts: FrameFacts) -> Row:
    """The row of a frame."""
    corners = dict.fromkeys(("x1", "y1", "x2", "y2"))
    if facts.box is not None:
        corners = dict(zip(corners, map(float, facts.box), strict=True))
    return {
        "id": clip.name,
        "frame": facts.frame,
        "height": clip.height,
        "width": clip.width,
        **corners,
        "box_hidden": facts.box_hidden,
        "actor_hidden": facts.actor_hidden,
        "actor_rle": _text(facts.actor_rle),
        "visible_rle": _text(facts.visible_rle),
        "occluder_rle": _text(facts.occluder_rle),
    }


def _text(counts: bytes | None) -> str | None:
    return None if counts is None else counts.decode("ascii")


def clips_table(rows: Iterable[Row]) -> pa.Table:
    """A table of CLIPS."""
    return pa.Table.from_pylist(list(rows), CLIPS)


def write_frames(job: Job, clips: Sequence[ExportClip], path: Path) -> int:
    """Write the frames of clips as a Parquet file, some clips at a time; return their number."""
    count = 0
    with pq.ParquetWriter(path, FRAMES, compression="zstd") as writer:
        for start in range(0, len(clips), _CLIPS_PER_GROUP):
            rows = list(_frame_rows(job, clips[start : start + _CLIPS_PER_GROUP]))
            writer.write_table(pa.Table.from_pylist(rows, FRAMES))
            count += len(rows)
    return count


def _frame_rows(job: Job, clips: Sequence[ExportClip]) -> Iterator[Row]:
    for clip in clips:
        for facts in job.build.frames(clip):
            yield frame_row(clip, facts)
