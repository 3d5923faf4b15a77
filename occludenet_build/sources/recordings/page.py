"""The page of contact sheets: the views of a take under each other, with facts and warnings.

The page names the strips by relative paths: it opens from disk, beside the folder `strips`.
"""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from occludenet_build.core.files import write_text
from occludenet_build.release.terms import SPLITS
from occludenet_build.sources.recordings.look import COUNT

Row = dict[str, Any]

_MOST_MISSING = 500
"""Largest number of rows without a clip that the page lists."""
_BETWEEN = " | "
"""Between the values of a card that the filters compare."""


def write_page(path: Path, rows: list[Row], root: Path) -> None:
    """Write the page of the rows of CLIPS, whose files are relative to `root`."""
    base = Path(os.path.relpath(root, path.parent))
    write_text(path, render_page(rows, base))


def render_page(rows: list[Row], base: Path) -> str:
    """The page as HTML; `base`: the build folder, relative to the page."""
    made = [row for row in rows if row["status"] == "ok"]
    cards = [list(group) for _, group in groupby(sorted(made, key=_card_key), _stretch_key)]
    kinds = sorted({warning for row in made for warning in row["warnings"]})
    template = Template((Path(__file__).parent / "page.html").read_text())
    return template.substitute(
        clips=len(made),
        takes=len({(row["set"], row["group"]) for row in made}),
        count=COUNT,
        summary=_summary(rows),
        missing=_missing([row for row in rows if row["status"] != "ok"]),
        classes=_options(dict.fromkeys(_class(row) for row in map(_first, cards))),
        warnings=_options(kinds, '<option value="*">any</option>' if kinds else ""),
        cards="".join(_card(group, base) for group in cards) or "<p>There is no clip.</p>",
    )


def _first(group: list[Row]) -> Row:
    return group[0]


def _stretch_key(row: Row) -> tuple[str, str, str, float]:
    return row["set"], row["label"], row["group"], row["take_seconds"]


def _card_key(row: Row) -> tuple:
    return *_stretch_key(row), row["clip"]


def _class(row: Row) -> str:
    return f"{row['set']}: {row['label']}"


def _options(names: Any, first: str = "") -> str:
    return first + "".join(f"<option>{html.escape(name)}</option>" for name in names)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any, kind: str = "") -> str:
    return f'<td class="{kind}">{html.escape(str(value))}</td>'


def _summary(rows: list[Row]) -> str:
    """Counts per set: clips by split, takes, people, warnings, rows without a clip."""
    lines = []
    for name in dict.fromkeys(row["set"] for row in rows):
        mine = [row for row in rows if row["set"] == name]
        made = [row for row in mine if row["status"] == "ok"]
        splits = Counter(row["split"] for row in made)
        people = {person for row in made for person in row["subject"].split(";")}
        warned = Counter(warning for row in made for warning in row["warnings"])
        numbers = (
            *(len(made), *(splits[split] for split in SPLITS)),
            *(len({row["group"] for row in made}), len(people), len(mine) - len(made)),
        )
        shown = ", ".join(f"{n} {what}" for what, n in sorted(warned.items())) or "none"
        lines.append([_text(name), *(_text(n, "number") for n in numbers), _text(shown)])
    head = ("set", "clips", *SPLITS, "takes", "people", "without a clip", "warnings")
    return _table(head, lines)


def _missing(rows: list[Row]) -> str:
    """The recordings and stretches without a clip, and why."""
    if not rows:
        return ""
    lines = [
        [
            *(_text(row["set"]), _text(row["recording"]), _text(row["reason"], "reason")),
            _text(row["detail"] or ""),
        ]
        for row in rows[:_MOST_MISSING]
    ]
    more = len(rows) - len(lines)
    rest = f"<p>and {more} more in clips.parquet</p>" if more else ""
    head = ("set", "recording", "reason", "detail")
    return f"<h2>Without a clip: {len(rows)}</h2>{_table(head, lines)}{rest}"


def _card(group: list[Row], base: Path) -> str:
    first = group[0]
    warnings = sorted({warning for row in group for warning in row["warnings"]})
    end = first["take_seconds"] + first["end_seconds"] - first["start_seconds"]
    values = {"class": _class(first), "split": first["split"], "warning": _BETWEEN.join(warnings)}
    data = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in values.items())
    tags = "".join(
        f' <span class="tag">{html.escape(text)}</span>'
        for text in (first["set"], first["label"], first["split"], first["subject"])
    )
    title = f"{html.escape(first['group'])}, {first['take_seconds']:.2f} to {end:.2f} s{tags}"
    views = "".join(_view(row, base) for row in group)
    return f'<section class="take" {data}><h3>{title}</h3>{views}</section>\n'


def _view(row: Row, base: Path) -> str:
    address = quote((base / row["strip"]).as_posix())
    what = html.escape(f"pictures of {row['clip']}")
    marks = "".join(f'<span class="warning">{html.escape(w)}</span>' for w in row["warnings"])
    facts = "<br>".join(html.escape(line) for line in _facts(row))
    name = html.escape(row["view"] or row["recording"])
    return (
        f'<div class="view"><img src="{address}" alt="{what}" loading="lazy">'
        f'<div class="facts"><b>{name}</b><br>{facts}<br>{marks}</div></div>'
    )


def _facts(row: Row) -> list[str]:
    """Lines of facts of a clip."""
    sound = "no sound" if row["sound_db"] is None else f"sound {row['sound_db']:.0f} dB"
    lines = [
        f"{row['recording']}, from {row['start_seconds']:.3f} s",
        f"{row['width']}x{row['height']}, {row['fps']:.4g} fps, {row['frames']} frames, "
        f"{row['duration_seconds']:.2f} s, {row['picture']}",
        f"{sound} ({row['sound']}), black {row['dark']:.0%}, white {row['bright']:.0%}, "
        f"blur {row['blur']:.2f}, still {row['frozen_seconds']:.2f} s",
    ]
    if row["method"] is not None:
        sure = "" if row["confidence"] is None else f", confidence {row['confidence']:.2f}"
        drift = "" if abs(row["drift"] or 0) < 5e-6 else f", drift {1e6 * row['drift']:.0f} us/s"
        lines.append(f"offset {row['offset_seconds']:.3f} s by {row['method']}{sure}{drift}")
    if row["camera"] is not None:
        lines.append(f"camera {row['camera']}")
    return lines
