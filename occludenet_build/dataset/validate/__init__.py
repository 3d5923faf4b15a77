"""validate: check the CSV files of a release and report errors, warnings and notes.

    occludenet validate FOLDER_OR_CSVS... [--label-map FILE] [--against FOLDER]
                                        [--out FOLDER] [--strict]
        Check the published files of OccludeNet, or the output of annotate, and print a report.

Reads   {split}_d.csv, the overall annotation, and lists {split}_{25,50,...}.csv, of any splits
        and scales; checks that need an absent file are skipped. Clips are not opened.
        --label-map: class names in the order of their ids, one per line; or CSV `name,id` or
        `id,name`; or JSON {name: id} or [name, ...]. Without it, ids are compared with the
        order of plainly sorted names, as in mmaction2's label map of Kinetics.
        --against: folder or CSV files of another release; default: the files of
        select.published, if select.assignment is published.
Writes  into --out
        findings.parquet    schema FINDINGS; findings.csv has the same rows
        summary.json        counts per split, per check, and of the comparison
        report.txt          the printed report
        comparison.parquet  schema COMPARISON, if there is another release

Severities: error, the files contradict each other, or a clip does not meet the definition of its
set; warning, a reader may misinterpret the files; note, information. With --strict, errors end the
command with status 2. A row or file that does not parse is an error; the rest is still checked.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

SEVERITIES = ("error", "warning", "note")

FINDINGS = pa.schema(
    [
        column("check", "string", "name of the check, a key of checks.CHECKS"),
        column("severity", "string", "error, warning or note"),
        column("split", "string", "split concerned; null if all are"),
        column("subject", "string", "source clip, occluder, class, type or file concerned"),
        column("sources", "int32", "number of source clips concerned; 0 if not counted"),
        column("clips", "int32", "number of output clips concerned, one per source and scale; 0 if "
               "not counted"),
        column("detail", "string", "description of the finding"),
    ]
)  # fmt: skip
"""Schema of findings.parquet and findings.csv."""

_VALUES = (
    ("label", "string", "name of the class"),
    ("category", "string", "type of the occluder"),
    ("occluder", "string", "file name of the occluder"),
    ("fps", "float64", "average frame rate, frames per second"),
    ("duration_seconds", "float64", "duration of the video, seconds"),
    ("occlusion_seconds", "float64", "occluded frames / fps, seconds"),
)

COMPARISON = pa.schema(
    [
        column("split", "string", "split, of those that both releases have"),
        column("clip", "string", "id of the source clip"),
        column("scale", "float64", "size of the occluder relative to the actor's box"),
        column("status", "string", "both, missing_here, or missing_there (in the other release)"),
        *(column(name, kind, f"{text}, in the checked release") for name, kind, text in _VALUES),
        *(column(f"{n}_there", kind, f"{text}, other release") for n, kind, text in _VALUES),
        column("duration_difference", "float64", "duration_seconds minus that of the other"),
        column("occlusion_difference", "float64", "occlusion_seconds minus that of the other"),
        column("differs", "bool", "class, type or occluder differ, or a time differs by more than "
               "0.1 s; null unless the clip is in both"),
    ]
)  # fmt: skip
"""Schema of comparison.parquet: a row per output clip that either release annotates."""
