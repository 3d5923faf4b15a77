"""Which shards there are to hand out, and who makes which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import damaged_file
from occludenet_build.core.seeds import shard_names
from occludenet_build.stages import STAGES, TABLES


def handed_stages(lister: str) -> tuple[str, ...]:
    """The stages whose jobs follow the shards that the stage `lister` lists.

    >>> handed_stages("index"), handed_stages("select")
    (('detect',), ('actor_masks', 'composite'))
    """
    return tuple(s.name for s in STAGES.values() if s.shards == lister)


def lister_of(build: Path) -> str:
    """The stage whose shards are next: select if the clips are chosen, else index.

    Raises UserError if neither has run.
    """
    for name in ("select", "index"):
        if (build / TABLES[name]).exists():
            return name
    raise UserError(
        f"wanted a build whose videos are indexed, {build} has no {TABLES['index']}; run "
        "`snakemake --cores all index` first, with the same configuration"
    )


def all_shards(config: Config, lister: str) -> list[str]:
    """Names of the shards that the stage `lister` lists."""
    return shard_names((config.index if lister == "index" else config.select).shards)


def tables_of(stage: str, shard: str) -> list[str]:
    """The tables of a shard, relative to the build, the one that Snakemake names first at the end.

    >>> tables_of("composite", "003")
    ['counterfactual/003.parquet', 'composite/003.parquet']
    """
    patterns = STAGES[stage].tables.values()
    return [pattern.replace("*", shard) for pattern in patterns][::-1]


def missing_shards(build: Path, stages: Sequence[str], shards: Sequence[str]) -> list[str]:
    """The shards of which the build lacks a table of one of the stages."""
    return [
        shard
        for shard in shards
        if not all((build / t).exists() for stage in stages for t in tables_of(stage, shard))
    ]


def pixels(table: Path) -> int:
    """Pixels of all frames of the clips in the table of a shard: what its work grows with.

    Raises UserError if the table is missing or damaged.
    """
    columns = ["frames", "width", "height"]
    try:
        rows = pq.read_table(table, columns=columns, partitioning=None).to_pylist()
    except FileNotFoundError as error:
        raise UserError(f"wanted the table {table}, it is missing; start snakemake") from error
    except tables.UNREADABLE as error:
        raise damaged_file(table, error, "a Parquet table") from error
    return sum((r["frames"] or 0) * (r["width"] or 0) * (r["height"] or 0) for r in rows)


def distribute(work: dict[str, int], speeds: Sequence[float]) -> list[list[str]]:
    """Shards per machine, so that all are done at about the same time: largest first.

    `work`: shard -> pixels. `speeds`: of the machines, in any unit.

    >>> distribute({"000": 5, "001": 4, "002": 3, "003": 2}, [1, 1])
    [['000', '003'], ['001', '002']]
    >>> distribute({"000": 2, "001": 2, "002": 2}, [2, 1])
    [['000', '002'], ['001']]
    """
    loads, shares = [0.0] * len(speeds), [list[str]() for _ in speeds]
    for shard in sorted(work, key=lambda name: (-work[name], name)):
        # an empty shard costs a start all the same
        cost = max(1, work[shard])
        done = [(load + cost / speed) for load, speed in zip(loads, speeds, strict=True)]
        best = min(range(len(speeds)), key=lambda n: (done[n], len(shares[n]), n))
        loads[best] = done[best]
        shares[best].append(shard)
    return [sorted(share) for share in shares]
