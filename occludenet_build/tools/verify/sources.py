"""Check of the sources of a build, and repair of its files.

A source is compared with the sha256 that was indexed, on which boxes, masks and clips rest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from occludenet_build.core.build import BuildTables
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.failures import request_attempt
from occludenet_build.core.pool import in_processes
from occludenet_build.media.video.source import check_indexed
from occludenet_build.stages import TABLES
from occludenet_build.tools.verify import Finding
from occludenet_build.tools.verify.build import BuildManifests

DAMAGED = {"changed", "broken"}
"""Verdicts on files of the build that --repair removes."""


def check_sources(build: BuildManifests, threads: int) -> Iterator[Finding]:
    """Yield a finding for each source of a finished clip that changed or is away.

    Paths in the tables are relative to the folder in which the build was made.
    """
    made = {clip for (_, clip), row in build.rows.items() if row.status == "ok"}
    chosen = [row for row in BuildTables(build.root).rows("select") if row["clip"] in made]
    for finding in in_processes(_check, chosen, threads):
        if finding is not None:
            yield finding


def _check(chosen: dict[str, Any]) -> Finding | None:
    try:
        check_indexed(chosen["path"], chosen["sha256"])
    except (ItemError, OSError) as error:
        found = as_item_error(error)
        verdict = "source_changed" if found.reason == "source_changed" else "source_away"
        return Finding("build", verdict, chosen["path"], clip=chosen["clip"], stage="select")
    return None


def repair(root: Path, findings: list[Finding]) -> None:
    """Remove the damaged files, and ask the workflow to make them and the missing ones again."""
    lost = [f for f in findings if f.check == "build" and f.verdict in DAMAGED | {"missing"}]
    for finding in lost:
        (root / str(finding.file)).unlink(missing_ok=True)
    for table in sorted(_tables_of(root, {(f.stage, f.clip) for f in lost})):
        request_attempt(table)
    if any(finding.verdict == "source_changed" for finding in findings):
        request_attempt(root / TABLES["index"])
    logging.info("the next start of the workflow makes %d files again", len(lost))


def _tables_of(root: Path, clips: set[tuple[str | None, str | None]]) -> set[Path]:
    tables = BuildTables(root)
    return {
        root / "composite" / f"{shard}.parquet"  # composite writes both
        for stage in ("composite", "counterfactual")
        for shard, rows in tables.shards(stage).items()
        if any((stage, row["clip"]) in clips for row in rows)
    }
