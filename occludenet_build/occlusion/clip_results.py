"""Work of composite on one source clip: its outputs, and its rows in both tables.

The rows have the columns of composite.CLIPS and composite.ERASED; a clip that fails has a reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from occludenet_build.config.occlusion import Composite
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.journal import ClipResult
from occludenet_build.media.video.encoder import library_versions, recorded_instruction_set
from occludenet_build.occlusion.jobs import ClipJob, ClipOutput, RenderResult
from occludenet_build.occlusion.render import render

_FROM_SELECT = ("category", "occluder", "other_occluders", "fps", "duration_seconds")
_OF_SELECTED = ("label", "split", "frames")


@dataclass(frozen=True)
class ClipTask:
    """The outputs to make from one clip; the key of a finished part is None."""

    job: ClipJob
    chosen: dict[str, Any]
    key: str | None
    erased_key: str | None
    refusal: dict[str, Any] | None
    """Status, reason and detail of a clip that gets no counterfactual; None if it gets one."""


def make_clip(task: ClipTask, settings: Composite, leave: bool = False) -> dict[str, ClipResult]:
    """Render the outputs of one clip; the results by part, `occluded`, `erased`, or both.

    With `leave` the files keep their temporary names, as `render` leaves them.
    """
    tables.without_pandas()
    start = time.monotonic()
    rendered, failure = None, {}
    try:
        rendered = render(task.job, settings, leave) if task.job.outputs else None
    except Exception as error:
        failure = ledger.failed_columns(error)
    return _results(task, rendered, failure, settings, time.monotonic() - start)


def lost_clip(task: ClipTask, error: ItemError, settings: Composite) -> dict[str, ClipResult]:
    """The results of a clip whose worker had to be ended or died, by part."""
    return _results(task, None, ledger.failed_columns(error), settings, 0)


def _results(
    task: ClipTask,
    rendered: RenderResult | None,
    failure: dict,
    settings: Composite,
    seconds: float,
) -> dict[str, ClipResult]:
    # the time of the pass is divided among the parts by their files
    per_file = seconds / max(1, len(task.job.outputs))
    results = {}
    if task.key:
        results["occluded"] = _occluded(task, rendered, failure, settings, per_file)
    if task.erased_key:
        results["erased"] = _erased(task, rendered, failure, settings, per_file)
    return results


def _occluded(
    task: ClipTask,
    rendered: RenderResult | None,
    failure: dict,
    settings: Composite,
    per_file: float,
) -> ClipResult:
    outputs = [out for out in task.job.outputs if not out.erased]
    row = _row(task, task.key, per_file * len(outputs))
    row |= {name: task.chosen[name] for name in _FROM_SELECT}
    if rendered is None:
        return ClipResult(row | failure)
    job, detail = task.job, rendered.truth.table()
    row |= _files(rendered, [out for out in outputs if out.scale is not None])
    row |= _made_with(rendered, settings)
    row |= {"occluded_frames": max(rendered.truth.occluded_frames().values())}
    row |= {"pix_fmt": rendered.pix_fmt, "sound": rendered.sound}
    row |= {"factors": [rendered.factors[scale] for scale in job.scales]}
    row |= {"shares": [rendered.shares[scale] for scale in job.scales] if rendered.shares else None}
    clean = next((out.file for out in outputs if out.scale is None), None)
    row |= {"clean_file": clean, "clean_hash": _hash(rendered, clean) if clean else None}
    return ClipResult(row | {"truth_hash": tables.table_digest(detail)}, detail)


def _erased(
    task: ClipTask,
    rendered: RenderResult | None,
    failure: dict,
    settings: Composite,
    per_file: float,
) -> ClipResult:
    job, outputs = task.job, [out for out in task.job.outputs if out.erased]
    row = _row(task, task.erased_key, per_file * len(outputs)) | {"actor_frames": len(job.boxes)}
    if refused := task.refusal or failure:
        return ClipResult(row | refused)
    row |= _files(rendered, outputs)
    if rendered is not None:  # None: no files, train erases
        row |= _made_with(rendered, settings)
    return ClipResult(row | {"erased_frames": len(job.masks)})


def _row(task: ClipTask, key: str | None, seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = {"clip": task.job.clip, "status": "ok", "reason": None, "detail": None}
    row |= {"key": key, "seconds": seconds}
    return row | {name: task.chosen[name] for name in _OF_SELECTED}


def _files(rendered: RenderResult | None, outputs: list[ClipOutput]) -> dict[str, Any]:
    return {
        "scales": [out.scale for out in outputs],
        "files": [out.file for out in outputs],
        "file_hashes": [_hash(rendered, out.file) for out in outputs],
    }


def _hash(rendered: RenderResult | None, file: str) -> str:
    assert rendered is not None  # where nothing was rendered, there is no output
    return files.sha256_file(rendered.written[file])


def _made_with(rendered: RenderResult, settings: Composite) -> dict[str, str]:
    instructions = recorded_instruction_set(settings.instruction_set)
    made = {"encoder": rendered.encoder, "instruction_set": instructions}
    return made | {"libraries": library_versions()}
