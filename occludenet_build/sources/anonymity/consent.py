"""Consent: a table that says, for each person, whether and for what recordings may be used.

subject   the person, as in the table of the recordings: P01
consent   yes or no
scope     optional: sets and classes that the consent is for, with ; between them; empty: all. A
          clip is covered by its set or by its class
note      optional, ignored
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from occludenet_build.core.errors import ItemError
from occludenet_build.release.terms import recorded_class
from occludenet_build.sources.written_table import (
    CellError,
    Columns,
    name_cell,
    optional_cell,
    parse,
    read_text,
)

_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


@dataclass(frozen=True)
class Consent:
    """What one person agreed to."""

    given: bool
    scope: frozenset[str]
    """Sets and classes, as `_plain` gives them; empty: all."""

    def covers(self, of_set: str, label: str) -> bool:
        """Whether recordings of a class in a set may be used."""
        names = {_plain(of_set), _plain(label)}
        return self.given and (not self.scope or bool(self.scope & names))


def _yes_or_no(cell: str) -> bool:
    if cell.casefold() not in _YES + _NO:
        raise CellError("wanted yes or no")
    return cell.casefold() in _YES


def _plain(name: str) -> str:
    """A set or class without what spellings differ in: a class of the release has many."""
    return unicodedata.normalize("NFC", recorded_class(name) or name.strip()).casefold()


def _scope(cell: str) -> frozenset[str]:
    found = frozenset(_plain(name) for name in cell.split(";") if name.strip())
    if not found:
        raise CellError("wanted sets or classes, or nothing")
    return found


_COLUMNS = Columns(
    ("subject", "consent"),
    ("scope", "note"),
    {"subject": name_cell, "consent": _yes_or_no, "scope": optional_cell(_scope)},
)


def read_consent(path: str) -> dict[str, Consent]:
    """Person -> consent. Raises UserError for mistakes, each with its line and column."""
    table = parse(read_text(path, "recordings.consent"), path, _COLUMNS)
    found: dict[str, Consent] = {}
    lines: dict[str, int] = {}
    for line, row in table.rows:
        person = row["subject"]
        if person in found:
            text = f"wanted each person once, {person} is in line {lines[person]} too"
            table.mistake(line, "subject", text)
        lines[person] = line
        found[person] = Consent(row["consent"], row.get("scope") or frozenset())
    table.refuse()
    return found


def refusal(
    people: Iterable[str], of_set: str, label: str, consents: dict[str, Consent]
) -> ItemError | None:
    """Why a clip of these people may not be used; None if all of them consent to it."""
    for person in sorted(people):
        consent = consents.get(person)
        if consent is None:
            return ItemError("no_consent", f"{person} is not in recordings.consent")
        if not consent.given:
            return ItemError("no_consent", f"{person} does not consent")
        if not consent.covers(of_set, label):
            return ItemError("no_consent", f"{person} does not consent to {label} in {of_set}")
    return None
