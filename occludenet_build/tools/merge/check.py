"""Check of a shard that another machine has made, before anything of it is taken."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build import config as cfg
from occludenet_build.config.backends import with_backend_version
from occludenet_build.core import tables
from occludenet_build.core.build import detail_file, store_folder
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.versions import results_version
from occludenet_build.stages import STAGES
from occludenet_build.tools.merge.records import (
    JobRecords,
    first_difference,
    settings_in,
    texts,
)
from occludenet_build.tools.split import FORMAT, PART_FILE, Part
from occludenet_build.tools.split.shards import tables_of
from occludenet_build.tools.verify.build import MADE_BY


class Refused(Exception):
    """A shard is not taken; the message says why and what to do."""


@dataclass(frozen=True)
class Shard:
    """A shard of a stage in the folder of a machine."""

    folder: Path
    part: Part
    stage: str
    name: str

    @property
    def build(self) -> Path:
        """The build in that folder."""
        return self.folder / self.part.build

    @property
    def outputs(self) -> list[str]:
        """The outputs of its job, as that folder's Snakemake names them."""
        return [f"{self.part.build}/{table}" for table in tables_of(self.stage, self.name)]

    def __str__(self) -> str:
        return f"{self.folder}: {self.stage}/{self.name}"


def read_part(folder: Path) -> Part:
    """What a folder was to make. Raises UserError if it is no folder of `occludenet split`."""
    try:
        values = json.loads((folder / PART_FILE).read_text())
        number = values.pop("format")
        lists = {name: tuple(values[name]) for name in ("stages", "shards")}
        part = Part(**(values | lists))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"wanted a folder of `occludenet split`, {folder} has no {PART_FILE} that reads; give "
            "the folders machine-1, machine-2, .."
        ) from error
    plain = all(name.isalnum() for name in (*part.shards, *part.machine.split("-")))
    inside = os.path.normpath(part.build) == part.build and not part.build.startswith(("/", ".."))
    if number != FORMAT or not (plain and inside and set(part.stages) <= set(STAGES)):
        raise UserError(
            f"{folder}/{PART_FILE}: wanted shards of stages of this version, format {FORMAT}, got "
            f"format {number}, stages {', '.join(part.stages)}; install the same version"
        )
    return part


def check_job(shard: Shard, config: cfg.Config, build: Path, records: JobRecords) -> None:
    """Raise Refused unless the job of a shard has ended, for this build and with its settings."""
    for lister, digest in shard.part.tables.items():
        if Path(lister).stem == shard.name and _digest(build / lister) != digest:
            raise Refused(
                f"{build}/{lister} is not the table that was handed out: other clips are chosen "
                "now; hand it out again"
            )
    for output in shard.outputs:
        record = records.read(output)
        if not (shard.folder / output).exists() or record is None:
            raise Refused(f"its job has not ended; start {shard.folder}/start.sh again")
        wanted = cfg.canonical(cfg.stage_settings(config, shard.stage))
        got = settings_in(record) or "{}"
        if got != wanted:
            raise Refused(
                f"made with other settings: {first_difference(wanted, got)}; hand it out again"
            )
        version = wanted_version(config, shard.stage)
        if not any(text.split(", attempt ")[0] == version for text in texts(record)):
            others = [t for t in texts(record) if t.startswith(f"{shard.stage} ")]
            raise Refused(
                f"made by another version: wanted {version}, got {', '.join(others) or 'none'}; "
                "install the same version there and start it again"
            )


def wanted_version(config: cfg.Config, stage: str) -> str:
    """The version of the results of a stage, as its rule has it in its params."""
    version = results_version(stage)
    if stage == "detect":
        return with_backend_version(version, stage, config.detect.backend)
    return version


def _digest(path: Path) -> str:
    return sha256_file(path) if path.exists() else "none"


def read_whole(shard: Shard) -> dict[str, pa.Table]:
    """Table of a shard -> its rows.

    Raises Refused if a table or store does not read, or if they disagree.
    """
    found = {}
    for table in tables_of(shard.stage, shard.name):
        path = shard.build / table
        try:
            found[table] = pq.read_table(path, partitioning=None)
            kept = pq.read_table(store_folder(path) / "rows.parquet", partitioning=None)
            groups = tables.ClipGroups(detail_file(path))
            damaged = groups.damaged()
            groups.close()
        except (*tables.UNREADABLE, AttributeError) as error:  # row groups without statistics
            line = (str(error).splitlines() or [type(error).__name__])[0]
            raise Refused(f"{path} or its store does not read: {line}; copy it again") from error
        if damaged:
            raise Refused(f"{detail_file(path)} does not read, {min(damaged)}; copy it again")
        if not _agree(found[table], kept):
            raise Refused(f"{path} does not have the rows of its store; copy both again")
    return found


def _agree(table: pa.Table, kept: pa.Table) -> bool:
    """Whether the finished clips of a table have the keys and hashes that their store has.

    Other columns may differ: composite counts unerased frames when it writes its table.
    """
    names = [name for name in table.column_names if name in ("clip", "key") or "hash" in name]
    if not {*names} <= {*kept.column_names}:
        return False
    stored = {row["clip"]: row for row in kept.select(names).to_pylist()}
    rows = table.select([*names, "status"]).to_pylist()
    done = [row for row in rows if row.pop("status") == "ok"]
    return all(stored.get(row["clip"]) == row for row in done)


def check_equal(shard: Shard, ours: Path, rows: dict[str, pa.Table]) -> None:
    """Raise Refused unless a shard that is in the build already has the same rows.

    What names programs and libraries may differ where the clips do not.
    """
    for table, theirs in rows.items():
        here = tables.read_table(ours / table)
        left = (*MADE_BY, "seconds")
        mine, others = _plain(here, left), _plain(theirs, left)
        if mine != others:
            clip = next(
                (a.get("clip") for a, b in zip(mine, others, strict=False) if a != b),
                "their number",
            )
            raise Refused(
                f"{ours / table} is there already and differs, first in {clip}; find out which is "
                "right, and remove the other one"
            )


def check_made_by(rows: dict[str, pa.Table], known: dict[str, str], where: str) -> None:
    """Raise Refused if clips were made by another encoder or libraries than others before.

    `known`: encoder, libraries, .. -> of the first clips; it is filled.
    """
    for table in rows.values():
        for name in MADE_BY:
            for value in _values(table, name):
                if known.setdefault(name, value) != value:
                    raise Refused(
                        f"{name}: wanted {known[name]}, as all clips so far, got {value} of "
                        f"{where}; clips of both are right but not byte for byte what one machine "
                        "makes: with --mixed they are taken"
                    )


def _values(table: pa.Table, name: str) -> Iterator[str]:
    if name in table.column_names:
        yield from (value for value in table[name].unique().to_pylist() if value is not None)


def named_hashes(rows: dict[str, pa.Table], stage: str) -> dict[str, str]:
    """Clip, relative to the build -> the sha256 in its row.

    Raises Refused for a name that leads out of the folders of clips.
    """
    found: dict[str, str] = {}
    for table in rows.values():
        for row in table.to_pylist():
            if row["status"] == "ok" and STAGES[stage].clip_columns:
                found |= dict(_hashes(row))
    for name in found:
        parts = Path(name).parts
        if os.path.normpath(name) != name or parts[0] in ("/", "..", *STAGES) or len(parts) < 2:
            raise Refused(f"a row names {name!r}, which is no clip of a dataset; leave it out")
    return found


def _hashes(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from zip(row["files"] or (), row["file_hashes"] or (), strict=True)
    if row.get("clean_file"):
        yield row["clean_file"], row["clean_hash"]


def _plain(table: pa.Table, without: tuple[str, ...]) -> list[dict[str, Any]]:
    kept = [name for name in table.column_names if name not in without]
    return table.select(kept).to_pylist()
