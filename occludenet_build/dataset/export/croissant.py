"""Croissant 1.1 with the fields of responsible AI (RAI), and the tables that it describes.

    croissant.json                       the metadata (JSON-LD), written from the build
    clips.csv                            a row per clip: records.CLIPS
    labels.json                          class name -> label id, one map for all sets
    frames/<set>-<split>.parquet         a row per frame: records.FRAMES, boxes and masks
    <set>/<split>/<class>/<name>.mp4     the clips, unless `pixels: false`

Record sets: `clips` and `frames`. The videos are a file set without one, since mlcroissant 1.1.1
does not read video/mp4 and would call the metadata invalid; `clips/file` is the path of each. What
the build cannot know (licence, creators, address, date, what the people agreed to) is in
export.card. Venues such as the datasets track of NeurIPS ask for this file and refuse it
without RAI fields; what is still missing is listed in export.json.
Source: Croissant format specification 1.1, Croissant RAI specification 1.0 (MLCommons).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from occludenet_build.core.files import csv_text, sha256_file
from occludenet_build.dataset.clips import by_split
from occludenet_build.dataset.export.card import RELEASE, Facts, statements
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.records import CLIPS, FRAMES, Row, clip_row, write_frames

_CROISSANT = "http://mlcommons.org/croissant/"
_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
"""Properties of Croissant that stand without a prefix, as in the context of the specification."""
_ONE = ("dataCollection", "dataSocialImpact")
"""Properties of RAI 1.0 with one value."""
_CITATION = f"OccludeNet, whose construction this dataset follows: {RELEASE}"


def write(job: Job) -> dict[str, Any]:
    """Write metadata, tables and clips; return the counts and what is missing in export.card."""
    rows, frames = [], 0
    for clip in job.clips:
        path = job.video(clip)
        job.place(clip, path)
        rows.append(clip_row(clip, path if job.settings.pixels else None, job.labels))
    for name, split, clips in by_split(job.clips):
        with job.output.writing(f"frames/{name}-{split}.parquet") as temporary:
            frames += write_frames(job, clips, temporary)
    job.output.text("clips.csv", _csv(rows))
    job.output.json("labels.json", dict(job.labels))
    job.output.json("croissant.json", metadata(job, Facts.of(job)))
    return {"clips": len(rows), "frames": frames, "missing_in_card": missing_in_card(job)}


def missing_in_card(job: Job) -> list[str]:
    """Settings of export.card that the specification asks for, and that are not set."""
    card = job.settings.card
    wanted = ("creators", "url", "published", "sensitive")
    names = [name for name in wanted if not getattr(card, name)]
    return [*names, *(["licence"] if card.licence == "other" else [])]


def _csv(rows: Sequence[Row]) -> str:
    return csv_text(CLIPS.names, ([row[name] for name in CLIPS.names] for row in rows))


def metadata(job: Job, facts: Facts) -> dict[str, Any]:
    """The content of croissant.json."""
    card = job.settings.card
    said = statements(facts, card)
    found: dict[str, Any] = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": [f"{_CROISSANT}1.1", f"{_CROISSANT}RAI/1.0"],
        "name": card.name,
        "description": " ".join(said["dataCollection"]),
        "version": card.version,
        "license": card.licence,
        "citeAs": card.citation or _CITATION,
        "keywords": ["action recognition", "occlusion", "video"],
        "distribution": _distribution(job, facts),
        "recordSet": _record_sets(),
    }
    if card.creators:
        found["creator"] = [{"@type": "sc:Person", "name": name} for name in card.creators]
    if card.url:
        found["url"] = card.url
    if card.published:
        found["datePublished"] = card.published
    for name, lines in said.items():
        found[f"rai:{name}"] = " ".join(lines) if name in _ONE else lines
    return found


def _context() -> dict[str, Any]:
    context: dict[str, Any] = {"@language": "en", "@vocab": "https://schema.org/"}
    context |= {term: f"cr:{term}" for term in _TERMS}
    context |= {
        "conformsTo": "dct:conformsTo",
        "cr": _CROISSANT,
        "rai": f"{_CROISSANT}RAI/",
        "dct": "http://purl.org/dc/terms/",
        "sc": "https://schema.org/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
    }
    return context


def _distribution(job: Job, facts: Facts) -> list[dict[str, Any]]:
    table = job.folder / "clips.csv"
    found: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": "clips.csv",
            "name": "clips.csv",
            "contentUrl": "clips.csv",
            "contentSize": f"{table.stat().st_size} B",
            "encodingFormat": "text/csv",
            "sha256": sha256_file(table),
        },
        _file_set("frame-tables", ["frames/*.parquet"], "application/x-parquet"),
    ]
    if job.settings.pixels:
        patterns = [f"{name}/{split}/*/*.*" for name, split in facts.counts]
        found.append(_file_set("clip-files", patterns, "video/mp4"))
    return found


def _file_set(name: str, patterns: list[str], kind: str) -> dict[str, Any]:
    found = {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": kind}
    return found | {"includes": patterns if len(patterns) > 1 else patterns[0]}


def _record_sets() -> list[dict[str, Any]]:
    source = {"fileObject": {"@id": "clips.csv"}}
    return [
        _record_set("clips", _columns("clips", CLIPS, source), key="id"),
        _record_set("frames", _columns("frames", FRAMES, {"fileSet": {"@id": "frame-tables"}})),
    ]


def _record_set(name: str, fields: list[dict[str, Any]], key: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
    return found | ({"key": {"@id": f"{name}/{key}"}} if key else {})


def _columns(name: str, schema: pa.Schema, source: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{field.name}",
            "name": field.name,
            "description": field.metadata[b"meaning"].decode(),
            "dataType": _data_type(field.type),
            "source": source | {"extract": {"column": field.name}},
        }
        for field in schema
    ]


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
