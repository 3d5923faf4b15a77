"""The clips of S, I and M, whose occlusion the stage measure has measured: its tables of one set.

measure/<set>/clips.parquet and labels.json are like those of annotate; frames/ has a row per frame,
except of clips in which nobody was found; detect/ has the boxes. The sizes of the clips are in
segments/clips.parquet or recordings/clips.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from occludenet_build.core import tables
from occludenet_build.core.build import BuildTables, ClipBoxes, DetailStore, OpenFiles, read_json
from occludenet_build.core.errors import UserError

Row = Mapping[str, Any]
MEASURED = "measured"
"""The column `source` of its tables: nothing was pasted into these clips."""
FRAME_COLUMNS = ["frame", "pts", "actor_rle", "visible_rle", "occluder_rle"]
FRAME_COLUMNS += ["box_hidden", "actor_hidden"]
"""What an export reads of a frame, here as in annotate/frames/."""


class MeasuredSet:
    """A set of the stage measure."""

    def __init__(self, root: Path, name: str) -> None:
        self.name, self.root = name, root
        self.folder = root / "measure" / name
        self._boxes = DetailStore(self.folder / "detect" / "store")
        self._frames = OpenFiles()

    @property
    def labels(self) -> dict[str, int]:
        """Class name -> label id."""
        return read_json(self.folder / "labels.json")

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of clips.parquet, each with the columns width, height, shard, detect_shard.

        Raises UserError if the table of the stage that cut a clip is away.
        """
        frames = {
            clip: path.stem
            for path in sorted((self.folder / "frames").glob("*.parquet"))
            for clip in self._frames[path].clips
        }
        searched = {
            row["clip"]: path.stem
            for path in sorted((self.folder / "detect").glob("*.parquet"))
            for row in tables.read_rows(path)
        }
        build = BuildTables(self.root)
        made = [row for stage in ("recordings", "segments") for row in build.rows(stage)]
        cut = {row["file"]: row for row in made if row["file"]}
        return [
            row
            | {name: self._cut(cut, row)[name] for name in ("width", "height")}
            | {"shard": frames.get(row["clip"], ""), "set": self.name}
            | {"detect_shard": searched.get(row["clip"], "")}
            for row in tables.read_rows(self.folder / "clips.parquet")
        ]

    def _cut(self, cut: Mapping[str, Row], row: Row) -> Row:
        if row["file"] not in cut:
            raise UserError(
                f"wanted {row['file']} of measure/{self.name}/clips.parquet in the table of "
                f"segments or recordings in {self.root}, got none; run measure again"
            )
        return cut[row["file"]]

    def people(self, clip: str, shard: str) -> ClipBoxes:
        """The boxes of all people; none if nobody was found."""
        return ClipBoxes.of(self._boxes.rows(clip, shard) if shard else None)

    def frames(self, clip: str, shard: str) -> dict[int, Row]:
        """Frame -> its row; empty if the clip was not measured.

        `actor_rle` is null where the whole actor is not known: measure then has the visible part.
        """
        if not shard:
            return {}
        path = self.folder / "frames" / f"{shard}.parquet"
        table = self._frames[path].read(clip, ["actor_area", *FRAME_COLUMNS])
        rows = [] if table is None else table.to_pylist()
        unknown = {"actor_rle": None}
        return {row["frame"]: row | (unknown if row["actor_area"] is None else {}) for row in rows}

    def close(self) -> None:
        """Close all files."""
        self._boxes.close()
        self._frames.close()


def measured_sets(root: Path) -> dict[str, MeasuredSet]:
    """Name -> set of the stage measure, for the sets that are finished."""
    paths = sorted((root / "measure").glob("*/clips.parquet"))
    return {path.parent.name: MeasuredSet(root, path.parent.name) for path in paths}
