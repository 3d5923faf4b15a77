"""What others read of a finished build: its clips, and the people and occluders in each frame.

The formats of export and action_detection take their facts from here only, so that a set that is
measured (S, I, M) and a set that is composited (D) look alike to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from occludenet_build.core.build import BuildTables, ClipBoxes, DetailStore, OpenFiles, read_json
from occludenet_build.core.errors import UserError
from occludenet_build.dataset.measured_sets import FRAME_COLUMNS, MEASURED, measured_sets
from occludenet_build.release.terms import CLEAN


@dataclass(frozen=True)
class ExportClip:
    """A clip file of the build."""

    clip: str
    """Id of the source clip; the clips of one source in several sets share it."""
    set: str
    """clean, D-25, D-50, D-75, S, I or M."""
    split: str
    label: str
    file: str
    """Path relative to the build folder, as released."""
    file_hash: str
    """sha256 of the file, 64 hex digits."""
    frames: int
    fps: float
    """Average frame rate, frames per second."""
    seconds: float
    """Duration, seconds."""
    width: int
    height: int
    """Size of the displayed picture, pixels."""
    shard: str
    """Shard of the tables per frame."""
    detect_shard: str
    row: Mapping[str, Any]
    """The whole row of annotate/clips.parquet."""
    occluders: tuple[str, ...] = ()
    """Ids of the cut-outs that are pasted on it; of S, I and M none."""

    @property
    def name(self) -> str:
        """A name that is unique in the build: set and id of the source, such as `D-25/<clip>`."""
        return f"{self.set}/{self.clip}"


@dataclass(frozen=True)
class FrameFacts:
    """What is known of one frame of a clip; coordinates in pixels of the displayed picture."""

    frame: int
    """Number in display order, from 0."""
    pts: int | None
    """Presentation timestamp in ticks of the source's time base; null where it is not known."""
    box: np.ndarray | None
    """float32 (4,): x1, y1, x2, y2 of the actor, half-open; None where there is none."""
    actor_rle: bytes | None
    """The whole actor, also where an occluder hides a part: COCO RLE counts; None without a mask,
    and where the whole is not known, as in some frames of S, I and M."""
    visible_rle: bytes | None
    """The visible part of the actor; None without a mask."""
    occluder_rle: bytes | None
    """The visible occluder; None if there is none."""
    box_hidden: float | None
    """Share of the actor's box that is covered, 0 to 1; None where it is not known (S, I, M)."""
    actor_hidden: float | None
    """Share of the actor's mask that is covered, 0 to 1; None without a mask, or not known."""


class Build:
    """The clips of a build and their frames."""

    def __init__(self, root: Path) -> None:
        """Raises UserError if `root` is not the folder of a build with annotations."""
        self.root = root
        self._tables = BuildTables(root)
        self._boxes = DetailStore(root / "detect" / "store")
        self._masks = DetailStore(root / "actor_masks" / "store")
        self._frames = OpenFiles()
        self._measured = measured_sets(root)

    @cached_property
    def labels(self) -> dict[str, int]:
        """Class name -> label id, of annotate/labels.json."""
        return read_json(self.root / "annotate" / "labels.json")

    def label_spaces(self, sets: Sequence[str]) -> dict[str, dict[str, int]]:
        """Set -> its class name -> label id; the sets of annotate come first.

        Those of annotate share one map; S, I and M have their own, measure/<set>/labels.json.
        """
        found = {name: self.labels for name in sets if name not in self._measured}
        return found | {n: self._measured[n].labels for n in sets if n in self._measured}

    def clips(self, sets: Sequence[str] = (), setting: str = "export.sets") -> list[ExportClip]:
        """The clips of the sets, or of all, sorted by set, split and file.

        Raises UserError if there are no annotations, or a set has no clip; the message names the
        `setting` that asks for it.
        """
        chosen = self._tables.by_clip("select")
        rows = self._tables.rows("annotate")
        unknown = next((row["clip"] for row in rows if row["clip"] not in chosen), None)
        if unknown is not None:
            raise UserError(
                f"wanted the clips of annotate/clips.parquet in {self.root}/select/clips.parquet, "
                f"got none for {unknown}; run annotate again"
            )
        found = [_clip(row, chosen[row["clip"]]) for row in rows]
        found += [_clip(row, row) for one in self._measured.values() for row in one.rows]
        known = {clip.set for clip in found}
        if not known:
            raise UserError(
                f"wanted annotate/clips.parquet or measure/<set>/clips.parquet in "
                f"{self.root}, got none with clips; run annotate or measure"
            )
        missing = [name for name in sets if name not in known]
        if missing:
            raise UserError(
                f"{setting}: wanted sets of this build ({', '.join(sorted(known))}), got "
                f"{', '.join(missing)}; correct {setting}"
            )
        wanted = [clip for clip in found if clip.set in (sets or known)]
        return sorted(wanted, key=lambda clip: (clip.set, clip.split, clip.file))

    def frames(self, clip: ExportClip) -> list[FrameFacts]:
        """A row per frame of the clip, in display order; frames without a person have one too."""
        measured = self._measured.get(clip.set)
        if measured is not None:
            boxes = measured.people(clip.clip, clip.detect_shard).actor.one_by_frame()
            rows = measured.frames(clip.clip, clip.shard)
        else:
            boxes = self._boxes.actor(clip.clip, clip.detect_shard).one_by_frame()
            rows = self._rows_of_clean(clip) if clip.set == CLEAN else self._rows_of_set(clip)
        return [
            _facts(number, boxes.get(number), rows.get(number, {})) for number in range(clip.frames)
        ]

    def others(self, clip: ExportClip) -> dict[int, np.ndarray]:
        """Frame from 0 -> boxes of the people that are not the actor, float32 (K, 4), half-open
        x1, y1, x2, y2 in pixels."""
        return self.people(clip).others.by_frame()

    def people(self, clip: ExportClip) -> ClipBoxes:
        """The boxes of all people; none where nobody was found."""
        measured = self._measured.get(clip.set)
        if measured is not None:
            return measured.people(clip.clip, clip.detect_shard)
        return ClipBoxes.of(self._boxes.rows(clip.clip, clip.detect_shard))

    def is_measured(self, clip: ExportClip) -> bool:
        """Whether it is of S, I or M, whose occlusion was measured: nothing was pasted into it."""
        return clip.set in self._measured

    def _rows_of_set(self, clip: ExportClip) -> dict[int, Mapping[str, Any]]:
        path = self.root / "annotate" / "frames" / f"{clip.shard}.parquet"
        table = self._frames[path].read(clip.clip, ["set", *FRAME_COLUMNS])
        if table is None:
            return {}
        # before the rows are made: the table has those of all scales
        rows = table.filter(pc.equal(table["set"], clip.set)).to_pylist()
        return {row["frame"]: row for row in rows}

    def _rows_of_clean(self, clip: ExportClip) -> dict[int, Mapping[str, Any]]:
        """Rows of a clip without an occluder: what is visible is the whole actor."""
        masks = self._masks.masks(clip.clip, clip.shard)
        return {
            number: {"actor_rle": rle, "visible_rle": rle, "actor_hidden": 0.0, "box_hidden": 0.0}
            for number, rle in masks.items()
        }

    def close(self) -> None:
        """Close all files."""
        self._boxes.close()
        self._masks.close()
        self._frames.close()
        for measured in self._measured.values():
            measured.close()

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _clip(row: Mapping[str, Any], source: Mapping[str, Any]) -> ExportClip:
    """The clip of a row of annotate or measure; `source`: its row of select, with its shards."""
    pasted = row.get("occluder") if row.get("source") != MEASURED else None
    return ExportClip(
        clip=row["clip"],
        set=row["set"],
        split=row["split"],
        label=row["label"],
        file=row["file"],
        file_hash=row["file_hash"],
        frames=row["frames"],
        fps=row["fps"],
        seconds=row["duration_seconds"],
        width=source["width"],
        height=source["height"],
        shard=source["shard"],
        detect_shard=source["detect_shard"],
        row=row,
        occluders=(pasted, *(source.get("other_occluders") or ())) if pasted else (),
    )


def _facts(number: int, box: np.ndarray | None, row: Mapping[str, Any]) -> FrameFacts:
    return FrameFacts(
        frame=number,
        pts=row.get("pts"),
        box=box,
        actor_rle=row.get("actor_rle"),
        visible_rle=row.get("visible_rle"),
        occluder_rle=row.get("occluder_rle"),
        box_hidden=row.get("box_hidden", 0.0),
        actor_hidden=row.get("actor_hidden"),
    )


def by_split(clips: Sequence[ExportClip]) -> Iterator[tuple[str, str, list[ExportClip]]]:
    """(set, split, its clips), in the order of the clips."""
    groups: dict[tuple[str, str], list[ExportClip]] = {}
    for clip in clips:
        groups.setdefault((clip.set, clip.split), []).append(clip)
    for (name, split), found in groups.items():
        yield name, split, found
