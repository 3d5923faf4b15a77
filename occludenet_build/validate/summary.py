"""What was found, in numbers and as a text to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from occludenet_build.validate import SEVERITIES
from occludenet_build.validate.compare import BEYOND_SECONDS
from occludenet_build.validate.release import Finding, Release

Found = dict[str, list[Finding]]
EXAMPLES = 3
"""Findings of each severity that the text shows of a check."""


def counts(release: Release, found: Found) -> dict[str, Any]:
    """summary.json: what was read, and what each check found, by severity."""
    return {
        "splits": {split: _of_split(release, split) for split in release.splits},
        "checks": {name: _by_severity(findings) for name, findings in found.items()},
        "findings": {s: sum(len(_of(f, s)) for f in found.values()) for s in SEVERITIES},
    }


def _of_split(release: Release, split: str) -> dict[str, int]:
    annotated = [row for row in release.annotated if row.place.source.split == split]
    listed = [row.place for row in release.entries if row.place.source.split == split]
    sources = {row.place.source for row in annotated} | {place.source for place in listed}
    return {
        "annotated_clips": len(annotated),
        "annotated_sources": len({row.place.source for row in annotated}),
        "listed_clips": len(listed),
        "listed_sources": len({place.source for place in listed}),
        "classes": len({source.label for source in sources}),
        "occluders": len({row.record.occluder_file_name for row in annotated}),
    }


def _by_severity(findings: list[Finding]) -> dict[str, dict[str, int]]:
    return {
        severity: {
            "findings": len(some),
            "sources": sum(finding.sources for finding in some),
            "clips": sum(finding.clips for finding in some),
        }
        for severity in SEVERITIES
        if (some := _of(findings, severity))
    }


def _of(findings: Iterable[Finding], severity: str) -> list[Finding]:
    return [finding for finding in findings if finding.severity == severity]


def text(summary: dict[str, Any], found: Found, rows: list[dict[str, Any]] | None) -> str:
    """The report: a line per check with its counts, and below it the first findings.

    `rows`: the comparison, None if there is none.
    """
    lines = [_split_line(split, numbers) for split, numbers in summary["splits"].items()]
    for name, findings in found.items():
        lines += _check_lines(name, findings)
    if rows is not None:
        lines += _comparison_lines(summary["against"], rows)
    total = ", ".join(_number(n, severity) for severity, n in summary["findings"].items())
    return "\n".join([*lines, f"in all: {total}"]) + "\n"


def _split_line(split: str, n: dict[str, int]) -> str:
    return (
        f"{split}: annotated {n['annotated_clips']} clips of {n['annotated_sources']} sources, "
        f"listed {n['listed_clips']} of {n['listed_sources']}; {n['classes']} classes, "
        f"{n['occluders']} occluders"
    )


def _check_lines(name: str, findings: list[Finding]) -> Iterator[str]:
    told = [_counted(_of(findings, severity), severity) for severity in SEVERITIES]
    yield f"{name:<24}{', '.join(filter(None, told)) or 'ok'}"
    for severity in SEVERITIES:
        some = _of(findings, severity)
        for finding in some[:EXAMPLES]:
            split = f"{finding.split} " if finding.split else ""
            yield f"    {severity}: {split}{finding.subject}: {finding.detail}"
        if len(some) > EXAMPLES:
            yield f"    ... and {_number(len(some) - EXAMPLES, severity)} more"


def _counted(findings: list[Finding], severity: str) -> str:
    """3 errors (1 source, 3 clips)"""
    numbers = {
        "source": sum(finding.sources for finding in findings),
        "clip": sum(finding.clips for finding in findings),
    }
    if not findings or severity == "note" or not any(numbers.values()):
        return _number(len(findings), severity) if findings else ""
    told = ", ".join(_number(number, what) for what, number in numbers.items() if number)
    return f"{_number(len(findings), severity)} ({told})"


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _comparison_lines(n: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        f"against the other release, in {', '.join(n['splits']) or 'no common split'}: "
        f"{_number(n['common'], 'common clip')}, {n['missing_here']} missing here, "
        f"{n['missing_there']} missing there"
    )
    if not n["common"]:
        return
    others = ("label", "category", "occluder", "fps")
    yield "    other " + ", ".join(f"{name}: {n[f'other_{name}']}" for name in others)
    for name in ("duration", "occlusion"):
        yield (
            f"    {name}: {n[name]['differing']} differ, {n[name]['beyond']} by more than "
            f"{BEYOND_SECONDS} s; median {n[name]['median_seconds']:.3f} s, most "
            f"{n[name]['max_seconds']:.2f} s"
        )
    differing = [row for row in rows if row.get("differs")]
    for row in differing[:EXAMPLES]:
        yield f"    {row['split']} {row['clip']} at {row['scale']:g}: {_differences(row)}"
    if len(differing) > EXAMPLES:
        yield f"    ... and {len(differing) - EXAMPLES} more in comparison.parquet"


def _differences(row: dict[str, Any]) -> str:
    names = ("label", "category", "occluder", "duration_seconds", "occlusion_seconds")
    pairs = {name: (row[name], row[f"{name}_there"]) for name in names}
    return ", ".join(f"{name} {here}, there {there}" for name, (here, there) in pairs.items()
                     if here != there)  # fmt: skip
