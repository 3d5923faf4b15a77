"""The table of frames of one shard: ground truth of the occluder joined with the actor's mask.

This module measures actor_hidden: the pixels of the actor's mask that the occluder covers. A shard
that is finished has a note in annotate/store/: what it was made from, the hash of its table, and
its measures. It is made again only if one of the first two differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from occludenet_build.core.build import StageRows
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import replacing, sha256_file, write_json
from occludenet_build.dataset.annotate import FRAMES
from occludenet_build.media.imaging import masks

COPIED_COLUMNS = [
    "clip",
    "scale",
    "frame",
    "pts",
    "seconds",
    "x",
    "y",
    "w",
    "h",
    "more_rects",
    "degree",
]
COPIED_COLUMNS += ["occluded", "filled", "box_hidden", "occluder_rle"]


@dataclass(frozen=True)
class CompositedClip:
    """A composited clip as its manifest states it; the rows of its frames must agree."""

    clip: str
    height: int
    width: int
    frames: int
    occluded_frames: int
    sets: dict[float, str]
    """Scale, rounded to float32 -> name of the set."""


@dataclass(frozen=True)
class FrameShard:
    """The detail tables of one shard, and the path of the table of frames."""

    clips: list[CompositedClip]
    composite: Path
    masks: Path | None
    out: Path
    key: str
    """Hash of what determines the table and the measures."""

    @property
    def note(self) -> Path:
        """The note of the finished shard."""
        return self.out.parent.parent / "store" / f"{self.out.stem}.json"


@dataclass(frozen=True)
class OcclusionMeasures:
    """Occlusion of one output clip, over its occluded frames."""

    clip: str
    set: str
    occluded_frames: int
    degree: float
    area_ratio: float
    actor_hidden: float | None


def finished_shard(shard: FrameShard) -> list[OcclusionMeasures]:
    """The measures of each output clip of a shard; its table is written unless it is finished.

    Raises UserError as `write_shard` does.
    """
    known = _noted(shard)
    if known is not None:
        return known
    measured = write_shard(shard)
    note = {"key": shard.key, "sha256": sha256_file(shard.out)}
    write_json(shard.note, note | {"measures": [astuple(one) for one in measured]})
    return measured


def _noted(shard: FrameShard) -> list[OcclusionMeasures] | None:
    """The measures in the note; None without one, or if it is of another or a damaged table."""
    try:
        note = json.loads(shard.note.read_text())
        if (note["key"], note["sha256"]) == (shard.key, sha256_file(shard.out)):
            return [OcclusionMeasures(*values) for values in note["measures"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def write_shard(shard: FrameShard) -> list[OcclusionMeasures]:
    """Write the table of frames, clip by clip, and return the measures of each output clip.

    Raises UserError where the ground truth contradicts the manifest.
    """
    measured: list[OcclusionMeasures] = []
    truth = StageRows(shard.composite)
    actors = StageRows(shard.masks) if shard.masks is not None else None
    with replacing(shard.out) as temporary:
        with pq.ParquetWriter(temporary, FRAMES, compression="zstd") as writer:
            for clip in shard.clips:
                rows = truth.read(clip.clip)
                actor = actors.read(clip.clip) if actors is not None else None
                table = _frames(clip, _checked(rows, clip, shard.composite), actor)
                writer.write_table(table, row_group_size=len(table))
                measured.extend(_measure(clip, table))
    truth.close()
    if actors is not None:
        actors.close()
    return measured


def _checked(rows: pa.Table | None, clip: CompositedClip, path: Path) -> pa.Table:
    """The rows of a clip, sorted by scale and frame, after a comparison with the manifest."""
    if rows is None:
        raise UserError(f"{path}: wanted the frames of {clip.clip}, got none; run composite again")
    rows = rows.sort_by([("scale", "ascending"), ("frame", "ascending")])
    scales = rows["scale"].unique().to_pylist()
    if scales != sorted(clip.sets):
        raise UserError(f"{path}: {clip.clip}: wanted scales {sorted(clip.sets)}, got {scales}")
    _check_counts(rows, clip, path)
    return rows


def _check_counts(rows: pa.Table, clip: CompositedClip, path: Path) -> None:
    """Check that every scale has all frames and at least one occluded frame.

    The largest number of occluded frames must be the one of the manifest.
    """
    counts = rows.group_by("scale").aggregate([("occluded", "count"), ("occluded", "sum")])
    frames = counts["occluded_count"].to_pylist()
    occluded = counts["occluded_sum"].to_pylist()
    if set(frames) != {clip.frames} or max(occluded) != clip.occluded_frames:
        raise UserError(
            f"{path}: {clip.clip}: wanted {clip.frames} frames, {clip.occluded_frames} of them "
            f"occluded, as in the manifest, got {frames} and {occluded}; run composite again"
        )
    if min(occluded) < 1:
        raise UserError(
            f"{path}: {clip.clip}: wanted occluded frames at every scale, got {occluded}: a clip "
            "without one does not belong in an occluded set; run composite again"
        )


def _frames(clip: CompositedClip, rows: pa.Table, actor: pa.Table | None) -> pa.Table:
    """The rows of one clip in the columns of FRAMES."""
    known = _actor_by_frame(actor)
    columns: dict[str, Any] = {name: rows[name] for name in COPIED_COLUMNS}
    columns["set"] = [clip.sets[s] for s in rows["scale"].to_pylist()]
    columns["height"] = [clip.height] * len(rows)
    columns["width"] = [clip.width] * len(rows)
    pairs = zip(rows["frame"].to_pylist(), rows["occluder_rle"].to_pylist(), strict=True)
    hidden = [_actor_columns(known.get(frame), rle, clip) for frame, rle in pairs]
    for at, name in enumerate(_ACTOR_COLUMNS):
        columns[name] = [values[at] for values in hidden]
    return pa.table({f.name: _column(columns[f.name], f.type) for f in FRAMES}, schema=FRAMES)


def _column(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return values.cast(kind) if isinstance(values, pa.ChunkedArray) else pa.array(values, kind)


def _actor_by_frame(actor: pa.Table | None) -> dict[int, tuple[bytes, int]]:
    """Frame -> (RLE counts, area) of the actor, where it covers any pixel."""
    if actor is None:
        return {}
    names = (actor[name].to_pylist() for name in ("frame", "rle", "area"))
    return {frame: (rle, area) for frame, rle, area in zip(*names, strict=True) if area}


_ACTOR_COLUMNS = ("actor_rle", "visible_rle", "actor_area", "visible_area", "actor_hidden")


def _actor_columns(
    actor: tuple[bytes, int] | None, occluder: bytes | None, clip: CompositedClip
) -> tuple[bytes | None, bytes | None, int | None, int | None, float | None]:
    """The values of _ACTOR_COLUMNS in one frame."""
    if actor is None:
        return None, None, None, None, None
    rle, area = actor
    size = clip.height, clip.width
    covered = masks.intersection(rle, occluder, *size) if occluder else 0
    visible = masks.difference(rle, occluder, *size) if occluder and covered else rle
    return rle, visible, area, area - covered, covered / area


def _measure(clip: CompositedClip, table: pa.Table) -> Iterator[OcclusionMeasures]:
    """Average over the occluded frames of each scale."""
    occluded = table.filter(table["occluded"])
    for name in clip.sets.values():
        rows = occluded.filter(pc.equal(occluded["set"], name))
        yield OcclusionMeasures(
            clip.clip,
            name,
            len(rows),
            pc.mean(rows["degree"].cast("float64")).as_py(),
            pc.mean(rows["box_hidden"].cast("float64")).as_py(),
            pc.mean(rows["actor_hidden"].cast("float64")).as_py(),
        )
