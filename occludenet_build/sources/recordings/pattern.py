"""Recordings by the names of their files: a pattern such as {class}/{subject}_{take}_{view}.mp4.

The pattern is the path below the set's folder. A field takes any text but `/` and the signs that
separate fields in its part of the path: with the pattern above no subject contains `_`. A class of
the release may contain them. A pattern without a suffix holds for videos with any suffix. Upper and
lower case of the text between the fields do not matter.
"""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from occludenet_build.config.recordings import RecordingSet
from occludenet_build.core.errors import UserError
from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.release.terms import CLASSES_I, CLASSES_M
from occludenet_build.sources.recordings.table import (
    Recording,
    check_recordings,
    parsers,
    recording_of,
)
from occludenet_build.sources.written_table import WrittenTable


@dataclass
class MatchedFiles(WrittenTable):
    """The files that match a pattern, as rows of a table; a mistake names the file."""

    files: list[str] = field(default_factory=list)

    def mistake(self, line: int, column: str, text: str) -> None:
        """Note a mistake of a file."""
        self.mistakes.append((line, f"{self.name}, {self.files[line]}, {{{column}}}: {text}"))


def match_files(
    paths: list[PurePosixPath], one: RecordingSet
) -> tuple[list[Recording], list[PurePosixPath]]:
    """The recordings among the videos of a set's folder, and those that do not match the pattern.

    A name that is no UTF-8 matches none.

    Raises UserError with a line per mistake, and where no file matches.
    """
    assert one.pattern is not None
    form = pattern_regex(unicodedata.normalize("NFC", one.pattern))
    files, parse = [str(path) for path in paths], parsers(one)
    table = MatchedFiles(f"recordings.sets, {one.name}", files=files)
    unmatched: list[PurePosixPath] = []
    for number, path in enumerate(paths):
        found = form.fullmatch(unicodedata.normalize("NFC", files[number]))
        if found is None or not _is_utf8(files[number]):
            unmatched.append(path)
            continue
        values = table.parsed(number, found.groupdict(), parse)
        if values is not None:
            table.rows.append((number, values | {"file": files[number]}))
    recordings = [recording_of(number, values) for number, values in table.rows]
    check_recordings(recordings, one, table)
    table.refuse()
    if not recordings:
        example = f"such as {files[0]}" if files else "there is none"
        raise UserError(
            f"recordings.sets, {one.name}: wanted videos named {one.pattern} in {one.folder}, got "
            f"{len(files)} others, {example}; correct the pattern"
        )
    return recordings, unmatched


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern, with a group per field.

    >>> found = pattern_regex("{class}/{subject}_{take}_{view}.mp4").fullmatch("walk/P1_2_left.MP4")
    >>> found["subject"], found["take"], found["view"]
    ('P1', '2', 'left')
    """
    if PurePosixPath(pattern).suffix.lower() not in VIDEO_SUFFIXES:
        pattern += "\0"
    *folders, name = pattern.split("/")
    parts = [*(_part_regex(part, "/") for part in folders), _part_regex(name, "/.")]
    suffixes = "|".join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))
    return re.compile("/".join(parts).replace("\0", f"(?:{suffixes})"), re.IGNORECASE)


def _part_regex(part: str, ends: str) -> str:
    """The expression of one part of the path; `ends`: signs that no field contains."""
    pieces = [(text, name) for text, name, _, _ in string.Formatter().parse(part)]
    signs = "".join({sign for text, _ in pieces for sign in text if not sign.isalnum()} - {"\0"})
    other = f"[^{re.escape(ends + signs)}]+"
    expression = ""
    for text, name in pieces:
        expression += re.escape(text)
        if name == "class":
            expression += f"(?P<class>{_known_classes()}|{other})"
        elif name is not None:
            expression += f"(?P<{name}>{other})"
    return expression


def _known_classes() -> str:
    """The classes of the release, with `_`, a blank, a hyphen or nothing between their words."""
    names = sorted({*CLASSES_I, *CLASSES_M}, key=len, reverse=True)
    return "|".join("[_ -]?".join(map(re.escape, name.split("_"))) for name in names)
