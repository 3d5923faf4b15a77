"""The clips of a set, from the table of the stage that cut them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import column

Row = dict[str, Any]

SEGMENTS = "S"
"""The set whose table has no column `set`: that of the stage segments."""

VIDEOS = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("path", "string", "path of the file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("status", "string", "ok"),
        column("reason", "string", "null"),
        column("detail", "string", "null"),
    ]
)
"""The listing: the columns of acquire/videos.parquet, which index reads."""


def clips_of(table: Path, name: str) -> list[Row]:
    """The usable clips of a set, by id; those that the table gives a reason for are left out.

    Raises UserError where there are none.
    """
    rows = [row | {"set": row.get("set", SEGMENTS)} for row in tables.read_rows(table)]
    chosen = [row for row in rows if row["set"] == name and row["status"] == "ok"]
    if not chosen:
        counts = Counter(row["set"] for row in rows if row["status"] == "ok")
        known = ", ".join(f"{n} of {which}" for which, n in sorted(counts.items())) or "no clip"
        raise UserError(
            f"{table}: wanted clips of the set {name}, got {known}; cut some, or change "
            "measure.sets"
        )
    return sorted(chosen, key=lambda row: row["clip"])


def write_listing(table: Path, name: str, root: Path, out: Path) -> None:
    """Write the clips of a set in the columns of VIDEOS. Raises UserError as `clips_of` does."""
    rows = [
        {
            "clip": row["clip"],
            "path": str(root / row["file"]),
            "label": row["label"],
            "split": row["split"],
            "status": "ok",
        }
        for row in clips_of(table, name)
    ]
    tables.write_table(tables.from_rows(rows, VIDEOS), out)


def camera_of(row: Row) -> str:
    """The name of the camera that recorded a clip: of the column camera, else the view, else the
    video it was cut from."""
    for name in ("camera", "view"):
        if row.get(name):
            return str(row[name])
    return Path(str(row.get("video") or row.get("path") or row["clip"])).stem
