"""Manifests of a build, and the check of its files against them.

Columns are read by name. A column that an older build did not record is None.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.media.video.source import open_video
from occludenet_build.release.terms import clean_tree, counterfactual_tree
from occludenet_build.stages import TABLES
from occludenet_build.tools.verify import Finding

KINDS = {"composite": "occluded", "counterfactual": "counterfactual"}
"""Stage -> the kind of its files at each scale."""

MADE_BY = ("encoder", "libraries", "instruction_set")
"""Columns that, together with the inputs, determine the bytes of a file."""

_REQUIRED = ("clip", "status", "files", "file_hashes", "scales")


@dataclass(frozen=True)
class OutputFile:
    """A file that a manifest row names, and the facts about it in the row."""

    root: Path
    stage: str
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
        """Path of the file."""
        return self.root / self.file

    @property
    def identity(self) -> dict[str, Any]:
        """The columns of a finding that identify the file."""
        return {name: getattr(self, name) for name in ("stage", "clip", "kind", "scale", "file")}


@dataclass(frozen=True)
class ManifestRow:
    """A source clip in the manifest of a stage."""

    status: str
    reason: str | None
    outputs: dict[tuple[str, float | None], OutputFile]
    """(kind, scale) -> output; empty if the status is not ok."""

    @property
    def outcome(self) -> str:
        """Status, and reason if there is one."""
        return f"{self.status} ({self.reason})" if self.reason else self.status


@dataclass(frozen=True)
class BuildManifests:
    """The manifests of one build."""

    root: Path
    rows: dict[tuple[str, str], ManifestRow]
    """(stage, clip) -> row."""

    @cached_property
    def outputs(self) -> list[OutputFile]:
        """All files that the manifests name."""
        return [output for row in self.rows.values() for output in row.outputs.values()]


def load(root: Path, damaged: Collection[Path] = ()) -> BuildManifests:
    """Read all manifests of a build, but those that are `damaged`.

    Raises UserError if there are none or they are invalid.
    """
    manifests = [
        (stage, path)
        for stage in KINDS
        for path in sorted(root.glob(TABLES[stage]))
        if not path.name.startswith(".")
    ]
    if not manifests:
        raise UserError(
            f"wanted manifests {root}/composite/*.parquet, got none; give the build_dir of a build"
        )
    rows: dict[tuple[str, str], ManifestRow] = {}
    origin: dict[tuple[str, str], Path] = {}
    for stage, path in manifests:
        for values in _read(path) if path not in damaged else ():
            key = stage, values["clip"]
            if key in rows:
                raise UserError(
                    f"wanted {values['clip']} in one manifest, got it in {origin[key]} and {path}; "
                    "delete the one left from a run with another number of shards"
                )
            rows[key], origin[key] = _row(root, stage, values), path
    return BuildManifests(root, rows)


def _read(path: Path) -> list[dict[str, Any]]:
    table = tables.read_table(path)
    lacking = set(_REQUIRED) - set(table.column_names)
    if lacking:
        raise UserError(
            f"wanted a manifest, {path} lacks the columns {sorted(lacking)}; move it away"
        )
    return table.to_pylist()


def _row(root: Path, stage: str, values: dict[str, Any]) -> ManifestRow:
    outputs = _outputs(root, stage, values) if values["status"] == "ok" else ()
    by_kind = {(output.kind, output.scale): output for output in outputs}
    return ManifestRow(values["status"], values.get("reason"), by_kind)


def _outputs(root: Path, stage: str, values: dict[str, Any]) -> Iterator[OutputFile]:
    names = ("scales", "files", "file_hashes")
    scales, files, hashes = (values[name] or [] for name in names)
    if not len(scales) == len(files) == len(hashes):
        raise UserError(
            f"{stage}: {values['clip']}: wanted as many scales as files and hashes, got "
            f"{len(scales)}, {len(files)} and {len(hashes)}; run {stage} again"
        )
    facts = {"root": root, "stage": stage, "clip": values["clip"]}
    facts |= {name: values.get(name) for name in ("frames", "key")}
    facts["made_by"] = tuple(values.get(name) or None for name in MADE_BY)
    truth = values.get("truth_hash")
    for scale, file, sha256 in zip(scales, files, hashes, strict=True):
        yield OutputFile(
            kind=KINDS[stage], scale=scale, file=file, sha256=sha256, truth=truth, **facts
        )
    if file := values.get("clean_file"):
        sha256 = values.get("clean_hash")
        # The clean twin has no occluder and therefore no ground truth.
        yield OutputFile(kind="clean", scale=None, file=file, sha256=sha256, truth=None, **facts)


def check(build: BuildManifests, sample: int, threads: int) -> Iterator[Finding]:
    """Yield one finding per file, in no fixed order; `sample` of the files are decoded."""
    drawn = _sampled_names(build.outputs, sample)
    jobs = ((output, output.file in drawn) for output in build.outputs)
    findings = in_processes(_check_file, jobs, threads)
    yield from progress(findings, len(build.outputs), "file")
    yield from _strays(build)


def _sampled_names(outputs: list[OutputFile], sample: int) -> set[str]:
    """Names of a sample of files, drawn by hash: the same in every run and on every machine."""
    names = {output.file for output in outputs}
    return set(sorted(names, key=lambda name: seeds.uniform_integer(0, name, "verify"))[:sample])


def _check_file(job: tuple[OutputFile, bool]) -> Finding:
    output, decode = job
    verdict, detail = _verdict(output, decode)
    return Finding("build", verdict, detail, **output.identity)


def _verdict(output: OutputFile, decode: bool) -> tuple[str, str | None]:
    if not output.path.is_file():
        return "missing", None
    try:
        actual = sha256_file(output.path)
    except OSError as error:
        return "broken", f"cannot be read: {error.strerror}"
    changed = output.sha256 is not None and actual != output.sha256
    hashes = f"sha256 {actual}, the row says {output.sha256}" if changed else None
    fault = decode_fault(output.path, output.frames) if decode else None
    if fault:
        return "broken", "; ".join(filter(None, (fault, hashes)))
    return ("changed", hashes) if changed else ("ok", "decoded" if decode else None)


def _strays(build: BuildManifests) -> Iterator[Finding]:
    named = {output.file for output in build.outputs}
    for folder in sorted(_dataset_folders(named)):
        for path in sorted(_videos(build.root / folder)):
            name = path.relative_to(build.root).as_posix()
            if name not in named:
                is_partial = path.name.startswith(".")
                detail = "incomplete file of a killed run" if is_partial else None
                yield Finding("build", "stray", detail, file=name)


def _dataset_folders(names: set[str]) -> set[str]:
    """Dataset folders of the named files, and those of their clean and counterfactual clips.

    >>> sorted(_dataset_folders({"D/train/25%/a/0.25_b.mp4"}))
    ['D', 'D-clean', 'D-counterfactual']
    """
    datasets = {PurePosixPath(name).parts[0] for name in names}
    return {
        tree for name in datasets for tree in (name, clean_tree(name), counterfactual_tree(name))
    }


def _videos(folder: Path) -> Iterator[Path]:
    """All .mp4 files below a folder.

    Links are not followed, because the release links into its own tree.
    """
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if name.endswith(".mp4"))


def decode_fault(path: Path, frames: int | None) -> str | None:
    """Decode a file and return the error; None if it decodes to `frames` frames.

    `frames` None: any number of frames.
    """
    try:
        with open_video(path) as source:
            count = sum(1 for _ in source)
    except ItemError as error:
        return f"does not open: {error}"
    if source.decode_errors:
        return f"does not decode: {source.first_error}"
    if frames is not None and count != frames:
        return f"{count} frames decode, the row says {frames}"
    return None
