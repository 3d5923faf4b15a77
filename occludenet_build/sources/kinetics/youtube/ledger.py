"""What the route youtube knows of the clips that it was ever asked for: core.ledger, kept whole.

A ledger's store usually holds the clips of one list. Here a later run may want fewer clips, or
others, and what was learnt of the rest must not be asked again: rows are only ever added. What a
run that was killed has left in the journal is taken over when the next one begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.config import Config
from occludenet_build.core import ledger
from occludenet_build.core.errors import REASONS, TRANSIENT
from occludenet_build.core.tables import column
from occludenet_build.sources.kinetics.clip import KineticsClip

ROWS = pa.schema([*ledger.STATUS, column("bytes", "int64", "size of the clip; null if not ok")])
"""`clip` is `Clip.file`."""

_LOGIN = ("login_required", "forbidden")
"""Reasons that cookies could prevent."""


class ClipLedger:
    """Use `held`."""

    def __init__(self, kept: ledger.Ledger) -> None:
        self._kept = kept
        self._rows = {row["clip"]: row for row in kept.kept_rows()}
        left = self._take_over()
        self._rows |= left
        if left:
            self.close()

    def row(self, clip: KineticsClip) -> dict[str, Any] | None:
        """What came of the clip when it was last asked for, columns ROWS; None if it never was."""
        return self._rows.get(clip.file)

    def add(self, result: ledger.Result) -> None:
        """Commit a row; a kill does not lose it."""
        self._kept.commit(result)
        self._rows[result.row["clip"]] = result.row

    def close(self) -> None:
        """The rows into one file."""
        self._kept.close(list(self._rows))
        self._kept = ledger.Ledger(self._kept.store, ROWS, None)

    def _take_over(self) -> dict[str, dict[str, Any]]:
        rows = {}
        for path in sorted(self._kept.journal.glob("[!.]*.parquet")):
            row = json.loads(pq.read_schema(path).metadata[b"row"])
            if set(row) <= set(ROWS.names):  # else of another version of this module
                rows[row["clip"]] = row
        return rows


@contextmanager
def open_ledger(store: Path) -> Iterator[ClipLedger]:
    """The ledger, held alone until the block ends."""
    with ledger.hold(store, ROWS) as kept:
        yield ClipLedger(kept)


def clip_key(clip: KineticsClip, config: Config, reason: str | None) -> str:
    """What a result depends on: id, times, height, crf, address; a failure also on the one setting
    that could have prevented it. Code is not in it: an edit does not fetch a thousand videos."""
    settings = config.kinetics.youtube
    limits: dict[str, Any] = {
        "too_long": settings.max_seconds,
        "too_large": config.download.max_bytes,
        **dict.fromkeys(_LOGIN, settings.cookies),
    }
    made_by = {
        "height": settings.height,
        "crf": settings.crf,
        "address": settings.address,
        "limit": limits.get(reason or ""),
    }
    return ledger.key("youtube", "", made_by, clip.youtube_id, f"{clip.start} {clip.end}")


def is_final(row: dict[str, Any], clip: KineticsClip, config: Config) -> bool:
    """Whether a row is the answer for today's settings too, and will not pass."""
    reason = row["reason"]
    known = reason is None or reason in REASONS  # else of an earlier version
    return known and row["key"] == clip_key(clip, config, reason) and reason not in TRANSIENT
