"""Every check by its name: a function from a release to what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from occludenet_build.validate import content, labels, lists, occluders
from occludenet_build.validate.clips import Release
from occludenet_build.validate.finding import Finding

CHECKS: dict[str, Callable[[Release], Iterable[Finding]]] = {
    "malformed": lists.malformed,
    "missing_files": lists.missing_files,
    "duplicate": lists.duplicate,
    "listed_not_annotated": lists.listed_not_annotated,
    "annotated_not_listed": lists.annotated_not_listed,
    "incomplete_scales": lists.incomplete_scales,
    "source_in_two_places": lists.source_in_two_places,
    "scales_disagree": content.scales_disagree,
    "fractional_frames": content.fractional_frames,
    "not_occluded": content.not_occluded,
    "odd_fps": content.odd_fps,
    "quota": content.quota,
    "occluder_in_two_splits": occluders.occluder_in_two_splits,
    "occluder_use": occluders.occluder_use,
    "label_ids": labels.label_ids,
    "class_names": lists.class_names,
    "header_row": lists.header_row,
}
"""In the order of the report."""


def run_checks(release: Release) -> dict[str, list[Finding]]:
    """What each check found; an empty list where all is well."""
    return {name: list(check(release)) for name, check in CHECKS.items()}
