"""validate: what is wrong, or worth knowing, in a release's CSV files.

    occludenet validate FOLDER_OR_CSVS... [--label-map FILE] [--against FOLDER]
                                        [--out FOLDER] [--strict]
        Check OccludeNet's own files, or those that annotate wrote, and print a report.

Reads   {split}_d.csv, the overall annotation, and lists {split}_{25,50,...}.csv, of any splits
        and scales; a file that is absent limits what is checked. The clips are not opened.
        --label-map: names in the order of their ids, one in a line; or CSV `name,id` or
        `id,name`; or JSON {name: id} or [name, ...]. Without one, the ids are held against the
        order of plainly sorted names, which mmaction2's label map of Kinetics has.
        --against: a release's folder or CSV files; without it, those that select.published
        names, where select.assignment is published.
Writes  into --out
        findings.parquet    FINDINGS below; findings.csv has the same rows
        summary.json        counts per split and per check, and of the comparison
        report.txt          the printed report
        comparison.parquet  COMPARISON below, if there is something to compare with

Severities: error, the files contradict themselves, or a clip is not what its set promises;
warning, a reader may go wrong; note, good to know. Errors end with status 2 under --strict, else
with 0. A row or a file that does not parse is an error finding, and the rest is checked.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

SEVERITIES = ("error", "warning", "note")

FINDINGS = pa.schema(
    [
        column("check", "string", "name of the check, from checks.CHECKS"),
        column("severity", "string", "error, warning or note"),
        column("split", "string", "split that it is about; null: all of them"),
        column("subject", "string", "source clip, occluder, class, type or file that it is about"),
        column("sources", "int32", "source clips concerned; 0: none, or not counted"),
        column("clips", "int32", "output clips concerned: about one per source and scale"),
        column("detail", "string", "what was found"),
    ]
)
"""findings.parquet, findings.csv"""

_VALUES = (
    ("label", "string", "name of the class"),
    ("category", "string", "type of the occluder"),
    ("occluder", "string", "file name of the occluder"),
    ("fps", "float64", "average frame rate, frames per second"),
    ("duration_seconds", "float64", "length of the video, seconds"),
    ("occlusion_seconds", "float64", "occluded frames / fps, seconds"),
)

COMPARISON = pa.schema(
    [
        column("split", "string", "a split that both releases have"),
        column("clip", "string", "id of the source clip"),
        column("scale", "float64", "size of the occluder relative to the actor's box"),
        column("status", "string", "both; missing_here; missing_there: not in the other release"),
        *(column(name, kind, f"{text}, here") for name, kind, text in _VALUES),
        *(column(f"{name}_there", kind, f"{text}, in the other") for name, kind, text in _VALUES),
        column("duration_difference", "float64", "duration_seconds, here minus there, seconds"),
        column("occlusion_difference", "float64", "occlusion_seconds, here minus there, seconds"),
        column("differs", "bool", "another class, type or occluder, or a time that differs by "
               "more than 0.1 s; null unless in both"),
    ]
)  # fmt: skip
"""comparison.parquet: a row per output clip that either annotates, in the splits of both"""
