"""Cut one clip: copy or encode it, look at it, write its strip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from occludenet_build.config.recordings import CHECKS, RecordingChecks, Recordings
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import write_bytes
from occludenet_build.core.ledger import ClipResult, attempt, lost, result_key
from occludenet_build.media.video.cut import CutSegment, FrameChange, cut_video, unchanged
from occludenet_build.media.video.probe import probe
from occludenet_build.media.video.remux import copy_video
from occludenet_build.sources import cut_clips
from occludenet_build.sources.anonymity.hiding import Hiding
from occludenet_build.sources.anonymity.leaks import LeakCheck, leak_picture, write_leaks
from occludenet_build.sources.cut_clips import ClipCoding
from occludenet_build.sources.recordings.files import LENIENT
from occludenet_build.sources.recordings.look import MEASURES, Look, findings, look_at
from occludenet_build.sources.recordings.planning import PlannedClip
from occludenet_build.sources.recordings.privacy import Privacy

SKIPPED = frozenset(
    {*CHECKS, "too_short", "misplaced", "duplicate", "no_consent", "not_anonymised"}
)
"""Reasons of clips that are left out, not failed."""


@dataclass(frozen=True)
class RecordingJob:
    """Input of a worker for one clip."""

    plan: PlannedClip
    key: str
    root: Path
    coding: ClipCoding
    copies: bool
    """Whether the packets of a whole recording are copied."""
    checks: RecordingChecks
    change: FrameChange = unchanged
    """What changes the frames before they are encoded, such as blurring faces. A clip whose frames
    are changed is never copied; what determines the change belongs into the key."""
    leaks: LeakCheck | None = None
    """What looks for faces in the finished clip."""


def recording_job(
    plan: PlannedClip,
    root: Path,
    coding: ClipCoding,
    settings: Recordings,
    version: str,
    privacy: Privacy,
) -> RecordingJob:
    """The job of a planned clip; its key has what determines the file, not the other columns."""
    checks = settings.checks
    refused = {name: _threshold(name, checks) for name in checks.refuse}
    values = coding.values | {"copy": settings.copy_whole, "refuse": refused}
    change: FrameChange = unchanged
    if plan.source is not None:
        values |= privacy.key_of(plan.source.path)
        change = privacy.change_of(plan.source.path)
    made_from = str(plan.problem) if plan.source is None else plan.source.sha256
    inside = [str(time) for time in plan.cut or ()]
    findings = [name for name in plan.findings if name in checks.refuse]
    what = (plan.file, made_from, str(plan.problem), *inside, *findings)
    key = result_key("recordings", version, values, *what)
    copies, leaks = settings.copy_whole, privacy.check
    return RecordingJob(plan, key, root, coding, copies, checks, change, leaks)


_THRESHOLDS = {
    "silent": "silent_db",
    "too_dark": "dark",
    "too_bright": "bright",
    "blurred": "blur",
    "frozen": "frozen_seconds",
}
"""Check -> its field of RecordingChecks."""


def _threshold(name: str, checks: RecordingChecks) -> float | None:
    return getattr(checks, _THRESHOLDS[name]) if name in _THRESHOLDS else None


def cut_recording(job: RecordingJob) -> ClipResult:
    """Cut one clip. The row of a clip that cannot be cut, or is refused, has a reason.

    Then no file of it stays, also not one of an earlier run that was killed before it had a row.
    """
    result = attempt(_known(job), lambda: (_clip(job), None), skipped=SKIPPED)
    if result.row["status"] != "ok":
        _remove_files(job)
    return result


def lost_recording(job: RecordingJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    _remove_files(job)
    return lost(_known(job), error)


def _remove_files(job: RecordingJob) -> None:
    clip = job.plan.clip
    for name in (job.plan.file, _strip(clip), leak_picture(clip)):
        (job.root / name).unlink(missing_ok=True)


def _strip(clip: str) -> str:
    """Path of the contact sheet of a clip, relative to the build folder."""
    return f"recordings/strips/{clip}.jpg"


def _known(job: RecordingJob) -> dict[str, Any]:
    return {"clip": job.plan.clip, "key": job.key} | plan_columns(job.plan)


def plan_columns(plan: PlannedClip) -> dict[str, Any]:
    """The columns that are known before cutting; they may change without a new cut."""
    take, view, time = plan.take, plan.view, plan.time
    start, end = plan.inside or (None, None)
    return {
        "set": take.set,
        "label": take.label,
        "split": plan.split,
        "subject": ";".join(take.people),
        "take": take.name,
        "group": take.id,
        "view": view.name or None,
        "camera": view.camera or None,
        "session": take.session or None,
        "recording": view.file,
        "path": str(plan.source.path) if plan.source else None,
        "source_sha256": plan.source.sha256 if plan.source else None,
        "take_seconds": _float(plan.stretch[0] if plan.stretch else None),
        "start_seconds": _float(start),
        "end_seconds": _float(end),
        "offset_seconds": _float(time.offset if time else None),
        "drift": time.drift if time else None,
        "confidence": time.confidence if time else None,
        "method": time.method if time else None,
    }


def _float(seconds: Fraction | None) -> float | None:
    return None if seconds is None else float(seconds)


def _clip(job: RecordingJob) -> dict[str, Any]:
    """Write the clip and its strip, and return its columns."""
    plan = job.plan
    if plan.problem is not None:
        raise plan.problem
    _refuse(dict.fromkeys(plan.findings, ""), job.checks)
    assert plan.source is not None
    looks: list[Look] = []
    ways: list[str] = []
    hidden: dict[str, Any] = {}

    def make(out: Path) -> CutSegment:
        piece, way = _cut(job, out)
        hidden.update(_hidden(job, out))
        looks.append(look_at(out, _seconds(plan)))
        ways.append(way)
        _refuse(findings(looks[0], job.checks), job.checks)
        return piece

    columns = cut_clips.write_clip(job.root, plan.file, make)
    strip = _strip(plan.clip)
    write_bytes(job.root / strip, looks[0].strip)
    return columns | looks[0].columns | hidden | {"picture": ways[0], "strip": strip}


def _hidden(job: RecordingJob, out: Path) -> dict[str, Any]:
    """Columns of a finished clip in which heads or faces were hidden; none of another clip.

    Raises ItemError not_anonymised.
    """
    if not isinstance(job.change, Hiding):
        return {}
    job.change.refuse()
    columns: dict[str, Any] = {"hidden": job.change.regions, "bare_frames": job.change.bare}
    if job.leaks is not None:
        found, picture = job.leaks.look(out)
        columns |= found | {"leak_picture": write_leaks(job.root, job.plan.clip, picture)}
    return columns


def _seconds(plan: PlannedClip) -> Fraction:
    assert plan.stretch is not None
    return plan.stretch[1] - plan.stretch[0]


def _cut(job: RecordingJob, out: Path) -> tuple[CutSegment, str]:
    """Write the clip to `out`; return its facts and how its pictures were transferred."""
    plan, coding = job.plan, job.coding
    assert plan.source is not None and plan.cut is not None
    path = plan.source.path
    if job.copies and plan.is_whole and job.change is unchanged:
        piece = copy_video(path, probe(path, LENIENT), out)
        if piece is not None:
            return piece, "copied"
    piece = cut_video(path, *plan.cut, out, coding.encoding, coding.pix_fmt, job.change)
    return piece, "encoded"


def _refuse(found: Mapping[str, str], checks: RecordingChecks) -> None:
    """Raises ItemError for the first check that a clip fails and the settings refuse."""
    for name in checks.refuse:
        if name in found:
            raise ItemError(name, found[name])


def warnings_of(row: Mapping[str, Any], plan: PlannedClip, checks: RecordingChecks) -> list[str]:
    """The checks that a finished clip fails, sorted. `row`: its row of CLIPS."""
    look = Look(**{name: row[name] for name in MEASURES}, strip=b"")
    return sorted({*plan.findings, *findings(look, checks)})
