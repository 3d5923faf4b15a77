"""When the views of a take were recorded, relative to each other: from the table, else measured.

The clock of a take is that of its first view. `media.sync` measures the offsets that the table does
not state; where it is not sure, the take has no clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core.errors import ItemError
from occludenet_build.core.ledger import STATUS, ClipResult, attempt, lost, result_key
from occludenet_build.core.tables import column
from occludenet_build.media import sync
from occludenet_build.media.sync import Offset
from occludenet_build.sources.recordings.files import FileFacts
from occludenet_build.sources.recordings.takes import Take, View

OFFSETS = pa.schema(
    [
        *STATUS,
        column("views", pa.list_(pa.string()), "names of the views, the first gives the clock"),
        column("offsets", pa.list_(pa.float64()), "time on the take's clock of their first frame"),
        column("drifts", pa.list_(pa.float64()), "seconds per second by which their clock is off"),
        column("confidences", pa.list_(pa.float64()), "confidence of each offset, 0 to 1"),
        column("methods", pa.list_(pa.string()), "sound, motion or table; null: the first view"),
    ]
)
"""Schema of the offsets; `clip` is <set>/<take>."""

_TICK = 1_000_000
"""Offsets are rounded to 1/_TICK seconds, so that clips begin at numbers that can be read."""
_DRIFT_TICK = 1_000_000_000
"""Drifts are rounded to 1/_DRIFT_TICK."""


@dataclass(frozen=True)
class ViewTime:
    """When a view recorded. Seconds."""

    offset: Fraction
    """Time on the take's clock of its first frame."""
    drift: float | None = None
    """Seconds of the take's clock per second of the view's, minus 1; None: taken as 0."""
    confidence: float | None = None
    method: str | None = None

    def to_take(self, seconds: Fraction) -> Fraction:
        """Time on the take's clock of a moment of the view, from its first frame."""
        return self.offset + seconds * self._rate

    def to_view(self, seconds: Fraction) -> Fraction:
        """Moment of the view, from its first frame, at a time on the take's clock."""
        return (seconds - self.offset) / self._rate

    @property
    def _rate(self) -> Fraction:
        return 1 + Fraction(round((self.drift or 0.0) * _DRIFT_TICK), _DRIFT_TICK)


@dataclass(frozen=True)
class OffsetJob:
    """Input of a worker for one take."""

    id: str
    key: str
    paths: dict[str, Path]
    """View -> its recording, the first view first."""
    stated: dict[str, Fraction]
    """View -> the offset that the table states."""
    reference: str
    """The view against which the others are measured; it lies at its stated offset, or at 0."""


def offset_jobs(
    takes: Sequence[Take], facts: Mapping[tuple[str, str], FileFacts], version: str
) -> Iterator[OffsetJob]:
    """A job per take of several usable views. `facts`: (take, view) -> its recording."""
    for take in takes:
        views = usable_views(take, facts)
        if len(views) < 2:
            continue
        paths = {view.name: facts[take.id, view.name].path for view in views}
        stated = {view.name: view.offset for view in views if view.offset is not None}
        contents = [facts[take.id, view.name].sha256 for view in views]
        texts = {name: str(offset) for name, offset in stated.items()}
        reference = _reference(take, views)
        what = (reference, *paths, *contents)
        key = result_key("recordings offsets", version, texts, *what)
        yield OffsetJob(f"{take.set}/{take.id}", key, paths, stated, reference)


def _reference(take: Take, views: list[View]) -> str:
    """The first usable view; one whose offset is stated, where the take's first view is lost.

    Stated offsets are on the clock of that view: another one's, at 0, would be a second clock.
    """
    stated = [view for view in views if view.offset is not None]
    return (views if views[0] == take.views[0] or not stated else stated)[0].name


def usable_views(take: Take, facts: Mapping[tuple[str, str], FileFacts]) -> list[View]:
    """The views of a take whose recordings decode."""
    return [view for view in take.views if (take.id, view.name) in facts]


def find_offsets(job: OffsetJob) -> ClipResult:
    """The offsets of one take; a take whose offsets are not sure has a reason."""
    return attempt(_known(job), lambda: (_columns(job), None))


def lost_offsets(job: OffsetJob, error: ItemError) -> ClipResult:
    """The row of a take whose worker had to be ended or died."""
    return lost(_known(job), error)


def _known(job: OffsetJob) -> dict[str, Any]:
    return {"clip": job.id, "key": job.key}


def _columns(job: OffsetJob) -> dict[str, Any]:
    times = _times(job)
    return {
        "views": list(times),
        "offsets": [float(one.offset) for one in times.values()],
        "drifts": [one.drift for one in times.values()],
        "confidences": [one.confidence for one in times.values()],
        "methods": [one.method for one in times.values()],
    }


def _times(job: OffsetJob) -> dict[str, ViewTime]:
    """View -> when it recorded, on the clock that the table states, else that of the reference."""
    zero = job.stated.get(job.reference, Fraction(0))
    times = {job.reference: ViewTime(zero)}
    for name, offset in job.stated.items():
        times[name] = ViewTime(offset, method="table")
    unknown = [name for name in job.paths if name not in times]
    if unknown:
        found = measured_offsets(job.paths, job.reference, job.stated)
        for name in unknown:
            times[name] = _sure(name, found[name], zero)
    return {name: times[name] for name in job.paths}


def measured_offsets(
    paths: dict[str, Path], reference: str, stated: dict[str, Fraction]
) -> dict[str, Offset]:
    """The offset of each view, on the clock of the view `reference`."""
    table = {name: float(seconds) for name, seconds in stated.items()}
    return sync.offsets(paths, reference, table=table)


def _sure(name: str, found: Offset, zero: Fraction) -> ViewTime:
    """Raises ItemError offset_unsure where the offset is not known."""
    if found.seconds is None:
        raise ItemError("offset_unsure", f"view {name}: {found.reason}; state it in offset_seconds")
    offset = zero + Fraction(round(found.seconds * _TICK), _TICK)
    return ViewTime(offset, found.drift, found.confidence, found.method)


def times_of(row: Mapping[str, Any]) -> dict[str, ViewTime]:
    """View -> when it recorded, from an ok row of OFFSETS."""
    columns = (row["offsets"], row["drifts"], row["confidences"], row["methods"])
    return {
        name: ViewTime(Fraction(round(offset * _TICK), _TICK), *others)
        for name, offset, *others in zip(row["views"], *columns, strict=True)
    }
