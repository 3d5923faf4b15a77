"""Lists of one clip per line, whose readers split the line at a separator and know no quotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from occludenet_build.core.errors import UserError

NAMES = {" ": "space", ",": "comma", ";": "semicolon"}
"""Separator -> its name in messages and export.json."""
_BLANK = "".join(map(chr, (9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160)))
"""What str.split() and readers of lines take for a gap."""


def choose_separator(paths: Iterable[str], allowed: Sequence[str], format: str) -> str:
    """The first of the allowed separators that is in no path. Raises UserError as
    `fitting_separators` does."""
    return fitting_separators(paths, allowed, format)[0]


def fitting_separators(paths: Iterable[str], allowed: Sequence[str], format: str) -> list[str]:
    """Those of the allowed separators that are in no path, at least one.

    A space stands for everything that str.split() splits at. Raises UserError, with a path, if
    each of them is in some path, or if a path has a line break or a quote in front.
    """
    listed = list(paths)
    culprit = next((p for p in listed if len(p.splitlines()) > 1 or p.startswith('"')), None)
    if culprit is None:
        hits = {one: next((p for p in listed if _is_split(p, one)), None) for one in allowed}
        if fitting := [separator for separator, hit in hits.items() if hit is None]:
            return fitting
        culprit = hits[allowed[-1]]
    raise UserError(
        f"{format}: wanted names without {' or '.join(NAMES[s] for s in allowed)}, which "
        f"its reader splits lines at, got {culprit!r}; set export.names to safe"
    )


def _is_split(path: str, separator: str) -> bool:
    return any(char in path for char in (_BLANK if separator == " " else separator))


def lines(rows: Iterable[Sequence[object]], separator: str) -> str:
    """The rows as lines without header, quotes, or byte order mark."""
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)
