"""One clip of the shard, rendered, and its rows."""

from __future__ import annotations

import time
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.composite.shard import Due
from occludenet_build.compositing.jobs import ClipJob, Output, Rendered
from occludenet_build.compositing.render import render
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.encoder import libraries
from occludenet_build.core.video.processor import used

_FROM_SELECT = ("category", "occluder", "other_occluders", "fps", "duration_seconds")
_OF_CLIP = ("label", "split", "frames")


def make(due: Due, settings: cfg.Composite) -> dict[str, ledger.Result]:
    """Render what is due of one clip; a Result for `occluded`, for `erased`, or for both."""
    start = time.monotonic()
    rendered, failure = None, {}
    try:
        rendered = render(due.job, settings) if due.job.outputs else None
    except ItemError as error:
        failure = {"status": "failed", "reason": error.reason, "detail": error.detail}
    seconds = time.monotonic() - start
    # each part has its share of the pass
    per_file = seconds / max(1, len(due.job.outputs))
    results = {}
    if due.key:
        results["occluded"] = _occluded(due, rendered, failure, settings, per_file)
    if due.erased_key:
        results["erased"] = _erased(due, rendered, failure, settings, per_file)
    return results


def _occluded(
    due: Due, rendered: Rendered | None, failure: dict, settings: cfg.Composite, per_file: float
) -> ledger.Result:
    outputs = [out for out in due.job.outputs if not out.erased]
    row = _row(due, due.key, per_file * len(outputs))
    row |= {name: due.chosen[name] for name in _FROM_SELECT}
    if rendered is None:
        return ledger.Result(row | failure)
    job, detail = due.job, rendered.truth.table()
    row |= _files(job, [out for out in outputs if out.scale is not None])
    row |= _made_with(rendered, settings)
    row |= {"occluded_frames": max(rendered.truth.occluded_frames().values())}
    row |= {"pix_fmt": rendered.pix_fmt, "sound": rendered.sound}
    row |= {"factors": [rendered.factors[scale] for scale in job.scales]}
    row |= {"shares": [rendered.shares[scale] for scale in job.scales] if rendered.shares else None}
    clean = next((out.file for out in outputs if out.scale is None), None)
    row |= {"clean_file": clean, "clean_hash": _hash(job, clean) if clean else None}
    return ledger.Result(row | {"truth_hash": tables.digest(detail)}, detail)


def _erased(
    due: Due, rendered: Rendered | None, failure: dict, settings: cfg.Composite, per_file: float
) -> ledger.Result:
    job, outputs = due.job, [out for out in due.job.outputs if out.erased]
    row = _row(due, due.erased_key, per_file * len(outputs)) | {"actor_frames": len(job.boxes)}
    if due.unmasked is not None:
        return ledger.Result(row | {n: due.unmasked[n] for n in ("status", "reason", "detail")})
    if failure:
        return ledger.Result(row | failure)
    row |= _files(job, outputs)
    if rendered is not None:  # else train erases, and no file was to be made
        row |= _made_with(rendered, settings)
    return ledger.Result(row | {"erased_frames": len(job.masks)})


def _row(due: Due, key: str | None, seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = {"clip": due.job.clip, "status": "ok", "reason": None, "detail": None}
    row |= {"key": key, "seconds": seconds}
    return row | {name: due.chosen[name] for name in _OF_CLIP}


def _files(job: ClipJob, outputs: list[Output]) -> dict[str, Any]:
    return {
        "scales": [out.scale for out in outputs],
        "files": [out.file for out in outputs],
        "file_hashes": [_hash(job, out.file) for out in outputs],
    }


def _hash(job: ClipJob, file: str) -> str:
    return files.sha256_file(job.root / file)


def _made_with(rendered: Rendered, settings: cfg.Composite) -> dict[str, str]:
    instructions = used(settings.instruction_set)
    made = {"encoder": rendered.encoder, "instruction_set": instructions}
    return made | {"libraries": libraries()}
