"""acquire videos, where kinetics.route names a route: the clips that are there, and those not."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from occludenet_build.acquire.table import VIDEOS
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError


def acquire_kinetics(presence: Path, out: Path) -> None:
    """List the clips of the table that the room kinetics has written."""
    rows = [_row(clip) for clip in tables.read_rows(presence)]
    if not any(row["status"] == "ok" for row in rows):
        raise UserError(
            f"acquire: wanted clips of Kinetics, {presence} has {len(rows)} and none is there; "
            "its reasons say why"
        )
    tables.write(tables.from_rows(rows, VIDEOS), out)
    logging.info("%s", dict(sorted(Counter(row["reason"] or "ok" for row in rows).items())))


def _row(clip: dict[str, Any]) -> dict[str, Any]:
    usable = clip["status"] in ("present", "replaced")
    return {name: clip[name] for name in ("clip", "path", "label", "split", "detail")} | {
        "status": "ok" if usable else "failed",
        "reason": None if usable else clip["reason"],
    }
