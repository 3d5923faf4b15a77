"""What the user reviews: review.csv, whose edits are kept, and the page of contact sheets.

The page is one HTML file that needs no other file and opens no connection.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import logging
from pathlib import Path
from string import Template
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_text
from occludenet_build.people.proposals.evidence import KINDS

Row = dict[str, Any]

COLUMNS = ("video", "start_seconds", "end_seconds", "class", "split", "decision", "rank", "score",
           "note")  # fmt: skip
"""Columns of review.csv."""
_GENERATED = ("rank", "score")
"""Columns that a new run overwrites; the user's values in the others are kept."""


def merge_decisions(path: Path, candidates: list[Row]) -> list[Row]:
    """The rows of review.csv: the candidates, then earlier rows with a decision.

    candidates: rows of CANDIDATES. Raises UserError where an existing file cannot be read.
    """
    before = _read(path)
    rows = []
    for candidate in candidates:
        row = _row(candidate)
        kept = before.pop(_key(row), {})
        rows.append(row | {name: kept[name] for name in kept if name not in _GENERATED})
    gone = [row | {"rank": "", "score": ""} for row in before.values() if row["decision"]]
    if gone:
        logging.info(
            "%s: kept %d rows with a decision that are no longer proposed", path, len(gone)
        )
    return rows + gone


def write_review(path: Path, rows: list[Row]) -> None:
    """Write review.csv."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def _row(candidate: Row) -> Row:
    return {
        "video": candidate["video"],
        "start_seconds": f"{candidate['start_seconds']:g}",
        "end_seconds": f"{candidate['end_seconds']:g}",
        "class": candidate["label"],
        "split": candidate["split"],
        "decision": "",
        "rank": candidate["rank"],
        "score": f"{candidate['score']:.3f}",
        "note": "",
    }


def _key(row: Row) -> tuple[str, float, float]:
    return row["video"], float(row["start_seconds"]), float(row["end_seconds"])


def _read(path: Path) -> dict[tuple[str, float, float], Row]:
    """Rows of an earlier run with the user's edits, by video, start and end."""
    if not path.exists():
        return {}
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        plain = [{name: (row[name] or "").strip() for name in COLUMNS} for row in rows]
        return {_key(row): row | {"decision": row["decision"].lower()} for row in plain}
    except (KeyError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: wanted the columns {','.join(COLUMNS)} and numbers in them, got {error!r}; "
            "correct it or move it away: it holds decisions, so it is not overwritten"
        ) from error


_CARD = Template(
    """<figure class="card" data-row="$number">
<figcaption><b>$rank</b> <code>$video</code> $start to $end s
<span class="tag">$label</span> <span class="tag">$split</span>
<span class="small">hidden $hidden, seen $present of the time, $measured of it measured against the
scene, height $shown of the picture, blur $blur</span>
<span class="small">evidence: $evidence</span></figcaption>
<img src="data:image/jpeg;base64,$sheet" alt="$video from $start to $end seconds" loading="lazy">
<div class="choice">
<label><input type="radio" name="d$number" value="accept"> accept</label>
<label><input type="radio" name="d$number" value="reject"> reject</label>
<label><input type="radio" name="d$number" value=""> undecided</label>
</div></figure>
"""
)


def render_page(candidates: list[Row], sheets: list[bytes], rows: list[Row], looked_at: int) -> str:
    """The page as HTML.

    candidates: rows of CANDIDATES; sheets: the JPEG of each; rows: all rows of review.csv;
    looked_at: number of videos.
    """
    cards = "".join(
        _card(number, *pair) for number, pair in enumerate(zip(candidates, sheets, strict=True))
    )
    template = Template((Path(__file__).parent / "page.html").read_text())
    return template.substitute(
        cards=cards or "<p>No window of any video qualifies.</p>",
        count=len(candidates),
        videos=looked_at,
        table=_script_safe(json.dumps({"columns": COLUMNS, "rows": rows})),
    )


def _card(number: int, row: Row, sheet: bytes) -> str:
    values = {
        "number": number,
        "rank": row["rank"],
        "video": row["video"],
        "start": f"{row['start_seconds']:g}",
        "end": f"{row['end_seconds']:g}",
        "label": row["label"],
        "split": row["split"],
        "hidden": f"{100 * row['score']:.0f} %",
        "present": f"{100 * row['present']:.0f} %",
        "measured": f"{100 * row['measured']:.0f} %",
        "shown": f"{100 * row['shown']:.0f} %",
        "blur": f"{row['blur']:.2f}",
        "evidence": evidence_text(row),
        "sheet": base64.b64encode(sheet).decode(),
    }
    return _CARD.substitute({name: html.escape(str(value)) for name, value in values.items()})


def evidence_text(row: Row) -> str:
    """The evidence for a candidate in words, with its numbers; row: of CANDIDATES."""
    place = {"below": "below an edge", "side": "beside an upright edge"}.get(
        row["side"], "behind something upright"
    )
    text = f"ends {place} of the scene (strength {row['edge']:.2f}) in {row['moments']} pictures"
    said = [KINDS[kind] for kind in row["evidence"].split("+") if kind]
    if row["people"] > 1:
        text += f", {row['people']} people at the same place"
    if row["height_error"] is not None:
        text += f"; expected height sure to {100 * row['height_error']:.0f} %"
    return "; ".join([text, *said])


def _script_safe(text: str) -> str:
    """JSON that cannot end the script element that contains it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
