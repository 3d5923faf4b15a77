"""Ledger of the clips that the route youtube ever requested; rows are never removed.

The store of core.ledger usually has the items of one list. Here a later run may select fewer or
other clips, and must not request the others again. The next run reads rows that a killed run left
in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.config import Config
from occludenet_build.core import ledger
from occludenet_build.core.errors import REASONS, TRANSIENT
from occludenet_build.core.files import short_hash
from occludenet_build.core.tables import column
from occludenet_build.sources.kinetics.clip import KineticsClip

ROWS = pa.schema(
    [*ledger.STATUS, column("bytes", "int64", "size of the clip file, bytes; null if not ok")]
)
"""Schema of the ledger; `clip` is KineticsClip.file."""

_LOGIN = ("login_required", "forbidden")
"""Failures that cookies may prevent."""


class ClipLedger:
    """Rows of clips; `open_ledger` creates it."""

    def __init__(self, kept: ledger.ShardLedger) -> None:
        self._kept = kept
        self._rows = {row["clip"]: row for row in kept.kept_rows()}
        journal = self._read_journal()
        self._rows |= journal
        if journal:
            self.close()

    def row(self, clip: KineticsClip) -> dict[str, Any] | None:
        """Row of the last request of a clip, schema ROWS; None if it was never requested."""
        return self._rows.get(clip.file)

    def add(self, result: ledger.ClipResult) -> None:
        """Commit a row, so that a kill does not lose it."""
        self._kept.commit(result)
        self._rows[result.row["clip"]] = result.row

    def close(self) -> None:
        """Write all rows into one file."""
        self._kept.close(list(self._rows))
        self._kept = ledger.ShardLedger(self._kept.store, ROWS, None)

    def _read_journal(self) -> dict[str, dict[str, Any]]:
        # a row of another version may have other columns
        rows = (row for row in self._kept.interrupted_rows() if set(row) <= set(ROWS.names))
        return {row["clip"]: row for row in rows}


@contextmanager
def open_ledger(store: Path) -> Iterator[ClipLedger]:
    """Open the ledger and lock it until the block ends."""
    with ledger.locked_ledger(store, ROWS) as kept:
        yield ClipLedger(kept)


def clip_key(clip: KineticsClip, config: Config, reason: str | None) -> str:
    """Key of a result: id, times, height, crf and address.

    The key of a failure includes the setting that could have prevented it.
    """
    settings, access = config.kinetics.youtube, config.download.youtube
    limits: dict[str, Any] = {
        "too_long": settings.max_seconds,
        "too_large": config.download.max_bytes,
        **dict.fromkeys(_LOGIN, settings.cookies),
        # null without one, as in earlier versions
        "unavailable": access.proxy and short_hash(access.proxy),
        "no_format": short_hash(*access.extractor_args) if access.extractor_args else None,
    }
    made_by = {
        "height": settings.height,
        "crf": settings.crf,
        "address": settings.address,
        "limit": limits.get(reason or ""),
    }
    return ledger.result_key("youtube", "", made_by, clip.youtube_id, f"{clip.start} {clip.end}")


def is_final(row: dict[str, Any], clip: KineticsClip, config: Config) -> bool:
    """Whether a row is valid for the present settings, and not a transient failure."""
    reason = row["reason"]
    known = reason is None or reason in REASONS  # an earlier version may have had other reasons
    return known and row["key"] == clip_key(clip, config, reason) and reason not in TRANSIENT
