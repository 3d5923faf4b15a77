"""Bring a checked shard into the build: clips first, its tables last."""

from __future__ import annotations

import filecmp
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from occludenet_build.core.build import store_folder
from occludenet_build.core.failures import counter
from occludenet_build.core.files import publish, replacing_folder, sha256_file, temporary_name
from occludenet_build.tools.merge.check import Refused, Shard
from occludenet_build.tools.merge.records import JobRecords, moved
from occludenet_build.tools.split.shards import tables_of

Clip = tuple[str, str]
"""Name of a clip, relative to a build, and its sha256."""


def take_clips(shard: Shard, build: Path, hashes: dict[str, str], threads: int) -> None:
    """Bring the clips of a shard into the build. Raises Refused for one with another sha256."""
    bring = partial(bring_clip, shard.build, build)
    with ThreadPoolExecutor(threads) as pool:
        for name, fault in pool.map(bring, sorted(hashes.items())):
            if fault is not None:
                raise Refused(
                    f"{shard.build / name} {fault}; copy it again, or start it again there"
                )


def bring_clip(there: Path, here: Path, clip: Clip) -> tuple[str, str | None]:
    """Link or copy one clip, and check what has arrived; return its name and what is wrong."""
    name, wanted = clip
    source, target = there / name, here / name
    if target.is_file() and sha256_file(target) == wanted:
        return name, None
    if not source.is_file() or source.is_symlink():
        return name, "is missing"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target)
    try:
        _link_or_copy(source, temporary)
        got = sha256_file(temporary)
        if got != wanted:
            return name, f"wanted sha256 {wanted}, as its row says, got {got}"
        publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return name, None


def _link_or_copy(source: Path, temporary: Path) -> None:
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, temporary)


def take_tables(shard: Shard, build: Path, theirs: JobRecords, ours: JobRecords) -> None:
    """Bring stores, logs, Snakemake's notes and the tables of a shard into the build.

    A job whose table is missing is run by the next start, which finds its clips in the store:
    therefore the tables come last. Raises Refused if it has begun again.
    """
    names = tables_of(shard.stage, shard.name)
    for table in names:
        _take_store(store_folder(shard.build / table), store_folder(build / table))
    for name in _notes_of(shard):
        if (shard.build / name).is_file():
            _copy(shard.build / name, build / name)
    tried = counter(Path(names[-1]))
    if not (shard.build / tried).exists():
        (build / tried).unlink(missing_ok=True)
    for table, output in zip(names, shard.outputs, strict=True):
        record = theirs.read(output)
        if record is None:  # checked before: it has begun again meanwhile
            raise Refused(f"its job has begun again; wait for its end in {shard.folder}")
        ours.write(f"{shard.part.of}/{table}", moved(record, shard.part.build, shard.part.of))
        _copy(shard.build / table, build / table)


def _notes_of(shard: Shard) -> list[str]:
    """Log, benchmark, and the number of attempts of the job."""
    job = f"{shard.stage}/{shard.name}"
    first = Path(tables_of(shard.stage, shard.name)[-1])
    return [f"logs/{job}.log", f"benchmarks/{job}.tsv", counter(first).as_posix()]


def _take_store(source: Path, target: Path) -> None:
    with replacing_folder(target) as temporary:
        for path in sorted(source.glob("*.parquet")):
            if path.name[0] != ".":
                shutil.copyfile(path, temporary / path.name)


def _copy(source: Path, target: Path) -> None:
    """Copy a file with the date of today, complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target)
    try:
        shutil.copyfile(source, temporary)
        if not filecmp.cmp(source, temporary, shallow=False):
            raise Refused(f"{source} could not be copied: the copy differs; look at the disks")
        publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
