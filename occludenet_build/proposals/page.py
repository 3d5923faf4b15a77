"""The page of contact sheets: one HTML file, which needs nothing else and opens no connection."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from string import Template
from typing import Any

from occludenet_build.proposals.review import COLUMNS

Row = dict[str, Any]

_CARD = Template(
    """<figure class="card" data-row="$number">
<figcaption><b>$rank</b> <code>$video</code> $start to $end s
<span class="tag">$label</span> <span class="tag">$split</span>
<span class="small">hidden $hidden, seen $present of the time, $measured of it measured against the
scene, height $shown of the picture, blur $blur</span></figcaption>
<img src="data:image/jpeg;base64,$sheet" alt="$video from $start to $end seconds" loading="lazy">
<div class="choice">
<label><input type="radio" name="d$number" value="accept"> accept</label>
<label><input type="radio" name="d$number" value="reject"> reject</label>
<label><input type="radio" name="d$number" value=""> undecided</label>
</div></figure>
"""
)


def render(candidates: list[Row], sheets: list[bytes], rows: list[Row], looked_at: int) -> str:
    """The page for rows of CANDIDATES, their sheets, and the table as it stands."""
    cards = "".join(
        _card(number, *pair) for number, pair in enumerate(zip(candidates, sheets, strict=True))
    )
    template = Template((Path(__file__).parent / "page.html").read_text())
    return template.substitute(
        cards=cards or "<p>No stretch of any video was good enough.</p>",
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
        "sheet": base64.b64encode(sheet).decode(),
    }
    return _CARD.substitute({name: html.escape(str(value)) for name, value in values.items()})


def _script_safe(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
