"""Check of the sources of a build, and repair of its files.

A source is compared with the sha256 that was indexed, on which boxes, masks and clips rest.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from occludenet_build.core.build import BuildTables
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.failures import first_output, request_attempt
from occludenet_build.core.pool import in_processes
from occludenet_build.core.tables import read_rows
from occludenet_build.media.video.source import check_indexed
from occludenet_build.stages import TABLES
from occludenet_build.tools.verify import Finding
from occludenet_build.tools.verify.build import BuildManifests

DAMAGED = {"changed", "broken"}
"""Verdicts on files of the build that --remake removes."""


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


def remake(build: BuildManifests, findings: list[Finding], damaged: Collection[Path]) -> None:
    """Ask the workflow to make again what does not hold; remove the damaged clips.

    `damaged`: tables, notes and models that do not read. The job that writes one makes it again
    and, with its ledger, little else.
    """
    lost = [f for f in findings if f.stage and f.verdict in DAMAGED | {"missing"}]
    for finding in lost:
        if finding.file:
            (build.root / finding.file).unlink(missing_ok=True)
    due = _tables_of(build.root, {(f.stage, f.clip) for f in lost}, damaged)
    due |= {table for path in damaged if (table := first_output(path)) is not None}
    for table in sorted(due):
        request_attempt(table)
    if any(finding.verdict == "source_changed" for finding in findings):
        request_attempt(build.root / TABLES["index"])
    logging.info(
        "the next start of the workflow makes %d clips and %d tables again",
        len(lost), len(damaged),
    )  # fmt: skip


def _tables_of(
    root: Path, clips: set[tuple[str | None, str | None]], damaged: Collection[Path]
) -> set[Path]:
    """The first outputs of the jobs that write these clips."""
    tables = BuildTables(root)
    return {
        root / "composite" / path.name  # composite writes both
        for stage in ("composite", "counterfactual")
        for path in tables.files(stage)
        if path not in damaged and any((stage, row["clip"]) in clips for row in read_rows(path))
    }
