"""One build against its own tables: what its manifests name, and whether the files are so.

Columns are read by name. What an older build did not record is unknown (None).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.video.source import reading
from occludenet_build.release.terms import clean_tree, counterfactual_tree
from occludenet_build.stages import TABLES
from occludenet_build.verify import Finding

KINDS = {"composite": "occluded", "counterfactual": "counterfactual"}
"""Stage -> the kind of its files at each scale."""

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
    """A source clip in the manifest of a stage."""

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
    """(stage, clip) -> row"""

    @cached_property
    def outputs(self) -> list[Output]:
        return [output for row in self.rows.values() for output in row.outputs.values()]


def load(root: Path) -> Build:
    """Read all manifests of a build. Raises UserError where there are none to read."""
    found = [
        (stage, path)
        for stage in KINDS
        for path in sorted(root.glob(TABLES[stage]))
        if not path.name.startswith(".")
    ]
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
        yield Output(kind=KINDS[room], scale=scale, file=file, sha256=sha256, truth=truth, **facts)
    if file := values.get("clean_file"):
        sha256 = values.get("clean_hash")
        # ground truth is of occluders, the clean twin has none
        yield Output(kind="clean", scale=None, file=file, sha256=sha256, truth=None, **facts)


def check(build: Build, sample: int, threads: int) -> Iterator[Finding]:
    """A finding per file, in no fixed order; `sample` of the files are decoded."""
    drawn = _drawn(build.outputs, sample)
    jobs = ((output, output.file in drawn) for output in build.outputs)
    done = in_processes(_file, jobs, threads)
    yield from progress(done, len(build.outputs), "file")
    yield from _strays(build)


def _drawn(outputs: list[Output], sample: int) -> set[str]:
    """By hash of the name: the same files each time, and on every machine."""
    names = {output.file for output in outputs}
    return set(sorted(names, key=lambda name: seeds.integer(0, name, "verify"))[:sample])


def _file(job: tuple[Output, bool]) -> Finding:
    output, decode = job
    verdict, detail = _verdict(output, decode)
    return Finding("build", verdict, detail, **output.place)


def _verdict(output: Output, decode: bool) -> tuple[str, str | None]:
    if not output.path.is_file():
        return "missing", None
    try:
        found = sha256_file(output.path)
    except OSError as error:
        return "broken", f"does not read: {error.strerror}"
    changed = output.sha256 is not None and found != output.sha256
    hashes = f"sha256 {found}, the row says {output.sha256}" if changed else None
    fault = decode_fault(output.path, output.frames) if decode else None
    if fault:
        return "broken", "; ".join(filter(None, (fault, hashes)))
    return ("changed", hashes) if changed else ("ok", "decoded" if decode else None)


def _strays(build: Build) -> Iterator[Finding]:
    named = {output.file for output in build.outputs}
    for folder in sorted(_dataset_folders(named)):
        for path in sorted(_videos(build.root / folder)):
            name = path.relative_to(build.root).as_posix()
            if name not in named:
                killed = path.name.startswith(".")
                yield Finding("build", "stray", "left half-written" if killed else None, file=name)


def _dataset_folders(names: set[str]) -> set[str]:
    """Top folders of the named files, and those beside them of kinds that no row names any more.

    >>> sorted(_dataset_folders({"D/train/25%/a/0.25_b.mp4"}))
    ['D', 'D-clean', 'D-counterfactual']
    """
    tops = {PurePosixPath(name).parts[0] for name in names}
    return {tree for top in tops for tree in (top, clean_tree(top), counterfactual_tree(top))}


def _videos(folder: Path) -> Iterator[Path]:
    """Links are not followed: the release's lists have links into the same tree."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if name.endswith(".mp4"))


def decode_fault(path: Path, frames: int | None) -> str | None:
    """What is wrong with a file that should decode to so many frames; None if nothing is."""
    try:
        with reading(path) as source:
            count = sum(1 for _ in source)
    except ItemError as error:
        return f"does not open: {error}"
    if source.decode_errors:
        return f"does not decode: {source.first_error}"
    if frames is not None and count != frames:
        return f"{count} frames decode, the row says {frames}"
    return None
