"""What Snakemake notes about the jobs of a folder: settings and inputs that made each output.

Without these notes Snakemake would take a merged table for one of a file that somebody put there:
no change of a setting would ever rerun its job.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence


class JobRecords:
    """The notes of Snakemake in a working folder, by output as the rules name it."""

    def __init__(self, folder: Path) -> None:
        self._notes = FilePersistence(nolock=True, path=folder / ".snakemake")

    def read(self, output: str) -> MetadataRecord | None:
        """The note of a finished output; None without one, or if its job has begun again."""
        if self._notes._filter_incomplete_keys([output]):
            return None
        return self._notes._read_record(output)

    def write(self, output: str, record: MetadataRecord) -> None:
        """Write the note of an output that is complete."""
        self._notes._write_record(output, record)
        self._notes._unmark_incomplete(output)
        self._notes._clear_cache()


def texts(record: MetadataRecord) -> list[str]:
    """The params of a job that are texts; Snakemake keeps them as Python literals."""
    found = []
    for param in record.params or ():
        try:
            value = ast.literal_eval(str(param))
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, str):
            found.append(value)
    return found


def settings_in(record: MetadataRecord) -> str | None:
    """The settings of a job: its param that is a JSON object."""
    return next((text for text in texts(record) if text.startswith("{")), None)


def first_difference(wanted: str, got: str) -> str:
    """The first setting that differs in two JSON objects, with both values.

    >>> first_difference('{"a": {"b": 1, "c": 2}}', '{"a": {"b": 1, "c": 3}}')
    'a.c: wanted 2, got 3'
    """
    ours, theirs = dict(_flat(json.loads(wanted))), dict(_flat(json.loads(got)))
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            return f"{key}: wanted {ours.get(key, 'none')}, got {theirs.get(key, 'none')}"
    return "the same values"


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if not isinstance(value, dict):
        return [(prefix, json.dumps(value))]
    dot = "." if prefix else ""
    return [pair for key in value for pair in _flat(value[key], f"{prefix}{dot}{key}")]


def moved(record: MetadataRecord, before: str, after: str) -> MetadataRecord:
    """The note of the same job in a build with another build_dir.

    Only whole paths change: those of inputs, logs and params that are the old build_dir or below
    it.
    """

    def path(text: str) -> str:
        below = text == before or text.startswith(f"{before}/")
        return after + text.removeprefix(before) if below else text

    def param(text: Any) -> Any:
        try:
            value = ast.literal_eval(str(text))
        except (ValueError, SyntaxError):
            return text
        return repr(path(value)) if isinstance(value, str) else text

    values = record.model_dump()
    for name in ("input", "log"):
        values[name] = None if values[name] is None else sorted(map(path, values[name]))
    values["params"] = None if record.params is None else sorted(map(param, record.params))
    values["input_checksums"] = {path(k): v for k, v in (record.input_checksums or {}).items()}
    return MetadataRecord.model_validate(values)
