"""What a build says it holds: its manifests as rows and outputs.

Columns are read by name. What an older build did not record yet is unknown (None).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError

ROOMS = {"composite": "occluded", "counterfactual": "counterfactual"}
"""Room -> the kind of its files at each scale."""

MADE_BY = ("encoder", "libraries", "instruction_set")
"""Columns that, with the inputs, decide on the bytes."""

_NEEDED = ("clip", "status", "files", "file_hashes", "scales")


@dataclass(frozen=True)
class Output:
    """A file that a row names, and what the row says of it."""

    root: Path
    room: str
    clip: str
    kind: str
    scale: float | None
    file: str
    sha256: str | None
    frames: int | None
    key: str | None
    truth: str | None
    made_by: tuple[str | None, ...]
    """Values of MADE_BY."""

    @property
    def path(self) -> Path:
        return self.root / self.file

    @property
    def place(self) -> dict[str, Any]:
        """The columns of a finding that say which output it is."""
        return {name: getattr(self, name) for name in ("room", "clip", "kind", "scale", "file")}


@dataclass(frozen=True)
class Row:
    """A source clip in the manifest of a room."""

    status: str
    reason: str | None
    outputs: dict[tuple[str, float | None], Output]
    """(kind, scale) -> output; empty if the status is not ok."""

    @property
    def outcome(self) -> str:
        return f"{self.status} ({self.reason})" if self.reason else self.status


@dataclass(frozen=True)
class Build:
    root: Path
    rows: dict[tuple[str, str], Row]
    """(room, clip) -> row"""

    @cached_property
    def outputs(self) -> list[Output]:
        return [output for row in self.rows.values() for output in row.outputs.values()]


def load(root: Path) -> Build:
    """Read all manifests of a build. Raises UserError where there are none to read."""
    found = [(room, path) for room in ROOMS for path in _manifests(root / room)]
    if not found:
        raise UserError(
            f"wanted manifests {root}/composite/*.parquet, got none; give the build_dir of a build"
        )
    rows: dict[tuple[str, str], Row] = {}
    origin: dict[tuple[str, str], Path] = {}
    for room, path in found:
        for values in _read(path):
            key = room, values["clip"]
            if key in rows:
                raise UserError(
                    f"wanted {values['clip']} in one manifest, got it in {origin[key]} and {path}; "
                    "delete the one left from a run with another number of shards"
                )
            rows[key], origin[key] = _row(root, room, values), path
    return Build(root, rows)


def _manifests(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.parquet") if not p.name.startswith("."))


def _read(path: Path) -> list[dict[str, Any]]:
    table = tables.read(path)
    lacking = set(_NEEDED) - set(table.column_names)
    if lacking:
        raise UserError(
            f"wanted a manifest, {path} lacks the columns {sorted(lacking)}; move it away"
        )
    return table.to_pylist()


def _row(root: Path, room: str, values: dict[str, Any]) -> Row:
    outputs = _outputs(root, room, values) if values["status"] == "ok" else ()
    by_place = {(output.kind, output.scale): output for output in outputs}
    return Row(values["status"], values.get("reason"), by_place)


def _outputs(root: Path, room: str, values: dict[str, Any]) -> Iterator[Output]:
    names = ("scales", "files", "file_hashes")
    scales, files, hashes = (values[name] or [] for name in names)
    if not len(scales) == len(files) == len(hashes):
        raise UserError(
            f"{room}: {values['clip']}: wanted as many scales as files and hashes, got "
            f"{len(scales)}, {len(files)} and {len(hashes)}; run {room} again"
        )
    facts = {"root": root, "room": room, "clip": values["clip"]}
    facts |= {name: values.get(name) for name in ("frames", "key")}
    facts["made_by"] = tuple(values.get(name) or None for name in MADE_BY)
    truth = values.get("truth_hash")
    for scale, file, sha256 in zip(scales, files, hashes, strict=True):
        yield Output(kind=ROOMS[room], scale=scale, file=file, sha256=sha256, truth=truth, **facts)
    if file := values.get("clean_file"):
        sha256 = values.get("clean_hash")
        # ground truth is of occluders, the clean twin has none
        yield Output(kind="clean", scale=None, file=file, sha256=sha256, truth=None, **facts)
